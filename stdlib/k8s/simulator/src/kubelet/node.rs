//! Nodes as such: how they come into the cluster, and what they say when they are back after an outage.
//! It knows no pod.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::context::{Cx, text};
use crate::controllers::events::Recorder;
use crate::controllers::object::{NODES, condition_is, name, stamp};
use crate::estate::NodeSpec;
use crate::fault::{down_since, outages};
use crate::kinds::Subresource;
use crate::status::Result;
use crate::store::ObjectKey;

/// Brings the estate's nodes into the cluster, ready.
pub(crate) fn register(cx: &mut Cx<'_>) -> Result<()> {
    for (index, spec) in cx.cluster.estate().nodes().into_iter().enumerate() {
        cx.create(&NODES, node(&spec, index))?;
        let status = status(&spec, index, cx.now(), &cx.cluster.estate().version.clone());
        let key = ObjectKey::new(&NODES, "", &spec.name);
        cx.modify(&key, Some(Subresource::Status), |node| node["status"] = status)?;
    }
    Ok(())
}

/// Says that a node is well if it was thought lost; comes back when its next outage ends.
pub(super) fn report(cx: &mut Cx<'_>, key: &ObjectKey) -> Result<()> {
    let Some(node) = cx.at(key) else { return Ok(()) };
    let now = cx.now();
    let ends = outages(cx.cluster, &node).into_iter().filter_map(|outage| outage.until);
    if let Some(end) = ends.filter(|end| *end > now).min() {
        cx.requeue(key, end.duration_since(now));
    }
    if down_since(cx.cluster, &node).is_some() || !condition_is(&node, "Ready", "Unknown") {
        return Ok(());
    }
    cx.modify(key, Some(Subresource::Status), |node| {
        let conditions = node["status"].get_mut("conditions").and_then(Value::as_array_mut);
        for condition in conditions.into_iter().flatten() {
            let well = WELL.iter().find(|well| well.0 == text(&condition["type"]));
            if let Some(well) = well.filter(|_| condition["status"] == "Unknown") {
                *condition = well_condition(*well, now);
            }
        }
    })?;
    let message = format!("Node {} status is now: NodeReady", name(&node));
    Recorder { component: "kubelet", host: &key.name }.normal(cx, &node, "NodeReady", &message);
    Ok(())
}

/// The conditions of a node that is well: type, status, reason, message.
const WELL: [(&str, &str, &str, &str); 4] = [
    ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
];

fn well_condition((kind, word, reason, message): (&str, &str, &str, &str), now: Timestamp) -> Value {
    json!({
        "type": kind, "status": word, "reason": reason, "message": message,
        "lastHeartbeatTime": stamp(now), "lastTransitionTime": stamp(now),
    })
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
    json!({
        "capacity": resources, "allocatable": resources,
        "conditions": WELL.map(|well| well_condition(well, now)),
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
