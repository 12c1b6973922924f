use opsrun_core::{Cx, Effect, Primitive, Result};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::client::Client;
use crate::cloudwatch;

/// Tells what an alarm is, and in which state.
///
/// If there is none of this name, that is an error.
///
/// ```rhai
/// let lag = cloudwatch::alarm("workflow-replica-lag");
/// assert(lag.state == "OK", lag.reason);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Alarm {
    /// Its name.
    #[arg(positional)]
    name: String,
    /// Its region; the target's if left out.
    region: Option<String>,
}

impl Primitive for Alarm {
    const PATH: &'static str = "cloudwatch::alarm";
    const EFFECT: Effect = Effect::Read;
    type Out = cloudwatch::Alarm;

    async fn run(self, cx: &Cx) -> Result<cloudwatch::Alarm> {
        cloudwatch::needed_alarm(&Client::new(cx, self.region.as_deref())?, &self.name).await
    }
}
