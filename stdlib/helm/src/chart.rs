//! Charts and values as playbooks give them: folders, archives, files and maps, read through the run.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use helm_render::{Chart, Entry, Files, Folder, Metadata, SetKind, Values};
use opsrun_core::{Cx, ErrorKind, Result, Value};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, json};

use crate::chart_ref::ChartRef;
use crate::error::Error;
use crate::repository::{self, Client, archive};

/// The files of a chart, from wherever it is.
///
/// # Errors
/// `NotFound`, `Denied`, `Invalid` if it is no chart; those of a repository.
pub(crate) async fn files(cx: &Cx, chart: &ChartRef) -> Result<Files> {
    let ChartRef::Local(path) = chart else {
        let fetched = repository::fetch(&Client::new(cx)?, chart).await?;
        return archive::files(&chart.to_string(), &fetched.bytes);
    };
    if is_archive(path) {
        return archive::files(path, &cx.read_file(path)?);
    }
    let listed = match cx.list_files(path) {
        Ok(listed) => listed,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(
                opsrun_core::Error::not_found(format!("there is no chart at `{path}`")).because(error)
            );
        }
        Err(error) => return Err(error),
    };
    of_folder(path, &listed, &|file| cx.read_file(file))
}

/// Whether a path is that of a packed chart.
pub(crate) fn is_archive(path: &str) -> bool {
    path.ends_with(".tgz") || path.ends_with(".tar.gz")
}

/// The files of the chart in a folder that holds these files.
pub(crate) fn of_folder(
    path: &str,
    listed: &[PathBuf],
    read: &dyn Fn(&Path) -> Result<Vec<u8>>,
) -> Result<Files> {
    let tree = Tree::new(read, path, listed);
    Files::from_folder(&tree)
        .map_err(|error| Error::Chart { path: path.to_owned(), why: error.to_string() }.into())
}

/// A chart, from wherever it is.
///
/// # Errors
/// As [`files`].
pub(crate) async fn load(cx: &Cx, chart: &ChartRef) -> Result<Chart> {
    let loaded = of_files(&chart.to_string(), files(cx, chart).await?)?;
    for warning in loaded.warnings() {
        cx.warn(format!("chart `{chart}`: {warning}"));
    }
    Ok(loaded)
}

/// The chart that these files, which are at `path`, make up.
pub(crate) fn of_files(path: &str, files: Files) -> Result<Chart> {
    Chart::from_files(files)
        .map_err(|error| Error::Chart { path: path.to_owned(), why: error.to_string() }.into())
}

/// A folder whose files are known by their paths.
struct Tree<'a> {
    read: &'a dyn Fn(&Path) -> Result<Vec<u8>>,
    root: PathBuf,
    folders: BTreeMap<String, BTreeSet<(String, bool)>>,
}

impl<'a> Tree<'a> {
    fn new(read: &'a dyn Fn(&Path) -> Result<Vec<u8>>, root: &str, files: &[PathBuf]) -> Self {
        let mut folders: BTreeMap<String, BTreeSet<(String, bool)>> = BTreeMap::new();
        for file in files {
            let parts: Vec<String> =
                file.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
            for (depth, part) in parts.iter().enumerate() {
                let is_folder = depth + 1 < parts.len();
                folders.entry(parts[..depth].join("/")).or_default().insert((part.clone(), is_folder));
            }
        }
        Tree { read, root: Path::new(root).to_owned(), folders }
    }
}

impl Folder for Tree<'_> {
    fn list(&self, path: &str) -> io::Result<Vec<Entry>> {
        let entries = self.folders.get(path).into_iter().flatten();
        Ok(entries.map(|(name, is_folder)| Entry { name: name.clone(), is_folder: *is_folder }).collect())
    }

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        (self.read)(&self.root.join(path)).map_err(|error| io::Error::other(error.report()))
    }
}

/// A setting in one of the forms that Helm's command line has.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "expected a setting such as \"image.tag=1.2\", or a map of one with `string`, `json`, `literal` or `file`"
)]
pub(crate) enum Setting {
    /// `--set`
    Typed(String),
    Other(OtherSetting),
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OtherSetting {
    /// `--set-string`: everything is text.
    String(String),
    /// `--set-json`: `key=JSON`, or an object.
    Json(String),
    /// `--set-literal`: everything after the first `=` is one text.
    Literal(String),
    /// `--set-file`: what comes after `=` is a file, whose text is the value.
    File(String),
}

impl Setting {
    fn apply(&self, cx: &Cx, values: &mut Values) -> Result<()> {
        let (result, option, text) = match self {
            Setting::Typed(text) => (values.set(SetKind::Typed, text), "set", text),
            Setting::Other(OtherSetting::String(text)) => {
                (values.set(SetKind::Text, text), "set: string", text)
            }
            Setting::Other(OtherSetting::Json(text)) => (values.set(SetKind::Json, text), "set: json", text),
            Setting::Other(OtherSetting::Literal(text)) => {
                (values.set(SetKind::Literal, text), "set: literal", text)
            }
            Setting::Other(OtherSetting::File(text)) => {
                let mut denied = None;
                let mut read = |path: &str| {
                    let text = cx.read_file(path).map_err(|error| {
                        let why = error.message().to_owned();
                        denied = Some(error);
                        why
                    })?;
                    String::from_utf8(text).map_err(|_| format!("`{path}` is not text"))
                };
                let result = values.set_files(text, &mut read);
                if let Some(error) = denied {
                    return Err(error);
                }
                (result, "set: file", text)
            }
        };
        let what = format!("`{option}: {text}`");
        Ok(result.map_err(|error| Error::Values { what, why: error.to_string() })?)
    }
}

/// Values from files, then a map, then settings: each over those before.
///
/// # Errors
/// `Invalid`, naming the file or the setting.
pub(crate) fn values(cx: &Cx, files: &[String], map: Option<&Value>, set: &[Setting]) -> Result<Values> {
    let mut values = Values::new();
    for file in files {
        let text = cx.read_file(file)?;
        let read = Values::from_yaml(text)
            .map_err(|why| Error::Values { what: format!("the values file `{file}`"), why })?;
        values = values.merged(&read);
    }
    if let Some(map) = map {
        let read = Values::from_json(map).ok_or_else(|| Error::Values {
            what: "`values`".to_owned(),
            why: "they are no map".to_owned(),
        })?;
        values = values.merged(&read);
    }
    set.iter().try_for_each(|setting| setting.apply(cx, &mut values))?;
    Ok(values)
}

/// The chart as a release records it. As in Helm, the charts it depends on are not part of that.
pub(crate) fn record(chart: &Chart) -> Value {
    let file = |(name, data): (&str, &[u8])| json!({ "name": name, "data": base64::engine::general_purpose::STANDARD.encode(data) });
    let own = |name: &str| {
        matches!(
            name,
            "Chart.yaml"
                | "Chart.lock"
                | "values.yaml"
                | "values.schema.json"
                | "requirements.yaml"
                | "requirements.lock"
        )
    };
    let raw = chart.raw();
    let is_template = |name: &str| name.starts_with("templates/");
    let templates: Vec<Value> = raw.iter().filter(|(name, _)| is_template(name)).map(file).collect();
    let others = raw
        .iter()
        .filter(|(name, _)| !is_template(name) && !own(name) && !name.starts_with("charts/"))
        .map(file)
        .collect::<Vec<_>>();
    let schema =
        raw.get("values.schema.json").map(|data| base64::engine::general_purpose::STANDARD.encode(data));
    json!({
        "metadata": metadata(chart.metadata()),
        "lock": null,
        "templates": templates,
        "values": chart.values().to_json(),
        "schema": schema,
        "schemamodtime": "0001-01-01T00:00:00Z",
        "files": others,
    })
}

pub(crate) fn metadata(metadata: &Metadata) -> Value {
    let mut map = Map::new();
    let texts = [
        ("name", &metadata.name),
        ("home", &metadata.home),
        ("version", &metadata.version),
        ("description", &metadata.description),
        ("icon", &metadata.icon),
        ("apiVersion", &metadata.api_version),
        ("condition", &metadata.condition),
        ("tags", &metadata.tags),
        ("appVersion", &metadata.app_version),
        ("kubeVersion", &metadata.kube_version),
        ("type", &metadata.kind),
    ];
    for (key, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
        map.insert(key.to_owned(), text.as_str().into());
    }
    for (key, list) in [("sources", &metadata.sources), ("keywords", &metadata.keywords)] {
        if !list.is_empty() {
            map.insert(key.to_owned(), json!(list));
        }
    }
    if metadata.deprecated {
        map.insert("deprecated".to_owned(), true.into());
    }
    if let Some(annotations) = &metadata.annotations {
        map.insert("annotations".to_owned(), json!(annotations));
    }
    if !metadata.maintainers.is_empty() {
        let maintainers = metadata
            .maintainers
            .iter()
            .map(|one| json!({ "name": one.name, "email": one.email, "url": one.url }))
            .collect::<Vec<_>>();
        map.insert("maintainers".to_owned(), maintainers.into());
    }
    if !metadata.dependencies.is_empty() {
        let dependencies = metadata
            .dependencies
            .iter()
            .map(|one| {
                json!({
                    "name": one.name,
                    "version": one.version,
                    "repository": one.repository,
                    "condition": one.condition,
                    "tags": one.tags,
                    "enabled": one.enabled,
                    "import-values": one.import_values,
                    "alias": one.alias,
                })
            })
            .collect::<Vec<_>>();
        map.insert("dependencies".to_owned(), dependencies.into());
    }
    Value::Object(map)
}
