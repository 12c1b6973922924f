//! The primitives of `helm`, one file each.

mod history;
mod lint;
mod rollback;
mod status;
mod template;
mod uninstall;
mod upgrade;

use opsrun_core::{Declaration, Module};

/// The module `helm`.
pub(crate) const MODULE: Module = Module {
    path: "helm",
    doc: "Helm charts: rendering, releases, rollbacks.",
    primitives: &[
        Declaration::of::<template::Template>(),
        Declaration::of::<lint::Lint>(),
        Declaration::of::<upgrade::Upgrade>(),
        Declaration::of::<rollback::Rollback>(),
        Declaration::of::<history::History>(),
        Declaration::of::<status::Status>(),
        Declaration::of::<uninstall::Uninstall>(),
    ],
};
