use aws_sdk_autoscaling::types::RefreshPreferences;
use opsrun_core::{Cx, Effect, Error, ErrorKind, Primitive, Result, Span, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::wait::EVERY;
use crate::client::Client;
use crate::rds::time;

/// So long is waited if nobody says how long.
const WITHIN: Span = Span::from_secs(2 * 3600);

/// Replaces all machines of a group, some at a time, and waits until that is through.
///
/// A refresh that goes on already is waited for, and none is begun. What was replaced does not come back when the run is undone.
///
/// ```rhai
/// let refresh = autoscaling::start_instance_refresh("workers", #{ min_healthy: 80, wait: 1.h });
/// log(`${refresh.id}: ${refresh.status}`);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct StartInstanceRefresh {
    /// The group's name.
    #[arg(positional)]
    group: String,
    /// So many percent of the machines stay in service meanwhile (90).
    min_healthy: Option<u8>,
    /// How long to wait (2 hours); `0.s` does not wait.
    wait: Option<Span>,
    /// The group's region; the target's if left out.
    region: Option<String>,
}

/// A replacement of all machines.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Refresh {
    /// It was begun by this call.
    changed: bool,
    id: String,
    /// `Pending`, `InProgress`, `Successful`, `Failed`, `Cancelled`, …
    status: String,
    /// How much of it is done, in percent.
    progress: i32,
    begun: Option<String>,
    #[serde(skip)]
    why: String,
}

impl Primitive for StartInstanceRefresh {
    const PATH: &'static str = "autoscaling::start_instance_refresh";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo =
        Undo::Never("machines that were replaced are gone, and the new ones are made as they were");
    type Out = Refresh;

    async fn run(self, cx: &Cx) -> Result<Refresh> {
        if self.min_healthy.is_some_and(|percent| percent > 100) {
            return Err(Error::invalid("`min_healthy` is a number of percent, from 0 to 100"));
        }
        let client = Client::new(cx, self.region.as_deref())?;
        let last = refreshes(&client, &self.group, None).await?.into_iter().next();
        // One that has begun since this very call began, before the run broke off, is its own.
        let ours = cx.broken_off().filter(|before| before.wrote).map(|before| before.at);
        let is_ours = |last: &Refresh| {
            let begun = last.begun.as_ref().and_then(|begun| begun.parse::<jiff::Timestamp>().ok());
            ours.zip(begun).is_some_and(|(ours, begun)| begun.as_second() >= ours.as_second())
        };
        let (id, changed) = match last {
            Some(last) if is_ours(&last) => (last.id, true),
            Some(last) if last.goes_on() => {
                cx.info(format!("the machines of {} are being replaced already", self.group));
                (last.id, false)
            }
            _ => (self.begin(&client).await?, true),
        };
        let within = self.wait.unwrap_or(WITHIN);
        let found = match within.duration().is_zero() {
            true => refresh(&client, &self.group, &id).await?,
            false => self.finished(&client, &id, within).await?,
        };
        Ok(Refresh { changed, ..found })
    }
}

impl Refresh {
    fn goes_on(&self) -> bool {
        matches!(
            self.status.as_str(),
            "Pending" | "InProgress" | "Baking" | "Cancelling" | "RollbackInProgress"
        )
    }
}

impl StartInstanceRefresh {
    async fn begin(&self, client: &Client) -> Result<String> {
        let tried = format!("replacing the machines of {}", self.group);
        let preferences =
            RefreshPreferences::builder().set_min_healthy_percentage(self.min_healthy.map(i32::from)).build();
        let asked = client.autoscaling().start_instance_refresh().auto_scaling_group_name(&self.group);
        let asked = asked.preferences(preferences).send();
        let begun = client.call("autoscaling:StartInstanceRefresh", &tried, asked).await?;
        let id = begun.instance_refresh_id().map(str::to_owned);
        id.ok_or_else(|| Error::failed(format!("{tried}: AWS says no identifier")))
    }

    async fn finished(&self, client: &Client, id: &str, within: Span) -> Result<Refresh> {
        let (cx, group) = (client.cx(), &self.group);
        let found = cx.wait(within, EVERY, async || {
            let found = refresh(client, group, id).await?;
            cx.progress(format!(
                "{group}: {}, {} % of its machines are replaced",
                found.status, found.progress
            ));
            Ok(Some(found).filter(|found| !found.goes_on()))
        });
        let place = client.place();
        let Some(found) = found.await? else {
            let found = refresh(client, group, id).await?;
            let message = format!(
                "{} % of the machines of {group} are replaced after {within}, in {}, {}",
                found.progress, place.region, place.account
            );
            return Err(Error::new(ErrorKind::Timeout, message)
                .hint("it goes on by itself; wait longer with the option `wait`"));
        };
        match found.status.as_str() {
            "Successful" => Ok(found),
            status => Err(Error::failed(format!(
                "the machines of {group} were not all replaced: {status} at {} %: {}, in {}, {}",
                found.progress, found.why, place.region, place.account
            ))),
        }
    }
}

async fn refresh(client: &Client, group: &str, id: &str) -> Result<Refresh> {
    let found = refreshes(client, group, Some(id)).await?.into_iter().next();
    found.ok_or_else(|| Error::not_found(format!("AWS does not know the refresh {id} of {group} any more")))
}

/// The latest first.
async fn refreshes(client: &Client, group: &str, id: Option<&str>) -> Result<Vec<Refresh>> {
    let tried = format!("asking for the replacements of machines of {group}");
    let asked = client.autoscaling().describe_instance_refreshes().auto_scaling_group_name(group);
    let asked = asked.set_instance_refresh_ids(id.map(|id| vec![id.to_owned()])).send();
    let found = client.call("autoscaling:DescribeInstanceRefreshes", &tried, asked).await?;
    let refreshes = found.instance_refreshes().iter().map(|of| Refresh {
        changed: false,
        id: of.instance_refresh_id().unwrap_or_default().to_owned(),
        status: of.status().map(|of| of.as_str().to_owned()).unwrap_or_default(),
        progress: of.percentage_complete().unwrap_or_default(),
        begun: of.start_time().and_then(time).map(|at| at.to_string()),
        why: of.status_reason().unwrap_or_default().to_owned(),
    });
    Ok(refreshes.collect())
}
