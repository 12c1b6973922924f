//! DaemonSets: one pod on each node that fits; updates replace so many at a time as may be unavailable.

use std::sync::Arc;

use serde_json::{Value, json};

use super::events::Recorder;
use super::object::{
    DAEMON_SETS, NODES, Rounding, annotation, controller_key, created, int, is_going, key_of, label, name,
    namespace, pod, scaled, text_at, without_empty,
};
use super::owned::{claim, create_pod, delete_pod, from_template};
use super::replicaset::come_back_when_available;
use super::scheduler::DaemonPlace;
use super::{Controller, revision};
use crate::cluster::Cluster;
use crate::context::Cx;
use crate::kinds::Subresource;
use crate::status::Result;
use crate::store::{Change, GroupResource, ObjectKey};

/// The daemonset controller.
#[derive(Clone)]
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
        let sites = Site::all(cx, &set, &hash, pods);
        for site in &sites {
            site.settle(cx, &set, &hash)?;
        }
        let pods = claim(cx, &set, &set["spec"]["selector"])?;
        roll(cx, &set, &Site::all(cx, &set, &hash, pods), &hash)?;
        let pods = claim(cx, &set, &set["spec"]["selector"])?;
        let sites = Site::all(cx, &set, &hash, pods.clone());
        write_status(cx, key, &set, &sites, &hash)?;
        come_back_when_available(cx, key, &set, &pods);
        let used: Vec<String> = pods
            .iter()
            .filter_map(|pod| label(pod, REVISION))
            .map(|hash| format!("{}-{hash}", name(&set)))
            .collect();
        revision::clean_up(cx, &set, &old, &used)
    }
}

/// A node, and the set's pods on it, the oldest first.
struct Site {
    node: Arc<Value>,
    place: DaemonPlace,
    pods: Vec<Arc<Value>>,
}

impl Site {
    fn all(cx: &Cx<'_>, set: &Value, hash: &str, mut pods: Vec<Arc<Value>>) -> Vec<Self> {
        pods.sort_by_key(|pod| (created(pod), name(pod).to_owned()));
        let nodes = cx.list(&NODES, None).into_iter();
        nodes
            .map(|node| Self {
                place: DaemonPlace::of(&template_pod(set, &node, hash), &node),
                pods: pods.iter().filter(|pod| node_of(pod) == name(&node)).cloned().collect(),
                node,
            })
            .collect()
    }

    fn is_wanted(&self) -> bool {
        self.place == DaemonPlace::Wanted
    }

    /// The pods that are not going, of the present template or not.
    fn staying(&self, hash: &str, present: bool) -> impl Iterator<Item = &Arc<Value>> {
        let of_template = move |pod: &&Arc<Value>| (label(pod, REVISION) == Some(hash)) == present;
        self.pods.iter().filter(|pod| !is_going(pod)).filter(of_template)
    }

    /// Makes the pod that is missing, and deletes those that are too many, have ended or are not wanted here.
    fn settle(&self, cx: &mut Cx<'_>, set: &Value, hash: &str) -> Result<()> {
        if self.pods.is_empty() {
            return if self.is_wanted() { self.create(cx, set, hash) } else { Ok(()) };
        }
        let mut staying: Vec<&Arc<Value>> = self.pods.iter().filter(|pod| !is_going(pod)).collect();
        if self.place == DaemonPlace::Refused {
            return staying.into_iter().try_for_each(|pod| delete_pod(cx, RECORDER, set, pod));
        }
        for pod in staying.iter().filter(|pod| pod::is_finished(pod)) {
            let what = format!("{}/{} on node {}", namespace(pod), name(pod), name(&self.node));
            match pod::phase(pod) {
                "Failed" => {
                    let message = format!("Found failed daemon pod {what}, will try to kill it");
                    RECORDER.warning(cx, set, "FailedDaemonPod", &message);
                }
                _ => {
                    let message = format!("Found succeeded daemon pod {what}, will try to delete it");
                    RECORDER.normal(cx, set, "SucceededDaemonPod", &message);
                }
            }
            delete_pod(cx, RECORDER, set, pod)?;
        }
        staying.retain(|pod| !pod::is_finished(pod));
        if surge(set, 1) == 0 {
            return staying.into_iter().skip(1).try_for_each(|pod| delete_pod(cx, RECORDER, set, pod));
        }
        if staying.is_empty() && self.is_wanted() {
            return self.create(cx, set, hash);
        }
        // One of the old template may stay until the new one is available.
        let (new, old): (Vec<_>, Vec<_>) =
            staying.into_iter().partition(|pod| label(pod, REVISION) == Some(hash));
        let min_ready = int(set, "/spec/minReadySeconds");
        let replaced = match (new.first(), old.first()) {
            (Some(new), Some(old)) => !pod::is_ready(old) || pod::is_available(new, min_ready, cx.now()),
            _ => false,
        };
        for pod in new.iter().skip(1).chain(old.iter().skip(usize::from(!replaced))) {
            delete_pod(cx, RECORDER, set, pod)?;
        }
        Ok(())
    }

    fn create(&self, cx: &mut Cx<'_>, set: &Value, hash: &str) -> Result<()> {
        create_pod(cx, RECORDER, set, template_pod(set, &self.node, hash)).map(drop)
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

/// How many nodes may have a second pod during an update.
fn surge(set: &Value, wanted: i64) -> i64 {
    scaled(&set["spec"]["updateStrategy"]["rollingUpdate"]["maxSurge"], wanted, Rounding::Up)
}

/// Replaces pods of old templates: as many at once as may be unavailable, or may be too many.
fn roll(cx: &mut Cx<'_>, set: &Value, sites: &[Site], hash: &str) -> Result<()> {
    if set["spec"]["updateStrategy"]["type"] == "OnDelete" {
        return Ok(());
    }
    let wanted = i64::try_from(sites.iter().filter(|site| site.is_wanted()).count()).unwrap_or(i64::MAX);
    let surge = surge(set, wanted);
    let (now, min_ready) = (cx.now(), int(set, "/spec/minReadySeconds"));
    let available = |pod: &&Arc<Value>| pod::is_available(pod, min_ready, now);
    if surge > 0 {
        return roll_ahead(cx, set, sites, hash, surge);
    }
    let unavailable = &set["spec"]["updateStrategy"]["rollingUpdate"]["maxUnavailable"];
    let mut room = scaled(unavailable, wanted, Rounding::Up).max(1);
    let (mut at_once, mut in_turn) = (Vec::new(), Vec::new());
    for site in sites.iter().filter(|site| !site.pods.is_empty()) {
        let (new, old) = (site.staying(hash, true).next(), site.staying(hash, false).next());
        match (new, old) {
            (None, Some(old)) if available(&old) => in_turn.push(old),
            (None, Some(old)) => {
                at_once.push(old);
                room -= 1;
            }
            (Some(new), None) if available(&new) => {}
            _ => room -= 1,
        }
    }
    let turn = usize::try_from(room).unwrap_or(0);
    at_once
        .into_iter()
        .chain(in_turn.into_iter().take(turn))
        .try_for_each(|pod| delete_pod(cx, RECORDER, set, pod))
}

/// New pods come beside the old ones, which go when the new ones are available.
fn roll_ahead(cx: &mut Cx<'_>, set: &Value, sites: &[Site], hash: &str, surge: i64) -> Result<()> {
    let (now, min_ready) = (cx.now(), int(set, "/spec/minReadySeconds"));
    let mut room = surge;
    let mut in_turn = Vec::new();
    for site in sites {
        match (site.staying(hash, true).next(), site.staying(hash, false).next()) {
            (Some(new), Some(old)) if pod::is_available(new, min_ready, now) => {
                delete_pod(cx, RECORDER, set, old)?;
            }
            (Some(_), Some(_)) => room -= 1,
            (None, Some(old)) if !pod::is_available(old, min_ready, now) => match site.is_wanted() {
                true => site.create(cx, set, hash)?,
                false => delete_pod(cx, RECORDER, set, old)?,
            },
            (None, Some(_)) if site.is_wanted() => in_turn.push(site),
            _ => {}
        }
    }
    let turn = usize::try_from(room).unwrap_or(0);
    in_turn.into_iter().take(turn).try_for_each(|site| site.create(cx, set, hash))
}

fn write_status(cx: &mut Cx<'_>, key: &ObjectKey, set: &Value, sites: &[Site], hash: &str) -> Result<()> {
    let min_ready = int(set, "/spec/minReadySeconds");
    let (wanted, unwanted): (Vec<&Site>, Vec<&Site>) = sites.iter().partition(|site| site.is_wanted());
    let first: Vec<&Arc<Value>> = wanted.iter().filter_map(|site| site.pods.first()).collect();
    let count = |test: &dyn Fn(&Value) -> bool| first.iter().filter(|pod| test(pod)).count();
    let available = count(&|pod| pod::is_available(pod, min_ready, cx.now()));
    let mut status = without_empty(json!({
        "numberAvailable": available,
        "numberUnavailable": wanted.len().saturating_sub(available),
        "observedGeneration": set["metadata"]["generation"],
        "updatedNumberScheduled": count(&|pod| label(pod, REVISION) == Some(hash)),
    }));
    status["currentNumberScheduled"] = first.len().into();
    status["desiredNumberScheduled"] = wanted.len().into();
    status["numberMisscheduled"] = unwanted.iter().filter(|site| !site.pods.is_empty()).count().into();
    status["numberReady"] = count(&pod::is_ready).into();
    if set["status"] == status {
        return Ok(());
    }
    cx.modify(key, Some(Subresource::Status), |set| set["status"] = status).map(drop)
}
