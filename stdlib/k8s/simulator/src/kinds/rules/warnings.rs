//! What is accepted with a warning: oddities of pod specs that rarely do what was meant.

use serde_json::Value;

use super::{at, has, items, quantity};
use crate::context::text;

/// Labels of nodes that have been renamed.
const RENAMED: &[(&str, &str, &str)] = &[
    ("beta.kubernetes.io/arch", "v1.14", "kubernetes.io/arch"),
    ("beta.kubernetes.io/os", "v1.14", "kubernetes.io/os"),
    ("failure-domain.beta.kubernetes.io/region", "v1.17", "topology.kubernetes.io/region"),
    ("failure-domain.beta.kubernetes.io/zone", "v1.17", "topology.kubernetes.io/zone"),
    ("beta.kubernetes.io/instance-type", "v1.17", "node.kubernetes.io/instance-type"),
];

/// Annotations of pods that do nothing any more.
const DEAD: &[(&str, &str)] = &[
    (
        "scheduler.alpha.kubernetes.io/critical-pod",
        "non-functional in v1.16+; use the \"priorityClassName\" field instead",
    ),
    ("security.alpha.kubernetes.io/sysctls", "non-functional in v1.11+; use the \"sysctls\" field instead"),
    (
        "security.alpha.kubernetes.io/unsafe-sysctls",
        "non-functional in v1.11+; use the \"sysctls\" field instead",
    ),
];
/// Volumes that are on their way out.
const OLD_VOLUMES: &[(&str, &str)] = &[
    ("photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
    ("gitRepo", "deprecated in v1.11, and disabled by default in v1.33+"),
    ("scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    ("flocker", "deprecated in v1.22, non-functional in v1.25+"),
    ("storageos", "deprecated in v1.22, non-functional in v1.25+"),
    ("quobyte", "deprecated in v1.22, non-functional in v1.25+"),
    ("glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    ("cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    ("rbd", "deprecated in v1.28, non-functional in v1.31+"),
];

/// The warnings for a workload whose pod template is at a path, such as `spec.template`. A change that leaves the spec
/// alone gives none.
pub(crate) fn workload_warnings(old: Option<&Value>, new: &Value, path: &str) -> Vec<String> {
    if old.is_some_and(|old| old["spec"] == new["spec"]) {
        return Vec::new();
    }
    let mut out = Vec::new();
    if old.is_none() {
        out.extend(name_warning(new, "Pod names and hostnames"));
    }
    let template = new.pointer(&format!("/{}", path.replace('.', "/"))).unwrap_or(&Value::Null);
    out.extend(pod_warnings(template, path));
    out
}

/// A name that becomes a host name should be one label.
pub(crate) fn name_warning(object: &Value, part: &str) -> Option<String> {
    let faults = crate::names::label(text(&object["metadata"]["name"]));
    (!faults.is_empty()).then(|| {
        format!(
            "metadata.name: this is used in {part}, which can result in surprising behavior; a DNS label is \
             recommended: [{}]",
            faults.join(" ")
        )
    })
}

/// The warnings for a pod, or for a template of one at a path.
pub(crate) fn pod_warnings(pod: &Value, path: &str) -> Vec<String> {
    let (spec, annotations) = (&pod["spec"], &pod["metadata"]["annotations"]);
    let (path, annotation) =
        (at(path, "spec"), |key: &str| format!("{}[{key}]", at(path, "metadata.annotations")));
    let path = path.as_str();
    let mut out = Vec::new();
    node_labels(spec, path, &mut out);
    for (path, one) in items(spec, "topologySpreadConstraints", path) {
        let key = text(&one["topologyKey"]);
        out.extend(renamed(key).map(|why| format!("{path}.topologyKey: {key} is {why}")));
        if !has(one, "labelSelector") {
            out.push(format!("{path}.labelSelector: a null labelSelector results in matching no pod"));
        }
    }
    for (key, why) in DEAD.iter().filter(|(key, _)| annotations.get(key).is_some()) {
        out.push(format!("{}: {why}", annotation(key)));
    }
    for (path, volume) in items(spec, "volumes", path) {
        let old = OLD_VOLUMES.iter().filter(|(kind, _)| has(volume, kind));
        out.extend(old.map(|(kind, why)| format!("{path}.{kind}: {why}")));
    }
    repeated(spec, "hostAliases", "ip", path, &mut out);
    repeated(spec, "imagePullSecrets", "name", path, &mut out);
    for (path, one) in items(spec, "imagePullSecrets", path) {
        if text(&one["name"]).is_empty() {
            out.push(format!("{path}.name: invalid empty name \"\""));
        }
    }
    let seccomp = "non-functional in v1.27+; use the \"seccompProfile\" field instead";
    let profiled = |security: &Value| has(security, "seccompProfile");
    let key = "seccomp.security.alpha.kubernetes.io/pod";
    if !profiled(&spec["securityContext"]) && annotations.get(key).is_some() {
        out.push(format!("{}: {seccomp}", annotation(key)));
    }
    let containers: Vec<(String, &Value)> = ["initContainers", "containers", "ephemeralContainers"]
        .iter()
        .flat_map(|list| items(spec, list, path))
        .collect();
    for (path, container) in &containers {
        let key = format!("container.seccomp.security.alpha.kubernetes.io/{}", text(&container["name"]));
        if !profiled(&container["securityContext"]) && annotations.get(&key).is_some() {
            out.push(format!("{}: {seccomp}", annotation(&key)));
        }
        fractions(container, path, &mut out);
        duplicate_variables(container, path, &mut out);
    }
    ports(&containers, &mut out);
    if spec["terminationGracePeriodSeconds"].as_i64().is_some_and(|seconds| seconds < 0) {
        let path = at(path, "terminationGracePeriodSeconds");
        out.push(format!("{path}: must be >= 0; negative values are invalid and will be treated as 1"));
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        let (affinity, path) = (&spec["affinity"][kind], at(path, &format!("affinity.{kind}")));
        let required = items(affinity, "requiredDuringSchedulingIgnoredDuringExecution", &path);
        let preferred = items(affinity, "preferredDuringSchedulingIgnoredDuringExecution", &path);
        let weighted = preferred
            .iter()
            .map(|(path, term)| (format!("{path}.podAffinityTerm"), &term["podAffinityTerm"]));
        for (path, _) in required.into_iter().chain(weighted).filter(|(_, term)| !has(term, "labelSelector"))
        {
            out.push(format!("{path}.labelSelector: a null labelSelector results in matching no pod"));
        }
    }
    out
}

fn renamed(label: &str) -> Option<String> {
    let (_, since, better) = RENAMED.iter().find(|(old, _, _)| *old == label)?;
    Some(format!("deprecated since {since}; use \"{better}\" instead"))
}

/// Labels of nodes that have other names now.
fn node_labels(spec: &Value, path: &str, out: &mut Vec<String>) {
    for key in spec["nodeSelector"].as_object().into_iter().flatten().map(|(key, _)| key) {
        out.extend(renamed(key).map(|why| format!("{}[{key}]: {why}", at(path, "nodeSelector"))));
    }
    let (affinity, path) = (&spec["affinity"]["nodeAffinity"], at(path, "affinity.nodeAffinity"));
    let required = "requiredDuringSchedulingIgnoredDuringExecution";
    let terms = items(&affinity[required], "nodeSelectorTerms", &at(&path, required));
    let preferred = items(affinity, "preferredDuringSchedulingIgnoredDuringExecution", &path);
    let preferred =
        preferred.into_iter().map(|(path, one)| (format!("{path}.preference"), &one["preference"]));
    for (path, expression) in
        terms.into_iter().chain(preferred).flat_map(|(path, term)| items(term, "matchExpressions", &path))
    {
        let key = text(&expression["key"]);
        out.extend(renamed(key).map(|why| format!("{path}.key: {key} is {why}")));
    }
}

/// Items of a list that have the same value in a field.
fn repeated(spec: &Value, list: &str, field: &str, path: &str, out: &mut Vec<String>) {
    let mut seen: Vec<&str> = Vec::new();
    for (path, one) in items(spec, list, path) {
        let value = text(&one[field]);
        if seen.contains(&value) {
            out.push(format!("{path}.{field}: duplicate {field} {value:?}"));
        }
        seen.push(value);
    }
}

/// Memory comes in whole bytes.
fn fractions(container: &Value, path: &str, out: &mut Vec<String>) {
    for (kind, resource) in [
        ("limits", "memory"),
        ("requests", "memory"),
        ("limits", "ephemeral-storage"),
        ("requests", "ephemeral-storage"),
    ] {
        let amount = &container["resources"][kind][resource];
        if !amount.is_null() && !quantity(amount).is_whole() {
            let path = format!("{path}.resources.{kind}[{resource}]");
            out.push(format!("{path}: fractional byte value {amount} is invalid, must be an integer"));
        }
    }
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

/// Ports that more than one container has, and names that more than one port has.
fn ports(containers: &[(String, &Value)], out: &mut Vec<String>) {
    let all: Vec<(String, &Value)> =
        containers.iter().flat_map(|(path, container)| items(container, "ports", path)).collect();
    let protocol = |port: &Value| match text(&port["protocol"]) {
        "" => "TCP".to_owned(),
        given => given.to_owned(),
    };
    let (ip, host) = (
        |port: &Value| text(&port["hostIP"]).to_owned(),
        |port: &Value| port["hostPort"].as_i64().unwrap_or(0),
    );
    for (index, (path, port)) in all.iter().enumerate() {
        let same = |other: &Value| {
            other["containerPort"] == port["containerPort"] && protocol(other) == protocol(port)
        };
        for (earlier, other) in all[..index].iter().filter(|(_, other)| same(other)) {
            let what = if ip(port) == ip(other) && host(port) == host(other) {
                "duplicate"
            } else if host(port) == 0 || host(other) == 0 {
                "overlapping"
            } else if host(port) == host(other) && ip(port).is_empty() != ip(other).is_empty() {
                "dangerously ambiguous"
            } else {
                continue;
            };
            out.push(format!("{path}: {what} port definition with {earlier}"));
        }
    }
    for (index, (path, port)) in all.iter().enumerate() {
        let name = text(&port["name"]);
        let first = all[..index].iter().find(|(_, other)| !name.is_empty() && text(&other["name"]) == name);
        if let Some((first, _)) = first {
            out.push(format!(
                "{path}: duplicate port name {name:?} with {first}, services and probes that select ports by name will \
                 use {first}"
            ));
        }
    }
}

/// What a Service ignores of what it says.
pub(crate) fn service_warnings(service: &Value) -> Vec<String> {
    let (spec, mut out) = (&service["spec"], Vec::new());
    if service["metadata"]["annotations"].get("service.kubernetes.io/topology-aware-hints").is_some() {
        out.push(
            "annotation service.kubernetes.io/topology-aware-hints is deprecated, please use \
             service.kubernetes.io/topology-mode instead"
                .to_owned(),
        );
    }
    let given = |field: &str| match &spec[field] {
        Value::Array(items) => !items.is_empty(),
        other => !text(other).is_empty(),
    };
    let kind = text(&spec["type"]);
    if kind == "ClusterIP" && spec["clusterIP"] == "None" {
        for field in ["loadBalancerIP", "externalIPs"] {
            if given(field) {
                out.push(format!("spec.{field} is ignored for headless services"));
            }
        }
        if spec["sessionAffinity"] != "None" {
            out.push("spec.SessionAffinity is ignored for headless services".to_owned());
        }
    }
    if kind == "ExternalName" && given("externalIPs") {
        out.push("spec.externalIPs is ignored when spec.type is \"ExternalName\"".to_owned());
    }
    if kind != "ExternalName" && given("externalName") {
        out.push("spec.externalName is ignored when spec.type is not \"ExternalName\"".to_owned());
    }
    out
}

/// A claim in fractions of bytes.
pub(crate) fn claim_warnings(spec: &Value, path: &str) -> Vec<String> {
    let kinds = ["requests", "limits"].into_iter();
    kinds
        .map(|kind| (kind, &spec["resources"][kind]["storage"]))
        .filter(|(_, amount)| !amount.is_null() && !quantity(amount).is_whole())
        .map(|(kind, amount)| {
            format!("{path}.resources.{kind}[storage]: fractional byte value {amount} is invalid, must be an integer")
        })
        .collect()
}
