//! The life of nodes as the control plane sees it: one that is not heard any more is unknown, then tainted.
//! What taints do to pods is `eviction`'s; what a node is, the kubelet's.

mod eviction;
mod garbage;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

pub(crate) use self::eviction::TaintEvictions;
pub(crate) use self::garbage::LostPods;
use super::Controller;
use super::events::Recorder;
use super::object::{NODES, PODS, condition, flag, key_of, label, list, name, pod as pods, stamp, text_at};
use crate::cluster::Cluster;
use crate::context::{Cx, text};
use crate::estate::ZONE_LABEL;
use crate::fault::{down_since, outages};
use crate::kinds::Subresource;
use crate::status::Result;
use crate::store::{Change, GroupResource, ObjectKey};

/// The node lifecycle controller.
#[derive(Clone, Default)]
pub(crate) struct NodeLifecycle {
    /// When the last node of a zone got a taint that evicts.
    tainted: BTreeMap<String, Timestamp>,
}

const RECORDER: Recorder<'static> = Recorder { component: "node-controller", host: "" };
/// A node is lost when its lease has not been renewed for 50 s; the last renewal is 10 s before it went down.
const GRACE: SignedDuration = SignedDuration::from_secs(40);
/// In each zone, one node gets a taint that evicts in such a time.
const PACE: SignedDuration = SignedDuration::from_secs(10);
/// From so many lost nodes on, a zone of which more than 55 % are lost is disturbed.
const DISTURBED: usize = 3;

const NOT_READY: &str = "node.kubernetes.io/not-ready";
const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";

/// The taints that conditions stand for: type, status, key.
const BY_CONDITION: &[(&str, &str, &str)] = &[
    ("Ready", "False", NOT_READY),
    ("Ready", "Unknown", UNREACHABLE),
    ("MemoryPressure", "True", "node.kubernetes.io/memory-pressure"),
    ("DiskPressure", "True", "node.kubernetes.io/disk-pressure"),
    ("PIDPressure", "True", "node.kubernetes.io/pid-pressure"),
    ("NetworkUnavailable", "True", "node.kubernetes.io/network-unavailable"),
];

impl Controller for NodeLifecycle {
    fn name(&self) -> &'static str {
        "node-controller"
    }

    fn watches(&self) -> &'static [GroupResource] {
        const { &[NODES] }
    }

    /// How many nodes are lost decides about all of them.
    fn keys(&self, cluster: &Cluster, change: &Change) -> Vec<ObjectKey> {
        let ready = |node: Option<&Value>| node.map(|node| ready(node).to_owned());
        if ready(change.old.as_deref()) == ready(change.new.as_deref()) {
            return vec![change.key.clone()];
        }
        cluster.store.list(&NODES, None).map(|node| key_of(&NODES, node)).collect()
    }

    fn reconcile(&mut self, cx: &mut Cx<'_>, key: &ObjectKey) -> Result<()> {
        let Some(node) = cx.at(key) else { return Ok(()) };
        let now = cx.now();
        let ends_of_patience = outages(cx.cluster, &node).into_iter().map(|outage| outage.since + GRACE);
        let next = ends_of_patience.filter(|at| *at > now).min();
        let lost = down_since(cx.cluster, &node).is_some_and(|since| since + GRACE <= now);
        if lost && ready(&node) == "True" {
            lose(cx, key, &node)?;
        }
        let wait = self.taint(cx, key)?;
        for at in [next, wait].into_iter().flatten() {
            cx.requeue(key, at.duration_since(now));
        }
        Ok(())
    }
}

/// The status of the condition `Ready`; empty if there is none.
fn ready(node: &Value) -> &str {
    condition(node, "Ready").map_or("", |ready| text_at(ready, "/status"))
}

/// Says that nothing is known of the node any more, and that its pods are not ready.
fn lose(cx: &mut Cx<'_>, key: &ObjectKey, node: &Value) -> Result<()> {
    let now = cx.timestamp();
    cx.modify(key, Some(Subresource::Status), |node| {
        let conditions = node["status"].get_mut("conditions").and_then(Value::as_array_mut);
        for condition in conditions.into_iter().flatten() {
            let reported = matches!(
                text(&condition["type"]),
                "Ready" | "MemoryPressure" | "DiskPressure" | "PIDPressure"
            );
            if reported && condition["status"] != "Unknown" {
                condition["status"] = "Unknown".into();
                condition["reason"] = "NodeStatusUnknown".into();
                condition["message"] = "Kubelet stopped posting node status.".into();
                condition["lastTransitionTime"] = now.clone();
            }
        }
    })?;
    let message = format!("Node {} status is now: NodeNotReady", name(node));
    RECORDER.normal(cx, node, "NodeNotReady", &message);
    for pod in cx.list(&PODS, None) {
        if pods::node(&pod) != name(node) || !pods::is_ready(&pod) {
            continue;
        }
        let now = cx.timestamp();
        cx.modify(&key_of(&PODS, &pod), Some(Subresource::Status), |pod| {
            let conditions = pod["status"].get_mut("conditions").and_then(Value::as_array_mut);
            for condition in conditions.into_iter().flatten().filter(|condition| condition["type"] == "Ready")
            {
                condition["status"] = "False".into();
                condition["lastTransitionTime"] = now.clone();
            }
        })?;
        RECORDER.warning(cx, &pod, "NodeNotReady", "Node is not ready");
    }
    Ok(())
}

impl NodeLifecycle {
    /// Gives the node the taints that its conditions stand for. Answers when to look again, if it has to wait.
    fn taint(&mut self, cx: &mut Cx<'_>, key: &ObjectKey) -> Result<Option<Timestamp>> {
        let Some(node) = cx.at(key) else { return Ok(None) };
        let holds = |kind: &str, status: &str| condition(&node, kind).is_some_and(|c| c["status"] == status);
        let conditions = BY_CONDITION.iter().filter(|(kind, status, _)| holds(kind, status));
        let cordoned = flag(&node, "/spec/unschedulable").then_some(UNSCHEDULABLE);
        let unfit: Vec<&str> = conditions.map(|(_, _, key)| *key).chain(cordoned).collect();
        let (evicting, wait) = self.evicting(cx, &node);
        let ours = |key: &str, effect: &str| match effect {
            "NoSchedule" => key == UNSCHEDULABLE || BY_CONDITION.iter().any(|(_, _, known)| *known == key),
            "NoExecute" => matches!(key, NOT_READY | UNREACHABLE),
            _ => false,
        };
        let wanted: Vec<(&str, &str)> = unfit
            .iter()
            .map(|key| (*key, "NoSchedule"))
            .chain(evicting.map(|key| (key, "NoExecute")))
            .collect();
        let of = |taint: &Value| (text_at(taint, "/key").to_owned(), text_at(taint, "/effect").to_owned());
        let mut taints: Vec<Value> = list(&node, "/spec/taints").to_vec();
        taints.retain(|taint| {
            let (key, effect) = of(taint);
            !ours(&key, &effect) || wanted.contains(&(&key, &effect))
        });
        for (key, effect) in wanted {
            if !taints.iter().any(|taint| of(taint) == (key.to_owned(), effect.to_owned())) {
                taints.push(json!({"key": key, "effect": effect, "timeAdded": stamp(cx.now())}));
                if effect == "NoExecute" {
                    self.tainted.insert(zone(&node), cx.now());
                }
            }
        }
        if taints != list(&node, "/spec/taints") {
            cx.modify(key, None, |node| match (taints.is_empty(), node["spec"].as_object_mut()) {
                (true, Some(spec)) => drop(spec.remove("taints")),
                _ => node["spec"]["taints"] = taints.into(),
            })?;
        }
        Ok(wait)
    }

    /// The taint that drives pods off a node that is not ready, and when to look again if it is not its turn yet.
    /// If no node at all is ready, it is the control plane that is cut off: nothing is driven off.
    fn evicting(&self, cx: &Cx<'_>, node: &Value) -> (Option<&'static str>, Option<Timestamp>) {
        let wanted = match ready(node) {
            "False" => NOT_READY,
            "Unknown" => UNREACHABLE,
            _ => return (None, None),
        };
        let counts = counts(cx);
        if counts.values().all(|count| count.ready == 0) {
            return (None, None);
        }
        let has = |key: &str| {
            list(node, "/spec/taints")
                .iter()
                .any(|taint| taint["key"] == key && taint["effect"] == "NoExecute")
        };
        if has(NOT_READY) || has(UNREACHABLE) {
            return (Some(wanted), None);
        }
        let place = zone(node);
        if counts.get(&place).is_some_and(Count::is_disturbed) {
            return (None, None);
        }
        match self.tainted.get(&place).map(|last| *last + PACE).filter(|turn| *turn > cx.now()) {
            Some(turn) => (None, Some(turn)),
            None => (Some(wanted), None),
        }
    }
}

/// The nodes of a zone.
#[derive(Default)]
struct Count {
    ready: usize,
    lost: usize,
}

impl Count {
    /// So many are lost that the network may be to blame; in a zone of 50 nodes or less nothing is driven off then.
    fn is_disturbed(&self) -> bool {
        self.ready > 0 && self.lost >= DISTURBED && self.lost * 100 >= (self.lost + self.ready) * 55
    }
}

fn counts(cx: &Cx<'_>) -> BTreeMap<String, Count> {
    let mut counts: BTreeMap<String, Count> = BTreeMap::new();
    for node in cx.list(&NODES, None) {
        if label(&node, "node.kubernetes.io/exclude-disruption").is_some() {
            continue;
        }
        let count = counts.entry(zone(&node)).or_default();
        match ready(&node) {
            "True" => count.ready += 1,
            _ => count.lost += 1,
        }
    }
    counts
}

fn zone(node: &Value) -> String {
    label(node, ZONE_LABEL).unwrap_or_default().to_owned()
}
