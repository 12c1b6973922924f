use opsrun_core::{Cx, Effect, Primitive, Result, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use super::set_alarm;
use crate::client::Client;
use crate::cloudwatch;
use crate::primitives::rds::Deleted;

/// Deletes an alarm on a metric.
///
/// If there is none of this name, nothing is done. Undo makes it as it was, with its tags; its state follows from what it looks at.
///
/// ```rhai
/// let gone = cloudwatch::delete_alarm("workflow-canary-errors");
/// log(if gone.changed { "deleted" } else { "there was none" });
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct DeleteAlarm {
    /// Its name.
    #[arg(positional)]
    name: String,
    /// Its region; the target's if left out.
    region: Option<String>,
}

pub(super) const PATH: &str = "cloudwatch::delete_alarm";

impl Primitive for DeleteAlarm {
    const PATH: &'static str = PATH;
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(set_alarm::PATH);
    type Out = Deleted;

    async fn run(self, cx: &Cx) -> Result<Deleted> {
        let client = Client::new(cx, self.region.as_deref())?;
        let Some((was, arn)) = cloudwatch::held(&client, &self.name).await? else {
            // It was there when this very call deleted it, before the run broke off.
            return Ok(Deleted { changed: cx.broken_off().is_some_and(|before| before.wrote) });
        };
        let tags = cloudwatch::tags(&client, &arn).await?;
        let _ = cx.undo(was.back(&client, &self.name, &tags)).await?;
        let asked = client.cloudwatch().delete_alarms().alarm_names(&self.name).send();
        let tried = format!("deleting the alarm {}", self.name);
        client.find("cloudwatch:DeleteAlarms", &tried, asked).await?;
        Ok(Deleted { changed: true })
    }
}
