use std::collections::BTreeMap;

use aws_sdk_cloudwatch::types::{MetricDatum, StandardUnit};
use aws_smithy_types::DateTime;
use jiff::Timestamp;
use opsrun_core::{Cx, Effect, Primitive, Result, Span, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::cloudwatch;

/// Puts a value into a metric of one's own.
///
/// Each call adds one; a call that is made again because its answer was lost looks first, and adds none if there is one of its time.
///
/// ```rhai
/// cloudwatch::put_metric("Workflow", "Deployments", 1, #{ dimensions: #{ env: "prod" }, unit: "Count" });
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct PutMetric {
    /// Whose it is; those that begin with `AWS/` are AWS's own.
    #[arg(positional)]
    namespace: String,
    /// What was measured.
    #[arg(positional)]
    metric: String,
    /// The value.
    #[arg(positional)]
    value: f64,
    /// Of what.
    #[serde(default)]
    dimensions: BTreeMap<String, String>,
    /// `Count`, `Seconds`, `Bytes`, `Percent` …
    unit: Option<String>,
    /// Its region; the target's if left out.
    region: Option<String>,
}

/// What became of a value.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Put {
    /// When it was measured.
    at: String,
}

const MINUTE: Span = Span::from_secs(60);

impl Primitive for PutMetric {
    const PATH: &'static str = "cloudwatch::put_metric";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::Never(
        "CloudWatch keeps what was put: it can be neither changed nor deleted, and goes after 15 months",
    );
    type Out = Put;

    async fn run(self, cx: &Cx) -> Result<Put> {
        let client = Client::new(cx, self.region.as_deref())?;
        let now = Timestamp::from_second(cx.now().as_second()).unwrap_or(cx.now());
        // The same call says the same time, whenever it is made.
        let at = cx
            .broken_off()
            .map_or(now, |before| Timestamp::from_second(before.at.as_second()).unwrap_or(now));
        if cx.broken_off().is_some_and(|before| before.wrote) && self.is_there(&client, at).await? {
            return Ok(Put { at: at.to_string() });
        }
        let datum = MetricDatum::builder()
            .metric_name(&self.metric)
            .set_dimensions(Some(cloudwatch::dimensions(&self.dimensions)))
            .timestamp(DateTime::from_secs(at.as_second()))
            .value(self.value)
            .set_unit(self.unit.as_deref().map(StandardUnit::from))
            .build();
        let asked =
            client.cloudwatch().put_metric_data().namespace(&self.namespace).metric_data(datum).send();
        let tried = format!("putting {} into {} {}", self.value, self.namespace, self.metric);
        client.call("cloudwatch:PutMetricData", &tried, asked).await?;
        Ok(Put { at: at.to_string() })
    }
}

impl PutMetric {
    /// Whether something was measured in that minute: finer than that nobody asks of it.
    async fn is_there(&self, client: &Client, at: Timestamp) -> Result<bool> {
        let metric = cloudwatch::Metric {
            namespace: self.namespace.clone(),
            name: self.metric.clone(),
            dimensions: self.dimensions.clone(),
            statistic: "SampleCount".to_owned(),
            period: MINUTE,
        };
        let begin = Timestamp::from_second(at.as_second().div_euclid(60) * 60).unwrap_or(at);
        let end = begin.checked_add(jiff::SignedDuration::from_secs(59)).unwrap_or(at);
        Ok(cloudwatch::series(client, &metric, (begin, end)).await?.latest.is_some())
    }
}
