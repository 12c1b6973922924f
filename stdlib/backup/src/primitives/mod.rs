//! What playbooks can do with backups: one file each.

mod contents;
mod create;
mod forget;
mod init;
mod latest;
mod list;
mod restore;
mod snapshot;

use opsrun_core::Declaration;

pub(crate) const PRIMITIVES: &[Declaration] = &[
    Declaration::of::<contents::Contents>(),
    Declaration::of::<create::Create>(),
    Declaration::of::<forget::Forget>(),
    Declaration::of::<init::InitRepository>(),
    Declaration::of::<latest::Latest>(),
    Declaration::of::<list::List>(),
    Declaration::of::<restore::Restore>(),
];
