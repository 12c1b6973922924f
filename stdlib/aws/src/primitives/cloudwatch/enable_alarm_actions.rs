use opsrun_core::{Cx, Effect, Primitive, Result, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use super::disable_alarm_actions;
use super::switch::{Names, Switched, switch};

/// Lets alarms tell again when their state changes.
///
/// Those that do already stay so. Undo keeps those from it that did not tell.
///
/// ```rhai
/// cloudwatch::enable_alarm_actions("workflow-errors");
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct EnableAlarmActions {
    /// The name of an alarm, or several.
    #[arg(positional)]
    alarms: Names,
    /// Their region; the target's if left out.
    region: Option<String>,
}

pub(super) const PATH: &str = "cloudwatch::enable_alarm_actions";

impl Primitive for EnableAlarmActions {
    const PATH: &'static str = PATH;
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(disable_alarm_actions::PATH);
    type Out = Switched;

    async fn run(self, cx: &Cx) -> Result<Switched> {
        switch(cx, self.alarms, self.region.as_deref(), true, disable_alarm_actions::PATH).await
    }
}
