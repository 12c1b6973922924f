//! PodDisruptionBudgets: how many pods are healthy, how many must be, and so how many may be evicted now.
//! Eviction itself asks the status; it knows no drain.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Controller;
use super::object::{
    BUDGETS, PODS, REPLICA_SETS, Rounding, condition, controller_of, int, key_of, namespace, pod, scaled,
    selects,
};
use crate::cluster::Cluster;
use crate::context::{Cx, text};
use crate::kinds::Subresource;
use crate::status::Result;
use crate::store::{Change, GroupResource, ObjectKey};

/// The disruption controller.
#[derive(Clone)]
pub(crate) struct Budgets;

impl Controller for Budgets {
    fn name(&self) -> &'static str {
        "controllermanager"
    }

    fn watches(&self) -> &'static [GroupResource] {
        const { &[BUDGETS, PODS] }
    }

    fn keys(&self, cluster: &Cluster, change: &Change) -> Vec<ObjectKey> {
        if change.key.resource == BUDGETS {
            return vec![change.key.clone()];
        }
        let object = change.object();
        let budgets = cluster.store.list(&BUDGETS, Some(namespace(object)));
        let covers =
            |budget: &&Arc<Value>| selects(&budget["spec"]["selector"], &object["metadata"]["labels"]);
        budgets.filter(covers).map(|budget| key_of(&BUDGETS, budget)).collect()
    }

    fn reconcile(&mut self, cx: &mut Cx<'_>, key: &ObjectKey) -> Result<()> {
        let Some(budget) = cx.at(key) else { return Ok(()) };
        let pods: Vec<Arc<Value>> = cx
            .list(&PODS, Some(&key.namespace))
            .into_iter()
            .filter(|pod| selects(&budget["spec"]["selector"], &pod["metadata"]["labels"]))
            .filter(|pod| !pod::is_finished(pod))
            .collect();
        let (expected, desired) = wanted(cx, &budget, &pods);
        let healthy = pods.iter().filter(|pod| pod::is_active(pod) && pod::is_ready(pod)).count();
        let healthy = i64::try_from(healthy).unwrap_or(i64::MAX);
        let allowed = if expected > 0 { (healthy - desired).max(0) } else { 0 };
        let (word, reason) =
            if allowed > 0 { ("True", "SufficientPods") } else { ("False", "InsufficientPods") };
        let generation = budget["metadata"]["generation"].clone();
        let known = condition(&budget, "DisruptionAllowed").filter(|known| known["status"] == word);
        let since = known.map_or_else(|| cx.timestamp(), |known| known["lastTransitionTime"].clone());
        let status = json!({
            "observedGeneration": generation, "expectedPods": expected, "desiredHealthy": desired,
            "currentHealthy": healthy, "disruptionsAllowed": allowed,
            "conditions": [{
                "type": "DisruptionAllowed", "status": word, "reason": reason, "message": "",
                "lastTransitionTime": since, "observedGeneration": generation,
            }],
        });
        if budget["status"] == status {
            return Ok(());
        }
        cx.modify(key, Some(Subresource::Status), |budget| budget["status"] = status).map(drop)
    }
}

/// How many pods there should be, and how many of them must be healthy.
fn wanted(cx: &Cx<'_>, budget: &Value, pods: &[Arc<Value>]) -> (i64, i64) {
    let spec = &budget["spec"];
    let there = i64::try_from(pods.len()).unwrap_or(i64::MAX);
    if let Some(least) = spec.get("minAvailable").filter(|least| !least.is_null()) {
        let expected = if least.is_string() { scale(cx, pods) } else { there };
        return (expected, scaled(least, expected, Rounding::Up));
    }
    let expected = scale(cx, pods);
    let unavailable = scaled(&spec["maxUnavailable"], expected, Rounding::Up);
    (expected, (expected - unavailable).max(0))
}

/// The sizes of the controllers that own the pods; of a ReplicaSet's Deployment rather than its own.
fn scale(cx: &Cx<'_>, pods: &[Arc<Value>]) -> i64 {
    let mut seen: Vec<String> = Vec::new();
    let mut total = 0;
    for pod in pods {
        let Some(mut owner) = controller_of(pod).cloned() else {
            total += 1;
            continue;
        };
        if owner["kind"] == "ReplicaSet"
            && let Some(set) = cx.get(&REPLICA_SETS, namespace(pod), text(&owner["name"]))
            && let Some(above) = controller_of(&set)
        {
            owner = above.clone();
        }
        let uid = text(&owner["uid"]).to_owned();
        if seen.contains(&uid) {
            continue;
        }
        seen.push(uid);
        let found = cx.resource_of(text(&owner["apiVersion"]), text(&owner["kind"]));
        let object = found.and_then(|(resource, _)| cx.get(&resource, namespace(pod), text(&owner["name"])));
        total += object.map_or(0, |object| int(&object, "/spec/replicas"));
    }
    total
}
