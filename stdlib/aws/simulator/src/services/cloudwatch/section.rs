//! What an estate file says of CloudWatch in one region of an account.

use std::collections::BTreeMap;

use opsrun_core::Span;
use serde::Deserialize;

/// ```yaml
/// cloudwatch:
///   metrics:
///     - { namespace: Workflow, name: QueueLength, dimensions: { queue: mail }, values: [3, 5, 900], every: 1m }
///   alarms:
///     queue-long: { namespace: Workflow, metric: QueueLength, dimensions: { queue: mail }, threshold: 100 }
/// ```
///
/// Metrics of what else is in the estate need not be stated: of databases (`AWS/RDS`), and of groups of nodes (`AWS/AutoScaling`).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct CloudWatchSection {
    pub metrics: Vec<MetricSection>,
    /// By name.
    pub alarms: BTreeMap<String, AlarmSection>,
}

/// A metric that is measured all the time.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct MetricSection {
    pub namespace: String,
    pub name: String,
    #[serde(default)]
    pub dimensions: BTreeMap<String, String>,
    /// The same all the time.
    pub constant: Option<f64>,
    /// One after the other from the estate's start on: before it is as the first, after the last as the last.
    #[serde(default)]
    pub values: Vec<f64>,
    /// How long each of the values holds; a minute by itself.
    #[serde(default = "minute")]
    pub every: Span,
}

/// An alarm on one metric.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AlarmSection {
    pub namespace: String,
    pub metric: String,
    #[serde(default)]
    pub dimensions: BTreeMap<String, String>,
    /// `Average` by itself.
    #[serde(default = "average")]
    pub statistic: String,
    #[serde(default = "minute")]
    pub period: Span,
    /// So many periods are looked at; 1 by itself.
    #[serde(default = "one")]
    pub periods: u32,
    /// In so many of them; in all by itself.
    pub datapoints: Option<u32>,
    pub threshold: f64,
    /// `GreaterThanThreshold` by itself.
    #[serde(default = "greater")]
    pub comparison: String,
    /// What a period without data counts as: `missing`, `breaching`, `notBreaching`, `ignore`.
    #[serde(default = "missing")]
    pub missing: String,
    pub description: Option<String>,
    /// ARNs.
    #[serde(default)]
    pub actions: Vec<String>,
    #[serde(default = "enabled")]
    pub actions_enabled: bool,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

fn minute() -> Span {
    Span::from_secs(60)
}

fn average() -> String {
    "Average".to_owned()
}

fn one() -> u32 {
    1
}

fn greater() -> String {
    "GreaterThanThreshold".to_owned()
}

fn missing() -> String {
    "missing".to_owned()
}

fn enabled() -> bool {
    true
}
