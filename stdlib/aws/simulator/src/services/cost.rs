//! Cost Explorer: every day costs what the estate says that it costs.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::fault::{Answer, Fault};
use crate::protocol::{Call, text};
use crate::world::{Aws, Caller};

/// So many parts of a time are on a page.
const PAGE: usize = 40;
/// What is older is not told.
const MONTHS: i32 = 14;

/// What a service costs a day, in an estate file: a number of dollars, or more of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum CostSection {
    Daily(f64),
    Known(KnownCost),
}

/// What a service costs a day, of which more is said.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct KnownCost {
    pub daily: f64,
    /// The region that it is spent in; the estate's by itself.
    pub region: Option<String>,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// What an account's services cost a day, by their names in bills.
#[derive(Debug, Clone, Default)]
pub(crate) struct Costs(BTreeMap<String, KnownCost>);

impl Costs {
    pub(crate) fn start(sections: &BTreeMap<String, CostSection>) -> Self {
        let costs = sections.iter().map(|(name, section)| {
            let known = match section {
                CostSection::Known(known) => known.clone(),
                CostSection::Daily(daily) => KnownCost { daily: *daily, region: None, tags: BTreeMap::new() },
            };
            (name.clone(), known)
        });
        Costs(costs.collect())
    }
}

fn invalid(message: impl Into<String>) -> Fault {
    Fault::sender("ValidationException", message)
}

/// # Errors
/// Those of AWS.
pub(crate) fn call(world: &mut Aws, caller: &Caller, call: &Call) -> Answer {
    let region = world.region().to_owned();
    let costs = &world.account_of(caller).costs;
    let input = &call.input;
    match call.operation.as_str() {
        "GetCostAndUsage" => spent(costs, input, &region, caller),
        "GetCostForecast" => forecast(costs, input, caller.now),
        operation => Err(Fault::not_simulated("ce", operation)),
    }
}

fn today(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::UTC).date()
}

fn period(input: &Value) -> Answer<(Date, Date)> {
    let day = |name: &str| -> Answer<Date> {
        let text = text(input.get("TimePeriod").unwrap_or(&Value::Null), name)?;
        text.parse()
            .map_err(|_| invalid(format!("{name} time {text} is invalid. Valid format is: yyyy-MM-dd.")))
    };
    let (from, to) = (day("Start")?, day("End")?);
    if from >= to {
        return Err(invalid("Start date (and hour) should be before end date (and hour)"));
    }
    Ok((from, to))
}

/// The parts of a time, each with the day after it.
fn parts(input: &Value, (from, to): (Date, Date)) -> Answer<Vec<(Date, Date)>> {
    let monthly = match input.get("Granularity").and_then(Value::as_str) {
        Some("MONTHLY") => true,
        Some("DAILY") => false,
        other => return Err(Fault::not_simulated("ce", &format!("Granularity {other:?}"))),
    };
    let mut parts = Vec::new();
    let mut begin = from;
    while begin < to {
        let next = if monthly { begin.last_of_month().tomorrow() } else { begin.tomorrow() };
        let next = next.map_err(|_| invalid("the time ends too late"))?.min(to);
        parts.push((begin, next));
        begin = next;
    }
    Ok(parts)
}

/// How many days of a part have been; today as far as it has come.
fn days((from, to): (Date, Date), now: Timestamp) -> f64 {
    let mut days = 0.0;
    let mut day = from;
    let here = now.to_zoned(TimeZone::UTC);
    while day < to {
        days += match day.cmp(&here.date()) {
            std::cmp::Ordering::Less => 1.0,
            std::cmp::Ordering::Equal => f64::from(here.hour()) / 24.0,
            std::cmp::Ordering::Greater => 0.0,
        };
        let Ok(next) = day.tomorrow() else { break };
        day = next;
    }
    days
}

fn money(amount: f64) -> Value {
    json!({ "Amount": format!("{amount:.10}"), "Unit": "USD" })
}

fn spent(costs: &Costs, input: &Value, region: &str, caller: &Caller) -> Answer {
    let (from, to) = period(input)?;
    let now = caller.now;
    if from < today(now).saturating_sub(MONTHS.months()) {
        return Err(invalid("You haven't enabled historical data beyond 14 months"));
    }
    let metrics = input.get("Metrics").and_then(Value::as_array).cloned().unwrap_or_default();
    let metrics: Vec<&str> = metrics.iter().filter_map(Value::as_str).collect();
    if metrics.is_empty() {
        return Err(invalid("Metrics must be specified"));
    }
    let mut counted = Vec::new();
    for (name, cost) in &costs.0 {
        if matches(input.get("Filter"), name, cost, region)? {
            counted.push((name, cost));
        }
    }
    let with_metrics = |daily: f64, days: f64| {
        let values = metrics.iter().map(|metric| ((*metric).to_owned(), money(daily * days)));
        Value::Object(values.collect::<Map<_, _>>())
    };
    let groups = input.get("GroupBy").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut results = Vec::new();
    for part in parts(input, (from, to))? {
        let days = days(part, now);
        let mut result = json!({
            "TimePeriod": { "Start": part.0.to_string(), "End": part.1.to_string() },
            "Total": {},
            "Groups": [],
            "Estimated": part.1 > today(now),
        });
        if groups.is_empty() {
            result["Total"] = with_metrics(counted.iter().map(|(_, cost)| cost.daily).sum(), days);
        } else {
            let mut sums: BTreeMap<Vec<String>, f64> = BTreeMap::new();
            for (name, cost) in &counted {
                let mut keys = Vec::new();
                for group in &groups {
                    keys.push(key(group, name, cost, region, caller)?);
                }
                *sums.entry(keys).or_default() += cost.daily;
            }
            let sums = sums.into_iter().filter(|_| days > 0.0);
            result["Groups"] = sums
                .map(|(keys, daily)| json!({ "Keys": keys, "Metrics": with_metrics(daily, days) }))
                .collect();
        }
        results.push(result);
    }
    let begin = input.get("NextPageToken").and_then(Value::as_str).and_then(|text| text.parse().ok());
    let begin: usize = begin.unwrap_or(0);
    let more = results.len() > begin + PAGE;
    let page: Vec<Value> = results.into_iter().skip(begin).take(PAGE).collect();
    let mut answer =
        json!({ "ResultsByTime": page, "GroupDefinitions": groups, "DimensionValueAttributes": [] });
    if more {
        answer["NextPageToken"] = (begin + PAGE).to_string().into();
    }
    Ok(answer)
}

/// The value of a cost's dimension.
fn dimension(name: &str, service: &str, cost: &KnownCost, region: &str) -> Option<String> {
    match name {
        "SERVICE" => Some(service.to_owned()),
        "REGION" => Some(cost.region.clone().unwrap_or_else(|| region.to_owned())),
        _ => None,
    }
}

fn key(group: &Value, service: &str, cost: &KnownCost, region: &str, caller: &Caller) -> Answer<String> {
    let key = text(group, "Key")?;
    match group.get("Type").and_then(Value::as_str) {
        Some("TAG") => Ok(format!("{key}${}", cost.tags.get(key).map(String::as_str).unwrap_or_default())),
        Some("DIMENSION") if key == "LINKED_ACCOUNT" => Ok(caller.account.clone()),
        Some("DIMENSION") => {
            let value = dimension(key, service, cost, region);
            value.ok_or_else(|| Fault::not_simulated("ce", &format!("GroupBy {key}")))
        }
        other => Err(Fault::not_simulated("ce", &format!("GroupBy {other:?}"))),
    }
}

fn matches(filter: Option<&Value>, service: &str, cost: &KnownCost, region: &str) -> Answer<bool> {
    let Some(filter) = filter.filter(|filter| !filter.is_null()) else { return Ok(true) };
    let is_among = |of: &Value, value: &str| {
        let values = of.get("Values").and_then(Value::as_array);
        values.is_some_and(|values| values.iter().any(|of| of.as_str() == Some(value)))
    };
    if let Some(all) = filter.get("And").and_then(Value::as_array) {
        for of in all {
            if !matches(Some(of), service, cost, region)? {
                return Ok(false);
            }
        }
        return Ok(true);
    }
    if let Some(tags) = filter.get("Tags") {
        let value = cost.tags.get(text(tags, "Key")?);
        return Ok(is_among(tags, value.map(String::as_str).unwrap_or_default()));
    }
    if let Some(of) = filter.get("Dimensions") {
        let key = text(of, "Key")?;
        let value = dimension(key, service, cost, region);
        let value = value.ok_or_else(|| Fault::not_simulated("ce", &format!("Filter {key}")))?;
        return Ok(is_among(of, &value));
    }
    Err(Fault::not_simulated("ce", "Filter"))
}

fn forecast(costs: &Costs, input: &Value, now: Timestamp) -> Answer {
    let (from, to) = period(input)?;
    if from < today(now) {
        return Err(invalid("Start date (and hour) should not be before today"));
    }
    let daily: f64 = costs.0.values().map(|cost| cost.daily).sum();
    if daily <= 0.0 {
        let message = "Insufficient amount of historical data to generate forecast.";
        return Err(Fault::sender("DataUnavailableException", message));
    }
    let mut total = 0.0;
    let mut results = Vec::new();
    for (from, to) in parts(input, (from, to))? {
        let amount = daily * f64::from((to - from).get_days());
        total += amount;
        results.push(json!({
            "TimePeriod": { "Start": from.to_string(), "End": to.to_string() },
            "MeanValue": format!("{amount:.10}"),
        }));
    }
    Ok(json!({ "Total": money(total), "ForecastResultsByTime": results }))
}
