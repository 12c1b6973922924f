use std::collections::BTreeMap;

use jiff::Timestamp;
use opsrun_core::{Cx, Effect, Error, Primitive, Result, Span};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::client::Client;
use crate::cloudwatch::{self, Series};

/// Tells what a metric was in each period of a time, and last.
///
/// A metric that nobody measures is no error: it has no points, and `latest` is `()`.
///
/// ```rhai
/// let of = #{ DBInstanceIdentifier: "workflow-prod-replica" };
/// let lag = cloudwatch::metric("AWS/RDS", "ReplicaLag", #{ dimensions: of, statistic: "Maximum", last: 10.m });
/// log(`the replica is ${lag.latest} s behind`);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Metric {
    /// Whose it is: `AWS/RDS`.
    #[arg(positional)]
    namespace: String,
    /// What is measured: `ReplicaLag`.
    #[arg(positional)]
    metric: String,
    /// Of what: all names and values that it is put with.
    #[serde(default)]
    dimensions: BTreeMap<String, String>,
    /// `Average` if left out; `Minimum`, `Maximum`, `Sum`, `SampleCount`, `p99` …
    statistic: Option<String>,
    /// How long each period is (1 minute).
    period: Option<Span>,
    /// So long until now (1 hour), or until `to`.
    last: Option<Span>,
    /// From this moment on, instead of `last`: `2026-03-02T03:00:00Z`.
    from: Option<String>,
    /// Until this moment; now if left out.
    to: Option<String>,
    /// Its region; the target's if left out.
    region: Option<String>,
}

const PERIOD: Span = Span::from_secs(60);
const LAST: Span = Span::from_secs(3600);

impl Primitive for Metric {
    const PATH: &'static str = "cloudwatch::metric";
    const EFFECT: Effect = Effect::Read;
    type Out = Series;

    async fn run(self, cx: &Cx) -> Result<Series> {
        let client = Client::new(cx, self.region.as_deref())?;
        let range = self.range(cx.now())?;
        let metric = asked(self.namespace, self.metric, self.dimensions, self.statistic, self.period)?;
        cloudwatch::series(&client, &metric, range).await
    }
}

impl Metric {
    fn range(&self, now: Timestamp) -> Result<(Timestamp, Timestamp)> {
        let moment = |name: &str, text: &String| {
            text.parse::<Timestamp>().map_err(|error| {
                Error::invalid(format!(
                    "`cloudwatch::metric`: option `{name}`: `{text}` is no moment: {error}"
                ))
                .hint("write it like `2026-03-02T03:10:00Z`")
            })
        };
        let until = self.to.as_ref().map(|text| moment("to", text)).transpose()?.unwrap_or(now);
        if self.from.is_some() && self.last.is_some() {
            return Err(Error::invalid("`cloudwatch::metric`: it is either `from` or `last`"));
        }
        let last = self.last.unwrap_or(LAST).duration();
        let from = match &self.from {
            Some(text) => moment("from", text)?,
            None => until.checked_sub(last).unwrap_or(Timestamp::MIN),
        };
        if from >= until {
            return Err(Error::invalid(format!("`cloudwatch::metric`: {from} is not before {until}")));
        }
        Ok((from, until))
    }
}

/// # Errors
/// `Invalid` for a period that CloudWatch has none of.
pub(super) fn asked(
    namespace: String,
    name: String,
    dimensions: BTreeMap<String, String>,
    statistic: Option<String>,
    period: Option<Span>,
) -> Result<cloudwatch::Metric> {
    let period = period.unwrap_or(PERIOD);
    let seconds = period.duration().as_secs();
    let is_one = matches!(seconds, 1 | 5 | 10 | 20 | 30) || (seconds > 0 && seconds.is_multiple_of(60));
    if !is_one || period.duration().subsec_nanos() != 0 {
        return Err(Error::invalid(format!("{period} is no period of CloudWatch"))
            .hint("periods are 1, 5, 10, 20 or 30 seconds, or whole minutes"));
    }
    let statistic = statistic.unwrap_or_else(|| "Average".to_owned());
    Ok(cloudwatch::Metric { namespace, name, dimensions, statistic, period })
}
