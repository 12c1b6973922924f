use opsrun_core::{Cx, Effect, Error, ErrorKind, Primitive, Result, Span};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use super::alarms::State;
use crate::client::Client;
use crate::cloudwatch;

/// Waits until an alarm is in a state.
///
/// If it is not in time, the error says what CloudWatch says of it.
///
/// ```rhai
/// cloudwatch::wait("workflow-errors", "OK", #{ within: 15.m });
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Wait {
    /// The alarm's name.
    #[arg(positional)]
    alarm: String,
    /// `OK`, `ALARM` or `INSUFFICIENT_DATA`; `OK` if left out.
    #[arg(positional)]
    state: Option<State>,
    /// How long to wait (1 hour).
    within: Option<Span>,
    /// Its region; the target's if left out.
    region: Option<String>,
}

impl Primitive for Wait {
    const PATH: &'static str = "cloudwatch::wait";
    const EFFECT: Effect = Effect::Read;
    type Out = cloudwatch::Alarm;

    async fn run(self, cx: &Cx) -> Result<cloudwatch::Alarm> {
        let client = Client::new(cx, self.region.as_deref())?;
        let (within, name) = (self.within.unwrap_or(cloudwatch::WITHIN), &self.alarm);
        let wanted = self.state.unwrap_or(State::Ok).as_str();
        let settled = cx.wait(within, cloudwatch::EVERY, async || {
            let found = cloudwatch::needed_alarm(&client, name).await?;
            if found.state == wanted {
                return Ok(Some(found));
            }
            cx.progress(format!("alarm {name}: {}", found.state));
            Ok(None)
        });
        if let Some(found) = settled.await? {
            return Ok(found);
        }
        let found = cloudwatch::needed_alarm(&client, name).await?;
        let message = format!("the alarm {name} is {} and not {wanted} after {within}", found.state);
        Err(Error::new(ErrorKind::Timeout, message)
            .detail(found.reason)
            .hint("wait longer with the option `within`"))
    }
}
