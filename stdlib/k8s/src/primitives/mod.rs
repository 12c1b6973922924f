//! The primitives of `k8s`, one file each.

mod apply;
mod delete;
mod diff;
mod events;
mod exec;
mod get;
mod job_from_cronjob;
mod list;
mod logs;
mod patch;
mod restore;
mod rollout_restart;
mod rollout_status;
mod rollout_undo;
mod run_job;
mod scale;
mod wait;

use opsrun_core::{Declaration, Module};

/// The module `k8s`.
pub(crate) const MODULE: Module = Module {
    path: "k8s",
    doc: "Kubernetes: objects of any kind, rollouts, jobs, logs.",
    primitives: &[
        Declaration::of::<apply::Apply>(),
        Declaration::of::<diff::Diff>(),
        Declaration::of::<get::Get>(),
        Declaration::of::<list::List>(),
        Declaration::of::<patch::Patch>(),
        Declaration::of::<delete::Delete>(),
        Declaration::of::<scale::Scale>(),
        Declaration::of::<wait::Wait>(),
        Declaration::of::<rollout_status::RolloutStatus>(),
        Declaration::of::<rollout_restart::RolloutRestart>(),
        Declaration::of::<rollout_undo::RolloutUndo>(),
        Declaration::of::<run_job::RunJob>(),
        Declaration::of::<job_from_cronjob::JobFromCronjob>(),
        Declaration::of::<logs::Logs>(),
        Declaration::of::<exec::Exec>(),
        Declaration::of::<events::Events>(),
        Declaration::of::<restore::Restore>(),
    ],
};

/// The field manager of all our writes.
pub(crate) const MANAGER: &str = "opsrun";
