//! Pods that no kubelet will ever end: those of nodes that were deleted, and those that are going on nodes out of service.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::context::Cx;
use crate::controllers::Controller;
use crate::controllers::object::{
    NODES, PODS, condition_is, is_going, key_of, list, name, pod as pods, put_condition, uid,
};
use crate::kinds::Subresource;
use crate::status::{Result, Status};
use crate::store::{Change, GroupResource, ObjectKey};
use crate::write::DeleteOptions;

/// The pod garbage collector.
#[derive(Clone, Default)]
pub(crate) struct LostPods {
    /// Since when nodes that pods are on have been missing.
    missing: BTreeMap<String, Timestamp>,
}

/// A node may be back within this time.
const QUARANTINE: SignedDuration = SignedDuration::from_secs(40);
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";

impl Controller for LostPods {
    fn name(&self) -> &'static str {
        "pod-garbage-collector"
    }

    fn watches(&self) -> &'static [GroupResource] {
        const { &[NODES, PODS] }
    }

    fn keys(&self, cluster: &Cluster, change: &Change) -> Vec<ObjectKey> {
        if change.key.resource == PODS {
            let node = pods::node(change.object());
            let lost =
                !node.is_empty() && cluster.store.get(&NODES, "", node).is_none_or(|node| is_out(node));
            return lost.then(|| change.key.clone()).into_iter().collect();
        }
        let lost = change.new.as_ref().is_none_or(|node| is_out(node));
        let here = cluster.store.list(&PODS, None).filter(|pod| lost && pods::node(pod) == change.key.name);
        here.map(|pod| key_of(&PODS, pod)).collect()
    }

    fn reconcile(&mut self, cx: &mut Cx<'_>, key: &ObjectKey) -> Result<()> {
        let Some(pod) = cx.at(key).filter(|pod| !pods::node(pod).is_empty()) else { return Ok(()) };
        if let Some(node) = cx.get(&NODES, "", pods::node(&pod)) {
            self.missing.remove(name(&node));
            let why = "PodGC: node is out of service";
            return if is_out(&node) && is_going(&pod) { collect(cx, key, &pod, why) } else { Ok(()) };
        }
        let now = cx.now();
        let since = *self.missing.entry(pods::node(&pod).to_owned()).or_insert(now);
        if since + QUARANTINE > now {
            cx.requeue(key, (since + QUARANTINE).duration_since(now));
            return Ok(());
        }
        collect(cx, key, &pod, "PodGC: node no longer exists")
    }
}

/// Whether someone has said that the node will not be back, and it is not ready.
fn is_out(node: &Value) -> bool {
    let said = list(node, "/spec/taints").iter().any(|taint| taint["key"] == OUT_OF_SERVICE);
    said && !condition_is(node, "Ready", "True")
}

fn collect(cx: &mut Cx<'_>, key: &ObjectKey, pod: &Value, why: &str) -> Result<()> {
    let condition = json!({
        "type": "DisruptionTarget", "status": "True", "reason": "DeletionByPodGC", "message": why,
        "lastProbeTime": null, "lastTransitionTime": cx.timestamp(),
        "observedGeneration": pod["metadata"]["generation"],
    });
    cx.modify(key, Some(Subresource::Status), |pod| {
        if !pods::is_finished(pod) {
            pod["status"]["phase"] = "Failed".into();
        }
        put_condition(&mut pod["status"], condition);
    })?;
    let options =
        DeleteOptions { grace_period: Some(0), uid: Some(uid(pod).to_owned()), ..DeleteOptions::default() };
    match cx.delete(key, &options) {
        Ok(()) | Err(Status { code: 404, .. }) => Ok(()),
        Err(status) => Err(status),
    }
}
