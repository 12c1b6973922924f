//! Asking what was measured.

use std::collections::BTreeMap;
use std::fmt;

use aws_sdk_cloudwatch::types::{self, Dimension, MetricDataQuery, MetricStat, ScanBy};
use aws_smithy_types::DateTime;
use jiff::Timestamp;
use opsrun_core::{Result, Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::rds::time;

/// Which metric, and what of it.
#[derive(Debug, Clone)]
pub(crate) struct Metric {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) dimensions: BTreeMap<String, String>,
    pub(crate) statistic: String,
    pub(crate) period: Span,
}

/// `AWS/RDS ReplicaLag of DBInstanceIdentifier=workflow-prod-replica`
impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.namespace, self.name)?;
        let mut word = " of ";
        for (name, value) in &self.dimensions {
            write!(f, "{word}{name}={value}")?;
            word = ", ";
        }
        Ok(())
    }
}

/// What was measured in a period.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Point {
    /// When the period begins.
    pub(crate) at: String,
    pub(crate) value: f64,
}

/// What was measured, the oldest first.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Series {
    pub(crate) points: Vec<Point>,
    /// The newest value; `()` if nothing was measured.
    pub(crate) latest: Option<f64>,
    /// How long ago its period began.
    pub(crate) age: Option<Span>,
}

/// All pages of it.
///
/// # Errors
/// Those of AWS.
pub(crate) async fn series(
    client: &Client,
    metric: &Metric,
    (from, until): (Timestamp, Timestamp),
) -> Result<Series> {
    let seconds = i32::try_from(metric.period.duration().as_secs()).unwrap_or(i32::MAX);
    let of = types::Metric::builder()
        .namespace(&metric.namespace)
        .metric_name(&metric.name)
        .set_dimensions(Some(dimensions(&metric.dimensions)))
        .build();
    let stat = MetricStat::builder().metric(of).period(seconds).stat(&metric.statistic).build();
    let query = MetricDataQuery::builder().id("m").metric_stat(stat).return_data(true).build();
    let tried = format!("asking what {metric} was");
    let mut points: Vec<(Timestamp, f64)> = Vec::new();
    let mut next = None;
    loop {
        let asked = client
            .cloudwatch()
            .get_metric_data()
            .metric_data_queries(query.clone())
            .start_time(DateTime::from_secs(from.as_second()))
            // The end does not count, and has whole seconds.
            .end_time(DateTime::from_secs(until.as_second() + 1))
            .scan_by(ScanBy::TimestampAscending)
            .set_next_token(next)
            .send();
        let page = client.call("cloudwatch:GetMetricData", &tried, asked).await?;
        for result in page.metric_data_results() {
            let pairs = result.timestamps().iter().zip(result.values());
            points.extend(pairs.filter_map(|(at, value)| Some((time(at)?, *value))));
        }
        next = page.next_token.filter(|token| !token.is_empty());
        if next.is_none() {
            break;
        }
    }
    points.sort_by_key(|(at, _)| *at);
    let latest = points.last().copied();
    let since = |at: Timestamp| {
        let age = std::time::Duration::try_from(client.cx().now().duration_since(at)).unwrap_or_default();
        Span::from_secs(age.as_secs())
    };
    Ok(Series {
        latest: latest.map(|(_, value)| value),
        age: latest.map(|(at, _)| since(at)),
        points: points.into_iter().map(|(at, value)| Point { at: at.to_string(), value }).collect(),
    })
}

pub(crate) fn dimensions(dimensions: &BTreeMap<String, String>) -> Vec<Dimension> {
    dimensions.iter().map(|(name, value)| Dimension::builder().name(name).value(value).build()).collect()
}

pub(super) fn told(dimensions: &[Dimension]) -> BTreeMap<String, String> {
    let pair = |of: &Dimension| Some((of.name()?.to_owned(), of.value()?.to_owned()));
    dimensions.iter().filter_map(pair).collect()
}

/// What a value has to be: `< 30`, `>= 3`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub(crate) struct Bound {
    sign: Sign,
    value: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    AtMost,
    AtLeast,
    Below,
    Above,
    Is,
}

/// The longer ones first: they begin as the others do.
const SIGNS: &[(&str, Sign)] =
    &[("<=", Sign::AtMost), (">=", Sign::AtLeast), ("<", Sign::Below), (">", Sign::Above), ("=", Sign::Is)];

impl Bound {
    pub(crate) fn holds(&self, value: f64) -> bool {
        match self.sign {
            Sign::AtMost => value <= self.value,
            Sign::AtLeast => value >= self.value,
            Sign::Below => value < self.value,
            Sign::Above => value > self.value,
            Sign::Is => (value - self.value).abs() < f64::EPSILON,
        }
    }
}

impl TryFrom<String> for Bound {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no bound: write it like `< 30` or `>= 3`");
        let (sign, rest) = SIGNS
            .iter()
            .find_map(|(word, sign)| Some((*sign, text.trim().strip_prefix(word)?)))
            .ok_or_else(wrong)?;
        let value = rest.trim().parse::<f64>().map_err(|_| wrong())?;
        if value.is_finite() { Ok(Bound { sign, value }) } else { Err(wrong()) }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = SIGNS.iter().find(|(_, sign)| *sign == self.sign).map_or("", |(word, _)| *word);
        write!(f, "{word} {}", self.value)
    }
}

impl From<Bound> for String {
    fn from(bound: Bound) -> String {
        bound.to_string()
    }
}
