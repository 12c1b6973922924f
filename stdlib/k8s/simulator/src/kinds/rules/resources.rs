//! Quotas, limit ranges, disruption budgets and role bindings.

use serde_json::Value;

use super::{at, count_or_percent, has, items, label_selector, quantity, shown};
use crate::context::text;
use crate::names;
use crate::status::{Invalid, Reason};

const QUOTA: &[&str] = &[
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.storage",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "persistentvolumeclaims",
    "configmaps",
    "services.nodeports",
    "services.loadbalancers",
];
const SCOPES: &[&str] = &[
    "Terminating",
    "NotTerminating",
    "BestEffort",
    "NotBestEffort",
    "PriorityClass",
    "CrossNamespacePodAffinity",
    "VolumeAttributesClass",
];

pub(crate) fn validate_quota_update(old: &Value, new: &Value) -> Vec<Invalid> {
    let mut wrong = validate_quota(new);
    let scopes = |quota: &Value| {
        let mut scopes: Vec<String> =
            quota["spec"]["scopes"].as_array().into_iter().flatten().map(|s| text(s).to_owned()).collect();
        scopes.sort();
        scopes
    };
    if scopes(old) != scopes(new) {
        wrong.push(Invalid::value("spec.scopes", new["spec"]["scopes"].clone(), super::IMMUTABLE));
    }
    wrong
}

pub(crate) fn validate_node(old: Option<&Value>, node: &Value) -> Vec<Invalid> {
    let mut wrong = Vec::new();
    let mut seen: Vec<(&str, &str)> = Vec::new();
    // The real one says `metadata`, though taints are the spec's.
    for (index, taint) in node["spec"]["taints"].as_array().into_iter().flatten().enumerate() {
        let path = format!("metadata.taints[{index}]");
        let (key, value, effect) = (text(&taint["key"]), text(&taint["value"]), text(&taint["effect"]));
        wrong.extend(names::qualified(key).into_iter().map(|why| Invalid::value(at(&path, "key"), key, why)));
        let faults = names::label_value(value);
        if !faults.is_empty() {
            wrong.push(Invalid::value(at(&path, "value"), value, faults.join(";")));
        }
        let effects = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
        match effect {
            "" => wrong.push(Invalid::required(at(&path, "effect"), "")),
            _ if !effects.contains(&effect) => {
                wrong.push(Invalid::not_supported(at(&path, "effect"), effect, &effects));
            }
            _ => {}
        }
        if seen.contains(&(key, effect)) {
            let mut twice = Invalid::duplicate(path, taint.clone());
            twice.detail = "taints must be unique by key and effect pair".to_owned();
            wrong.push(twice);
            continue;
        }
        seen.push((key, effect));
    }
    for (field, shown) in [("podCIDRs", "podCIDR"), ("providerID", "providerID")] {
        let before = old.and_then(|old| old["spec"].get(field));
        if before.is_some_and(|before| node["spec"].get(field) != Some(before)) {
            let why = format!("node updates may not change {shown} except from \"\" to valid");
            wrong.push(Invalid::forbidden(format!("spec.{field}"), why));
        }
    }
    wrong
}

pub(crate) fn validate_quota(object: &Value) -> Vec<Invalid> {
    let (spec, mut wrong) = (&object["spec"], Vec::new());
    for (name, amount) in spec["hard"].as_object().into_iter().flatten() {
        let path = format!("spec.hard[{name}]");
        let faults = names::qualified(name);
        wrong.extend(faults.into_iter().map(|why| Invalid::value(path.as_str(), name.as_str(), why)));
        if !name.contains('/') && !QUOTA.contains(&name.as_str()) && !name.contains("hugepages-") {
            let why = "must be a standard resource for quota";
            wrong.push(Invalid::value(path.as_str(), name.as_str(), why));
        }
        let value = quantity(amount);
        if value.is_negative() {
            wrong.push(Invalid::value(path.as_str(), amount.clone(), "must be greater than or equal to 0"));
        }
        let counted = QUOTA[10..].contains(&name.as_str()) || name.starts_with("count/");
        if counted && !value.is_whole() {
            wrong.push(Invalid::value(path, amount.clone(), "must be an integer"));
        }
    }
    let scopes = spec["scopes"].as_array().map(Vec::as_slice).unwrap_or_default();
    for scope in scopes {
        if !SCOPES.contains(&text(scope)) {
            wrong.push(Invalid::value("spec.scopes", spec["scopes"].clone(), "unsupported scope"));
        }
    }
    wrong
}

pub(crate) fn validate_limit_range(object: &Value) -> Vec<Invalid> {
    let mut wrong = Vec::new();
    let mut kinds: Vec<&str> = Vec::new();
    for (path, limit) in items(&object["spec"], "limits", "spec") {
        let kind = text(&limit["type"]);
        if kinds.contains(&kind) {
            wrong.push(Invalid::duplicate(at(&path, "type"), kind));
        }
        kinds.push(kind);
        let get = |list: &str, name: &str| limit[list].get(name).map(quantity);
        let lists = ["min", "max", "default", "defaultRequest", "maxLimitRequestRatio"];
        let mut resources: Vec<&String> = lists
            .iter()
            .flat_map(|list| limit[*list].as_object().into_iter().flatten())
            .map(|(k, _)| k)
            .collect();
        resources.sort();
        resources.dedup();
        for name in resources {
            // The lower must not be above the upper, where both are given.
            let pairs = [
                ("min", "max", "min value {} is greater than max value {}"),
                ("min", "defaultRequest", "min value {} is greater than default request value {}"),
                ("defaultRequest", "max", "default request value {} is greater than max value {}"),
                (
                    "defaultRequest",
                    "default",
                    "default request value {} is greater than default limit value {}",
                ),
                ("min", "default", "min value {} is greater than default value {}"),
                ("default", "max", "default value {} is greater than max value {}"),
            ];
            for (lower, upper, words) in pairs {
                let (Some(low), Some(high)) = (get(lower, name), get(upper, name)) else { continue };
                if low > high {
                    // The server names the list of the lower bound, except that a minimum above the rest is the rest's.
                    let blamed = if lower == "min" && upper != "max" { upper } else { lower };
                    let why = words.replacen("{}", &low.to_string(), 1).replacen("{}", &high.to_string(), 1);
                    let shown = limit[blamed][name].clone();
                    wrong.push(Invalid::value(format!("{path}.{blamed}[{name}]"), shown, why));
                }
            }
        }
    }
    wrong
}

pub(crate) fn validate_disruption_budget(object: &Value) -> Vec<Invalid> {
    let (spec, mut wrong) = (&object["spec"], Vec::new());
    if has(spec, "minAvailable") && has(spec, "maxUnavailable") {
        let value = [
            ("MinAvailable", &spec["minAvailable"]),
            ("Selector", &spec["selector"]),
            ("MaxUnavailable", &spec["maxUnavailable"]),
            ("UnhealthyPodEvictionPolicy", &spec["unhealthyPodEvictionPolicy"]),
        ];
        let why = "minAvailable and maxUnavailable cannot be both set";
        wrong.push(shown(Reason::Invalid, "spec", &value, why));
    }
    count_or_percent(spec, "minAvailable", "spec", &mut wrong);
    count_or_percent(spec, "maxUnavailable", "spec", &mut wrong);
    super::one_of(
        spec,
        "unhealthyPodEvictionPolicy",
        &["IfHealthyBudget", "AlwaysAllow"],
        "spec",
        &mut wrong,
    );
    label_selector(&spec["selector"], "spec.selector", &mut wrong);
    wrong
}

pub(crate) fn validate_role_binding_update(old: &Value, new: &Value) -> Vec<Invalid> {
    if old["roleRef"] == new["roleRef"] {
        return Vec::new();
    }
    let role = &new["roleRef"];
    let value = [("APIGroup", &role["apiGroup"]), ("Kind", &role["kind"]), ("Name", &role["name"])];
    vec![shown(Reason::Invalid, "roleRef", &value, "cannot change roleRef")]
}
