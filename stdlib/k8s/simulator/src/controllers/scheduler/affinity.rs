//! Node selectors, affinity between pods, and spreading over topology domains.
//! Terms are read as they stand in pods; it knows no resources and no taints.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::fit::{Refusal, term_namespaces};
use crate::context::text;
use crate::controllers::object::{int, list, name, namespace, pod, selects, text_at};

/// `nodeSelector` and the required node affinity.
pub(super) fn matches_node_affinity(pod: &Value, node: &Value) -> bool {
    let labels = &node["metadata"]["labels"];
    let wanted = pod["spec"]["nodeSelector"].as_object().into_iter().flatten();
    let plain = wanted.into_iter().all(|(key, value)| labels[key] == *value);
    let required = &pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
    plain
        && (required.is_null()
            || list(required, "/nodeSelectorTerms").iter().any(|term| matches_term(term, node)))
}

/// The weights of the preferred terms that hold.
pub(super) fn matches_node_preference(pod: &Value, node: &Value) -> i64 {
    list(pod, "/spec/affinity/nodeAffinity/preferredDuringSchedulingIgnoredDuringExecution")
        .iter()
        .filter(|preferred| matches_term(&preferred["preference"], node))
        .map(|preferred| int(preferred, "/weight"))
        .sum()
}

fn matches_term(term: &Value, node: &Value) -> bool {
    let (expressions, fields) = (list(term, "/matchExpressions"), list(term, "/matchFields"));
    if expressions.is_empty() && fields.is_empty() {
        return false;
    }
    let of_node = json!({"metadata.name": name(node)});
    expressions.iter().all(|expression| holds(expression, &node["metadata"]["labels"]))
        && fields.iter().all(|expression| holds(expression, &of_node))
}

fn holds(expression: &Value, values: &Value) -> bool {
    let value = values[text(&expression["key"])].as_str();
    let number = |of: Option<&str>| of.and_then(|text| text.parse::<i64>().ok());
    let bound = number(list(expression, "/values").first().and_then(Value::as_str));
    match text(&expression["operator"]) {
        "Gt" => number(value).zip(bound).is_some_and(|(value, bound)| value > bound),
        "Lt" => number(value).zip(bound).is_some_and(|(value, bound)| value < bound),
        _ => selects(&json!({"matchExpressions": [expression]}), values),
    }
}

/// The required terms of `podAffinity` or `podAntiAffinity`.
pub(super) fn pod_terms<'a>(pod: &'a Value, kind: &str) -> &'a [Value] {
    list(pod, &format!("/spec/affinity/{kind}/requiredDuringSchedulingIgnoredDuringExecution"))
}

/// Whether a term of `owner`'s speaks of `other`.
pub(super) fn term_covers(term: &Value, owner: &Value, other: &Value) -> bool {
    term_namespaces(term, owner).contains(&namespace(other))
        && selects(&term["labelSelector"], &other["metadata"]["labels"])
}

/// Why a node would upset a spread that must hold.
pub(super) fn spread_refusal(
    of: &Value,
    node: &Value,
    nodes: &[Arc<Value>],
    placed: &[Arc<Value>],
) -> Option<Refusal> {
    for constraint in list(of, "/spec/topologySpreadConstraints") {
        if text_at(constraint, "/whenUnsatisfiable") != "DoNotSchedule" {
            continue;
        }
        let key = text_at(constraint, "/topologyKey");
        let Some(domain) = node["metadata"]["labels"][key].as_str() else {
            return Some(Refusal::SpreadMissingLabel);
        };
        let selector = with_template_labels(constraint, of);
        let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
        for candidate in nodes.iter().filter(|candidate| matches_node_affinity(of, candidate)) {
            let Some(domain) = candidate["metadata"]["labels"][key].as_str() else { continue };
            let on_node = placed.iter().filter(|other| {
                pod::node(other) == name(candidate)
                    && namespace(other) == namespace(of)
                    && pod::is_active(other)
                    && selects(&selector, &other["metadata"]["labels"])
            });
            *counts.entry(domain).or_default() += i64::try_from(on_node.count()).unwrap_or(i64::MAX);
        }
        let own = i64::from(selects(&selector, &of["metadata"]["labels"]));
        let mut least = counts.values().copied().min().unwrap_or(0);
        if i64::try_from(counts.len()).unwrap_or(0) < int(constraint, "/minDomains") {
            least = 0;
        }
        if counts.get(domain).copied().unwrap_or(0) + own - least > int(constraint, "/maxSkew") {
            return Some(Refusal::Spread);
        }
    }
    None
}

/// `matchLabelKeys` add the pod's own values to the selector.
fn with_template_labels(constraint: &Value, of: &Value) -> Value {
    let mut selector = constraint["labelSelector"].clone();
    for key in list(constraint, "/matchLabelKeys").iter().map(text) {
        if let Some(value) = of["metadata"]["labels"].get(key) {
            selector["matchLabels"][key] = value.clone();
        }
    }
    selector
}
