//! Pods on nodes with a taint that evicts: each is deleted at once, or when the time that it tolerates is over.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::context::{Cx, text};
use crate::controllers::Controller;
use crate::controllers::events::Recorder;
use crate::controllers::object::{
    NODES, PODS, is_going, key_of, list, name, namespace, pod as pods, put_condition,
};
use crate::controllers::scheduler::tolerates_taint;
use crate::kinds::Subresource;
use crate::status::{Result, Status};
use crate::store::{Change, GroupResource, ObjectKey};
use crate::write::DeleteOptions;

/// The taint eviction controller.
#[derive(Clone, Default)]
pub(crate) struct TaintEvictions {
    /// When pods are to be deleted. A plan stands until no taint asks for it any more.
    planned: BTreeMap<ObjectKey, Timestamp>,
}

const RECORDER: Recorder<'static> = Recorder { component: "taint-eviction-controller", host: "" };

impl Controller for TaintEvictions {
    fn name(&self) -> &'static str {
        "taint-eviction-controller"
    }

    fn watches(&self) -> &'static [GroupResource] {
        const { &[NODES, PODS] }
    }

    fn keys(&self, cluster: &Cluster, change: &Change) -> Vec<ObjectKey> {
        if change.key.resource == PODS {
            let node = cluster.store.get(&NODES, "", pods::node(change.object()));
            let evicts = node.is_some_and(|node| evicting(node).next().is_some());
            let concerned = evicts || self.planned.contains_key(&change.key);
            return concerned.then(|| change.key.clone()).into_iter().collect();
        }
        let taints =
            |node: Option<&Value>| -> Vec<Value> { node.into_iter().flat_map(evicting).cloned().collect() };
        if taints(change.old.as_deref()) == taints(change.new.as_deref()) {
            return Vec::new();
        }
        let here = cluster.store.list(&PODS, None).filter(|pod| pods::node(pod) == change.key.name);
        here.map(|pod| key_of(&PODS, pod)).collect()
    }

    fn reconcile(&mut self, cx: &mut Cx<'_>, key: &ObjectKey) -> Result<()> {
        let Some(pod) = cx.at(key) else {
            self.planned.remove(key);
            return Ok(());
        };
        let patience = match cx.get(&NODES, "", pods::node(&pod)) {
            Some(node) => patience(&pod, &node),
            None => Patience::Endless,
        };
        let span = match patience {
            Patience::Endless => {
                if self.planned.remove(key).is_some() && !is_going(&pod) {
                    let message = format!("Cancelling deletion of Pod {}/{}", namespace(&pod), name(&pod));
                    RECORDER.normal(cx, &pod, "TaintManagerEviction", &message);
                }
                return Ok(());
            }
            Patience::None => SignedDuration::ZERO,
            Patience::For(span) => span,
        };
        let now = cx.now();
        let due = match patience {
            Patience::None => now,
            _ => *self.planned.entry(key.clone()).or_insert(now + span),
        };
        if due > now {
            cx.requeue(key, due.duration_since(now));
            return Ok(());
        }
        if is_going(&pod) {
            return Ok(());
        }
        evict(cx, key, &pod)?;
        self.planned.remove(key);
        Ok(())
    }
}

/// How long a pod puts up with the taints of its node.
enum Patience {
    None,
    For(SignedDuration),
    Endless,
}

fn evicting(node: &Value) -> impl Iterator<Item = &Value> {
    list(node, "/spec/taints").iter().filter(|taint| taint["effect"] == "NoExecute")
}

fn patience(pod: &Value, node: &Value) -> Patience {
    let mut least: Option<i64> = None;
    for taint in evicting(node) {
        let (key, value) = (text(&taint["key"]), text(&taint["value"]));
        let mut tolerations = list(pod, "/spec/tolerations").iter();
        let Some(used) = tolerations.find(|toleration| tolerates_taint(toleration, key, value, "NoExecute"))
        else {
            return Patience::None;
        };
        if let Some(seconds) = used["tolerationSeconds"].as_i64() {
            least = Some(least.map_or(seconds, |least| least.min(seconds)));
        }
    }
    match least {
        None => Patience::Endless,
        Some(seconds) if seconds <= 0 => Patience::None,
        Some(seconds) => Patience::For(SignedDuration::from_secs(seconds)),
    }
}

fn evict(cx: &mut Cx<'_>, key: &ObjectKey, pod: &Value) -> Result<()> {
    let message = format!("Marking for deletion Pod {}/{}", namespace(pod), name(pod));
    RECORDER.normal(cx, pod, "TaintManagerEviction", &message);
    let condition = json!({
        "type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager",
        "message": "Taint manager: deleting due to NoExecute taint", "lastProbeTime": null,
        "lastTransitionTime": cx.timestamp(), "observedGeneration": pod["metadata"]["generation"],
    });
    cx.modify(key, Some(Subresource::Status), |pod| put_condition(&mut pod["status"], condition))?;
    match cx.delete(key, &DeleteOptions::default()) {
        Ok(()) | Err(Status { code: 404, .. }) => Ok(()),
        Err(status) => Err(status),
    }
}
