use aws_sdk_costexplorer::types::{DateInterval, Metric};
use opsrun_core::{Cx, Effect, Error, Primitive, Result};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::spent::Each;
use super::{amount, cents, client, day, today};

/// Tells what AWS expects to be spent from today until before a day.
///
/// ```rhai
/// let expected = cost::forecast("2030-01-01", #{ each: "month" });
/// log(`some $${expected.total}`);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct GetForecast {
    /// The day after the last one: `2026-04-01`.
    #[arg(positional)]
    to: String,
    /// `month` (by itself) or `day`.
    #[serde(default)]
    each: Each,
}

/// What is expected to be spent.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Expected {
    /// To the cent.
    total: f64,
    /// `USD`
    unit: String,
    parts: Vec<ExpectedPart>,
}

/// What is expected to be spent in a part of the time.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct ExpectedPart {
    from: String,
    /// The day after.
    to: String,
    total: f64,
}

impl Primitive for GetForecast {
    const PATH: &'static str = "cost::forecast";
    const EFFECT: Effect = Effect::Read;
    type Out = Expected;

    async fn run(self, cx: &Cx) -> Result<Expected> {
        let (from, to) = (today(cx), day(&self.to, "to")?);
        if to <= from {
            return Err(Error::invalid(format!("`to`: {to} is not after today, which is {from}"))
                .hint("what was spent until now is told by `cost::spent`"));
        }
        let client = client(cx)?;
        let tried = format!("asking what will be spent until {to}");
        let time = DateInterval::builder().start(from.to_string()).end(to.to_string()).build();
        let time = time.map_err(|error| Error::invalid(format!("{tried}: {error}")))?;
        let asked = client.costs().get_cost_forecast().time_period(time).metric(Metric::UnblendedCost);
        let asked = asked.granularity(self.each.granularity()).send();
        let found = client.call("ce:GetCostForecast", &tried, asked).await?;
        let total = found.total();
        let parts = found.forecast_results_by_time().iter().map(|part| {
            let (from, to) = part.time_period().map(|time| (time.start(), time.end())).unwrap_or_default();
            let total = cents(amount(part.mean_value()));
            ExpectedPart { from: from.to_owned(), to: to.to_owned(), total }
        });
        Ok(Expected {
            total: cents(amount(total.and_then(|total| total.amount()))),
            unit: total.and_then(|total| total.unit()).unwrap_or("USD").to_owned(),
            parts: parts.collect(),
        })
    }
}
