//! What can go wrong with a repository.

use std::path::PathBuf;

use crate::lock::ForeignLock;
use crate::pack::BlobKey;
use crate::{File, Id, StorageError};

pub type Result<T> = std::result::Result<T, Error>;

/// Why a repository did not do what it was asked. Its text says what was tried, on what, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{doing} `{what}` of the repository failed: {source}")]
    Storage {
        /// `reading`
        doing: &'static str,
        /// `data/ab/abcd…`, `locks`
        what: String,
        source: StorageError,
    },
    #[error(
        "there is no repository: it has no file `config`; make one first, or look whether the place is right"
    )]
    NoRepository,
    #[error("there is a repository already: it has a file `{0}`")]
    Exists(File),
    #[error("wrong password: it opens none of the repository's {keys} keys{}", damaged_keys(.damaged))]
    WrongPassword {
        keys: usize,
        /// Those that do not hold what they are named by.
        damaged: Vec<Id>,
    },
    #[error(
        "the repository has no file in `keys`, so no password opens it; the master key does, if it was kept"
    )]
    NoKeys,
    #[error("the key does not open `config`: it is another repository's master key, or the file is damaged")]
    WrongMasterKey,
    #[error("the repository has version {0} of the format; only 1 and 2 are known here: use a newer program")]
    UnknownVersion(u32),
    #[error("`{file}` is damaged: {problem}")]
    Damaged { file: File, problem: String },
    #[error("the {blob} is in no index{}", or_unread(.unread))]
    NotIndexed {
        blob: BlobKey,
        /// Index files that could not be read, so that it may be in one of them.
        unread: Vec<Id>,
    },
    #[error("the {blob} cannot be read: {}", joined(.copies, "; "))]
    Unreadable {
        blob: BlobKey,
        /// What is wrong with each pack that should have it.
        copies: Vec<Error>,
    },
    #[error("the {blob} is not a tree: {problem}")]
    NoTree { blob: BlobKey, problem: String },
    #[error("the repository is locked {0}")]
    Locked(Box<ForeignLock>),
    #[error(
        "the lock of the repository could not be refreshed for {minutes} minutes, and others may take it for stale: {source}"
    )]
    LockLost { minutes: i64, source: Box<Error> },
    #[error(
        "`{0}` cannot be read, so it is unknown who holds that lock: {1}; remove the file if nobody uses the repository"
    )]
    UnreadableLock(File, Box<Error>),
    #[error("no snapshot {0}")]
    NoSnapshot(String),
    #[error("`{prefix}` can be any of {}: give more of it", joined(.candidates, ", "))]
    Ambiguous { prefix: String, candidates: Vec<Id> },
    #[error("`{}` is not in the snapshot", .0.display())]
    NoPath(PathBuf),
    #[error("reading `{}` failed, so no snapshot was written: {source}", .path.display())]
    Source { path: PathBuf, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("what is to be backed up could not be listed, so no snapshot was written: {0}")]
    Sources(Box<dyn std::error::Error + Send + Sync>),
    #[error("`{}` cannot be backed up: {problem}", .path.display())]
    InvalidEntry { path: PathBuf, problem: &'static str },
    #[error("nothing is removed, as it cannot be told what is used: {0}")]
    PruneRefused(Box<Error>),
    #[error("both are the same repository")]
    SameRepository,
    #[error("a worker ended before its work was done: it panicked, or its pool was shut down")]
    WorkerLost,
    #[error("{what} of {size} bytes is more than the format holds")]
    TooLarge { what: &'static str, size: usize },
    #[error(
        "the key cannot be derived with N={n}, r={r}, p={p}: N is a power of two, and r times p below 2^30"
    )]
    InvalidScrypt { n: u64, r: u32, p: u32 },
}

impl Error {
    pub(crate) fn damaged(file: File, problem: impl Into<String>) -> Self {
        Error::Damaged { file, problem: problem.into() }
    }

    pub(crate) fn storage(doing: &'static str, file: File) -> impl FnOnce(StorageError) -> Error {
        move |source| Error::Storage { doing, what: file.path(), source }
    }

    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Error::Storage { source: StorageError::NotFound, .. })
    }
}

fn joined(items: &[impl ToString], separator: &str) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(separator)
}

fn damaged_keys(damaged: &[Id]) -> String {
    match damaged {
        [] => String::new(),
        _ => format!("; damaged among them are {}", joined(damaged, ", ")),
    }
}

fn or_unread(unread: &[Id]) -> String {
    match unread {
        [] => "; check the repository, and repair its index if packs are in none".to_owned(),
        _ => format!("; these could not be read: {}; repair the index", joined(unread, ", ")),
    }
}
