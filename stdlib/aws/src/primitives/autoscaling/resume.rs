use std::collections::BTreeSet;

use opsrun_core::{Cx, Effect, Primitive, Result, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use super::processes::{Processes, Turn, turn};

/// Resumes processes of a group of machines that are suspended.
///
/// Undo suspends those again that this call has resumed.
///
/// ```rhai
/// autoscaling::resume("workers", ["Launch", "Terminate"]);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Resume {
    /// The group's name.
    #[arg(positional)]
    group: String,
    /// Which: `Launch`, `Terminate`, … as for `autoscaling::suspend`.
    #[arg(positional)]
    processes: BTreeSet<String>,
    /// The group's region; the target's if left out.
    region: Option<String>,
}

impl Primitive for Resume {
    const PATH: &'static str = "autoscaling::resume";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By("autoscaling::suspend");
    type Out = Processes;

    async fn run(self, cx: &Cx) -> Result<Processes> {
        turn(cx, Turn::On, &self.group, &self.processes, self.region.as_deref()).await
    }
}
