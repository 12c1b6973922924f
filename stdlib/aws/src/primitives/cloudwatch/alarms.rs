use opsrun_core::{Cx, Effect, Primitive, Result};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::cloudwatch;

/// Lists alarms by their names, with the state that each is in.
///
/// ```rhai
/// let loud = cloudwatch::alarms("workflow-", #{ state: "ALARM" });
/// assert(loud.is_empty(), `${loud.len()} alarms are on: ${loud.map(|alarm| alarm.name)}`);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Alarms {
    /// Only those whose names begin so.
    #[arg(positional)]
    prefix: Option<String>,
    /// Only those in this state.
    state: Option<State>,
    /// Their region; the target's if left out.
    region: Option<String>,
}

/// What an alarm says of its metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(super) enum State {
    /// The threshold is not crossed.
    #[serde(rename = "OK")]
    Ok,
    /// It is.
    #[serde(rename = "ALARM")]
    Alarm,
    /// Nothing was measured, or not enough.
    #[serde(rename = "INSUFFICIENT_DATA")]
    InsufficientData,
}

impl State {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            State::Ok => "OK",
            State::Alarm => "ALARM",
            State::InsufficientData => "INSUFFICIENT_DATA",
        }
    }
}

impl Primitive for Alarms {
    const PATH: &'static str = "cloudwatch::alarms";
    const EFFECT: Effect = Effect::Read;
    type Out = Vec<cloudwatch::Alarm>;

    async fn run(self, cx: &Cx) -> Result<Vec<cloudwatch::Alarm>> {
        let client = Client::new(cx, self.region.as_deref())?;
        cloudwatch::alarms(&client, self.prefix.as_deref(), self.state.map(State::as_str)).await
    }
}
