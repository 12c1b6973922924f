//! What an alarm is by: to compare it, to set it, and to set it back.

use std::collections::BTreeMap;

use aws_sdk_cloudwatch::types::{ComparisonOperator, MetricAlarm, StandardUnit, Statistic, Tag};
use opsrun_core::{Error, ErrorKind, Inverse, Result, Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::metric;
use crate::client::Client;

/// How a value is compared with the threshold: `>`, `>=`, `<`, `<=`, or as AWS calls it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub(crate) struct Comparison(ComparisonOperator);

const COMPARISONS: &[(&str, ComparisonOperator)] = &[
    (">", ComparisonOperator::GreaterThanThreshold),
    (">=", ComparisonOperator::GreaterThanOrEqualToThreshold),
    ("<", ComparisonOperator::LessThanThreshold),
    ("<=", ComparisonOperator::LessThanOrEqualToThreshold),
];

impl TryFrom<String> for Comparison {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let found = COMPARISONS.iter().find(|(sign, name)| *sign == text || name.as_str() == text);
        found.map(|(_, name)| Comparison(name.clone())).ok_or_else(|| {
            format!("`{text}` is no comparison: there are `>`, `>=`, `<`, `<=`, and AWS's names for them")
        })
    }
}

impl From<Comparison> for String {
    fn from(comparison: Comparison) -> String {
        comparison.0.as_str().to_owned()
    }
}

/// What a period without data counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Gap {
    /// Nothing.
    Missing,
    /// It crosses the threshold.
    Breaching,
    /// It does not.
    NotBreaching,
    /// The state stays as it is.
    Ignore,
}

impl Gap {
    fn as_str(self) -> &'static str {
        match self {
            Gap::Missing => "missing",
            Gap::Breaching => "breaching",
            Gap::NotBreaching => "notBreaching",
            Gap::Ignore => "ignore",
        }
    }
}

/// An alarm on one metric, without its tags and its state.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Definition {
    pub(crate) namespace: String,
    pub(crate) metric: String,
    pub(crate) dimensions: BTreeMap<String, String>,
    pub(crate) statistic: String,
    /// In seconds.
    pub(crate) period: i32,
    pub(crate) periods: i32,
    /// `None`: all of them.
    pub(crate) datapoints: Option<i32>,
    pub(crate) threshold: f64,
    pub(crate) comparison: Comparison,
    pub(crate) missing: Gap,
    /// Empty: whatever it is put with.
    pub(crate) unit: String,
    pub(crate) description: String,
    pub(crate) actions: Vec<String>,
    pub(crate) ok_actions: Vec<String>,
    pub(crate) insufficient_data_actions: Vec<String>,
    pub(crate) actions_enabled: bool,
}

/// An alarm that would not come back as it was.
pub(super) fn beyond(name: &str, why: &str) -> Error {
    Error::new(ErrorKind::Conflict, format!("the alarm {name} {why}: it cannot be changed from here"))
        .hint("what can be done with it are `cloudwatch::disable_alarm_actions` and `enable_alarm_actions`")
}

impl Definition {
    /// # Errors
    /// `Conflict` for an alarm on an expression, or on something of newer times.
    pub(super) fn of(alarm: &MetricAlarm) -> Result<Self> {
        let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
        let name = text(alarm.alarm_name());
        let (Some(namespace), Some(metric), Some(threshold), true) =
            (alarm.namespace(), alarm.metric_name(), alarm.threshold(), alarm.metrics().is_empty())
        else {
            return Err(beyond(&name, "is on an expression"));
        };
        let comparison = text(alarm.comparison_operator().map(ComparisonOperator::as_str));
        let comparison = Comparison::try_from(comparison).map_err(|_| beyond(&name, "is on a band"))?;
        let missing = match alarm.treat_missing_data() {
            Some("breaching") => Gap::Breaching,
            Some("notBreaching") => Gap::NotBreaching,
            Some("ignore") => Gap::Ignore,
            _ => Gap::Missing,
        };
        let periods = alarm.evaluation_periods().unwrap_or(1);
        let statistic = alarm.statistic().map(Statistic::as_str).or(alarm.extended_statistic());
        Ok(Definition {
            namespace: namespace.to_owned(),
            metric: metric.to_owned(),
            dimensions: metric::told(alarm.dimensions()),
            statistic: text(statistic),
            period: alarm.period().unwrap_or(60),
            periods,
            datapoints: alarm.datapoints_to_alarm().filter(|datapoints| *datapoints != periods),
            threshold,
            comparison,
            missing,
            unit: text(alarm.unit().map(StandardUnit::as_str)),
            description: text(alarm.alarm_description()),
            actions: alarm.alarm_actions().to_vec(),
            ok_actions: alarm.ok_actions().to_vec(),
            insufficient_data_actions: alarm.insufficient_data_actions().to_vec(),
            actions_enabled: alarm.actions_enabled().unwrap_or(true),
        })
    }

    /// Sends it.
    ///
    /// # Errors
    /// Those of AWS.
    pub(crate) async fn put(&self, client: &Client, name: &str, of: &BTreeMap<String, String>) -> Result<()> {
        let percentile = self.statistic.starts_with('p');
        let tags: Vec<Tag> =
            of.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect();
        let present = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let asked = client
            .cloudwatch()
            .put_metric_alarm()
            .alarm_name(name)
            .namespace(&self.namespace)
            .metric_name(&self.metric)
            .set_dimensions(Some(metric::dimensions(&self.dimensions)))
            .set_statistic((!percentile).then(|| Statistic::from(self.statistic.as_str())))
            .set_extended_statistic(percentile.then(|| self.statistic.clone()))
            .period(self.period)
            .evaluation_periods(self.periods)
            .set_datapoints_to_alarm(self.datapoints)
            .threshold(self.threshold)
            .comparison_operator(self.comparison.0.clone())
            .treat_missing_data(self.missing.as_str())
            .set_unit(present(&self.unit).map(|unit| StandardUnit::from(unit.as_str())))
            .set_alarm_description(present(&self.description))
            .set_alarm_actions(Some(self.actions.clone()))
            .set_ok_actions(Some(self.ok_actions.clone()))
            .set_insufficient_data_actions(Some(self.insufficient_data_actions.clone()))
            .actions_enabled(self.actions_enabled)
            .set_tags((!tags.is_empty()).then_some(tags))
            .send();
        client.call("cloudwatch:PutMetricAlarm", &format!("setting the alarm {name}"), asked).await.map(drop)
    }

    /// What sets an alarm to be so.
    pub(crate) fn back(&self, client: &Client, name: &str, tags: &BTreeMap<String, String>) -> Inverse {
        let period = u64::try_from(self.period).unwrap_or(60);
        let arguments = json!({
            "name": name,
            "namespace": self.namespace,
            "metric": self.metric,
            "dimensions": self.dimensions,
            "statistic": self.statistic,
            "period": Span::from_secs(period),
            "periods": self.periods,
            "datapoints": self.datapoints.unwrap_or(self.periods),
            "threshold": self.threshold,
            "comparison": self.comparison,
            "missing": self.missing,
            "unit": self.unit,
            "description": self.description,
            "actions": self.actions,
            "ok_actions": self.ok_actions,
            "insufficient_data_actions": self.insufficient_data_actions,
            "actions_enabled": self.actions_enabled,
            "tags": tags,
            "region": client.region(),
        });
        Inverse::call("cloudwatch::set_alarm", arguments)
    }
}

/// The tags of an alarm.
///
/// # Errors
/// Those of AWS.
pub(crate) async fn tags(client: &Client, arn: &str) -> Result<BTreeMap<String, String>> {
    let asked = client.cloudwatch().list_tags_for_resource().resource_arn(arn).send();
    let tried = format!("asking for the tags of {arn}");
    let found = client.call("cloudwatch:ListTagsForResource", &tried, asked).await?;
    Ok(found.tags().iter().filter_map(|tag| Some((tag.key()?.to_owned(), tag.value()?.to_owned()))).collect())
}
