mod delete;
mod delete_snapshot;
mod describe;
mod failover;
mod list;
mod modify;
mod restore;
mod snapshot;
mod snapshots;
mod wait;

use opsrun_core::Declaration;

pub(crate) const PRIMITIVES: &[Declaration] = &[
    Declaration::of::<describe::Describe>(),
    Declaration::of::<list::List>(),
    Declaration::of::<wait::Wait>(),
    Declaration::of::<snapshots::Snapshots>(),
    Declaration::of::<snapshot::Snapshot>(),
    Declaration::of::<delete_snapshot::DeleteSnapshot>(),
    Declaration::of::<restore::Restore>(),
    Declaration::of::<failover::Failover>(),
    Declaration::of::<modify::Modify>(),
    Declaration::of::<delete::Delete>(),
];
