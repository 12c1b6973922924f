//! Alarms: what state they are in is worked out when somebody asks.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::metrics::{self, begin, key_of, statistic};
use super::section::AlarmSection;
use super::wire::{self, count, flag, invalid, missing, needed, number, optional, texts};
use super::{CloudWatch, of};
use crate::fault::{Answer, Fault};
use crate::world::{Aws, Caller};

const INSUFFICIENT: &str = "INSUFFICIENT_DATA";
const ALARM: &str = "ALARM";
const OK: &str = "OK";

/// So long it takes until a new alarm, or one whose state somebody has set, looks at its metric.
const EVALUATED_AFTER: SignedDuration = SignedDuration::from_secs(60);

type Compares = fn(f64, f64) -> bool;

const COMPARISONS: &[(&str, Compares)] = &[
    ("GreaterThanOrEqualToThreshold", |value, threshold| value >= threshold),
    ("GreaterThanThreshold", |value, threshold| value > threshold),
    ("LessThanThreshold", |value, threshold| value < threshold),
    ("LessThanOrEqualToThreshold", |value, threshold| value <= threshold),
];

#[derive(Debug, Clone)]
pub(super) struct Alarm {
    /// The members of `PutMetricAlarm`, as `DescribeAlarms` has them.
    pub(super) definition: Value,
    pub(super) tags: BTreeMap<String, String>,
    configured: Timestamp,
    state: String,
    reason: String,
    updated: Timestamp,
    /// Until then the state is not looked at.
    until: Option<Timestamp>,
}

impl Alarm {
    /// # Errors
    /// What of the section cannot be.
    pub(super) fn start(name: &str, section: &AlarmSection, now: Timestamp) -> Result<Self, String> {
        let input = json!({
            "AlarmName": name,
            "AlarmDescription": section.description,
            "ActionsEnabled": section.actions_enabled,
            "AlarmActions": section.actions,
            "Namespace": section.namespace,
            "MetricName": section.metric,
            "Dimensions": wire::told(&section.dimensions),
            "Statistic": section.statistic,
            "Period": section.period.duration().as_secs(),
            "EvaluationPeriods": section.periods,
            "DatapointsToAlarm": section.datapoints,
            "Threshold": section.threshold,
            "ComparisonOperator": section.comparison,
            "TreatMissingData": section.missing,
        });
        let definition = definition(&input).map_err(|fault| fault.message)?;
        let alarm = Alarm { tags: section.tags.clone(), until: None, ..Alarm::new(definition, now) };
        Ok(alarm)
    }

    fn new(definition: Value, now: Timestamp) -> Self {
        Alarm {
            definition,
            tags: BTreeMap::new(),
            configured: now,
            state: INSUFFICIENT.to_owned(),
            reason: "Unchecked: Initial alarm creation".to_owned(),
            updated: now,
            until: now.checked_add(EVALUATED_AFTER).ok(),
        }
    }

    fn described(&self, name: &str, caller: &Caller) -> Value {
        let mut described = self.definition.clone();
        described["AlarmArn"] = arn(caller, name).into();
        described["StateValue"] = self.state.clone().into();
        described["StateReason"] = self.reason.clone().into();
        described["StateUpdatedTimestamp"] = self.updated.to_string().into();
        described["AlarmConfigurationUpdatedTimestamp"] = self.configured.to_string().into();
        described
    }
}

fn arn(caller: &Caller, name: &str) -> String {
    format!("arn:aws:cloudwatch:{}:{}:alarm:{name}", caller.region, caller.account)
}

/// What is kept of a request, with what it leaves out.
///
/// # Errors
/// `MissingParameter`, `ValidationError`; `NotImplemented` for alarms on expressions.
fn definition(input: &Value) -> Answer {
    if input.get("Metrics").is_some_and(|metrics| !metrics.is_null()) {
        return Err(Fault::not_simulated("cloudwatch", "PutMetricAlarm of an expression"));
    }
    let comparison = needed(input, "ComparisonOperator")?;
    if !COMPARISONS.iter().any(|(known, _)| *known == comparison) {
        return Err(invalid(format!("The comparison operator {comparison} is not known.")));
    }
    let periods = count(input, "EvaluationPeriods")?.ok_or_else(|| missing("EvaluationPeriods"))?;
    let datapoints = count(input, "DatapointsToAlarm")?;
    if datapoints.is_some_and(|datapoints| datapoints > periods) {
        return Err(invalid("DatapointsToAlarm must not be greater than EvaluationPeriods."));
    }
    let (plain, extended) = (optional(input, "Statistic"), optional(input, "ExtendedStatistic"));
    if plain.is_some() == extended.is_some() {
        return Err(invalid("Either Statistic or ExtendedStatistic must be specified, and not both."));
    }
    let treat = optional(input, "TreatMissingData");
    if treat.is_some_and(|treat| !["missing", "breaching", "notBreaching", "ignore"].contains(&treat)) {
        return Err(invalid("TreatMissingData is one of [breaching, notBreaching, ignore, missing]."));
    }
    let key = key_of(input)?;
    Ok(json!({
        "AlarmName": needed(input, "AlarmName")?,
        "AlarmDescription": optional(input, "AlarmDescription"),
        "ActionsEnabled": flag(input, "ActionsEnabled").unwrap_or(true),
        "OKActions": texts(input, "OKActions"),
        "AlarmActions": texts(input, "AlarmActions"),
        "InsufficientDataActions": texts(input, "InsufficientDataActions"),
        "MetricName": key.name,
        "Namespace": key.namespace,
        "Statistic": plain,
        "ExtendedStatistic": extended,
        "Dimensions": wire::told(&key.dimensions),
        "Period": wire::period(input)?,
        "Unit": optional(input, "Unit"),
        "EvaluationPeriods": periods,
        "DatapointsToAlarm": datapoints,
        "Threshold": number(input, "Threshold")?.ok_or_else(|| missing("Threshold"))?,
        "ComparisonOperator": comparison,
        "TreatMissingData": treat,
    }))
}

pub(super) fn put(world: &mut Aws, caller: &Caller, input: &Value) -> Answer {
    let definition = definition(input)?;
    let name = needed(input, "AlarmName")?.to_owned();
    let tags = wire::list(input, "Tags").filter_map(|tag| {
        Some((optional(tag, "Key")?.to_owned(), optional(tag, "Value").unwrap_or_default().to_owned()))
    });
    let alarms = &mut of(world, caller).alarms;
    match alarms.get_mut(&name) {
        // Its state and its tags stay.
        Some(alarm) => (alarm.definition, alarm.configured) = (definition, caller.now),
        None => {
            let alarm = Alarm { tags: tags.collect(), ..Alarm::new(definition, caller.now) };
            alarms.insert(name, alarm);
        }
    }
    Ok(Value::Null)
}

pub(super) fn delete(world: &mut Aws, caller: &Caller, input: &Value) -> Answer {
    let names = texts(input, "AlarmNames");
    let alarms = &mut of(world, caller).alarms;
    // All or none; one that there is not is an error only if there are others.
    if let Some(unknown) = names.iter().find(|name| names.len() > 1 && !alarms.contains_key(*name)) {
        let message = format!("Alarm {unknown} does not exist.");
        return Err(Fault::not_found("ResourceNotFound", message));
    }
    alarms.retain(|name, _| !names.contains(name));
    Ok(Value::Null)
}

pub(super) fn switch(world: &mut Aws, caller: &Caller, input: &Value, enabled: bool) -> Answer {
    let alarms = &mut of(world, caller).alarms;
    for name in texts(input, "AlarmNames") {
        // Of others nobody is told that there are none.
        if let Some(alarm) = alarms.get_mut(&name) {
            alarm.definition["ActionsEnabled"] = enabled.into();
        }
    }
    Ok(Value::Null)
}

pub(super) fn set_state(world: &mut Aws, caller: &Caller, input: &Value) -> Answer {
    let (name, state) = (needed(input, "AlarmName")?, needed(input, "StateValue")?);
    if ![OK, ALARM, INSUFFICIENT].contains(&state) {
        return Err(invalid(format!("The state {state} is not one of [OK, ALARM, INSUFFICIENT_DATA].")));
    }
    let alarms = &mut of(world, caller).alarms;
    let alarm = alarms
        .get_mut(name)
        .ok_or_else(|| Fault::not_found("ResourceNotFound", format!("Alarm {name} does not exist.")))?;
    alarm.state = state.to_owned();
    alarm.reason = needed(input, "StateReason")?.to_owned();
    alarm.updated = caller.now;
    alarm.until = caller.now.checked_add(EVALUATED_AFTER).ok();
    Ok(Value::Null)
}

pub(super) fn tags(world: &mut Aws, caller: &Caller, input: &Value) -> Answer {
    let named = needed(input, "ResourceARN")?;
    let name = named.rsplit_once(":alarm:").map(|(_, name)| name);
    let alarm = name.and_then(|name| of(world, caller).alarms.get(name));
    let alarm = alarm.ok_or_else(|| Fault::not_found("ResourceNotFoundException", "Unknown"))?;
    let tags = alarm.tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value }));
    Ok(json!({ "Tags": tags.collect::<Vec<_>>() }))
}

pub(super) fn describe(world: &mut Aws, caller: &Caller, input: &Value) -> Answer {
    settle(world, caller);
    let names = texts(input, "AlarmNames");
    let (prefix, state) = (optional(input, "AlarmNamePrefix"), optional(input, "StateValue"));
    let types = texts(input, "AlarmTypes");
    let size = count(input, "MaxRecords")?.unwrap_or(50);
    if size > 100 {
        return Err(invalid("MaxRecords must be less than or equal to 100."));
    }
    let size = usize::try_from(size).unwrap_or(50);
    let of_metrics = types.is_empty() || types.iter().any(|kind| kind == "MetricAlarm");
    let alarms = of(world, caller).alarms.iter().filter(|(name, alarm)| {
        of_metrics
            && (names.is_empty() || names.contains(name))
            && prefix.is_none_or(|prefix| name.starts_with(prefix))
            && state.is_none_or(|state| alarm.state == state)
    });
    let first = wire::from(input)?;
    let mut alarms: Vec<Value> =
        alarms.skip(first).take(size + 1).map(|(name, alarm)| alarm.described(name, caller)).collect();
    let next = (alarms.len() > size).then(|| (first + size).to_string());
    alarms.truncate(size);
    Ok(json!({ "MetricAlarms": alarms, "CompositeAlarms": [], "NextToken": next }))
}

/// Looks at the metrics of all alarms.
fn settle(world: &mut Aws, caller: &Caller) {
    let alarms = std::mem::take(&mut of(world, caller).alarms);
    let settled = alarms.into_iter().map(|(name, mut alarm)| {
        let due = alarm.until.is_none_or(|until| until <= caller.now);
        if let Some((state, reason)) = due.then(|| evaluated(world, caller, &alarm.definition)).flatten()
            && alarm.state != state
        {
            (alarm.state, alarm.reason, alarm.updated) = (state.to_owned(), reason, caller.now);
        }
        (name, alarm)
    });
    let settled = settled.collect();
    *of(world, caller) = CloudWatch { alarms: settled, ..std::mem::take(of(world, caller)) };
}

/// The state that follows from the last periods, and why; `None` if it stays as it is.
fn evaluated(world: &Aws, caller: &Caller, definition: &Value) -> Option<(&'static str, String)> {
    let number = |member: &str| definition.get(member).and_then(Value::as_i64);
    let (length, periods) = (number("Period")?, number("EvaluationPeriods")?);
    let needed = number("DatapointsToAlarm").unwrap_or(periods);
    let threshold = definition.get("Threshold")?.as_f64()?;
    let comparison = optional(definition, "ComparisonOperator")?;
    let (_, is_over) = COMPARISONS.iter().find(|(known, _)| *known == comparison)?;
    let which = optional(definition, "Statistic").or(optional(definition, "ExtendedStatistic"))?;
    // The period that is under way does not count.
    let until = begin(caller.now, length);
    let from = until.checked_sub(SignedDuration::from_secs(length * periods)).ok()?;
    let key = key_of(definition).ok()?;
    let found = metrics::periods(&metrics::samples(world, caller, &key, (from, until)), length);
    let values: Vec<f64> = found.values().filter_map(|samples| statistic(samples, which).ok()).collect();
    let breaching = values.iter().filter(|value| is_over(**value, threshold)).count();
    let breaching = i64::try_from(breaching).unwrap_or(i64::MAX);
    let absent = periods - i64::try_from(values.len()).unwrap_or(periods);
    let treat = optional(definition, "TreatMissingData").unwrap_or("missing");
    let over = breaching + if treat == "breaching" { absent } else { 0 };
    let told: Vec<String> = values.iter().rev().map(f64::to_string).collect();
    let said = |state| {
        format!(
            "Threshold Crossed: {breaching} datapoints [{}] of {periods} were {state} the threshold ({threshold:?}): {comparison}.",
            told.join(", ")
        )
    };
    match (over >= needed, values.is_empty(), treat) {
        (true, ..) => Some((ALARM, said("beyond"))),
        (false, true, "ignore") => None,
        (false, true, "missing") => {
            Some((INSUFFICIENT, format!("Insufficient Data: {absent} datapoints were unknown.")))
        }
        _ => Some((OK, said("beyond"))),
    }
}
