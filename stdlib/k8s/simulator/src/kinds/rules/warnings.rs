//! What is accepted with a warning: oddities of pod specs that rarely do what was meant.

use serde_json::Value;

use super::{at, has, items};
use crate::context::text;

/// Labels of nodes that have been renamed.
const RENAMED: &[(&str, &str, &str)] = &[
    ("beta.kubernetes.io/arch", "v1.14", "kubernetes.io/arch"),
    ("beta.kubernetes.io/os", "v1.14", "kubernetes.io/os"),
    ("failure-domain.beta.kubernetes.io/region", "v1.17", "topology.kubernetes.io/region"),
    ("failure-domain.beta.kubernetes.io/zone", "v1.17", "topology.kubernetes.io/zone"),
    ("beta.kubernetes.io/instance-type", "v1.17", "node.kubernetes.io/instance-type"),
];

/// The warnings for a pod spec at a path.
pub(crate) fn pod_spec_warnings(spec: &Value, path: &str) -> Vec<String> {
    let mut out = Vec::new();
    for (label, since, better) in RENAMED {
        if spec["nodeSelector"].get(label).is_some() {
            let path = at(path, "nodeSelector");
            out.push(format!("{path}[{label}]: deprecated since {since}; use \"{better}\" instead"));
        }
    }
    for (path, one) in items(spec, "topologySpreadConstraints", path) {
        if !has(one, "labelSelector") {
            out.push(format!("{path}.labelSelector: a null labelSelector results in matching no pod"));
        }
    }
    for (path, one) in items(spec, "imagePullSecrets", path) {
        if text(&one["name"]).is_empty() {
            out.push(format!("{path}: invalid empty name \"\""));
        }
    }
    for (path, alias) in items(spec, "hostAliases", path) {
        let ip = text(&alias["ip"]);
        let earlier =
            items(spec, "hostAliases", "").into_iter().filter(|(_, other)| other["ip"] == ip).count();
        if earlier > 1 && !path.ends_with("[0]") {
            out.push(format!("{path}.ip: duplicate ip {ip:?}"));
        }
    }
    for list in ["initContainers", "containers"] {
        for (path, container) in items(spec, list, path) {
            duplicate_variables(container, &path, &mut out);
            duplicate_ports(container, &path, &mut out);
        }
    }
    if spec["terminationGracePeriodSeconds"].as_i64().is_some_and(|seconds| seconds < 0) {
        let path = at(path, "terminationGracePeriodSeconds");
        out.push(format!("{path}: must be >= 0; negative values are invalid and will be treated as 1"));
    }
    out
}

fn duplicate_variables(container: &Value, path: &str, out: &mut Vec<String>) {
    let mut seen: Vec<&str> = Vec::new();
    for (path, variable) in items(container, "env", path) {
        let name = text(&variable["name"]);
        // One that uses itself builds on the earlier one.
        let builds_on = text(&variable["value"]).contains(&format!("$({name})"));
        if seen.contains(&name) && !builds_on {
            out.push(format!(
                "{path}: hides previous definition of {name:?}, which may be dropped when using apply"
            ));
        }
        seen.push(name);
    }
}

fn duplicate_ports(container: &Value, path: &str, out: &mut Vec<String>) {
    let mut seen: Vec<(String, &Value, &str)> = Vec::new();
    for (path, port) in items(container, "ports", path) {
        let protocol = match text(&port["protocol"]) {
            "" => "TCP",
            given => given,
        };
        let number = &port["containerPort"];
        if let Some((earlier, _, _)) = seen.iter().find(|(_, n, p)| *n == number && *p == protocol) {
            out.push(format!("{path}: duplicate port definition with {earlier}"));
        }
        seen.push((path, number, protocol));
    }
}
