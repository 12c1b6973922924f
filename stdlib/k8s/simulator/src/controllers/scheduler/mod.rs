//! The scheduler: gives pods their nodes, or says in the real one's words why it cannot.
//! Filters and scores are `fit`'s; ties go to the node with the fewest pods, then by name.

mod affinity;
mod fit;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::{Value, json};

pub(crate) use self::fit::tolerates_taint;
use self::fit::{Refusal, filter, score};
use super::Controller;
use super::events::Recorder;
use super::object::{
    CLAIMS, NODES, PODS, VOLUMES, condition, is_going, key_of, list, name, namespace, pod, put_condition,
    text_at,
};
use super::volume::{CLASSES, NO_PROVISIONER};
use crate::cluster::Cluster;
use crate::context::{Cx, text};
use crate::kinds::Subresource;
use crate::status::Result;
use crate::store::{Change, GroupResource, ObjectKey};

/// The default scheduler.
#[derive(Clone)]
pub(crate) struct Scheduler;

const RECORDER: Recorder<'static> = Recorder { component: "default-scheduler", host: "" };

impl Controller for Scheduler {
    fn name(&self) -> &'static str {
        "default-scheduler"
    }

    fn manager(&self) -> &'static str {
        "kube-scheduler"
    }

    fn watches(&self) -> &'static [GroupResource] {
        const { &[PODS, NODES, CLAIMS, VOLUMES] }
    }

    /// A pod without a node; and after anything that may make room, all such pods.
    fn keys(&self, cluster: &Cluster, change: &Change) -> Vec<ObjectKey> {
        if change.key.resource == PODS {
            let waits = change.new.as_ref().is_some_and(|pod| waits(pod));
            if waits {
                return vec![change.key.clone()];
            }
            let gone = change.new.as_ref().is_none_or(|pod| pod::is_finished(pod));
            if !gone {
                return Vec::new();
            }
        }
        let waiting = cluster.store.list(&PODS, None).filter(|pod| waits(pod));
        waiting.map(|pod| key_of(&PODS, pod)).collect()
    }

    fn reconcile(&mut self, cx: &mut Cx<'_>, key: &ObjectKey) -> Result<()> {
        let Some(pod) = cx.at(key).filter(|pod| waits(pod)) else { return Ok(()) };
        match place(cx, &pod) {
            Ok(node) => bind(cx, key, &pod, &node),
            Err(why) => report(cx, key, &pod, &why),
        }
    }
}

/// Whether a DaemonSet's pod is to be on a node: taints and selectors decide, room does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DaemonPlace {
    Wanted,
    /// One that is there already may stay: the node only takes no new pods.
    Suffered,
    Refused,
}

impl DaemonPlace {
    pub(crate) fn of(pod: &Value, node: &Value) -> Self {
        if !affinity::matches_node_affinity(pod, node)
            || fit::untolerated(pod, node, &["NoExecute"]).is_some()
        {
            Self::Refused
        } else if fit::untolerated(pod, node, &["NoSchedule"]).is_some() {
            Self::Suffered
        } else {
            Self::Wanted
        }
    }
}

fn waits(pod: &Value) -> bool {
    let ours = matches!(text_at(pod, "/spec/schedulerName"), "" | "default-scheduler");
    let gated = !list(pod, "/spec/schedulingGates").is_empty();
    ours && !gated && pod::node(pod).is_empty() && pod::is_active(pod)
}

/// The best node, or why there is none.
fn place(cx: &Cx<'_>, pod: &Value) -> std::result::Result<String, String> {
    let nodes = cx.list(&NODES, None);
    let total = nodes.len();
    if let Some(why) = unbound_claims(cx, pod) {
        return Err(format!("0/{total} nodes are available: {why}. not found"));
    }
    let placed: Vec<Arc<Value>> = cx
        .list(&PODS, None)
        .into_iter()
        .filter(|other| !pod::node(other).is_empty() && !pod::is_finished(other))
        .collect();
    let mut refusals: BTreeMap<String, usize> = BTreeMap::new();
    let mut helped_by_preemption = 0;
    let mut best: Option<(i64, std::cmp::Reverse<usize>, std::cmp::Reverse<&str>)> = None;
    for node in &nodes {
        let refused = filter(pod, node, &nodes, &placed);
        if refused.is_empty() {
            let on_node = placed.iter().filter(|other| pod::node(other) == name(node)).count();
            let rank = (
                score(pod, node, &nodes, &placed),
                std::cmp::Reverse(on_node),
                std::cmp::Reverse(name(node)),
            );
            if best.as_ref().is_none_or(|best| rank > *best) {
                best = Some(rank);
            }
            continue;
        }
        if refused.iter().all(Refusal::could_be_preempted) {
            helped_by_preemption += 1;
        }
        for refusal in refused {
            *refusals.entry(refusal.to_string()).or_default() += 1;
        }
    }
    if let Some((_, _, node)) = best {
        return Ok(node.0.to_owned());
    }
    if total == 0 {
        return Err("no nodes available to schedule pods".to_owned());
    }
    let mut counts: Vec<String> = refusals.iter().map(|(why, count)| format!("{count} {why}")).collect();
    counts.sort();
    let victims = match (helped_by_preemption, total - helped_by_preemption) {
        (0, rest) => format!("{rest} Preemption is not helpful for scheduling"),
        (some, 0) => format!("{some} No preemption victims found for incoming pod"),
        (some, rest) => format!(
            "{some} No preemption victims found for incoming pod, {rest} Preemption is not helpful for scheduling"
        ),
    };
    Err(format!(
        "0/{total} nodes are available: {}. no new claims to deallocate, preemption: 0/{total} nodes are available: {victims}.",
        counts.join(", ")
    ))
}

/// A claim that must be bound before its pod can run.
fn unbound_claims(cx: &Cx<'_>, pod: &Value) -> Option<String> {
    for volume in list(pod, "/spec/volumes") {
        let Some(claim) = volume["persistentVolumeClaim"]["claimName"].as_str() else { continue };
        match cx.get(&CLAIMS, namespace(pod), claim) {
            None => return Some(format!("persistentvolumeclaim \"{claim}\" not found")),
            // A class may wait for the pod; then the node is found first.
            Some(found) if waits_for_consumer(cx, &found) => {}
            Some(found) if found["status"]["phase"] != "Bound" => {
                return Some("pod has unbound immediate PersistentVolumeClaims".to_owned());
            }
            Some(_) => {}
        }
    }
    None
}

/// Sets the node and says that the pod is scheduled, as the binding subresource does: no manager owns either.
fn bind(cx: &mut Cx<'_>, key: &ObjectKey, pod: &Value, node: &str) -> Result<()> {
    let mut bound = pod.clone();
    bound["spec"]["nodeName"] = node.into();
    let scheduled = json!({
        "type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": cx.timestamp(),
    });
    put_condition(&mut bound["status"], scheduled);
    let change = cx.cluster.store.put(key, bound);
    cx.cluster.wrote(change);
    let message = format!("Successfully assigned {}/{} to {node}", namespace(pod), name(pod));
    RECORDER.normal(cx, pod, "Scheduled", &message);
    Ok(())
}

fn report(cx: &mut Cx<'_>, key: &ObjectKey, pod: &Value, why: &str) -> Result<()> {
    if is_going(pod) {
        return Ok(());
    }
    RECORDER.warning(cx, pod, "FailedScheduling", why);
    let known = condition(pod, "PodScheduled");
    if known.is_some_and(|known| known["status"] == "False" && text(&known["message"]) == why) {
        return Ok(());
    }
    let since =
        known.filter(|known| known["status"] == "False").map(|known| known["lastTransitionTime"].clone());
    let condition = json!({
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": why,
        "lastProbeTime": null, "lastTransitionTime": since.unwrap_or_else(|| cx.timestamp()),
        "observedGeneration": pod["metadata"]["generation"],
    });
    cx.modify(key, Some(Subresource::Status), |pod| put_condition(&mut pod["status"], condition))?;
    // What is unschedulable is tried again every five minutes even if nothing changes.
    cx.requeue(key, SignedDuration::from_mins(5));
    Ok(())
}

/// Whether the claim gets its volume, by a provisioner, only when a pod wants it.
fn waits_for_consumer(cx: &Cx<'_>, claim: &Value) -> bool {
    let class = cx.get(&CLASSES, "", text_at(claim, "/spec/storageClassName"));
    class.is_some_and(|class| {
        class["volumeBindingMode"] == "WaitForFirstConsumer" && class["provisioner"] != NO_PROVISIONER
    })
}
