//! What a cluster holds from its first moment: the four namespaces and what comes with them.
//! It runs once, before the first request.

use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::context::{Author, Cx};
use crate::store::GroupResource;

/// Creates the initial objects.
pub(crate) fn populate(cluster: &mut Cluster) {
    let mut cx = Cx::new(cluster, Author::component("kube-apiserver"));
    for (group, resource, object) in initial() {
        // A refusal here is a mistake in this file; the tests start clusters.
        cx.create(&GroupResource::new(group, resource), object).expect("an initial object is valid");
    }
}

fn initial() -> Vec<(&'static str, &'static str, Value)> {
    let mut all = Vec::new();
    for namespace in ["default", "kube-system", "kube-public", "kube-node-lease"] {
        all.push(("", "namespaces", json!({"metadata": {"name": namespace}})));
    }
    for (name, value, description) in [
        (
            "system-cluster-critical",
            2_000_000_000,
            "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
        ),
        (
            "system-node-critical",
            2_000_001_000,
            "Used for system critical pods that must not be moved from their current node.",
        ),
    ] {
        let class = json!({"metadata": {"name": name}, "value": value, "description": description});
        all.push(("scheduling.k8s.io", "priorityclasses", class));
    }
    all.push(("", "services", json!({
        "metadata": {"name": "kubernetes", "namespace": "default", "labels": {"component": "apiserver", "provider": "kubernetes"}},
        "spec": {"type": "ClusterIP", "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443}]},
    })));
    all
}
