mod delete_snapshot;
mod describe;
mod list;
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
];
