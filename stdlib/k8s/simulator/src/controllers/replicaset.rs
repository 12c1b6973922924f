//! ReplicaSets and ReplicationControllers: so many pods of one template, no more, no fewer.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::Controller;
use super::events::Recorder;
use super::object::{
    PODS, REPLICA_SETS, REPLICATION_CONTROLLERS, controller_key, controller_of, int, is_going, key_of, list,
    namespace, pod, selects, without_empty,
};
use super::owned::{claim, create_pod, delete_pod, from_template, in_deletion_order};
use crate::cluster::Cluster;
use crate::context::Cx;
use crate::kinds::Subresource;
use crate::status::{Result, Status};
use crate::store::{Change, GroupResource, ObjectKey};

/// The controller of one of the two kinds, which differ in their selector only.
#[derive(Clone)]
pub(crate) struct ReplicaSets {
    kind: &'static str,
    resource: GroupResource,
    watches: &'static [GroupResource],
    recorder: Recorder<'static>,
}

impl ReplicaSets {
    pub(crate) fn of_replica_sets() -> Self {
        Self {
            kind: "ReplicaSet",
            resource: REPLICA_SETS,
            watches: const { &[REPLICA_SETS, PODS] },
            recorder: Recorder { component: "replicaset-controller", host: "" },
        }
    }

    pub(crate) fn of_replication_controllers() -> Self {
        Self {
            kind: "ReplicationController",
            resource: REPLICATION_CONTROLLERS,
            watches: const { &[REPLICATION_CONTROLLERS, PODS] },
            recorder: Recorder { component: "replication-controller", host: "" },
        }
    }

    /// The selector as a LabelSelector: a ReplicationController's is a plain map of labels.
    fn selector(&self, set: &Value) -> Value {
        let selector = &set["spec"]["selector"];
        if self.kind == "ReplicaSet" { selector.clone() } else { json!({"matchLabels": selector}) }
    }

    /// Makes or deletes what is missing or too much.
    fn manage(&self, cx: &mut Cx<'_>, set: &Value, pods: &[Arc<Value>]) -> Result<()> {
        let active: Vec<Arc<Value>> = pods.iter().filter(|pod| pod::is_active(pod)).cloned().collect();
        let wanted = usize::try_from(int(set, "/spec/replicas")).unwrap_or(0);
        if active.len() < wanted {
            for _ in active.len()..wanted {
                create_pod(cx, self.recorder, set, from_template(set, &set["spec"]["template"]))?;
            }
        } else if active.len() > wanted {
            let surplus = active.len() - wanted;
            let mut order = active.clone();
            in_deletion_order(&mut order, &active);
            for pod in order.iter().take(surplus) {
                delete_pod(cx, self.recorder, set, pod)?;
            }
        }
        Ok(())
    }

    fn status(&self, cx: &Cx<'_>, set: &Value, pods: &[Arc<Value>], managed: &Result<()>) -> Value {
        let active: Vec<&Arc<Value>> = pods.iter().filter(|pod| pod::is_active(pod)).collect();
        let min_ready = int(set, "/spec/minReadySeconds");
        let labels = json!({"matchLabels": set["spec"]["template"]["metadata"]["labels"]});
        let count = |test: &dyn Fn(&Value) -> bool| active.iter().filter(|pod| test(pod)).count();
        let replicas = active.len();
        let counted = without_empty(json!({
            "fullyLabeledReplicas": count(&|pod| selects(&labels, &pod["metadata"]["labels"])),
            "readyReplicas": count(&pod::is_ready),
            "availableReplicas": count(&|pod| pod::is_available(pod, min_ready, cx.now())),
            "observedGeneration": set["metadata"]["generation"],
            "conditions": conditions(cx, set, replicas, managed.as_ref().err()),
        }));
        let mut status = counted;
        status["replicas"] = replicas.into();
        status
    }
}

impl Controller for ReplicaSets {
    fn name(&self) -> &'static str {
        self.recorder.component
    }

    fn watches(&self) -> &'static [GroupResource] {
        self.watches
    }

    fn keys(&self, cluster: &Cluster, change: &Change) -> Vec<ObjectKey> {
        if change.key.resource == self.resource {
            return vec![change.key.clone()];
        }
        let pod = change.object();
        let before = change.old.as_ref().and_then(|old| controller_key(old, self.kind, &self.resource));
        let mut keys: Vec<ObjectKey> =
            controller_key(pod, self.kind, &self.resource).into_iter().chain(before).collect();
        if keys.is_empty() && controller_of(pod).is_none() && !is_going(pod) {
            let sets = cluster.store.list(&self.resource, Some(namespace(pod)));
            let covers = |set: &&Arc<Value>| selects(&self.selector(set), &pod["metadata"]["labels"]);
            keys.extend(sets.filter(covers).map(|set| key_of(&self.resource, set)));
        }
        keys.dedup();
        keys
    }

    fn reconcile(&mut self, cx: &mut Cx<'_>, key: &ObjectKey) -> Result<()> {
        let Some(set) = cx.at(key) else { return Ok(()) };
        let pods = claim(cx, &set, &self.selector(&set))?;
        let managed = if is_going(&set) { Ok(()) } else { self.manage(cx, &set, &pods) };
        let status = self.status(cx, &set, &pods, &managed);
        if set["status"] != status {
            cx.modify(key, Some(Subresource::Status), |set| set["status"] = status)?;
        }
        come_back_when_available(cx, key, &set, &pods);
        managed
    }
}

/// A pod that is ready becomes available with time alone.
pub(crate) fn come_back_when_available(cx: &mut Cx<'_>, key: &ObjectKey, owner: &Value, pods: &[Arc<Value>]) {
    let min_ready = int(owner, "/spec/minReadySeconds");
    let now = cx.now();
    let next = pods.iter().filter_map(|pod| pod::available_at(pod, min_ready)).filter(|at| *at > now).min();
    if let Some(at) = next.filter(|_| min_ready > 0) {
        cx.requeue(key, at.duration_since(now).max(SignedDuration::from_millis(1)));
    }
}

/// `ReplicaFailure` while pods cannot be made or deleted.
fn conditions(cx: &Cx<'_>, set: &Value, replicas: usize, failure: Option<&Status>) -> Value {
    let mut conditions: Vec<Value> = list(set, "/status/conditions").to_vec();
    let noted = conditions.iter().any(|condition| condition["type"] == "ReplicaFailure");
    match failure {
        Some(status) if !noted => {
            let wanted = usize::try_from(int(set, "/spec/replicas")).unwrap_or(0);
            let reason = if replicas < wanted { "FailedCreate" } else { "FailedDelete" };
            conditions.push(json!({
                "type": "ReplicaFailure", "status": "True", "reason": reason, "message": status.message,
                "lastTransitionTime": cx.timestamp(),
            }));
        }
        Some(_) => {}
        None => conditions.retain(|condition| condition["type"] != "ReplicaFailure"),
    }
    conditions.into()
}
