//! Whether a pod fits a node, and how well.
//! Filters give the reasons in the scheduler's words; all nodes and placed pods are handed in.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::affinity::{
    matches_node_affinity, matches_node_preference, pod_terms, spread_refusal, term_covers,
};
use crate::context::text;
use crate::controllers::object::{flag, int, list, name, namespace, pod, text_at};
use crate::controllers::quantity::Milli;

/// Why a node is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Unschedulable,
    Taint { key: String, value: String },
    NodeAffinity,
    Insufficient(String),
    TooManyPods,
    Ports,
    PodAffinity,
    PodAntiAffinity,
    ExistingAntiAffinity,
    Spread,
    SpreadMissingLabel,
}

impl Refusal {
    /// Whether fewer other pods would help.
    pub(super) fn could_be_preempted(&self) -> bool {
        false
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unschedulable => f.write_str("node(s) were unschedulable"),
            Self::Taint { key, value } => write!(f, "node(s) had untolerated taint {{{key}: {value}}}"),
            Self::NodeAffinity => f.write_str("node(s) didn't match Pod's node affinity/selector"),
            Self::Insufficient(resource) => write!(f, "Insufficient {resource}"),
            Self::TooManyPods => f.write_str("Too many pods"),
            Self::Ports => f.write_str("node(s) didn't have free ports for the requested pod ports"),
            Self::PodAffinity => f.write_str("node(s) didn't match pod affinity rules"),
            Self::PodAntiAffinity => f.write_str("node(s) didn't match pod anti-affinity rules"),
            Self::ExistingAntiAffinity => {
                f.write_str("node(s) didn't satisfy existing pods anti-affinity rules")
            }
            Self::Spread => f.write_str("node(s) didn't match pod topology spread constraints"),
            Self::SpreadMissingLabel => {
                f.write_str("node(s) didn't match pod topology spread constraints (missing required label)")
            }
        }
    }
}

/// Why `pod` cannot run on `node`: the first filter that refuses; empty if it can.
pub(super) fn filter(pod: &Value, node: &Value, nodes: &[Arc<Value>], placed: &[Arc<Value>]) -> Vec<Refusal> {
    if flag(node, "/spec/unschedulable")
        && !tolerates(pod, "node.kubernetes.io/unschedulable", "", "NoSchedule")
    {
        return vec![Refusal::Unschedulable];
    }
    if let Some(taint) = untolerated(pod, node, &["NoSchedule", "NoExecute"]) {
        return vec![Refusal::Taint {
            key: text(&taint["key"]).to_owned(),
            value: text(&taint["value"]).to_owned(),
        }];
    }
    if !matches_node_affinity(pod, node) {
        return vec![Refusal::NodeAffinity];
    }
    let here: Vec<&Arc<Value>> = placed.iter().filter(|other| pod::node(other) == name(node)).collect();
    if host_ports(pod).iter().any(|port| here.iter().any(|other| host_ports(other).contains(port))) {
        return vec![Refusal::Ports];
    }
    let missing = insufficient(pod, node, &here);
    if !missing.is_empty() {
        return missing;
    }
    if let Some(refusal) = spread_refusal(pod, node, nodes, placed) {
        return vec![refusal];
    }
    between_pods(pod, node, nodes, placed).into_iter().collect()
}

/// How welcome the pod is: spread over nodes and zones, preferred terms, free room.
pub(super) fn score(pod: &Value, node: &Value, nodes: &[Arc<Value>], placed: &[Arc<Value>]) -> i64 {
    let mut score = matches_node_preference(pod, node);
    for (kind, sign) in [("podAffinity", 1), ("podAntiAffinity", -1)] {
        let preferred = format!("/spec/affinity/{kind}/preferredDuringSchedulingIgnoredDuringExecution");
        for weighted in list(pod, &preferred) {
            let term = &weighted["podAffinityTerm"];
            let near = placed
                .iter()
                .filter(|other| term_covers(term, pod, other) && same_domain(term, node, other, nodes));
            score += sign * int(weighted, "/weight") * i64::try_from(near.count()).unwrap_or(i64::MAX);
        }
    }
    for constraint in list(pod, "/spec/topologySpreadConstraints") {
        let term = serde_json::json!({"topologyKey": constraint["topologyKey"], "labelSelector": constraint["labelSelector"]});
        let near = placed
            .iter()
            .filter(|other| term_covers(&term, pod, other) && same_domain(&term, node, other, nodes));
        score -= 10 * i64::try_from(near.count()).unwrap_or(0);
    }
    // Pods of one owner are kept apart, first by node, then by zone.
    let owner = crate::controllers::object::controller_of(pod).map(|owner| owner["uid"].clone());
    let siblings = placed.iter().filter(|other| {
        owner.is_some()
            && crate::controllers::object::controller_of(other).map(|owner| owner["uid"].clone()) == owner
    });
    for sibling in siblings {
        if pod::node(sibling) == name(node) {
            score -= 4;
        }
        let zone = serde_json::json!({"topologyKey": crate::estate::ZONE_LABEL});
        if same_domain(&zone, node, sibling, nodes) {
            score -= 2;
        }
    }
    if untolerated(pod, node, &["PreferNoSchedule"]).is_some() {
        score -= 1000;
    }
    score
}

/// Whether a placed pod is in the same topology domain as a node.
pub(super) fn same_domain(term: &Value, node: &Value, other: &Value, nodes: &[Arc<Value>]) -> bool {
    let key = text(&term["topologyKey"]);
    let Some(domain) = node["metadata"]["labels"][key].as_str() else { return false };
    nodes.iter().any(|node| name(node) == pod::node(other) && node["metadata"]["labels"][key] == domain)
}

fn between_pods(of: &Value, node: &Value, nodes: &[Arc<Value>], placed: &[Arc<Value>]) -> Option<Refusal> {
    for other in placed {
        for term in pod_terms(other, "podAntiAffinity") {
            if term_covers(term, other, of) && same_domain(term, node, other, nodes) {
                return Some(Refusal::ExistingAntiAffinity);
            }
        }
    }
    for term in pod_terms(of, "podAffinity") {
        let matching: Vec<&Arc<Value>> = placed.iter().filter(|other| term_covers(term, of, other)).collect();
        let near = matching.iter().any(|other| same_domain(term, node, other, nodes));
        // The first of a group that asks for its own company may go anywhere.
        let first = matching.is_empty() && term_covers(term, of, of);
        if !near && !first {
            return Some(Refusal::PodAffinity);
        }
    }
    for term in pod_terms(of, "podAntiAffinity") {
        if placed.iter().any(|other| term_covers(term, of, other) && same_domain(term, node, other, nodes)) {
            return Some(Refusal::PodAntiAffinity);
        }
    }
    None
}

fn insufficient(pod: &Value, node: &Value, here: &[&Arc<Value>]) -> Vec<Refusal> {
    let allocatable = &node["status"]["allocatable"];
    let mut missing = Vec::new();
    let pods = Milli::of(&allocatable["pods"]).0 / 1000;
    if i128::try_from(here.len() + 1).unwrap_or(i128::MAX) > pods {
        missing.push(Refusal::TooManyPods);
    }
    let mut used: BTreeMap<String, Milli> = BTreeMap::new();
    for other in here {
        for (resource, amount) in requests(other) {
            let sum = used.entry(resource).or_default();
            *sum = *sum + amount;
        }
    }
    for (resource, amount) in requests(pod) {
        let taken = used.get(&resource).copied().unwrap_or_default();
        if amount.0 > 0 && (taken + amount) > Milli::of(&allocatable[&resource]) {
            missing.push(Refusal::Insufficient(resource));
        }
    }
    missing
}

/// What a pod asks for: its containers together, or its greediest init container, and its overhead.
pub(crate) fn requests(pod: &Value) -> BTreeMap<String, Milli> {
    let of = |container: &Value| -> Vec<(String, Milli)> {
        let requests = container["resources"]["requests"].as_object().into_iter().flatten();
        requests.map(|(resource, amount)| (resource.clone(), Milli::of(amount))).collect()
    };
    let mut total: BTreeMap<String, Milli> = BTreeMap::new();
    let mut add = |resource: String, amount: Milli| {
        let sum = total.entry(resource).or_default();
        *sum = *sum + amount;
    };
    let inits = list(pod, "/spec/initContainers");
    let stays = |init: &&Value| init["restartPolicy"] == "Always";
    list(pod, "/spec/containers")
        .iter()
        .chain(inits.iter().filter(stays))
        .flat_map(of)
        .for_each(|(r, a)| add(r, a));
    let overhead = pod["spec"]["overhead"].as_object().into_iter().flatten();
    overhead.for_each(|(resource, amount)| add(resource.clone(), Milli::of(amount)));
    for (resource, amount) in inits.iter().filter(|init| !stays(init)).flat_map(of) {
        let most = total.entry(resource).or_default();
        *most = (*most).max(amount);
    }
    total
}

fn host_ports(pod: &Value) -> Vec<(i64, String)> {
    let containers = list(pod, "/spec/containers").iter();
    let ports = containers.flat_map(|container| list(container, "/ports"));
    ports
        .filter_map(|port| Some((port["hostPort"].as_i64()?, text_at(port, "/protocol").to_owned())))
        .collect()
}

/// The first taint with one of these effects that the pod does not tolerate.
pub(crate) fn untolerated<'a>(pod: &Value, node: &'a Value, effects: &[&str]) -> Option<&'a Value> {
    list(node, "/spec/taints").iter().find(|taint| {
        let (key, value, effect) = (text(&taint["key"]), text(&taint["value"]), text(&taint["effect"]));
        effects.contains(&effect) && !tolerates(pod, key, value, effect)
    })
}

fn tolerates(pod: &Value, key: &str, value: &str, effect: &str) -> bool {
    list(pod, "/spec/tolerations").iter().any(|toleration| tolerates_taint(toleration, key, value, effect))
}

/// Whether one toleration covers a taint.
pub(crate) fn tolerates_taint(toleration: &Value, key: &str, value: &str, effect: &str) -> bool {
    let of = |field: &str| text(&toleration[field]);
    (of("effect").is_empty() || of("effect") == effect)
        && (of("key").is_empty() || of("key") == key)
        && match of("operator") {
            "Exists" => true,
            _ => !of("key").is_empty() && of("value") == value,
        }
}

/// The namespaces a pod affinity term looks at.
pub(super) fn term_namespaces<'a>(term: &'a Value, owner: &'a Value) -> Vec<&'a str> {
    let named: Vec<&str> = list(term, "/namespaces").iter().map(text).collect();
    if named.is_empty() { vec![namespace(owner)] } else { named }
}
