//! Asking for alarms, all pages of them.

use std::collections::BTreeMap;

use aws_sdk_cloudwatch::operation::describe_alarms::DescribeAlarmsOutput;
use aws_sdk_cloudwatch::types::{AlarmType, CompositeAlarm, MetricAlarm, StateValue};
use opsrun_core::{Error, Result, Span};
use schemars::JsonSchema;
use serde::Serialize;

use super::definition::Definition;
use super::metric;
use crate::client::Client;
use crate::rds::time;

const DESCRIBE: &str = "cloudwatch:DescribeAlarms";

/// An alarm and the state that it is in.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Alarm {
    pub(crate) name: String,
    pub(crate) arn: String,
    pub(crate) region: String,
    /// `metric`; `composite`: it is made of other alarms.
    pub(crate) kind: &'static str,
    /// `OK`, `ALARM`, `INSUFFICIENT_DATA`
    pub(crate) state: String,
    /// What CloudWatch says of it.
    pub(crate) reason: String,
    /// Since when it is in this state.
    pub(crate) since: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) namespace: Option<String>,
    pub(crate) metric: Option<String>,
    pub(crate) dimensions: BTreeMap<String, String>,
    /// `Average`, `p99` …
    pub(crate) statistic: Option<String>,
    pub(crate) period: Option<Span>,
    /// So many periods are looked at.
    pub(crate) periods: Option<i32>,
    /// In so many of them the threshold has to be crossed.
    pub(crate) datapoints: Option<i32>,
    pub(crate) threshold: Option<f64>,
    /// `GreaterThanThreshold` …
    pub(crate) comparison: Option<String>,
    /// What a period without data counts as.
    pub(crate) missing: Option<String>,
    /// Whether anything happens when its state changes.
    pub(crate) actions_enabled: bool,
    /// ARNs of what is told when it goes off.
    pub(crate) actions: Vec<String>,
}

impl Alarm {
    pub(crate) fn of(alarm: &MetricAlarm, region: &str) -> Self {
        let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
        let statistic = alarm.statistic().map(|statistic| statistic.as_str().to_owned());
        let period = alarm.period().and_then(|seconds| u64::try_from(seconds).ok());
        Alarm {
            name: text(alarm.alarm_name()),
            arn: text(alarm.alarm_arn()),
            region: region.to_owned(),
            kind: "metric",
            state: text(alarm.state_value().map(StateValue::as_str)),
            reason: text(alarm.state_reason()),
            since: alarm.state_updated_timestamp().and_then(time).map(|at| at.to_string()),
            description: alarm.alarm_description().map(str::to_owned),
            namespace: alarm.namespace().map(str::to_owned),
            metric: alarm.metric_name().map(str::to_owned),
            dimensions: metric::told(alarm.dimensions()),
            statistic: statistic.or_else(|| alarm.extended_statistic().map(str::to_owned)),
            period: period.map(Span::from_secs),
            periods: alarm.evaluation_periods(),
            datapoints: alarm.datapoints_to_alarm().or(alarm.evaluation_periods()),
            threshold: alarm.threshold(),
            comparison: alarm.comparison_operator().map(|comparison| comparison.as_str().to_owned()),
            missing: Some(alarm.treat_missing_data().unwrap_or("missing").to_owned()),
            actions_enabled: alarm.actions_enabled().unwrap_or(true),
            actions: alarm.alarm_actions().to_vec(),
        }
    }

    fn of_composite(alarm: &CompositeAlarm, region: &str) -> Self {
        let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
        Alarm {
            name: text(alarm.alarm_name()),
            arn: text(alarm.alarm_arn()),
            region: region.to_owned(),
            kind: "composite",
            state: text(alarm.state_value().map(StateValue::as_str)),
            reason: text(alarm.state_reason()),
            since: alarm.state_updated_timestamp().and_then(time).map(|at| at.to_string()),
            description: alarm.alarm_description().map(str::to_owned),
            namespace: None,
            metric: None,
            dimensions: BTreeMap::new(),
            statistic: None,
            period: None,
            periods: None,
            datapoints: None,
            threshold: None,
            comparison: None,
            missing: None,
            actions_enabled: alarm.actions_enabled().unwrap_or(true),
            actions: alarm.alarm_actions().to_vec(),
        }
    }
}

async fn named(client: &Client, name: &str) -> Result<DescribeAlarmsOutput> {
    let asked = client.cloudwatch().describe_alarms().alarm_names(name);
    let asked = asked.alarm_types(AlarmType::MetricAlarm).alarm_types(AlarmType::CompositeAlarm).send();
    client.call(DESCRIBE, &format!("asking for the alarm {name}"), asked).await
}

/// The alarm of this name, if there is one.
///
/// # Errors
/// Those of AWS.
pub(crate) async fn alarm(client: &Client, name: &str) -> Result<Option<Alarm>> {
    let found = named(client, name).await?;
    let of_metric = found.metric_alarms().first().map(|alarm| Alarm::of(alarm, client.region()));
    let composite = found.composite_alarms().first().map(|alarm| Alarm::of_composite(alarm, client.region()));
    Ok(of_metric.or(composite))
}

/// # Errors
/// `NotFound`; those of AWS.
pub(crate) async fn needed_alarm(client: &Client, name: &str) -> Result<Alarm> {
    if let Some(found) = alarm(client, name).await? {
        return Ok(found);
    }
    let place = client.place();
    let message = format!("there is no alarm {name} in {}, {}", place.region, place.account);
    Err(Error::not_found(message)
        .hint("`cloudwatch::alarms()` lists them; another region is said with the option `region`"))
}

/// How the alarm of this name is defined, with its ARN; `None` if there is none.
///
/// # Errors
/// `Conflict` for one that cannot be told in full; those of AWS.
pub(crate) async fn held(client: &Client, name: &str) -> Result<Option<(Definition, String)>> {
    let found = named(client, name).await?;
    if !found.composite_alarms().is_empty() {
        return Err(super::definition::beyond(name, "is made of other alarms"));
    }
    let Some(alarm) = found.metric_alarms().first() else { return Ok(None) };
    let arn = alarm.alarm_arn().unwrap_or_default().to_owned();
    Definition::of(alarm).map(|definition| Some((definition, arn)))
}

/// Alarms whose names begin so and that are in this state, by their names.
///
/// # Errors
/// Those of AWS.
pub(crate) async fn alarms(client: &Client, prefix: Option<&str>, state: Option<&str>) -> Result<Vec<Alarm>> {
    let mut all = Vec::new();
    let mut next = None;
    loop {
        let asked = client.cloudwatch().describe_alarms().set_next_token(next);
        let asked = asked
            .set_alarm_name_prefix(prefix.map(str::to_owned))
            .set_state_value(state.map(StateValue::from));
        let asked = asked.alarm_types(AlarmType::MetricAlarm).alarm_types(AlarmType::CompositeAlarm).send();
        let page = client.call(DESCRIBE, "asking for the alarms", asked).await?;
        all.extend(page.metric_alarms().iter().map(|alarm| Alarm::of(alarm, client.region())));
        all.extend(page.composite_alarms().iter().map(|alarm| Alarm::of_composite(alarm, client.region())));
        next = page.next_token.filter(|token| !token.is_empty());
        if next.is_none() {
            break;
        }
    }
    // Not every server that speaks the protocol looks at both.
    all.retain(|alarm| state.is_none_or(|state| alarm.state == state));
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}
