//! Repositories in restic's format: stock restic reads, checks and restores what this crate writes, and the other way round.
//!
//! It knows nothing of opsrun, and does no input or output of its own: files come from a [`Storage`]; time, randomness and threads from
//! [`Surroundings`]. With the same answers of both, the same bytes are written in the same order.

mod backup;
mod check;
mod chunker;
mod codec;
mod config;
mod copy;
mod crypto;
mod diff;
mod error;
mod fetch;
mod forget;
mod go;
mod headers;
mod id;
mod index;
mod index_file;
mod key;
mod lock;
mod memory;
mod pack;
mod packer;
mod polynomial;
mod prune;
mod repository;
mod restore;
mod snapshot;
mod storage;
mod surroundings;
mod tag;
mod time;
mod tree;
mod trees;
mod used;
mod walk;

pub use backup::{BackupOptions, Content, Entry, EntryKind, Metadata, Reader};
pub use check::{Affected, Finding, MOST_AFFECTED, Report, Subject};
pub use config::Config;
pub use copy::Copied;
pub use crypto::{InvalidMasterKey, MasterKey};
pub use diff::{Change, ChangeKind, Diff};
pub use error::{Error, Result};
pub use forget::{Decision, GroupKey, Grouping, InvalidPeriod, Period, Policy, Reason, Unit, decide, group};
pub use headers::Repaired;
pub use id::{Id, InvalidId};
pub use key::Scrypt;
pub use lock::{ExclusiveLock, ForeignLock, Lock};
pub use memory::MemoryStorage;
pub use pack::{BlobKey, BlobType};
pub use polynomial::Polynomial;
pub use prune::{PruneBytes, PruneOptions, PrunePlan};
pub use repository::{Init, Repository};
pub use restore::{FileContent, Restore, Restored};
pub use snapshot::{Filter, NamedSnapshot, Snapshot, Snapshots, Summary};
pub use storage::{File, Kind, Listed, Storage, StorageError, StorageResult};
pub use surroundings::{Job, Surroundings, User};
pub use time::{InvalidTime, Time};
pub use tree::{Node, NodeKind, tree_json};
pub use walk::{Walk, Walked};
