//! Resource quotas: the kind, what objects use, and the refusal of what would use too much.
//! Usage is counted from what is stored, so it is right whether or not the controller has caught up.

use std::collections::BTreeMap;

use opsrun_k8s_schema::Quantity;
use serde_json::Value;

use super::{Column, Kind, Resource, age};
use crate::context::{Cx, text};
use crate::status::{Invalid, Result, Status};
use crate::store::GroupResource;

pub(super) struct ResourceQuota;

type Amounts = BTreeMap<String, Quantity>;

impl Kind for ResourceQuota {
    fn resource(&self) -> Resource {
        Resource::namespaced("", "v1", "resourcequotas", "ResourceQuota").short("quota").status()
    }

    fn validate_create(&self, object: &Value) -> Vec<Invalid> {
        super::rules::validate_quota(object)
    }

    fn validate_update(&self, old: &Value, new: &Value) -> Vec<Invalid> {
        super::rules::validate_quota_update(old, new)
    }

    fn columns(&self) -> Vec<Column> {
        let request = "Request represents a minimum amount of cpu/memory that a container may consume.";
        let limit = "Limits control the maximum amount of cpu/memory that a container may use independent of contention \
            on the node.";
        vec![
            Column::name(),
            Column::new("Request", "string", 0, request),
            Column::new("Limit", "string", 0, limit),
            Column::age(),
        ]
    }

    fn cells(&self, object: &Value, now: jiff::Timestamp) -> Vec<Value> {
        let status = &object["status"];
        let (mut requests, mut limits) = (Vec::new(), Vec::new());
        for (name, hard) in status["hard"].as_object().into_iter().flatten() {
            let used = status["used"][name].as_str().unwrap_or("0");
            let cell = format!("{name}: {used}/{}", text(hard));
            if name.starts_with("limits.") { limits.push(cell) } else { requests.push(cell) }
        }
        vec![
            object["metadata"]["name"].clone(),
            requests.join(", ").into(),
            limits.join(", ").into(),
            age(object, now),
        ]
    }
}

/// Refuses an object that some quota of its namespace has no room for.
pub(crate) fn admit(cx: &Cx<'_>, resource: &GroupResource, object: &Value) -> Result<()> {
    let namespace = text(&object["metadata"]["namespace"]);
    let quotas = cx.list(&GroupResource::new("", "resourcequotas"), Some(namespace));
    for quota in quotas.iter().filter(|quota| in_scope(quota, resource, object)) {
        let hard = hard(quota);
        let delta: Amounts =
            usage(resource, object).into_iter().filter(|(name, _)| hard.contains_key(name)).collect();
        let name = text(&object["metadata"]["name"]);
        let refuse = |why: &str| Status::forbidden(&resource.group, &resource.resource, name, why);
        if *resource == GroupResource::new("", "pods")
            && let Some(missing) = unspecified(object, &hard)
        {
            let quota = text(&quota["metadata"]["name"]);
            return Err(refuse(&format!("failed quota: {quota}: must specify {missing}")));
        }
        if delta.values().all(|amount| *amount <= Quantity::ZERO) {
            continue;
        }
        let used = used(cx, quota);
        let over: Vec<&String> = delta
            .iter()
            .filter(|(name, amount)| **amount > Quantity::ZERO && used[*name] + **amount > hard[*name])
            .map(|(name, _)| name)
            .collect();
        if over.is_empty() {
            continue;
        }
        let list = |amounts: &Amounts| {
            over.iter().map(|name| format!("{name}={}", amounts[*name])).collect::<Vec<_>>().join(",")
        };
        let quota = text(&quota["metadata"]["name"]);
        let (requested, used, limited) = (list(&delta), list(&used), list(&hard));
        return Err(refuse(&format!(
            "exceeded quota: {quota}, requested: {requested}, used: {used}, limited: {limited}"
        )));
    }
    Ok(())
}

/// What is used of everything that a quota limits.
pub(crate) fn used(cx: &Cx<'_>, quota: &Value) -> BTreeMap<String, Quantity> {
    let namespace = text(&quota["metadata"]["namespace"]);
    let hard = hard(quota);
    let mut total: Amounts = hard.keys().map(|name| (name.clone(), Quantity::ZERO)).collect();
    for resource in cx.resources() {
        if resource.resource == "events" || !hard.keys().any(|name| counts(name, &resource)) {
            continue;
        }
        for object in cx.list(&resource, Some(namespace)) {
            if !in_scope(quota, &resource, &object) {
                continue;
            }
            for (name, amount) in usage(&resource, &object) {
                if let Some(sum) = total.get_mut(&name) {
                    *sum += amount;
                }
            }
        }
    }
    total
}

fn hard(quota: &Value) -> Amounts {
    let amounts = quota["spec"]["hard"].as_object().into_iter().flatten();
    amounts.filter_map(|(name, amount)| Some((name.clone(), text(amount).parse().ok()?))).collect()
}

/// Whether a limited name has to do with a resource at all.
fn counts(name: &str, resource: &GroupResource) -> bool {
    match (resource.group.as_ref(), resource.resource.as_ref()) {
        ("", "pods" | "services" | "persistentvolumeclaims") => true,
        ("", plural) if name == plural => true,
        _ => name == counted(resource),
    }
}

fn counted(resource: &GroupResource) -> String {
    format!("count/{}", crate::status::qualified(&resource.resource, &resource.group))
}

/// What one object uses.
fn usage(resource: &GroupResource, object: &Value) -> Amounts {
    let mut amounts = Amounts::new();
    let mut add =
        |name: &str, amount: Quantity| *amounts.entry(name.to_owned()).or_insert(Quantity::ZERO) += amount;
    let one = Quantity::whole(1);
    add(&counted(resource), one);
    if !resource.group.is_empty() {
        return amounts;
    }
    let spec = &object["spec"];
    match resource.resource.as_ref() {
        "pods" => {
            if matches!(text(&object["status"]["phase"]), "Succeeded" | "Failed") {
                return amounts;
            }
            add("pods", one);
            for (name, amount) in pod_amounts(spec, "requests") {
                if ["cpu", "memory", "ephemeral-storage"].contains(&name.as_str()) {
                    add(&name, amount);
                }
                add(&format!("requests.{name}"), amount);
            }
            for (name, amount) in pod_amounts(spec, "limits") {
                add(&format!("limits.{name}"), amount);
            }
        }
        "services" => {
            add("services", one);
            let ports = i64::try_from(spec["ports"].as_array().map_or(0, Vec::len)).unwrap_or(0);
            match text(&spec["type"]) {
                "NodePort" => add("services.nodeports", Quantity::whole(ports)),
                "LoadBalancer" => {
                    add("services.loadbalancers", one);
                    if spec["allocateLoadBalancerNodePorts"] != false {
                        add("services.nodeports", Quantity::whole(ports));
                    }
                }
                _ => {}
            }
        }
        "persistentvolumeclaims" => {
            add("persistentvolumeclaims", one);
            let storage = text(&spec["resources"]["requests"]["storage"]).parse().unwrap_or(Quantity::ZERO);
            add("requests.storage", storage);
            let class = text(&spec["storageClassName"]);
            if !class.is_empty() {
                let prefix = format!("{class}.storageclass.storage.k8s.io");
                add(&format!("{prefix}/requests.storage"), storage);
                add(&format!("{prefix}/persistentvolumeclaims"), one);
            }
        }
        plural => add(plural, one),
    }
    amounts
}

/// The sum over containers, or the largest init container where that is more.
fn pod_amounts(spec: &Value, kind: &str) -> Amounts {
    let list = |list: &str| spec[list].as_array().map(Vec::as_slice).unwrap_or_default();
    let amounts = |container: &Value| -> Amounts {
        let given = container["resources"][kind].as_object().into_iter().flatten();
        given.filter_map(|(name, amount)| Some((name.clone(), text(amount).parse().ok()?))).collect()
    };
    let sidecar = |container: &&Value| container["restartPolicy"] == "Always";
    let mut total = Amounts::new();
    for container in list("containers").iter().chain(list("initContainers").iter().filter(sidecar)) {
        for (name, amount) in amounts(container) {
            *total.entry(name).or_insert(Quantity::ZERO) += amount;
        }
    }
    for container in list("initContainers").iter().filter(|container| !sidecar(container)) {
        for (name, amount) in amounts(container) {
            let most = total.entry(name).or_insert(Quantity::ZERO);
            *most = (*most).max(amount);
        }
    }
    for (name, amount) in spec["overhead"].as_object().into_iter().flatten() {
        *total.entry(name.clone()).or_insert(Quantity::ZERO) +=
            text(amount).parse().unwrap_or(Quantity::ZERO);
    }
    total
}

/// `requests.cpu for: a,b`: what a quota wants every container to state.
fn unspecified(pod: &Value, hard: &Amounts) -> Option<String> {
    let mut missing: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let lists = ["containers", "initContainers"];
    let containers = lists.iter().flat_map(|list| pod["spec"][*list].as_array().into_iter().flatten());
    for container in containers {
        for name in hard.keys() {
            let (kind, resource) = match name.as_str() {
                "cpu" | "memory" => ("requests", name.as_str()),
                other => match other.split_once('.') {
                    Some((kind @ ("requests" | "limits"), resource @ ("cpu" | "memory"))) => (kind, resource),
                    _ => continue,
                },
            };
            if container["resources"][kind].get(resource).is_none() {
                missing.entry(text(&container["name"])).or_default().push(name);
            }
        }
    }
    if missing.is_empty() {
        return None;
    }
    // Containers that miss the same are named together.
    let mut groups: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (container, names) in missing {
        groups.entry(names.join(",")).or_default().push(container);
    }
    let parts: Vec<String> =
        groups.iter().map(|(names, containers)| format!("{names} for: {}", containers.join(","))).collect();
    Some(parts.join("; "))
}

/// Whether a quota's scopes take in an object.
fn in_scope(quota: &Value, resource: &GroupResource, object: &Value) -> bool {
    let scopes = quota["spec"]["scopes"].as_array().into_iter().flatten().map(|scope| (text(scope), None));
    let expressions = quota["spec"]["scopeSelector"]["matchExpressions"].as_array().into_iter().flatten();
    let mut scopes = scopes.chain(expressions.map(|one| (text(&one["scopeName"]), Some(one)))).peekable();
    if scopes.peek().is_none() {
        return true;
    }
    if *resource != GroupResource::new("", "pods") {
        return false;
    }
    let spec = &object["spec"];
    scopes.all(|(scope, expression)| {
        let best_effort = pod_amounts(spec, "requests").is_empty() && pod_amounts(spec, "limits").is_empty();
        let class = text(&spec["priorityClassName"]);
        match scope {
            "Terminating" => spec["activeDeadlineSeconds"].is_i64(),
            "NotTerminating" => !spec["activeDeadlineSeconds"].is_i64(),
            "BestEffort" => best_effort,
            "NotBestEffort" => !best_effort,
            "PriorityClass" => match expression {
                None => !class.is_empty(),
                Some(one) => {
                    let named = one["values"].as_array().into_iter().flatten().any(|value| value == class);
                    match text(&one["operator"]) {
                        "In" => named,
                        "NotIn" => !named,
                        "Exists" => !class.is_empty(),
                        _ => class.is_empty(),
                    }
                }
            },
            _ => false,
        }
    })
}
