//! What was measured: put, stated by the estate, or known of what else is in it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::of;
use super::section::MetricSection;
use super::wire::{self, dimensions, invalid, needed, number, optional, texts, time};
use crate::fault::{Answer, Fault};
use crate::services::{autoscaling, rds};
use crate::world::{Aws, Caller};

/// So many points an answer has at most; AWS gives up to 100,800, and may give fewer.
const PAGE: usize = 5_000;

const MINUTE: i64 = 60;

/// So long is kept what was measured: 15 months.
const KEPT: SignedDuration = SignedDuration::from_hours(24 * 455);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) dimensions: BTreeMap<String, String>,
}

/// One measurement, or several that were put together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    at: Timestamp,
    count: f64,
    sum: f64,
    min: f64,
    max: f64,
}

impl Sample {
    fn one(at: Timestamp, value: f64) -> Self {
        Sample { at, count: 1.0, sum: value, min: value, max: value }
    }
}

/// A metric that the estate states.
#[derive(Debug, Clone)]
pub(super) struct Stated {
    from: Timestamp,
    every: SignedDuration,
    values: Vec<f64>,
}

impl Stated {
    /// # Errors
    /// What of the section cannot be.
    pub(super) fn start(section: &MetricSection, now: Timestamp) -> Result<(Key, Self), String> {
        let values = match (section.constant, section.values.as_slice()) {
            (Some(value), []) => vec![value],
            (None, values @ [_, ..]) => values.to_vec(),
            _ => return Err("it has either `constant` or `values`".to_owned()),
        };
        let every = SignedDuration::try_from(section.every.duration()).unwrap_or(SignedDuration::MAX);
        if every.is_zero() {
            return Err("`every` is longer than nothing".to_owned());
        }
        let key = Key {
            namespace: section.namespace.clone(),
            name: section.name.clone(),
            dimensions: section.dimensions.clone(),
        };
        Ok((key, Stated { from: now, every, values }))
    }

    fn value(&self, at: Timestamp) -> Option<f64> {
        let since = at.duration_since(self.from).as_millis().max(0);
        let number = usize::try_from(since / self.every.as_millis().max(1)).ok()?;
        self.values.get(number).or(self.values.last()).copied()
    }
}

/// Everything that was measured in `[from, until)`, in the order of time.
pub(super) fn samples(
    world: &Aws,
    caller: &Caller,
    key: &Key,
    (from, until): (Timestamp, Timestamp),
) -> Vec<Sample> {
    let region = world.accounts.get(&caller.account).and_then(|account| account.regions.get(&caller.region));
    let Some(region) = region else { return Vec::new() };
    let put = region.cloudwatch.put.get(key).into_iter().flatten();
    let mut found: Vec<Sample> = put.filter(|sample| (from..until).contains(&sample.at)).copied().collect();
    let stated = region.cloudwatch.stated.get(key);
    if stated.is_some() || key.namespace.starts_with("AWS/") {
        // Each minute is measured once, at its begin, and none before it has come.
        let from = from.max(caller.now.checked_sub(KEPT).unwrap_or(from));
        let first = (from.as_second() + MINUTE - 1).div_euclid(MINUTE);
        let last = (until.as_second() - 1).min(caller.now.as_second()).div_euclid(MINUTE);
        let times = (first..=last).filter_map(|minute| Timestamp::from_second(minute * MINUTE).ok());
        let measured = times.filter_map(|at| {
            let value = match stated {
                Some(stated) => stated.value(at),
                None => known(world, caller, key, at),
            };
            value.map(|value| Sample::one(at, value))
        });
        found.extend(measured);
    }
    found.sort_by_key(|sample| sample.at);
    found
}

/// What is measured of what else is in the estate.
fn known(world: &Aws, caller: &Caller, key: &Key, at: Timestamp) -> Option<f64> {
    let of = |dimension: &str| (key.dimensions.len() == 1).then(|| key.dimensions.get(dimension)).flatten();
    let place = (caller.account.as_str(), caller.region.as_str());
    match key.namespace.as_str() {
        "AWS/RDS" => rds::metric(world, place, of("DBInstanceIdentifier")?, &key.name, at),
        "AWS/AutoScaling" => autoscaling::metric(world, place, of("AutoScalingGroupName")?, &key.name, at),
        _ => None,
    }
}

/// One number for what was measured in a period.
///
/// # Errors
/// `ValidationError` for a statistic that there is not.
pub(super) fn statistic(samples: &[Sample], which: &str) -> Answer<f64> {
    let count: f64 = samples.iter().map(|sample| sample.count).sum();
    let sum: f64 = samples.iter().map(|sample| sample.sum).sum();
    match which {
        "Average" => Ok(sum / count),
        "Sum" => Ok(sum),
        "SampleCount" => Ok(count),
        "Minimum" => Ok(samples.iter().map(|sample| sample.min).fold(f64::INFINITY, f64::min)),
        "Maximum" => Ok(samples.iter().map(|sample| sample.max).fold(f64::NEG_INFINITY, f64::max)),
        which => {
            let percent = which.strip_prefix('p').and_then(|percent| percent.parse::<f64>().ok());
            let percent = percent.filter(|percent| (0.0..=100.0).contains(percent));
            let percent = percent
                .ok_or_else(|| invalid(format!("The value {which} for parameter Stat is not supported.")))?;
            let mut ordered: Vec<&Sample> = samples.iter().collect();
            ordered.sort_by(|a, b| (a.sum / a.count).total_cmp(&(b.sum / b.count)));
            let mut seen = 0.0;
            let found = ordered.iter().find(|sample| {
                seen += sample.count;
                seen >= count * percent / 100.0
            });
            Ok(found.or(ordered.last()).map_or(0.0, |sample| sample.sum / sample.count))
        }
    }
}

/// The begin of the period that a moment is in.
pub(super) fn begin(at: Timestamp, period: i64) -> Timestamp {
    Timestamp::from_second(at.as_second().div_euclid(period) * period).unwrap_or(at)
}

/// The samples of each period that has some, by its begin.
pub(super) fn periods(samples: &[Sample], period: i64) -> BTreeMap<Timestamp, Vec<Sample>> {
    let mut periods: BTreeMap<Timestamp, Vec<Sample>> = BTreeMap::new();
    for sample in samples {
        periods.entry(begin(sample.at, period)).or_default().push(*sample);
    }
    periods
}

pub(super) fn key_of(input: &Value) -> Answer<Key> {
    Ok(Key {
        namespace: needed(input, "Namespace")?.to_owned(),
        name: needed(input, "MetricName")?.to_owned(),
        dimensions: dimensions(input),
    })
}

pub(super) fn put(world: &mut Aws, caller: &Caller, input: &Value) -> Answer {
    let namespace = needed(input, "Namespace")?;
    if namespace.starts_with("AWS/") {
        let message = "The value AWS/ for parameter Namespace is invalid.";
        return Err(Fault::sender("InvalidParameterValue", message));
    }
    let mut added = Vec::new();
    for datum in wire::list(input, "MetricData") {
        let key = Key {
            namespace: namespace.to_owned(),
            name: needed(datum, "MetricName")?.to_owned(),
            dimensions: dimensions(datum),
        };
        let at = time(datum, "Timestamp")?.unwrap_or(caller.now);
        let off = at.duration_since(caller.now).as_hours();
        if !(-14 * 24..=2).contains(&off) {
            let message = format!(
                "The parameter MetricData.member.1.Timestamp {at} must not be more than two weeks ago or two hours ahead."
            );
            return Err(Fault::sender("InvalidParameterValue", message));
        }
        let samples = of_datum(datum, at)?;
        added.extend(samples.into_iter().map(|sample| (key.clone(), sample)));
    }
    if added.is_empty() {
        return Err(wire::missing("MetricData"));
    }
    let put = &mut of(world, caller).put;
    added.into_iter().for_each(|(key, sample)| put.entry(key).or_default().push(sample));
    Ok(Value::Null)
}

/// One value, values with how often each was measured, or a set of statistics.
fn of_datum(datum: &Value, at: Timestamp) -> Answer<Vec<Sample>> {
    if let Some(value) = number(datum, "Value")? {
        return Ok(vec![Sample::one(at, value)]);
    }
    if let Some(set) = datum.get("StatisticValues").filter(|set| !set.is_null()) {
        let of = |member: &str| number(set, member)?.ok_or_else(|| wire::missing(member));
        return Ok(vec![Sample {
            at,
            count: of("SampleCount")?,
            sum: of("Sum")?,
            min: of("Minimum")?,
            max: of("Maximum")?,
        }]);
    }
    let of = |member: &str| -> Vec<f64> {
        let number = |value: &Value| value.as_f64().or_else(|| value.as_str()?.parse().ok());
        wire::list(datum, member).filter_map(number).collect()
    };
    let (values, counts) = (of("Values"), of("Counts"));
    if values.is_empty() {
        return Err(wire::missing("MetricData.member.1.Value"));
    }
    let samples = values.iter().enumerate().map(|(number, value)| {
        let count = counts.get(number).copied().unwrap_or(1.0);
        Sample { at, count, sum: value * count, min: *value, max: *value }
    });
    Ok(samples.collect())
}

fn range(input: &Value) -> Answer<(Timestamp, Timestamp)> {
    let from = time(input, "StartTime")?.ok_or_else(|| wire::missing("StartTime"))?;
    let until = time(input, "EndTime")?.ok_or_else(|| wire::missing("EndTime"))?;
    if from >= until {
        return Err(invalid("The parameter StartTime must be less than the parameter EndTime."));
    }
    Ok((from, until))
}

pub(super) fn data(world: &mut Aws, caller: &Caller, input: &Value) -> Answer {
    let (from, until) = range(input)?;
    let first = wire::from(input)?;
    let size = wire::count(input, "MaxDatapoints")?.and_then(|most| usize::try_from(most).ok());
    let size = size.map_or(PAGE, |most| most.min(PAGE));
    let ascending = optional(input, "ScanBy") == Some("TimestampAscending");
    let mut more = false;
    let mut results = Vec::new();
    for query in wire::list(input, "MetricDataQueries") {
        let id = needed(query, "Id")?;
        let Some(stat) = query.get("MetricStat").filter(|stat| !stat.is_null()) else {
            return Err(Fault::not_simulated("cloudwatch", "GetMetricData of an expression"));
        };
        let key = key_of(stat.get("Metric").unwrap_or(&Value::Null))?;
        let (which, period) = (needed(stat, "Stat")?, wire::period(stat)?);
        let samples = samples(world, caller, &key, (begin(from, period), until));
        let mut points = Vec::new();
        for (at, samples) in periods(&samples, period) {
            points.push((at, statistic(&samples, which)?));
        }
        if !ascending {
            points.reverse();
        }
        let page: Vec<(Timestamp, f64)> = points.iter().skip(first).take(size).copied().collect();
        let whole = first + page.len() >= points.len();
        more |= !whole;
        results.push(json!({
            "Id": id,
            "Label": optional(query, "Label").unwrap_or(&key.name),
            "Timestamps": page.iter().map(|(at, _)| at.to_string()).collect::<Vec<_>>(),
            "Values": page.iter().map(|(_, value)| *value).collect::<Vec<_>>(),
            "StatusCode": if whole { "Complete" } else { "PartialData" },
        }));
    }
    let next = more.then(|| (first + size).to_string());
    Ok(json!({ "MetricDataResults": results, "Messages": [], "NextToken": next }))
}

pub(super) fn statistics(world: &mut Aws, caller: &Caller, input: &Value) -> Answer {
    let (key, range, period) = (key_of(input)?, range(input)?, wire::period(input)?);
    let wanted = [texts(input, "Statistics"), texts(input, "ExtendedStatistics")].concat();
    if wanted.is_empty() {
        let message = "Must specify either Statistics or ExtendedStatistics";
        return Err(Fault::sender("InvalidParameterCombination", message));
    }
    let samples = samples(world, caller, &key, (begin(range.0, period), range.1));
    let mut points = Vec::new();
    for (at, samples) in periods(&samples, period) {
        let mut point = json!({ "Timestamp": at.to_string(), "Unit": "None" });
        for which in &wanted {
            let value = statistic(&samples, which)?;
            match which.strip_prefix('p') {
                Some(_) => point["ExtendedStatistics"][which] = value.into(),
                None => point[which] = value.into(),
            }
        }
        points.push(point);
    }
    Ok(json!({ "Label": key.name, "Datapoints": points }))
}

pub(super) fn known_keys(world: &Aws, caller: &Caller) -> Vec<Key> {
    let region = world.accounts.get(&caller.account).and_then(|account| account.regions.get(&caller.region));
    let Some(region) = region else { return Vec::new() };
    let of = |namespace: &str, dimension: &str, (name, thing): (&str, &str)| Key {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        dimensions: [(dimension.to_owned(), thing.to_owned())].into(),
    };
    let mut keys: Vec<Key> =
        region.cloudwatch.put.keys().chain(region.cloudwatch.stated.keys()).cloned().collect();
    keys.extend(
        rds::measured(&region.rds).into_iter().map(|pair| of("AWS/RDS", "DBInstanceIdentifier", pair)),
    );
    let groups = autoscaling::measured(region);
    keys.extend(groups.into_iter().map(|pair| of("AWS/AutoScaling", "AutoScalingGroupName", pair)));
    keys.sort();
    keys.dedup();
    keys
}

pub(super) fn list(world: &mut Aws, caller: &Caller, input: &Value) -> Answer {
    const PAGE: usize = 500;
    let (namespace, name) = (optional(input, "Namespace"), optional(input, "MetricName"));
    let wanted: Vec<(Option<&str>, Option<&str>)> = wire::list(input, "Dimensions")
        .map(|dimension| (optional(dimension, "Name"), optional(dimension, "Value")))
        .collect();
    let mut keys = known_keys(world, caller);
    keys.retain(|key| {
        namespace.is_none_or(|wanted| wanted == key.namespace)
            && name.is_none_or(|wanted| wanted == key.name)
            && wanted.iter().all(|(name, value)| {
                key.dimensions
                    .iter()
                    .any(|(known, is)| Some(known.as_str()) == *name && value.is_none_or(|value| value == is))
            })
    });
    let first = wire::from(input)?;
    let next = (keys.len() > first + PAGE).then(|| (first + PAGE).to_string());
    let metrics = keys.iter().skip(first).take(PAGE).map(|key| {
        let dimensions = wire::told(&key.dimensions);
        json!({ "Namespace": key.namespace, "MetricName": key.name, "Dimensions": dimensions })
    });
    Ok(json!({ "Metrics": metrics.collect::<Vec<_>>(), "NextToken": next }))
}
