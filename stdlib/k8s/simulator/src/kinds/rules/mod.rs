//! What the server refuses in specs, in the words of its validation: shared checks, and one file per family of kinds.
//! Functions of values; they find everything that is wrong and change nothing.

mod claim;
mod job;
mod network;
mod pod;
mod pod_change;
mod resources;
mod volume;
mod warnings;
mod workload;

use opsrun_k8s_schema::Quantity;
use serde_json::Value;

pub(super) use self::claim::{validate_claim, validate_claim_update};
pub(super) use self::job::{validate_cron_job, validate_cron_job_update, validate_job, validate_job_update};
pub(super) use self::network::{
    validate_endpoints, validate_ingress, validate_load_balancer, validate_network_policy, validate_service,
    validate_service_update,
};
pub(super) use self::pod::{validate_pod_spec, validate_pod_template};
pub(super) use self::pod_change::validate_pod_update;
pub(super) use self::resources::{
    validate_disruption_budget, validate_limit_range, validate_node, validate_quota, validate_quota_update,
    validate_role_binding_update,
};
pub(super) use self::warnings::{
    claim_warnings, name_warning, pod_warnings, service_warnings, workload_warnings,
};
pub(super) use self::workload::{
    validate_counters, validate_daemon_set, validate_daemon_set_update, validate_deployment,
    validate_deployment_update, validate_replica_set, validate_replica_set_update,
    validate_replication_controller, validate_stateful_set, validate_stateful_set_update,
};
use crate::context::text;
use crate::names;
use crate::status::{Invalid, Reason};

pub(super) const IMMUTABLE: &str = "field is immutable";

/// `path.field`, or the field alone at the top.
fn at(path: &str, field: &str) -> String {
    if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") }
}

/// A refusal whose value is shown as Go shows a struct: its fields in their order.
fn shown(reason: Reason, field: &str, value: &[(&str, &Value)], detail: &str) -> Invalid {
    let fields: Vec<String> = value.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    let colon = if detail.is_empty() { "" } else { ": " };
    let detail = format!("{{{}}}{colon}{detail}", fields.join(","));
    Invalid { reason, field: field.to_owned(), value: None, detail }
}

/// The items of a list with their paths.
fn items<'a>(object: &'a Value, field: &str, path: &str) -> Vec<(String, &'a Value)> {
    let list = object[field].as_array().map(Vec::as_slice).unwrap_or_default();
    let path = at(path, field);
    list.iter().enumerate().map(|(index, one)| (format!("{path}[{index}]"), one)).collect()
}

/// Whether a field is given at all.
fn has(object: &Value, field: &str) -> bool {
    object.get(field).is_some_and(|value| !value.is_null())
}

/// Numbers that may not be negative, where they are given.
fn non_negative(object: &Value, fields: &[&str], path: &str, wrong: &mut Vec<Invalid>) {
    for field in fields {
        if let Some(value) = object[*field].as_i64().filter(|value| *value < 0) {
            wrong.push(Invalid::value(at(path, field), value, "must be greater than or equal to 0"));
        }
    }
}

/// A word out of a few; `required` where an empty one is a mistake of its own.
fn one_of(object: &Value, field: &str, words: &[&str], path: &str, wrong: &mut Vec<Invalid>) {
    let given = text(&object[field]);
    if !given.is_empty() && !words.contains(&given) {
        wrong.push(Invalid::not_supported(at(path, field), given, words));
    }
}

fn port_number(value: i64, path: &str, wrong: &mut Vec<Invalid>) {
    if !(1..=65535).contains(&value) {
        wrong.push(Invalid::value(path, value, "must be between 1 and 65535, inclusive"));
    }
}

/// A port by number or by name.
fn port(value: &Value, path: &str, wrong: &mut Vec<Invalid>) {
    match value {
        Value::String(name) => {
            wrong.extend(port_name(name).into_iter().map(|why| Invalid::value(path, name.as_str(), why)));
        }
        other => port_number(other.as_i64().unwrap_or(0), path, wrong),
    }
}

/// An IANA service name: at most 15 characters, at least one letter.
fn port_name(name: &str) -> Vec<&'static str> {
    let mut wrong = Vec::new();
    if name.len() > 15 {
        wrong.push("must be no more than 15 characters");
    }
    if !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') || name.is_empty() {
        wrong.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
    }
    if !name.bytes().any(|b| b.is_ascii_lowercase()) {
        wrong.push("must contain at least one letter (a-z)");
    }
    if name.contains("--") {
        wrong.push("must not contain consecutive hyphens");
    }
    if name.starts_with('-') || name.ends_with('-') {
        wrong.push("must not begin or end with a hyphen");
    }
    wrong
}

const PERCENT: &str = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', \
    regex used for validation is '[0-9]+%')";

/// A count or a percentage, neither negative nor above 100 %.
fn count_or_percent(object: &Value, field: &str, path: &str, wrong: &mut Vec<Invalid>) {
    let path = at(path, field);
    match &object[field] {
        Value::String(given) => match percent(given) {
            None => wrong.push(Invalid::value(path, given.as_str(), PERCENT)),
            Some(value) if value > 100 => {
                wrong.push(Invalid::value(path, given.as_str(), "must not be greater than 100%"));
            }
            Some(_) => {}
        },
        Value::Number(number) if number.as_i64().is_some_and(|value| value < 0) => {
            wrong.push(Invalid::value(path, number.as_i64(), "must be greater than or equal to 0"));
        }
        _ => {}
    }
}

fn percent(given: &str) -> Option<i64> {
    let digits = given.strip_suffix('%').filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?;
    digits.parse().ok()
}

/// Whether an object's selector selects labels. `None`: there is no selector, and it selects nothing.
fn selects(selector: &Value, labels: &Value) -> bool {
    let Some(map) = selector.as_object() else { return false };
    let label = |key: &str| labels.get(key).and_then(Value::as_str);
    let exact = map
        .get("matchLabels")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .all(|(key, value)| label(key) == value.as_str());
    exact
        && map.get("matchExpressions").and_then(Value::as_array).into_iter().flatten().all(|one| {
            let found = label(text(&one["key"]));
            let among = || {
                one["values"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .any(|value| value.as_str() == found && found.is_some())
            };
            match text(&one["operator"]) {
                "In" => among(),
                "NotIn" => !among(),
                "Exists" => found.is_some(),
                _ => found.is_none(),
            }
        })
}

/// The keys, values and operators of a label selector.
fn label_selector(selector: &Value, path: &str, wrong: &mut Vec<Invalid>) {
    wrong.extend(names::labels(&selector["matchLabels"], &at(path, "matchLabels")));
    for (path, one) in items(selector, "matchExpressions", path) {
        let values = one["values"].as_array().map(Vec::len).unwrap_or_default();
        match text(&one["operator"]) {
            "In" | "NotIn" if values == 0 => {
                let why = "must be specified when `operator` is 'In' or 'NotIn'";
                wrong.push(Invalid::required(at(&path, "values"), why));
            }
            "Exists" | "DoesNotExist" if values > 0 => {
                let why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                wrong.push(Invalid::forbidden(at(&path, "values"), why));
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            other => {
                wrong.push(Invalid::value(at(&path, "operator"), other, "not a valid selector operator"));
            }
        }
        let key = text(&one["key"]);
        wrong.extend(names::qualified(key).into_iter().map(|why| Invalid::value(at(&path, "key"), key, why)));
    }
}

/// A quantity that is known to be one: decoding has seen it.
fn quantity(value: &Value) -> Quantity {
    text(value).parse().unwrap_or(Quantity::ZERO)
}

/// An address, version 4 or 6.
fn is_address(given: &str) -> bool {
    given.parse::<std::net::IpAddr>().is_ok()
}

/// Fields that differ and may not.
fn immutable(old: &Value, new: &Value, fields: &[&str], path: &str, wrong: &mut Vec<Invalid>) {
    for field in fields {
        if old.get(field) != new.get(field) {
            wrong.push(Invalid::value(at(path, field), new[*field].clone(), IMMUTABLE));
        }
    }
}
