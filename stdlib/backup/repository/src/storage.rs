//! Where a repository's files are: the one way in which this crate reaches them, and restic's names for them.

use std::fmt;
use std::io;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use futures::stream::BoxStream;

use crate::Id;

/// What a file is for that is named by what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Key,
    Lock,
    Snapshot,
    Index,
    /// A pack of blobs.
    Data,
}

impl Kind {
    /// The folder of its files.
    pub const fn folder(self) -> &'static str {
        match self {
            Kind::Key => "keys",
            Kind::Lock => "locks",
            Kind::Snapshot => "snapshots",
            Kind::Index => "index",
            Kind::Data => "data",
        }
    }
}

/// A file of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum File {
    Config,
    Named(Kind, Id),
}

impl File {
    /// Where it is in a repository's folder, as restic has it on disks and in buckets: `data/ab/abcd…`, `snapshots/abcd…`, `config`.
    pub fn path(&self) -> String {
        match self {
            File::Config => "config".to_owned(),
            File::Named(Kind::Data, id) => {
                let name = id.to_string();
                format!("data/{}/{name}", &name[..2])
            }
            File::Named(kind, id) => format!("{}/{id}", kind.folder()),
        }
    }
}

impl fmt::Display for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path())
    }
}

/// A file that was listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    pub id: Id,
    pub size: u64,
}

/// Why a storage did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    #[error("there is no such file")]
    NotFound,
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
}

impl StorageError {
    pub fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        StorageError::Other(error.into())
    }
}

impl From<io::Error> for StorageError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => StorageError::NotFound,
            _ => StorageError::Other(Box::new(error)),
        }
    }
}

pub type StorageResult<T> = Result<T, StorageError>;

/// Holds a repository's files: a folder, a bucket, memory.
///
/// What was written is durable when `write` returns, and there whole or not at all; it can be read and is listed at once. Nothing is ever
/// written over but with the same content. Repeating what failed for a moment is the storage's own business.
pub trait Storage: Send + Sync {
    /// The files of a kind, with their sizes, in any order. What has no name of such a file is left out. There is no order, and
    /// no end before it was seen to be the end.
    fn list(&self, kind: Kind) -> BoxStream<'_, StorageResult<Listed>>;

    fn read(&self, file: File) -> BoxFuture<'_, StorageResult<Bytes>>;

    /// `length` bytes that begin at `offset`.
    ///
    /// # Errors
    /// Also if the file ends before them.
    fn read_part(&self, file: File, offset: u64, length: usize) -> BoxFuture<'_, StorageResult<Bytes>>;

    fn write(&self, file: File, content: Bytes) -> BoxFuture<'_, StorageResult<()>>;

    /// # Errors
    /// `NotFound` if it was not there.
    fn remove(&self, file: File) -> BoxFuture<'_, StorageResult<()>>;

    /// Removes what writes of packs, index files and snapshots have left that broke off, where that is anything. Nobody makes such a
    /// write meanwhile.
    fn tidy(&self) -> BoxFuture<'_, StorageResult<()>> {
        ready(Ok(())).boxed()
    }
}
