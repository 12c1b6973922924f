//! What befalls a cluster by the faults of its estate: nodes that are down for a time, pods that are killed.
//! Controllers and kubelets ask here whether a node can be heard; what follows from it is theirs.

use jiff::Timestamp;
use serde_json::Value;

use crate::cluster::{Cluster, Timer};
use crate::context::{Author, Cx};
use crate::controllers::object::{NODES, PODS, key_of, label, name, pod as pods, uid};
use crate::estate::ZONE_LABEL;
use crate::write::DeleteOptions;

/// A time during which a node is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outage {
    pub(crate) since: Timestamp,
    /// `None`: for ever.
    pub(crate) until: Option<Timestamp>,
}

impl Outage {
    pub(crate) fn holds(&self, now: Timestamp) -> bool {
        self.since <= now && self.until.is_none_or(|until| now < until)
    }

    pub(crate) fn ended_within(&self, from: Timestamp, to: Timestamp) -> bool {
        self.until.is_some_and(|until| from < until && until <= to)
    }
}

/// The outages that the estate has in store for a node, also those that are over.
pub(crate) fn outages(cluster: &Cluster, node: &Value) -> Vec<Outage> {
    let zone = label(node, ZONE_LABEL);
    let faults = cluster.estate().faults.iter();
    let struck = faults.filter(|fault| {
        fault.node.as_deref() == Some(name(node)) || (fault.zone.is_some() && fault.zone.as_deref() == zone)
    });
    struck
        .map(|fault| {
            let since = fault.at.after(cluster.started);
            Outage { since, until: fault.down.map(|down| down.after(since)) }
        })
        .collect()
}

/// Since when a node has been down, if it is.
pub(crate) fn down_since(cluster: &Cluster, node: &Value) -> Option<Timestamp> {
    let outages = outages(cluster, node).into_iter();
    outages.filter(|outage| outage.holds(cluster.now)).map(|outage| outage.since).min()
}

/// Whether the node of a pod cannot be reached.
pub(crate) fn is_cut_off(cluster: &Cluster, pod: &Value) -> bool {
    let node = cluster.store.get(&NODES, "", pods::node(pod));
    node.is_some_and(|node| down_since(cluster, node).is_some())
}

/// Sets the times at which pods are killed.
pub(crate) fn arm(cluster: &mut Cluster) {
    let times: Vec<(usize, Timestamp)> = cluster
        .estate()
        .faults
        .iter()
        .enumerate()
        .filter(|(_, fault)| fault.pods.is_some())
        .map(|(index, fault)| (index, fault.at.after(cluster.started)))
        .collect();
    for (index, at) in times {
        cluster.set_timer(at, Timer::Fault(index));
    }
}

/// Kills the pods that a fault names: they are gone at once, as after `kubectl delete --force --grace-period=0`.
pub(crate) fn strike(cluster: &mut Cluster, index: usize) {
    let fault = &cluster.estate().faults[index];
    let (Some(choice), most) = (fault.pods.clone(), fault.kill.unwrap_or(usize::MAX)) else { return };
    let mut cx = Cx::new(cluster, Author::component("estate"));
    let alive = cx.list(&PODS, Some(&choice.namespace)).into_iter().filter(|pod| pods::is_active(pod));
    let struck: Vec<_> = alive.filter(|pod| choice.selects(&pod["metadata"]["labels"])).take(most).collect();
    for pod in struck {
        let options = DeleteOptions {
            grace_period: Some(0),
            uid: Some(uid(&pod).to_owned()),
            ..DeleteOptions::default()
        };
        // Nothing has happened since the list was taken: the pod is there, and so is its kind.
        cx.delete(&key_of(&PODS, &pod), &options).expect("a pod that was just seen can be deleted");
    }
    cluster.deliver();
}
