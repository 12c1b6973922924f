use opsrun_core::{Cx, Effect, Primitive, Result, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use super::enable_alarm_actions;
use super::switch::{Names, Switched, switch};

/// Keeps alarms from telling anybody, such as for a maintenance.
///
/// Their states go on changing. Those that tell nobody already stay so. Undo lets those tell again that did.
///
/// ```rhai
/// let quiet = cloudwatch::disable_alarm_actions(["workflow-errors", "workflow-latency"]);
/// defer(|| cloudwatch::enable_alarm_actions(quiet.changed));
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct DisableAlarmActions {
    /// The name of an alarm, or several.
    #[arg(positional)]
    alarms: Names,
    /// Their region; the target's if left out.
    region: Option<String>,
}

pub(super) const PATH: &str = "cloudwatch::disable_alarm_actions";

impl Primitive for DisableAlarmActions {
    const PATH: &'static str = PATH;
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(enable_alarm_actions::PATH);
    type Out = Switched;

    async fn run(self, cx: &Cx) -> Result<Switched> {
        switch(cx, self.alarms, self.region.as_deref(), false, enable_alarm_actions::PATH).await
    }
}
