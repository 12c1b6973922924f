//! What playbooks can do with backups: one file each.

mod check;
mod contents;
mod copy;
mod coverage;
mod create;
mod diff;
mod forget;
mod init;
mod latest;
mod list;
mod prune;
mod restore;
mod snapshot;
mod unlock;
mod verify;

use opsrun_core::Declaration;

pub(crate) const PRIMITIVES: &[Declaration] = &[
    Declaration::of::<check::Check>(),
    Declaration::of::<contents::Contents>(),
    Declaration::of::<copy::Copy>(),
    Declaration::of::<coverage::Coverage>(),
    Declaration::of::<create::Create>(),
    Declaration::of::<diff::DiffSnapshots>(),
    Declaration::of::<forget::Forget>(),
    Declaration::of::<init::InitRepository>(),
    Declaration::of::<latest::Latest>(),
    Declaration::of::<latest::LatestGood>(),
    Declaration::of::<list::List>(),
    Declaration::of::<prune::Prune>(),
    Declaration::of::<restore::Restore>(),
    Declaration::of::<unlock::Unlock>(),
    Declaration::of::<verify::Verify>(),
];
