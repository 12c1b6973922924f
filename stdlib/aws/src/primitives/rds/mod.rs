mod copy_snapshot;
mod create_replica;
mod delete;
mod delete_snapshot;
mod describe;
mod failover;
mod list;
mod modify;
mod promote;
mod rename;
mod restore;
mod restore_to_time;
mod share_snapshot;
mod snapshot;
mod snapshots;
mod wait;

pub(crate) use self::delete_snapshot::Deleted;
use opsrun_core::Declaration;

pub(crate) const PRIMITIVES: &[Declaration] = &[
    Declaration::of::<describe::Describe>(),
    Declaration::of::<list::List>(),
    Declaration::of::<wait::Wait>(),
    Declaration::of::<snapshots::Snapshots>(),
    Declaration::of::<snapshot::Snapshot>(),
    Declaration::of::<delete_snapshot::DeleteSnapshot>(),
    Declaration::of::<copy_snapshot::CopySnapshot>(),
    Declaration::of::<share_snapshot::ShareSnapshot>(),
    Declaration::of::<restore::Restore>(),
    Declaration::of::<restore_to_time::RestoreToTime>(),
    Declaration::of::<create_replica::CreateReplica>(),
    Declaration::of::<promote::Promote>(),
    Declaration::of::<failover::Failover>(),
    Declaration::of::<modify::Modify>(),
    Declaration::of::<rename::Rename>(),
    Declaration::of::<delete::Delete>(),
];
