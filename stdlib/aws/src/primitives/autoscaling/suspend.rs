use std::collections::BTreeSet;

use opsrun_core::{Cx, Effect, Primitive, Result, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use super::processes::{Processes, Turn, turn};

/// Suspends processes of a group of machines, so that it leaves them alone meanwhile.
///
/// What is suspended already stays so. Undo resumes those that this call has suspended.
///
/// ```rhai
/// autoscaling::suspend("workers", ["Launch", "Terminate"]);
/// defer(|| autoscaling::resume("workers", ["Launch", "Terminate"]));
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Suspend {
    /// The group's name.
    #[arg(positional)]
    group: String,
    /// Which: `Launch`, `Terminate`, `AddToLoadBalancer`, `AlarmNotification`, `AZRebalance`, `HealthCheck`, `InstanceRefresh`,
    /// `ReplaceUnhealthy`, `ScheduledActions`.
    #[arg(positional)]
    processes: BTreeSet<String>,
    /// The group's region; the target's if left out.
    region: Option<String>,
}

impl Primitive for Suspend {
    const PATH: &'static str = "autoscaling::suspend";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By("autoscaling::resume");
    type Out = Processes;

    async fn run(self, cx: &Cx) -> Result<Processes> {
        turn(cx, Turn::Off, &self.group, &self.processes, self.region.as_deref()).await
    }
}
