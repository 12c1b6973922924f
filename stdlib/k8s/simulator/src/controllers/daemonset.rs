//! DaemonSets: one pod on each node that fits; updates replace so many at a time as may be unavailable.

use std::sync::Arc;

use serde_json::{Value, json};

use super::events::Recorder;
use super::object::{
    DAEMON_SETS, NODES, Rounding, annotation, controller_key, int, is_going, key_of, label, name, pod,
    scaled, text_at, without_empty,
};
use super::owned::{claim, create_pod, delete_pod, from_template};
use super::replicaset::come_back_when_available;
use super::scheduler::admits_daemon;
use super::{Controller, revision};
use crate::cluster::Cluster;
use crate::context::Cx;
use crate::kinds::Subresource;
use crate::status::Result;
use crate::store::{Change, GroupResource, ObjectKey};

/// The daemonset controller.
pub(crate) struct DaemonSets;

const RECORDER: Recorder<'static> = Recorder { component: "daemonset-controller", host: "" };
const REVISION: &str = "controller-revision-hash";
const GENERATION: &str = "deprecated.daemonset.template.generation";

impl Controller for DaemonSets {
    fn name(&self) -> &'static str {
        "daemonset-controller"
    }

    fn watches(&self) -> &'static [GroupResource] {
        const { &[DAEMON_SETS, super::object::PODS, NODES] }
    }

    fn keys(&self, cluster: &Cluster, change: &Change) -> Vec<ObjectKey> {
        if change.key.resource == DAEMON_SETS {
            return vec![change.key.clone()];
        }
        if change.key.resource == NODES {
            return cluster.store.list(&DAEMON_SETS, None).map(|set| key_of(&DAEMON_SETS, set)).collect();
        }
        controller_key(change.object(), "DaemonSet", &DAEMON_SETS).into_iter().collect()
    }

    fn reconcile(&mut self, cx: &mut Cx<'_>, key: &ObjectKey) -> Result<()> {
        let Some(set) = cx.at(key) else { return Ok(()) };
        let pods = claim(cx, &set, &set["spec"]["selector"])?;
        if is_going(&set) {
            return Ok(());
        }
        let (current, old) = revision::current(cx, &set, REVISION)?;
        let hash = label(&current, REVISION).unwrap_or_default().to_owned();
        let nodes = cx.list(&NODES, None);
        let (fit, unfit): (Vec<_>, Vec<_>) =
            nodes.iter().partition(|node| admits_daemon(&template_pod(&set, node, &hash), node));
        for node in &fit {
            let here: Vec<&Arc<Value>> = pods.iter().filter(|pod| node_of(pod) == name(node)).collect();
            match here.as_slice() {
                [] => drop(create_pod(cx, RECORDER, &set, template_pod(&set, node, &hash))?),
                [first, rest @ ..] => {
                    for pod in rest
                        .iter()
                        .chain(pod::is_finished(first).then_some(first))
                        .filter(|pod| !is_going(pod))
                    {
                        delete_pod(cx, RECORDER, &set, pod)?;
                    }
                }
            }
        }
        for pod in
            pods.iter().filter(|pod| !is_going(pod) && unfit.iter().any(|node| name(node) == node_of(pod)))
        {
            delete_pod(cx, RECORDER, &set, pod)?;
        }
        roll(cx, &set, &pods, &fit, &hash)?;
        let pods = claim(cx, &set, &set["spec"]["selector"])?;
        write_status(cx, key, &set, &pods, &fit, &hash)?;
        come_back_when_available(cx, key, &set, &pods);
        let used: Vec<String> = pods
            .iter()
            .filter_map(|pod| label(pod, REVISION))
            .map(|hash| format!("{}-{hash}", name(&set)))
            .collect();
        revision::clean_up(cx, &set, &old, &used)
    }
}

/// The node a pod is on, or is made for.
fn node_of(of: &Value) -> &str {
    if !pod::node(of).is_empty() {
        return pod::node(of);
    }
    let terms =
        "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms";
    text_at(of, &format!("{terms}/0/matchFields/0/values/0"))
}

/// The set's pod for a node: it asks for that node alone and puts up with what nodes suffer from.
fn template_pod(set: &Value, node: &Value, hash: &str) -> Value {
    let mut pod = from_template(set, &set["spec"]["template"]);
    pod["metadata"]["labels"][REVISION] = hash.into();
    if let Some(generation) = annotation(set, GENERATION) {
        pod["metadata"]["labels"]["pod-template-generation"] = generation.into();
    }
    pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"] = json!({
        "nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": [name(node)]}]}],
    });
    let mut tolerations = pod["spec"]["tolerations"].as_array().cloned().unwrap_or_default();
    for (key, effect) in [
        ("not-ready", "NoExecute"),
        ("unreachable", "NoExecute"),
        ("disk-pressure", "NoSchedule"),
        ("memory-pressure", "NoSchedule"),
        ("pid-pressure", "NoSchedule"),
        ("unschedulable", "NoSchedule"),
    ] {
        tolerations.push(
            json!({"key": format!("node.kubernetes.io/{key}"), "operator": "Exists", "effect": effect}),
        );
    }
    pod["spec"]["tolerations"] = tolerations.into();
    pod
}

/// Deletes old pods, as many as may be unavailable at once; the broken ones first and always.
fn roll(cx: &mut Cx<'_>, set: &Value, pods: &[Arc<Value>], fit: &[&Arc<Value>], hash: &str) -> Result<()> {
    if set["spec"]["updateStrategy"]["type"] == "OnDelete" {
        return Ok(());
    }
    let nodes = i64::try_from(fit.len()).unwrap_or(i64::MAX);
    let most =
        scaled(&set["spec"]["updateStrategy"]["rollingUpdate"]["maxUnavailable"], nodes, Rounding::Up).max(1);
    let min_ready = int(set, "/spec/minReadySeconds");
    let available = |pod: &Value| !is_going(pod) && pod::is_available(pod, min_ready, cx.now());
    let up = i64::try_from(pods.iter().filter(|pod| available(pod)).count()).unwrap_or(i64::MAX);
    let mut room = most - (nodes - up);
    let mut go: Vec<&Arc<Value>> = Vec::new();
    for pod in pods.iter().filter(|pod| !is_going(pod) && label(pod, REVISION) != Some(hash)) {
        if !available(pod) {
            go.push(pod);
        } else if room > 0 {
            room -= 1;
            go.push(pod);
        }
    }
    for pod in go {
        delete_pod(cx, RECORDER, set, pod)?;
    }
    Ok(())
}

fn write_status(
    cx: &mut Cx<'_>,
    key: &ObjectKey,
    set: &Value,
    pods: &[Arc<Value>],
    fit: &[&Arc<Value>],
    hash: &str,
) -> Result<()> {
    let min_ready = int(set, "/spec/minReadySeconds");
    let wanted = |of: &Value| fit.iter().any(|node| name(node) == node_of(of));
    let count = |test: &dyn Fn(&Value) -> bool| pods.iter().filter(|pod| !is_going(pod) && test(pod)).count();
    let available = count(&|pod| wanted(pod) && pod::is_available(pod, min_ready, cx.now()));
    let mut status = without_empty(json!({
        "numberAvailable": available,
        "numberUnavailable": fit.len().saturating_sub(available),
        "observedGeneration": set["metadata"]["generation"],
        "updatedNumberScheduled": count(&|pod| wanted(pod) && label(pod, REVISION) == Some(hash)),
    }));
    status["currentNumberScheduled"] = count(&|pod| wanted(pod)).into();
    status["desiredNumberScheduled"] = fit.len().into();
    status["numberMisscheduled"] = count(&|pod| !wanted(pod)).into();
    status["numberReady"] = count(&|pod| wanted(pod) && pod::is_ready(pod)).into();
    if set["status"] == status {
        return Ok(());
    }
    cx.modify(key, Some(Subresource::Status), |set| set["status"] = status).map(drop)
}
