//! Repositories in restic's format: stock restic reads, checks and restores what this crate writes, and the other way round.
//!
//! It knows nothing of opsrun, and does no input or output of its own: files come from a [`Storage`]; time, randomness and threads from
//! [`Surroundings`]. With the same answers of both, the same bytes are written in the same order.

mod backup;
mod chunker;
mod codec;
mod config;
mod crypto;
mod error;
mod go;
mod id;
mod index;
mod index_file;
mod key;
mod lock;
mod memory;
mod pack;
mod packer;
mod polynomial;
mod repository;
mod snapshot;
mod storage;
mod surroundings;
mod time;
mod tree;

pub use backup::{BackupOptions, Content, Entry, EntryKind, Metadata, Reader};
pub use config::Config;
pub use crypto::{InvalidMasterKey, MasterKey};
pub use error::{Error, Result};
pub use id::{Id, InvalidId};
pub use key::Scrypt;
pub use lock::{ExclusiveLock, ForeignLock, Lock};
pub use memory::MemoryStorage;
pub use pack::{BlobKey, BlobType};
pub use polynomial::Polynomial;
pub use repository::{Init, Repository};
pub use snapshot::{Filter, NamedSnapshot, Snapshot, Snapshots, Summary};
pub use storage::{File, Kind, Listed, Storage, StorageError, StorageResult};
pub use surroundings::{Job, Surroundings, User};
pub use time::{InvalidTime, Time};
pub use tree::{Node, NodeKind};
