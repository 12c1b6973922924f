//! How snapshots are told, and named: by the source that they are of.

use std::collections::BTreeMap;

use restic_repository::{Filter, NamedSnapshot};
use schemars::JsonSchema;
use serde::Serialize;

/// A snapshot of a repository.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Told {
    /// Its identifier in the repository.
    pub(crate) snapshot: String,
    /// When it was begun.
    #[schemars(with = "String")]
    pub(crate) time: jiff::Timestamp,
    /// What it is of: `postgres:orders`. The paths, if another program made it.
    pub(crate) source: String,
    pub(crate) host: String,
    pub(crate) tags: Vec<String>,
    /// Whether it was brought back by `backup::verify`, and looked at.
    pub(crate) good: bool,
    /// How many files it has, where that was written down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) files: Option<u64>,
    /// Of all of them, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bytes: Option<u64>,
}

impl From<&NamedSnapshot> for Told {
    fn from(named: &NamedSnapshot) -> Self {
        let snapshot = &named.snapshot;
        let summary = snapshot.summary.as_ref();
        Told {
            snapshot: named.id.to_string(),
            time: snapshot.time.moment(),
            source: source_of(snapshot.paths.as_slice()),
            host: snapshot.hostname.clone(),
            tags: snapshot.tags.iter().filter(|tag| !is_mark(tag)).cloned().collect(),
            good: snapshot.tags.iter().any(|tag| tag == GOOD),
            files: summary.map(|summary| summary.total_files_processed),
            bytes: summary.map(|summary| summary.total_bytes_processed),
        }
    }
}

/// The tag of a snapshot that was brought back and looked at.
pub(crate) const GOOD: &str = "good";
/// What the tag begins with that has what was counted then, as JSON.
pub(crate) const COUNTS: &str = "counts=";

fn is_mark(tag: &str) -> bool {
    tag == GOOD || tag.starts_with(COUNTS)
}

/// What was counted when a snapshot was found good.
pub(crate) fn counts_of(named: &NamedSnapshot) -> BTreeMap<String, u64> {
    let counts = named.snapshot.tags.iter().find_map(|tag| tag.strip_prefix(COUNTS));
    counts.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// Where snapshots of a source have its files: `/postgres/orders`.
pub(crate) fn path_of(source: &str) -> String {
    let (scheme, name) = source.split_once(':').unwrap_or((source, ""));
    format!("/{scheme}/{}", name.trim_matches('/'))
}

fn source_of(paths: &[String]) -> String {
    let of_path = |path: &str| {
        let (scheme, name) = path.strip_prefix('/')?.split_once('/')?;
        Some(format!("{scheme}:{name}"))
    };
    match paths {
        [path] => of_path(path).unwrap_or_else(|| path.clone()),
        paths => paths.join(" "),
    }
}

/// The snapshots of a source, or of all of them.
pub(crate) fn filter(source: Option<&str>, tags: &[String], host: Option<&str>) -> Filter {
    Filter {
        host: host.map(str::to_owned),
        tags: tags.to_vec(),
        paths: source.map(path_of).into_iter().collect(),
    }
}
