//! Pod specs, in Pods and in templates.

use serde_json::Value;

use super::volume::{validate_mounts, validate_volumes};
use super::{at, has, items, label_selector, non_negative, one_of, port, port_name, port_number, quantity};
use crate::context::text;
use crate::names;
use crate::status::Invalid;

const PULL_POLICIES: &[&str] = &["Always", "IfNotPresent", "Never"];
const PROTOCOLS: &[&str] = &["SCTP", "TCP", "UDP"];
const DNS_POLICIES: &[&str] = &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
const RESTART_POLICIES: &[&str] = &["Always", "OnFailure", "Never"];
/// Resources that need no domain before their name.
const STANDARD: &[&str] = &["cpu", "memory", "ephemeral-storage", "storage"];

/// A template: its labels, annotations and spec.
pub(crate) fn validate_pod_template(template: &Value, path: &str, wrong: &mut Vec<Invalid>) {
    let metadata = at(path, "metadata");
    wrong.extend(names::labels(&template["metadata"]["labels"], &at(&metadata, "labels")));
    wrong.extend(names::annotations(&template["metadata"]["annotations"], &at(&metadata, "annotations")));
    let spec = at(path, "spec");
    if !items(&template["spec"], "ephemeralContainers", "").is_empty() {
        let why = "ephemeral containers not allowed in pod template";
        wrong.push(Invalid::forbidden(at(&spec, "ephemeralContainers"), why));
    }
    validate_pod_spec(&template["spec"], &spec, wrong);
}

pub(crate) fn validate_pod_spec(spec: &Value, path: &str, wrong: &mut Vec<Invalid>) {
    let volumes = validate_volumes(spec, path, wrong);
    let mut taken = Vec::new();
    let containers = items(spec, "containers", path);
    if containers.is_empty() {
        wrong.push(Invalid::required(at(path, "containers"), ""));
    }
    for (path, container) in &containers {
        name(container, path, &mut taken, wrong);
        validate_container(container, path, &volumes, wrong);
    }
    for (path, container) in items(spec, "initContainers", path) {
        name(container, &path, &mut taken, wrong);
        validate_container(container, &path, &volumes, wrong);
        let sidecar = container["restartPolicy"] == "Always";
        for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
            if has(container, probe) && !sidecar {
                let why = "may not be set for init containers without restartPolicy=Always";
                wrong.push(Invalid::forbidden(at(&path, probe), why));
            }
        }
        if has(container, "lifecycle") && !sidecar {
            let why = "may not be set for init containers without restartPolicy=Always";
            wrong.push(Invalid::forbidden(at(&path, "lifecycle"), why));
        }
    }
    for (path, container) in items(spec, "ephemeralContainers", path) {
        name(container, &path, &mut taken, wrong);
        validate_container(container, &path, &volumes, wrong);
    }
    one_of(spec, "restartPolicy", RESTART_POLICIES, path, wrong);
    one_of(spec, "dnsPolicy", DNS_POLICIES, path, wrong);
    one_of(spec, "preemptionPolicy", &["PreemptLowerPriority", "Never"], path, wrong);
    if let Some(deadline) = spec["activeDeadlineSeconds"].as_i64()
        && !(1..=i64::from(i32::MAX)).contains(&deadline)
    {
        let why = "must be between 1 and 2147483647, inclusive";
        wrong.push(Invalid::value(at(path, "activeDeadlineSeconds"), deadline, why));
    }
    wrong.extend(names::labels(&spec["nodeSelector"], &at(path, "nodeSelector")));
    for (path, toleration) in items(spec, "tolerations", path) {
        validate_toleration(toleration, &path, wrong);
    }
    for field in ["hostname", "subdomain"] {
        let given = text(&spec[field]);
        if !given.is_empty() {
            wrong.extend(
                names::label(given).into_iter().map(|why| Invalid::value(at(path, field), given, why)),
            );
        }
    }
    for field in ["serviceAccountName", "nodeName", "priorityClassName"] {
        let given = text(&spec[field]);
        if !given.is_empty() {
            let faults = names::subdomain(given);
            wrong.extend(faults.into_iter().map(|why| Invalid::value(at(path, field), given, why)));
        }
    }
    for (path, alias) in items(spec, "hostAliases", path) {
        let ip = text(&alias["ip"]);
        if !super::is_address(ip) {
            let why = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
            wrong.push(Invalid::value(at(&path, "ip"), ip, why));
        }
    }
    validate_spread(spec, path, wrong);
    validate_affinity(&spec["affinity"], &at(path, "affinity"), wrong);
}

fn name<'a>(container: &'a Value, path: &str, taken: &mut Vec<&'a str>, wrong: &mut Vec<Invalid>) {
    let given = text(&container["name"]);
    let path = at(path, "name");
    if given.is_empty() {
        wrong.push(Invalid::required(path, ""));
        return;
    }
    wrong.extend(names::label(given).into_iter().map(|why| Invalid::value(path.as_str(), given, why)));
    if taken.contains(&given) {
        wrong.push(Invalid::duplicate(path, given));
    }
    taken.push(given);
}

fn validate_container(container: &Value, path: &str, volumes: &[String], wrong: &mut Vec<Invalid>) {
    let image = text(&container["image"]);
    if image.is_empty() {
        wrong.push(Invalid::required(at(path, "image"), ""));
    } else if image.trim() != image {
        wrong.push(Invalid::value(at(path, "image"), image, "must not have leading or trailing whitespace"));
    }
    one_of(container, "imagePullPolicy", PULL_POLICIES, path, wrong);
    one_of(container, "terminationMessagePolicy", &["File", "FallbackToLogsOnError"], path, wrong);
    validate_ports(container, path, wrong);
    for (path, variable) in items(container, "env", path) {
        validate_variable(variable, &path, wrong);
    }
    for (_, source) in items(container, "envFrom", path) {
        // The server blames the list, not the item.
        validate_env_source(source, &at(path, "envFrom"), wrong);
    }
    validate_mounts(container, path, volumes, wrong);
    validate_resources(&container["resources"], &at(path, "resources"), wrong);
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if has(container, probe) {
            validate_probe(&container[probe], probe, &at(path, probe), wrong);
        }
    }
    for hook in ["postStart", "preStop"] {
        let handler = &container["lifecycle"][hook];
        if handler.is_object() {
            validate_handler(handler, &at(path, &format!("lifecycle.{hook}")), wrong);
        }
    }
}

fn validate_ports(container: &Value, path: &str, wrong: &mut Vec<Invalid>) {
    let mut taken: Vec<&str> = Vec::new();
    for (path, one) in items(container, "ports", path) {
        let name = text(&one["name"]);
        if !name.is_empty() {
            let faults = port_name(name);
            if faults.is_empty() && taken.contains(&name) {
                wrong.push(Invalid::duplicate(at(&path, "name"), name));
            }
            wrong.extend(faults.into_iter().map(|why| Invalid::value(at(&path, "name"), name, why)));
            taken.push(name);
        }
        match one["containerPort"].as_i64().unwrap_or(0) {
            0 => wrong.push(Invalid::required(at(&path, "containerPort"), "")),
            number => port_number(number, &at(&path, "containerPort"), wrong),
        }
        if let Some(number) = one["hostPort"].as_i64().filter(|number| *number != 0) {
            port_number(number, &at(&path, "hostPort"), wrong);
        }
        if text(&one["protocol"]).is_empty() {
            wrong.push(Invalid::required(at(&path, "protocol"), ""));
        }
        one_of(one, "protocol", PROTOCOLS, &path, wrong);
    }
}

const POD_FIELDS: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
    "metadata.labels",
    "metadata.annotations",
];

fn validate_variable(variable: &Value, path: &str, wrong: &mut Vec<Invalid>) {
    let name = text(&variable["name"]);
    if name.is_empty() {
        wrong.push(Invalid::required(at(path, "name"), ""));
    } else if !name.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b'=') {
        let why = "a valid environment variable name must consist only of printable ASCII characters other than '='";
        wrong.push(Invalid::value(at(path, "name"), name, why));
    }
    let source = &variable["valueFrom"];
    if !source.is_object() {
        return;
    }
    let path = at(path, "valueFrom");
    let kinds = ["fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef"];
    let given = kinds.iter().filter(|kind| has(source, kind)).count();
    if given == 0 {
        let why = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`";
        wrong.push(Invalid::value(path.as_str(), "", why));
    } else if !text(&variable["value"]).is_empty() {
        wrong.push(Invalid::value(path.as_str(), "", "may not be specified when `value` is not empty"));
    } else if given > 1 {
        let why = "may not have more than one field specified at a time";
        wrong.push(Invalid::value(path.as_str(), "", why));
    }
    if has(source, "fieldRef") {
        let field = text(&source["fieldRef"]["fieldPath"]);
        let path = at(&path, "fieldRef.fieldPath");
        let known = POD_FIELDS.contains(&field)
            || field.starts_with("metadata.labels['")
            || field.starts_with("metadata.annotations['");
        if field.is_empty() {
            wrong.push(Invalid::required(path, ""));
        } else if !known {
            let why = format!("error converting fieldPath: field label not supported: {field}");
            wrong.push(Invalid::value(path, field, why));
        }
    }
    for kind in ["configMapKeyRef", "secretKeyRef"] {
        if has(source, kind) && text(&source[kind]["key"]).is_empty() {
            wrong.push(Invalid::required(at(&path, &format!("{kind}.key")), ""));
        }
    }
}

fn validate_env_source(source: &Value, path: &str, wrong: &mut Vec<Invalid>) {
    let given = ["configMapRef", "secretRef"].iter().filter(|kind| has(source, kind)).count();
    match given {
        0 => wrong.push(Invalid::value(path, "", "must specify one of: `configMapRef` or `secretRef`")),
        1 => {}
        _ => wrong.push(Invalid::value(path, "", "may not have more than one field specified at a time")),
    }
    for kind in ["configMapRef", "secretRef"] {
        if has(source, kind) && text(&source[kind]["name"]).is_empty() {
            wrong.push(Invalid::required(at(path, &format!("{kind}.name")), ""));
        }
    }
}

fn validate_resources(resources: &Value, path: &str, wrong: &mut Vec<Invalid>) {
    for list in ["limits", "requests"] {
        for (name, amount) in resources[list].as_object().into_iter().flatten() {
            let path = format!("{path}.{list}[{name}]");
            if !name.contains('/') && !STANDARD.contains(&name.as_str()) && !name.starts_with("hugepages-") {
                for why in [
                    "must be a standard resource type or fully qualified",
                    "must be a standard resource for containers",
                ] {
                    wrong.push(Invalid::value(path.as_str(), name.as_str(), why));
                }
            }
            let value = quantity(amount);
            if value.is_negative() {
                wrong.push(Invalid::value(
                    path.as_str(),
                    amount.clone(),
                    "must be greater than or equal to 0",
                ));
            }
            let extended = name.contains('/') && !name.starts_with("kubernetes.io/");
            if extended && !value.is_whole() {
                wrong.push(Invalid::value(path, amount.clone(), "must be an integer"));
            }
        }
    }
    for (name, amount) in resources["requests"].as_object().into_iter().flatten() {
        let Some(limit) = resources["limits"].get(name) else { continue };
        if quantity(amount) > quantity(limit) {
            let why = format!("must be less than or equal to {name} limit of {}", text(limit));
            wrong.push(Invalid::value(at(path, "requests"), amount.clone(), why));
        }
    }
}

fn validate_probe(probe: &Value, name: &str, path: &str, wrong: &mut Vec<Invalid>) {
    validate_handler(probe, path, wrong);
    let fields =
        ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"];
    non_negative(probe, &fields, path, wrong);
    if name != "readinessProbe"
        && let Some(threshold) = probe["successThreshold"].as_i64().filter(|threshold| *threshold != 1)
    {
        wrong.push(Invalid::value(at(path, "successThreshold"), threshold, "must be 1"));
    }
    if let Some(grace) = probe["terminationGracePeriodSeconds"].as_i64() {
        if name == "readinessProbe" {
            let why = "must not be set for readinessProbes";
            wrong.push(Invalid::value(at(path, "terminationGracePeriodSeconds"), grace, why));
        } else if grace <= 0 {
            wrong.push(Invalid::value(
                at(path, "terminationGracePeriodSeconds"),
                grace,
                "must be greater than 0",
            ));
        }
    }
}

/// Exactly one of the ways to ask or to act.
fn validate_handler(handler: &Value, path: &str, wrong: &mut Vec<Invalid>) {
    let kinds = ["exec", "httpGet", "tcpSocket", "grpc", "sleep"];
    let given: Vec<&&str> = kinds.iter().filter(|kind| has(handler, kind)).collect();
    if given.is_empty() {
        wrong.push(Invalid::required(path, "must specify a handler type"));
    }
    for kind in given.iter().skip(1) {
        wrong.push(Invalid::forbidden(at(path, kind), "may not specify more than 1 handler type"));
    }
    match given.first() {
        Some(&&"exec") if handler["exec"]["command"].as_array().is_none_or(Vec::is_empty) => {
            wrong.push(Invalid::required(at(path, "exec.command"), ""));
        }
        Some(&&"httpGet") => {
            let get = &handler["httpGet"];
            let path = at(path, "httpGet");
            if text(&get["path"]).is_empty() {
                wrong.push(Invalid::required(at(&path, "path"), ""));
            }
            port(&get["port"], &at(&path, "port"), wrong);
            one_of(get, "scheme", &["HTTP", "HTTPS"], &path, wrong);
        }
        Some(&&"tcpSocket") => port(&handler["tcpSocket"]["port"], &at(path, "tcpSocket.port"), wrong),
        Some(&&"grpc") => {
            port_number(handler["grpc"]["port"].as_i64().unwrap_or(0), &at(path, "grpc.port"), wrong);
        }
        _ => {}
    }
}

fn validate_toleration(toleration: &Value, path: &str, wrong: &mut Vec<Invalid>) {
    let (key, operator) = (text(&toleration["key"]), text(&toleration["operator"]));
    if !key.is_empty() {
        wrong.extend(names::qualified(key).into_iter().map(|why| Invalid::value(at(path, "key"), key, why)));
    } else if operator != "Exists" {
        let why =
            "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
        wrong.push(Invalid::value(at(path, "operator"), operator, why));
    }
    if has(toleration, "tolerationSeconds") && text(&toleration["effect"]) != "NoExecute" {
        let why = "effect must be 'NoExecute' when `tolerationSeconds` is set";
        wrong.push(Invalid::value(at(path, "effect"), text(&toleration["effect"]), why));
    }
    match operator {
        "" | "Equal" => {
            let value = text(&toleration["value"]);
            let faults = names::label_value(value);
            if !faults.is_empty() {
                wrong.push(Invalid::value(at(path, "operator"), value, faults.join(";")));
            }
        }
        "Exists" => {
            let value = text(&toleration["value"]);
            if !value.is_empty() {
                let why = "value must be empty when `operator` is 'Exists'";
                wrong.push(Invalid::value(at(path, "operator"), value, why));
            }
        }
        other => wrong.push(Invalid::not_supported(at(path, "operator"), other, &["Equal", "Exists"])),
    }
    one_of(toleration, "effect", &["NoSchedule", "PreferNoSchedule", "NoExecute"], path, wrong);
}

fn validate_spread(spec: &Value, path: &str, wrong: &mut Vec<Invalid>) {
    for (path, one) in items(spec, "topologySpreadConstraints", path) {
        let skew = one["maxSkew"].as_i64().unwrap_or(0);
        if skew <= 0 {
            wrong.push(Invalid::value(at(&path, "maxSkew"), skew, "must be greater than zero"));
        }
        if text(&one["topologyKey"]).is_empty() {
            wrong.push(Invalid::required(at(&path, "topologyKey"), "can not be empty"));
        }
        let unsatisfiable = text(&one["whenUnsatisfiable"]);
        if unsatisfiable.is_empty() || !["DoNotSchedule", "ScheduleAnyway"].contains(&unsatisfiable) {
            let words = ["DoNotSchedule", "ScheduleAnyway"];
            wrong.push(Invalid::not_supported(at(&path, "whenUnsatisfiable"), unsatisfiable, &words));
        }
        label_selector(&one["labelSelector"], &at(&path, "labelSelector"), wrong);
    }
}

fn validate_affinity(affinity: &Value, path: &str, wrong: &mut Vec<Invalid>) {
    let required = "requiredDuringSchedulingIgnoredDuringExecution";
    let preferred = "preferredDuringSchedulingIgnoredDuringExecution";
    let node = &affinity["nodeAffinity"];
    if node.get(required).is_some_and(|terms| terms["nodeSelectorTerms"].as_array().is_none_or(Vec::is_empty))
    {
        let why = "must have at least one node selector term";
        wrong.push(Invalid::required(at(path, &format!("nodeAffinity.{required}.nodeSelectorTerms")), why));
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        let below = at(path, kind);
        let weighted = items(&affinity[kind], preferred, &below)
            .into_iter()
            .map(|(path, term)| (at(&path, "podAffinityTerm"), &term["podAffinityTerm"]));
        for (path, term) in items(&affinity[kind], required, &below).into_iter().chain(weighted) {
            if text(&term["topologyKey"]).is_empty() {
                wrong.push(Invalid::required(at(&path, "topologyKey"), "can not be empty"));
            }
            label_selector(&term["labelSelector"], &at(&path, "labelSelector"), wrong);
        }
        for (path, term) in items(&affinity[kind], preferred, &below) {
            let weight = term["weight"].as_i64().unwrap_or(0);
            if !(1..=100).contains(&weight) {
                wrong.push(Invalid::value(at(&path, "weight"), weight, "must be in the range 1-100"));
            }
        }
    }
}
