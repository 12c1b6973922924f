//! The charts that a chart depends on: chosen as Helm chooses them, locked in a `Chart.lock` that Helm takes for its own, and put into
//! the folder `charts`.

use std::collections::{BTreeMap, BTreeSet};

use helm_render::semver::{Constraint, Version};
use helm_render::{Chart, Dependency};
use opsrun_core::{Cx, Error, Result, Value, yaml};
use serde::Deserialize;
use serde_json::json;

use crate::chart;
use crate::chart_ref::ChartRef;
use crate::repository::{self, Client, archive, digest_of};
use crate::types::{FetchedDependencies, FetchedDependency};

/// What `Chart.lock` holds.
#[derive(Debug, Clone, Deserialize)]
struct Lock {
    #[serde(default)]
    dependencies: Vec<Locked>,
    #[serde(default)]
    digest: String,
}

/// One version of a chart that another needs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Locked {
    name: String,
    #[serde(default)]
    version: String,
    #[serde(default)]
    repository: String,
}

/// Fetches what the chart in `folder` depends on.
///
/// # Errors
/// `Invalid` if `Chart.lock` is not of this `Chart.yaml`, or a repository is none; those of fetching and writing.
pub(crate) async fn fetch(cx: &Cx, folder: &str, update: bool) -> Result<FetchedDependencies> {
    let chart = chart::load(cx, &ChartRef::Local(folder.to_owned())).await?;
    let needed = &chart.metadata().dependencies;
    let client = Client::new(cx)?;
    let lock_file = if chart.metadata().api_version == "v1" { "requirements.lock" } else { "Chart.lock" };
    let old = match chart.raw().get(lock_file) {
        Some(text) => Some(yaml::from_str::<Lock>(lock_file, &String::from_utf8_lossy(text))?),
        None => None,
    };
    let (locked, is_new) = match old.as_ref().filter(|_| !update) {
        Some(lock) if lock.digest == digest(needed, &lock.dependencies) => (lock.dependencies.clone(), false),
        Some(_) => {
            let message = format!(
                "`{folder}/{lock_file}` is not of the dependencies in `Chart.yaml`: they have changed since"
            );
            return Err(Error::invalid(message).hint("`update: true` chooses anew"));
        }
        None => {
            let mut locked = Vec::with_capacity(needed.len());
            for one in needed {
                locked.push(choose(&client, folder, one).await?);
            }
            let is_new = old.is_none_or(|old| old.digest != digest(needed, &locked));
            (locked, is_new && !needed.is_empty())
        }
    };
    let archives = archives(&client, folder, &chart, &locked).await?;
    let removed = outdated(&chart, &locked, &archives);
    for (file, bytes) in archives {
        let path = format!("charts/{file}");
        if chart.raw().get(&path) != Some(bytes.as_slice()) {
            cx.write_file(format!("{folder}/{path}"), bytes).await?;
        }
    }
    for file in &removed {
        cx.remove_file(format!("{folder}/{file}")).await?;
    }
    if is_new {
        let text = lock_text(&locked, &digest(needed, &locked), &cx.now().to_string());
        cx.write_file(format!("{folder}/{lock_file}"), text.into_bytes()).await?;
    }
    let dependencies = locked.into_iter().map(|Locked { name, version, repository }| FetchedDependency {
        name,
        version,
        repository,
    });
    Ok(FetchedDependencies { dependencies: dependencies.collect(), removed, locked: is_new })
}

/// The version of a dependency that is taken from now on.
async fn choose(client: &Client<'_>, folder: &str, needed: &Dependency) -> Result<Locked> {
    let version = match place(folder, needed)? {
        Place::Charts => needed.version.clone(),
        Place::Folder(path) => {
            let found = chart::load(client.cx(), &ChartRef::Local(path)).await?;
            satisfies(needed, &found)?;
            found.version().to_owned()
        }
        Place::Repository(at) => {
            let version = repository::version_of(client, &at).await;
            version.map_err(|error| error.context(format!("the dependency `{}`", needed.name)))?
        }
    };
    Ok(Locked { name: needed.name.clone(), version, repository: needed.repository.clone() })
}

/// Where a dependency comes from.
enum Place {
    /// It lies in `charts` already.
    Charts,
    /// Another folder.
    Folder(String),
    Repository(ChartRef),
}

fn place(folder: &str, needed: &Dependency) -> Result<Place> {
    let Dependency { name, version, repository, .. } = needed;
    let bad = |why: &str| Error::invalid(format!("the dependency `{name}`: {why}"));
    if !version.is_empty() {
        Constraint::parse(version)
            .map_err(|why| bad(&format!("`{version}` is neither a version nor a range: {why}")))?;
    }
    match repository.as_str() {
        "" => Ok(Place::Charts),
        named if named.starts_with('@') || named.starts_with("alias:") => {
            Err(bad(&format!("`{named}` is the name of a repository that only one user's Helm knows"))
                .hint("write its address into `Chart.yaml`"))
        }
        path if path.starts_with("file://") => {
            let path = path.trim_start_matches("file://");
            Ok(Place::Folder(if path.starts_with('/') {
                path.to_owned()
            } else {
                format!("{folder}/{path}")
            }))
        }
        repo => {
            let version = Some(version.clone()).filter(|version| !version.is_empty());
            let at = ChartRef::of_repository(name.clone(), repo, version).map_err(|why| bad(&why))?;
            Ok(Place::Repository(at))
        }
    }
}

fn satisfies(needed: &Dependency, found: &Chart) -> Result<()> {
    let range = if needed.version.is_empty() { "*" } else { needed.version.as_str() };
    match (Constraint::parse(range), Version::parse(found.version())) {
        (Ok(range), Ok(version)) if range.allows(&version) => Ok(()),
        _ => Err(Error::invalid(format!(
            "the dependency `{}` is to satisfy `{range}`, and is {} in `{}`",
            needed.name,
            found.version(),
            if needed.repository.is_empty() { "charts" } else { &needed.repository }
        ))),
    }
}

/// The archives that belong into `charts`, by the names of their files.
async fn archives(
    client: &Client<'_>,
    folder: &str,
    chart: &Chart,
    locked: &[Locked],
) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for one in locked {
        // The same chart twice, under two aliases, is one archive.
        if !seen.insert((&one.name, &one.version, &one.repository)) {
            continue;
        }
        let needed = Dependency {
            name: one.name.clone(),
            version: one.version.clone(),
            repository: one.repository.clone(),
            ..Dependency::default()
        };
        let (dependency, bytes) = match place(folder, &needed)? {
            Place::Charts => {
                let there = chart.dependencies().iter().find(|there| there.name() == one.name);
                let there = there.ok_or_else(|| {
                    Error::not_found(format!(
                        "the dependency `{}` has no repository, and `{folder}/charts` does not have it",
                        one.name
                    ))
                })?;
                satisfies(&needed, there)?;
                continue;
            }
            Place::Folder(path) => {
                let dependency = chart::load(client.cx(), &ChartRef::Local(path)).await?;
                satisfies(&needed, &dependency)?;
                let bytes = archive::pack(&dependency)?;
                (dependency, bytes)
            }
            Place::Repository(at) => {
                let fetched = repository::fetch(client, &at).await;
                let fetched =
                    fetched.map_err(|error| error.context(format!("the dependency `{}`", one.name)))?;
                (archive::chart(&at.to_string(), &fetched.bytes)?, fetched.bytes)
            }
        };
        found.insert(archive::name(&dependency), bytes);
    }
    Ok(found)
}

/// The archives in `charts` that nothing needs any more.
fn outdated(chart: &Chart, locked: &[Locked], archives: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    let in_place: BTreeSet<&str> =
        locked.iter().filter(|one| one.repository.is_empty()).map(|one| one.name.as_str()).collect();
    let files = chart.raw().iter().filter(|(path, data)| {
        let Some(file) =
            path.strip_prefix("charts/").filter(|file| !file.contains('/') && file.ends_with(".tgz"))
        else {
            return false;
        };
        let known = Chart::from_archive(data).ok();
        !archives.contains_key(file) && known.is_some_and(|known| !in_place.contains(known.name()))
    });
    files.map(|(path, _)| path.to_owned()).collect()
}

/// Helm's `HashReq`: of what is needed and what was taken, as Go writes both as JSON.
fn digest(needed: &[Dependency], locked: &[Locked]) -> String {
    let needed: Vec<String> = needed.iter().map(as_go_writes).collect();
    let locked = locked.iter().map(|one| {
        as_go_writes(&Dependency {
            name: one.name.clone(),
            version: one.version.clone(),
            repository: one.repository.clone(),
            ..Dependency::default()
        })
    });
    let text = format!("[[{}],[{}]]", needed.join(","), locked.collect::<Vec<_>>().join(","));
    digest_of(text.as_bytes())
}

/// In the order of the fields of Helm's struct, without empty ones, and with what HTML takes for its own escaped.
fn as_go_writes(one: &Dependency) -> String {
    let mut fields = vec![("name", json!(one.name))];
    let text = |key, text: &String| (!text.is_empty()).then(|| (key, json!(text)));
    fields.extend(text("version", &one.version));
    fields.push(("repository", json!(one.repository)));
    fields.extend(text("condition", &one.condition));
    fields.extend((!one.tags.is_empty()).then(|| ("tags", json!(one.tags))));
    fields.extend(one.enabled.then_some(("enabled", json!(true))));
    fields.extend((!one.import_values.is_empty()).then(|| ("import-values", json!(one.import_values))));
    fields.extend(text("alias", &one.alias));
    let fields: Vec<String> = fields.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
    let mut out = String::new();
    for letter in format!("{{{}}}", fields.join(",")).chars() {
        match letter {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(letter)));
            }
            letter => out.push(letter),
        }
    }
    out
}

fn lock_text(locked: &[Locked], digest: &str, generated: &str) -> String {
    let dependencies: Vec<Value> = locked
        .iter()
        .map(|one| json!({ "name": one.name, "repository": one.repository, "version": one.version }))
        .collect();
    let lock = json!({ "dependencies": dependencies, "digest": digest, "generated": generated });
    helm_render::yaml::write_json(&lock)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_go_escapes_is_escaped() {
        let needed = Dependency { name: "db".into(), version: ">=1.0 <2".into(), ..Dependency::default() };
        assert_eq!(as_go_writes(&needed), r#"{"name":"db","version":"\u003e=1.0 \u003c2","repository":""}"#);
    }
}
