//! Nodes as such: how they come into the cluster, and when the estate cuts them off.
//! It knows no pod.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::cluster::Cluster;
use crate::context::Cx;
use crate::controllers::object::{NODES, label, name, stamp};
use crate::estate::{NodeSpec, ZONE_LABEL};
use crate::kinds::Subresource;
use crate::store::ObjectKey;

/// A time during which a node is cut off.
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
        self.since >= from && self.until.is_some_and(|until| until <= to)
            || self.until.is_some_and(|u| from < u && u <= to)
    }
}

/// The outages that the estate file has in store for a node.
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

/// Brings the estate's nodes into the cluster, ready.
pub(crate) fn register(cx: &mut Cx<'_>) -> crate::status::Result<()> {
    for (index, spec) in cx.cluster.estate().nodes().into_iter().enumerate() {
        cx.create(&NODES, node(&spec, index))?;
        let status = status(&spec, index, cx.now(), &cx.cluster.estate().version.clone());
        let key = ObjectKey::new(&NODES, "", &spec.name);
        cx.modify(&key, Some(Subresource::Status), |node| node["status"] = status)?;
    }
    Ok(())
}

fn node(spec: &NodeSpec, index: usize) -> Value {
    let mut labels: Map<String, Value> = Map::new();
    for (key, value) in [
        ("beta.kubernetes.io/arch", "amd64"),
        ("beta.kubernetes.io/os", "linux"),
        ("kubernetes.io/arch", "amd64"),
        ("kubernetes.io/hostname", &spec.name),
        ("kubernetes.io/os", "linux"),
    ] {
        labels.insert(key.to_owned(), value.into());
    }
    labels.extend(spec.labels.iter().map(|(key, value)| (key.clone(), value.clone().into())));
    let mut node = json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": spec.name, "labels": labels},
        "spec": {"podCIDR": format!("10.244.{index}.0/24"), "podCIDRs": [format!("10.244.{index}.0/24")]},
    });
    if !spec.taints.is_empty() {
        node["spec"]["taints"] = spec.taints.iter().map(|taint| json!(taint)).collect();
    }
    node
}

fn status(spec: &NodeSpec, index: usize, now: Timestamp, version: &str) -> Value {
    let resources = json!({
        "cpu": spec.cpu, "memory": spec.memory, "pods": spec.pods.to_string(), "ephemeral-storage": "100Gi",
        "hugepages-1Gi": "0", "hugepages-2Mi": "0",
    });
    let condition = |kind: &str, word: &str, reason: &str, message: &str| {
        json!({
            "type": kind, "status": word, "reason": reason, "message": message,
            "lastHeartbeatTime": stamp(now), "lastTransitionTime": stamp(now),
        })
    };
    json!({
        "capacity": resources, "allocatable": resources,
        "conditions": [
            condition("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
            condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
            condition("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
            condition("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
        ],
        "addresses": [
            {"type": "InternalIP", "address": format!("10.0.0.{}", index + 10)},
            {"type": "Hostname", "address": spec.name},
        ],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        "nodeInfo": {
            "machineID": "", "systemUUID": "", "bootID": "", "kernelVersion": "6.12.0", "osImage": "opsrun",
            "containerRuntimeVersion": "containerd://2.1.0", "kubeletVersion": format!("v{version}"),
            "kubeProxyVersion": "", "operatingSystem": "linux", "architecture": "amd64",
        },
    })
}
