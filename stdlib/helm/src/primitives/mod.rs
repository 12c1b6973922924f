//! The primitives of `helm`, one file each.

mod dependencies;
mod diff;
mod history;
mod lint;
mod package;
mod pull;
mod push;
pub(crate) mod rollback;
mod status;
mod template;
mod test;
pub(crate) mod uninstall;
mod unpush;
mod upgrade;

use opsrun_core::{Declaration, Module};

/// The module `helm`.
pub(crate) const MODULE: Module = Module {
    path: "helm",
    doc: "Helm charts: rendering, releases, rollbacks, repositories.",
    primitives: &[
        Declaration::of::<template::Template>(),
        Declaration::of::<lint::Lint>(),
        Declaration::of::<diff::Diff>(),
        Declaration::of::<upgrade::Upgrade>(),
        Declaration::of::<test::Test>(),
        Declaration::of::<rollback::Rollback>(),
        Declaration::of::<history::History>(),
        Declaration::of::<status::Status>(),
        Declaration::of::<uninstall::Uninstall>(),
        Declaration::of::<pull::Pull>(),
        Declaration::of::<push::Push>(),
        Declaration::of::<unpush::Unpush>(),
        Declaration::of::<package::Package>(),
        Declaration::of::<dependencies::Dependencies>(),
    ],
};
