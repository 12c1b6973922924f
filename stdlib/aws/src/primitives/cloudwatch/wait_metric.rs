use std::collections::BTreeMap;

use opsrun_core::{Cx, Effect, Error, ErrorKind, Primitive, Result, Span};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use super::metric::asked;
use crate::client::Client;
use crate::cloudwatch::{self, Bound, Series};

/// Waits until the newest value of a metric is within a bound.
///
/// A value counts that is at most three periods old, or five minutes.
///
/// ```rhai
/// let of = #{ DBInstanceIdentifier: "workflow-prod-replica" };
/// cloudwatch::wait_metric("AWS/RDS", "ReplicaLag", "< 30", #{ dimensions: of, within: 30.m });
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct WaitMetric {
    /// Whose it is: `AWS/RDS`.
    #[arg(positional)]
    namespace: String,
    /// What is measured: `ReplicaLag`.
    #[arg(positional)]
    metric: String,
    /// What its value has to be: `< 30`, `<= 30`, `> 3`, `>= 3` or `= 0`.
    #[arg(positional)]
    bound: Bound,
    /// Of what: all names and values that it is put with.
    #[serde(default)]
    dimensions: BTreeMap<String, String>,
    /// `Average` if left out; `Minimum`, `Maximum`, `Sum`, `SampleCount`, `p99` …
    statistic: Option<String>,
    /// How long each period is (1 minute).
    period: Option<Span>,
    /// How long to wait (1 hour).
    within: Option<Span>,
    /// Its region; the target's if left out.
    region: Option<String>,
}

/// How old a value may be, at least.
const OLDEST: Span = Span::from_secs(300);

impl Primitive for WaitMetric {
    const PATH: &'static str = "cloudwatch::wait_metric";
    const EFFECT: Effect = Effect::Read;
    type Out = Series;

    async fn run(self, cx: &Cx) -> Result<Series> {
        let client = Client::new(cx, self.region.as_deref())?;
        let within = self.within.unwrap_or(cloudwatch::WITHIN);
        let metric = asked(self.namespace, self.metric, self.dimensions, self.statistic, self.period)?;
        let recent = (metric.period.duration() * 3).max(OLDEST.duration());
        let look = async || {
            let now = cx.now();
            cloudwatch::series(&client, &metric, (now.checked_sub(recent).unwrap_or(now), now)).await
        };
        let told = |found: &Series| match found.latest {
            Some(value) => format!("{metric} is {value}"),
            None => format!("of {metric} nothing was measured in the last {}", Span::from(recent)),
        };
        let settled = cx.wait(within, cloudwatch::EVERY, async || {
            let found = look().await?;
            if found.latest.is_some_and(|value| self.bound.holds(value)) {
                return Ok(Some(found));
            }
            cx.progress(told(&found));
            Ok(None)
        });
        if let Some(found) = settled.await? {
            return Ok(found);
        }
        let found = look().await?;
        let message = format!("{}, and not {} after {within}", told(&found), self.bound);
        let error = Error::new(ErrorKind::Timeout, message);
        Err(match found.latest {
            Some(_) => error.hint("wait longer with the option `within`"),
            None => error.hint("dimensions have to be all that it is put with, and the region the right one"),
        })
    }
}
