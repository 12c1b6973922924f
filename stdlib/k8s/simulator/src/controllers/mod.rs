//! The loops that make a cluster out of stored objects, each a `Controller`, listed in `controllers`.
//! A controller sees the store and writes like any client; queues, delays and retries are the cluster's.

mod autoscaler;
mod cronjob;
mod daemonset;
mod deployment;
mod disruption;
mod endpoints;
pub(crate) mod events;
mod garbage;
mod hash;
mod job;
mod namespace;
mod node;
pub(crate) mod object;
mod owned;
pub(crate) mod quantity;
mod quota;
mod replicaset;
mod revision;
mod scheduler;
mod statefulset;
mod termination;
pub(crate) mod volume;

use crate::cluster::Cluster;
use crate::context::Cx;
use crate::status::Result;
use crate::store::{Change, GroupResource, ObjectKey};

/// A loop over keys: changes give keys, keys wait in a queue (each at most once), `reconcile` is called for each.
pub trait Controller: Fork + Send {
    fn name(&self) -> &'static str;

    /// The field manager of its writes.
    fn manager(&self) -> &'static str {
        "kube-controller-manager"
    }

    /// The resources whose changes it wants to see.
    fn watches(&self) -> &'static [GroupResource];

    /// Whether it wants to see the changes of all resources instead.
    fn watches_everything(&self) -> bool {
        false
    }

    /// What a change puts into the queue; the changed object itself by default.
    fn keys(&self, _cluster: &Cluster, change: &Change) -> Vec<ObjectKey> {
        vec![change.key.clone()]
    }

    /// Brings the world closer to what the object at `key` (which may be gone) asks for. A refusal is retried with
    /// growing delays: 5 ms, 10 ms, … 1000 s. `cx.requeue` asks for another call later.
    fn reconcile(&mut self, cx: &mut Cx<'_>, key: &ObjectKey) -> Result<()>;
}

/// A controller once more, with what it remembers: for a fork of its cluster.
pub trait Fork {
    fn fork(&self) -> Box<dyn Controller>;
}

impl<C: Controller + Clone + 'static> Fork for C {
    fn fork(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }
}

/// All controllers, in the order in which they see a change.
pub fn controllers() -> Vec<Box<dyn Controller>> {
    vec![
        Box::new(namespace::NamespaceContents),
        Box::new(termination::NamespaceTermination),
        Box::new(quota::Quotas),
        Box::new(autoscaler::Autoscalers::default()),
        Box::new(node::NodeLifecycle::default()),
        Box::new(node::TaintEvictions::default()),
        Box::new(node::LostPods::default()),
        Box::new(scheduler::Scheduler),
        Box::new(garbage::GarbageCollector),
        Box::new(endpoints::EndpointsOfServices),
        Box::new(cronjob::CronJobs::default()),
        Box::new(job::Jobs::default()),
        Box::new(statefulset::StatefulSets),
        Box::new(daemonset::DaemonSets),
        Box::new(disruption::Budgets),
        Box::new(volume::Volumes),
        Box::new(deployment::Deployments),
        Box::new(replicaset::ReplicaSets::of_replica_sets()),
        Box::new(replicaset::ReplicaSets::of_replication_controllers()),
    ]
}

#[cfg(test)]
mod tests;
