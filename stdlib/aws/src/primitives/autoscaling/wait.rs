use opsrun_core::{Cx, Effect, Error, ErrorKind, Primitive, Result, Span};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use super::describe::{ScalingGroup, group};
use crate::client::Client;

/// How often is asked.
pub(super) const EVERY: Span = Span::from_secs(10);
/// So long is waited if nobody says how long.
pub(super) const WITHIN: Span = Span::from_secs(15 * 60);

/// Waits until as many machines of a group as wanted are in service.
///
/// ```rhai
/// let group = autoscaling::wait("workers", #{ within: 10.m });
/// log(`${group.in_service} machines are in service`);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Wait {
    /// The group's name.
    #[arg(positional)]
    group: String,
    /// For so long (15 minutes).
    within: Option<Span>,
    /// The group's region; the target's if left out.
    region: Option<String>,
}

impl Primitive for Wait {
    const PATH: &'static str = "autoscaling::wait";
    const EFFECT: Effect = Effect::Read;
    type Out = ScalingGroup;

    async fn run(self, cx: &Cx) -> Result<ScalingGroup> {
        let client = Client::new(cx, self.region.as_deref())?;
        settled(&client, &self.group, self.within.unwrap_or(WITHIN)).await
    }
}

/// # Errors
/// `Conflict` at once if what would have to be done is suspended; `Timeout` with what the group could not do.
pub(super) async fn settled(client: &Client, name: &str, within: Span) -> Result<ScalingGroup> {
    let cx = client.cx();
    let found = cx.wait(within, EVERY, async || {
        let found = group(client, name).await?;
        if found.is_settled() {
            return Ok(Some(found));
        }
        let needed = if found.in_service + found.others < found.desired { "Launch" } else { "Terminate" };
        let short = found.in_service + found.others != found.desired;
        if short && found.suspended.iter().any(|of| of == needed) {
            if cx.call().undoes {
                // What suspended it is taken back after this.
                return Ok(Some(found));
            }
            let message = format!(
                "{name}: {} of {} machines are in service, and {needed} is suspended",
                found.in_service, found.desired
            );
            let hint = format!("`autoscaling::resume(\"{name}\", [\"{needed}\"])`");
            return Err(Error::new(ErrorKind::Conflict, message).hint(hint));
        }
        cx.progress(format!("{name}: {} of {} machines are in service", found.in_service, found.desired));
        Ok(None)
    });
    if let Some(found) = found.await? {
        return Ok(found);
    }
    let found = group(client, name).await?;
    let place = client.place();
    let message = format!(
        "{name}: {} of {} machines are in service after {within}, in {}, {}",
        found.in_service, found.desired, place.region, place.account
    );
    let error = Error::new(ErrorKind::Timeout, message);
    Err(match obstacle(client, name).await? {
        Some(why) => error.detail(why),
        None => error.hint("it goes on by itself; wait longer"),
    })
}

/// What the group's last activity failed for.
async fn obstacle(client: &Client, name: &str) -> Result<Option<String>> {
    let asked = client.autoscaling().describe_scaling_activities().auto_scaling_group_name(name);
    let tried = format!("asking what {name} did");
    let found = client.call("autoscaling:DescribeScalingActivities", &tried, asked.max_records(1).send());
    let found = found.await?;
    let last = found.activities().first();
    let failed = last.filter(|of| of.status_code().is_some_and(|code| code.as_str() == "Failed"));
    Ok(failed.and_then(|of| of.status_message()).map(str::to_owned))
}
