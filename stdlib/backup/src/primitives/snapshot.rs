//! How snapshots are told, and named: by the source that they are of.

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
            tags: snapshot.tags.clone(),
            files: summary.map(|summary| summary.total_files_processed),
            bytes: summary.map(|summary| summary.total_bytes_processed),
        }
    }
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
