//! Databases of RDS and their snapshots: named, looked up, waited for. What is done with them is in the primitives.

mod look;
mod making;
mod name;
mod presigned;
mod shown;
mod types;
mod wait;

pub(crate) use self::look::{
    instance, instances, needed_instance, needed_snapshot, snapshot, snapshots, tags,
};
pub(crate) use self::making::{MADE_FROM, Made, Shape, finished, is_made, make, shaped, unmake};
pub(crate) use self::name::{InstanceName, SnapshotName, SnapshotRef, Thing, checked, named};
pub(crate) use self::presigned::presigned;
pub(crate) use self::shown::{OUTDATED, is_there_already, shown_snapshot};
pub(crate) use self::types::time;
pub(crate) use self::types::{Database, SnapshotOfDatabase};
pub(crate) use self::wait::{gone_instance, while_waiting};
pub(crate) use self::wait::{ready_instance, ready_snapshot, settled_snapshot};

use opsrun_core::Span;

/// So long is waited if nobody says how long.
pub(crate) const WITHIN: Span = Span::from_secs(3600);
