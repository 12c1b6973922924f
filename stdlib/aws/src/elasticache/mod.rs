//! Caches of ElastiCache and their snapshots: named, looked up, waited for. What is done with them is in the primitives.

mod look;
mod name;
mod types;
mod wait;

pub(crate) use self::look::{caches, needed_cache, needed_snapshot, snapshot, snapshots, tags, whole};
pub(crate) use self::name::{CacheName, SnapshotName, Thing};
pub(crate) use self::types::{Cache, SnapshotOfCache};
pub(crate) use self::wait::{gone_cache, ready_cache, ready_snapshot, settled_snapshot, while_waiting};

use opsrun_core::Span;

/// So long is waited if nobody says how long.
pub(crate) const WITHIN: Span = Span::from_secs(3600);
