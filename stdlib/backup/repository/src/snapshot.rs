//! Snapshots: what was backed up when, from where; listing them, and finding the one that is meant.

use futures::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::repository::Repository;
use crate::{Error, File, Id, Kind, Result, Time, go};

/// A snapshot, as its file describes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    pub time: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<Id>,
    pub tree: Id,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub paths: Vec<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hostname: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub username: String,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub uid: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub gid: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excludes: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_empty")]
    pub tags: Vec<String>,
    /// What it was first, before its tags were changed or it was copied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original: Option<Id>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub program_version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<Summary>,
    /// What other programs have written into it; it is kept.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// What a backup did, as restic writes it since 0.17.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    pub backup_start: Time,
    pub backup_end: Time,
    pub files_new: u64,
    pub files_changed: u64,
    pub files_unmodified: u64,
    pub dirs_new: u64,
    pub dirs_changed: u64,
    pub dirs_unmodified: u64,
    pub data_blobs: u64,
    pub tree_blobs: u64,
    /// Bytes of the blobs that were new, as they are read, …
    pub data_added: u64,
    /// … and as they are stored.
    pub data_added_packed: u64,
    pub total_files_processed: u64,
    pub total_bytes_processed: u64,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Go writes lists of nothing so.
fn null_is_empty<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Vec<String>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A snapshot and the name of its file.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedSnapshot {
    pub id: Id,
    pub snapshot: Snapshot,
}

impl NamedSnapshot {
    /// What it was first; the same for a copy, and after its tags were changed.
    pub fn origin(&self) -> Id {
        self.snapshot.original.unwrap_or(self.id)
    }
}

/// All snapshots that can be read, oldest first, and those that cannot.
#[derive(Debug, Default)]
pub struct Snapshots {
    pub readable: Vec<NamedSnapshot>,
    /// With the error of each, which names the file.
    pub damaged: Vec<(Id, Error)>,
}

/// Which snapshots are meant. An empty one means all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this host.
    pub host: Option<String>,
    /// With all of these.
    pub tags: Vec<String>,
    /// With all of these among theirs.
    pub paths: Vec<String>,
}

impl Filter {
    pub fn admits(&self, snapshot: &Snapshot) -> bool {
        self.host.as_ref().is_none_or(|host| *host == snapshot.hostname)
            && self.tags.iter().all(|tag| snapshot.tags.contains(tag))
            && self.paths.iter().all(|path| snapshot.paths.contains(path))
    }
}

impl Repository {
    /// All snapshots, oldest first. One that is damaged hides none of the others.
    ///
    /// # Errors
    /// Those of the storage.
    pub async fn snapshots(&self) -> Result<Snapshots> {
        let listed = self.list(Kind::Snapshot).await?;
        let mut reads = stream::iter(listed)
            .map(|listed| async move { (listed.id, self.read_snapshot(listed.id).await) })
            .buffered(16);
        let mut snapshots = Snapshots::default();
        while let Some((id, read)) = reads.next().await {
            match read {
                Ok(snapshot) => snapshots.readable.push(NamedSnapshot { id, snapshot }),
                Err(error @ Error::Damaged { .. }) => snapshots.damaged.push((id, error)),
                // Somebody has removed it since it was listed.
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        snapshots.readable.sort_by_key(|named| (named.snapshot.time, named.id));
        Ok(snapshots)
    }

    pub(crate) async fn read_snapshot(&self, id: Id) -> Result<Snapshot> {
        let json = self.read_json(Kind::Snapshot, id).await?;
        let damaged =
            |error| Error::damaged(File::Named(Kind::Snapshot, id), format!("it is no snapshot: {error}"));
        serde_json::from_slice(&json).map_err(damaged)
    }

    pub(crate) async fn write_snapshot(&self, snapshot: Snapshot) -> Result<NamedSnapshot> {
        let id = self.write_json(Kind::Snapshot, go::to_json(&snapshot)).await?;
        Ok(NamedSnapshot { id, snapshot })
    }
}

impl Snapshots {
    /// The snapshot that `name` means: `latest`, the last of those that the filter admits, or the beginning of an identifier, which the
    /// filter does not concern.
    ///
    /// # Errors
    /// `NoSnapshot`; `Ambiguous` with the candidates; `Damaged` if it is one that cannot be read.
    pub fn find(self, name: &str, filter: &Filter) -> Result<NamedSnapshot> {
        if name == "latest" {
            let last = self.readable.into_iter().rev().find(|named| filter.admits(&named.snapshot));
            return last.ok_or_else(|| Error::NoSnapshot(format!("is admitted by {filter:?}")));
        }
        let is_meant = |id: &Id| !name.is_empty() && id.to_string().starts_with(name);
        let mut readable: Vec<_> = self.readable.into_iter().filter(|named| is_meant(&named.id)).collect();
        let mut damaged: Vec<_> = self.damaged.into_iter().filter(|(id, _)| is_meant(id)).collect();
        match (readable.pop(), damaged.pop()) {
            (Some(found), None) if readable.is_empty() => Ok(found),
            (None, Some((_, error))) if damaged.is_empty() => Err(error),
            (None, None) => Err(Error::NoSnapshot(format!("has an identifier that begins with `{name}`"))),
            (found, unreadable) => {
                let readable = readable.into_iter().chain(found).map(|named| named.id);
                let damaged = damaged.into_iter().chain(unreadable).map(|(id, _)| id);
                let mut candidates: Vec<Id> = readable.chain(damaged).collect();
                candidates.sort_unstable();
                Err(Error::Ambiguous { prefix: name.to_owned(), candidates })
            }
        }
    }
}
