//! A chart: metadata, default values, templates, other files, and the charts it depends on.

use std::borrow::Cow;

use gotemplate::Map;
use serde_json::Value as Json;
use thiserror::Error;

use crate::files::{ArchiveError, Content, Files};
use crate::metadata::{Dependency, Metadata, as_text, field, mismatch};
use crate::values::Values;
use crate::yaml;

/// A chart with the charts it depends on. Cheap to clone: the contents of files are shared.
#[derive(Clone, Debug)]
pub struct Chart {
    pub(crate) metadata: Metadata,
    /// The defaults of `values.yaml`; never changed once the chart is loaded.
    pub(crate) values: Map,
    pub(crate) schema: Option<Content>,
    pub(crate) templates: Vec<File>,
    pub(crate) files: Vec<File>,
    pub(crate) dependencies: Vec<Chart>,
    /// All files as they were given.
    pub(crate) raw: Files,
    pub(crate) warnings: Vec<String>,
}

/// A file of a chart; its name is its path within the chart.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) data: Content,
}

/// Why files are no chart. The texts are Helm's.
#[derive(Debug, Error)]
pub enum ChartError {
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error("cannot load {file}: {message}")]
    File { file: &'static str, message: String },
    #[error("Chart.yaml file is missing")]
    NoChartYaml,
    #[error("unsupported chart version")]
    Version,
    #[error("invalid chart apiVersion")]
    Version3,
    #[error("validation: {0}")]
    Invalid(String),
    #[error("error unpacking subchart {name} in {parent}: {source}")]
    Subchart { name: String, parent: String, source: Box<ChartError> },
    #[error("error unpacking subchart tar in {parent}: expected {expected}, got {found}")]
    SubchartName { parent: String, expected: String, found: String },
}

impl Chart {
    /// The chart that these files make up.
    pub fn from_files(files: Files) -> Result<Self, ChartError> {
        // Helm asks this of the outermost chart alone.
        if let Some(data) = files.get("Chart.yaml") {
            check_version(data)?;
        }
        Loader::default().load(files)
    }

    /// The chart in a gzipped tar archive.
    pub fn from_archive(bytes: &[u8]) -> Result<Self, ChartError> {
        Chart::from_files(Files::from_archive(bytes)?)
    }

    pub fn name(&self) -> &str {
        &self.metadata.name
    }

    pub fn version(&self) -> &str {
        &self.metadata.version
    }

    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// All the files that the chart was loaded from.
    pub fn raw(&self) -> &Files {
        &self.raw
    }

    /// The charts it depends on, whether enabled or not.
    pub fn dependencies(&self) -> &[Chart] {
        &self.dependencies
    }

    /// What loading complained about without failing.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The chart's own defaults.
    pub fn values(&self) -> Values {
        Values(self.values.deep_copy())
    }

    /// The chart with other defaults.
    #[must_use]
    pub fn with_values(self, values: &Values) -> Self {
        Chart { values: values.0.deep_copy(), ..self }
    }

    pub(crate) fn is_library(&self) -> bool {
        self.metadata.kind.eq_ignore_ascii_case("library")
    }

    /// The definitions of custom resources under `crds/`, of the chart and then of its dependencies, with the full
    /// path of each file.
    pub fn crds(&self) -> Vec<Crd> {
        let mut crds = Vec::new();
        self.collect_crds(self.name(), &mut crds);
        crds
    }

    fn collect_crds(&self, path: &str, crds: &mut Vec<Crd>) {
        for file in &self.files {
            let extension = file.name.rsplit_once('.').map_or("", |(_, extension)| extension);
            let is_manifest = ["yaml", "yml", "json"].iter().any(|e| extension.eq_ignore_ascii_case(e));
            if file.name.starts_with("crds/") && is_manifest {
                crds.push(Crd { path: format!("{path}/{}", file.name), data: file.data.clone() });
            }
        }
        for dependency in &self.dependencies {
            dependency.collect_crds(&format!("{path}/charts/{}", dependency.name()), crds);
        }
    }
}

/// A file under `crds/`; it may hold several documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crd {
    /// `CHART/crds/FILE`
    pub path: String,
    data: Content,
}

impl Crd {
    pub fn content(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.data)
    }
}

/// Sorts files into what they are.
#[derive(Default)]
struct Loader {
    metadata: Option<Metadata>,
    values: Option<Map>,
    schema: Option<Content>,
    templates: Vec<File>,
    files: Vec<File>,
    /// Files under `charts/`, by the first part of their path there.
    subcharts: std::collections::BTreeMap<String, Files>,
    warnings: Vec<String>,
}

impl Loader {
    fn load(mut self, files: Files) -> Result<Chart, ChartError> {
        if let Some(data) = files.get("Chart.yaml") {
            let mut metadata = Metadata::default();
            merge_metadata(&mut metadata, "Chart.yaml", data)?;
            if metadata.api_version.is_empty() {
                metadata.api_version = "v1".to_owned();
            }
            self.metadata = Some(metadata);
        }
        for (name, data) in &files.0 {
            self.sort(name, data)?;
        }
        let mut metadata = self.metadata.ok_or(ChartError::NoChartYaml)?;
        metadata.validate()?;
        let mut dependencies = Vec::new();
        for (name, files) in self.subcharts {
            if let Some(chart) = load_subchart(&metadata.name, &name, files)? {
                dependencies.push(chart);
            }
        }
        Ok(Chart {
            metadata,
            values: self.values.unwrap_or_default(),
            schema: self.schema,
            templates: self.templates,
            files: self.files,
            dependencies,
            raw: files,
            warnings: self.warnings,
        })
    }

    fn sort(&mut self, name: &str, data: &Content) -> Result<(), ChartError> {
        let file = || File { name: name.to_owned(), data: data.clone() };
        match name {
            "Chart.yaml" => {}
            "Chart.lock" => check_lock("Chart.lock", data)?,
            "values.yaml" => {
                let values = crate::values::load_documents(data)
                    .map_err(|message| ChartError::File { file: "values.yaml", message })?;
                self.values = Some(values);
            }
            "values.schema.json" => self.schema = Some(data.clone()),
            "requirements.yaml" | "requirements.lock" => {
                let metadata = self.metadata.get_or_insert_default();
                if metadata.api_version == "v1" {
                    self.files.push(file());
                } else {
                    self.warnings
                        .push(format!("{name} is of apiVersion \"v1\": use Chart.yaml and Chart.lock"));
                }
                if name == "requirements.yaml" {
                    merge_metadata(metadata, "requirements.yaml", data)?;
                } else {
                    check_lock("requirements.lock", data)?;
                }
            }
            _ => {
                if name.starts_with("templates/") {
                    self.templates.push(file());
                } else if let Some(inner) = name.strip_prefix("charts/").filter(|n| !n.ends_with(".prov")) {
                    let chart = inner.split('/').next().unwrap_or(inner);
                    let files = self.subcharts.entry(chart.to_owned()).or_default();
                    files.0.insert(inner.to_owned(), data.clone());
                } else {
                    self.files.push(file());
                }
            }
        }
        Ok(())
    }
}

/// Whether the chart is of a version that there are rules for.
fn check_version(data: &[u8]) -> Result<(), ChartError> {
    const FILE: &str = "Chart.yaml";
    let failed = |message: String| ChartError::File { file: FILE, message };
    let version = match yaml::to_json(data).map_err(|e| failed(e.to_string()))? {
        Json::Null => return Ok(()),
        Json::Object(fields) => match field(&fields, "apiVersion") {
            None => return Ok(()),
            Some(value) => {
                as_text(value).ok_or_else(|| failed(mismatch(value, "chartBase.apiVersion", "string")))?
            }
        },
        other => {
            let message = mismatch(&other, "", "loader.chartBase");
            return Err(failed(message.replace("struct field  of", "value of")));
        }
    };
    match version.as_str() {
        "" | "v1" | "v2" => Ok(()),
        "v3" => Err(ChartError::Version3),
        _ => Err(ChartError::Version),
    }
}

fn merge_metadata(metadata: &mut Metadata, file: &'static str, data: &[u8]) -> Result<(), ChartError> {
    let failed = |message: String| ChartError::File { file, message };
    let document = yaml::to_json(data).map_err(|e| failed(e.to_string()))?;
    metadata.merge(&document).map_err(failed)
}

/// A lock is of no use here, but Helm refuses one that it cannot read.
fn check_lock(file: &'static str, data: &[u8]) -> Result<(), ChartError> {
    let failed = |message: String| ChartError::File { file, message };
    let fields = match yaml::to_json(data).map_err(|e| failed(e.to_string()))? {
        Json::Null => return Ok(()),
        Json::Object(fields) => fields,
        other => return Err(failed(mismatch(&other, "", "v2.Lock").replace("struct field  of", "value of"))),
    };
    if let Some(digest) = field(&fields, "digest")
        && as_text(digest).is_none()
    {
        return Err(failed(mismatch(digest, "Lock.digest", "string")));
    }
    match field(&fields, "dependencies") {
        None => {}
        Some(Json::Array(items)) => {
            for item in items {
                Dependency::decode(item).map_err(failed)?;
            }
        }
        Some(other) => return Err(failed(mismatch(other, "Lock.dependencies", "[]*v2.Dependency"))),
    }
    if let Some(generated) = field(&fields, "generated") {
        crate::functions::check_rfc3339(generated.as_str())
            .map_err(|message| failed(format!("error unmarshaling JSON: while decoding JSON: {message}")))?;
    }
    Ok(())
}

/// The chart under `charts/NAME`, a folder or an archive; `None` if that is hidden.
fn load_subchart(parent: &str, name: &str, files: Files) -> Result<Option<Chart>, ChartError> {
    if name.starts_with(['_', '.']) {
        return Ok(None);
    }
    let loaded = if name.ends_with(".tgz") {
        match files.0.first_key_value() {
            Some((found, data)) if found == name => Files::from_archive(data)
                .map_err(ChartError::from)
                .and_then(|files| Loader::default().load(files)),
            found => {
                let found = found.map(|(found, _)| found.clone()).unwrap_or_default();
                return Err(ChartError::SubchartName {
                    parent: parent.to_owned(),
                    expected: name.to_owned(),
                    found,
                });
            }
        }
    } else {
        // A file beside the charts is no part of one.
        let inner = files
            .0
            .into_iter()
            .filter_map(|(path, data)| path.split_once('/').map(|(_, path)| (path.to_owned(), data)));
        Loader::default().load(Files(inner.collect()))
    };
    loaded.map(Some).map_err(|source| ChartError::Subchart {
        name: name.to_owned(),
        parent: parent.to_owned(),
        source: Box::new(source),
    })
}
