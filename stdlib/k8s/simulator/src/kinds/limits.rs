//! `LimitRange` and its admission: what a namespace gives containers that state nothing, and what it refuses them.

use opsrun_k8s_schema::Quantity;
use serde_json::{Value, json};

use super::pod_spec::{fill, items};
use super::{Column, Kind, Resource};
use crate::context::{Cx, text};
use crate::controllers::object::LIMITS;
use crate::status::{Invalid, Result, Status};

pub(super) struct LimitRange;

impl Kind for LimitRange {
    fn resource(&self) -> Resource {
        Resource::namespaced("", "v1", "limitranges", "LimitRange").short("limits")
    }

    /// The most a container may have is its default limit, that its default request, and so is the least.
    fn default(&self, object: &mut Value) {
        for limit in items(&mut object["spec"], "limits").filter(|limit| limit["type"] == "Container") {
            for (from, to) in [("max", "default"), ("default", "defaultRequest"), ("min", "defaultRequest")] {
                for (resource, amount) in limit[from].as_object().cloned().into_iter().flatten() {
                    fill(&mut limit[to], &resource, amount);
                }
            }
            if let Some(map) = limit.as_object_mut() {
                map.retain(|_, value| !value.is_null());
            }
        }
    }

    fn validate_create(&self, object: &Value) -> Vec<Invalid> {
        super::rules::validate_limit_range(object)
    }

    fn columns(&self) -> Vec<Column> {
        vec![Column::name(), Column::new("Created At", "date", 0, super::CREATED)]
    }

    fn cells(&self, object: &Value, _now: jiff::Timestamp) -> Vec<Value> {
        vec![object["metadata"]["name"].clone(), object["metadata"]["creationTimestamp"].clone()]
    }
}

/// Gives a pod's containers the defaults of their namespace, and refuses what is beyond its bounds.
pub(super) fn apply(cx: &mut Cx<'_>, namespace: &str, pod: &mut Value) -> Result<()> {
    for range in cx.list(&LIMITS, Some(namespace)) {
        let limits = || range["spec"]["limits"].as_array().into_iter().flatten();
        for limit in limits().filter(|limit| limit["type"] == "Container") {
            give_defaults(limit, pod);
        }
        let wrong: Vec<String> = limits().flat_map(|limit| violations(limit, pod)).collect();
        let why = match wrong.as_slice() {
            [] => continue,
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        return Err(Status::forbidden("", "pods", text(&pod["metadata"]["name"]), &why));
    }
    Ok(())
}

/// Refuses a claim to more or less storage than its namespace allows.
pub(super) fn check_claim(cx: &Cx<'_>, claim: &Value) -> Result<()> {
    let (namespace, name) = (text(&claim["metadata"]["namespace"]), text(&claim["metadata"]["name"]));
    let asked = quantity(&claim["spec"]["resources"]["requests"]["storage"]);
    let mut wrong = Vec::new();
    for range in cx.list(&LIMITS, Some(namespace)) {
        let limits = range["spec"]["limits"].as_array().into_iter().flatten();
        for limit in limits.filter(|limit| limit["type"] == "PersistentVolumeClaim") {
            for (bound, word) in [("min", "minimum"), ("max", "maximum")] {
                let Some(amount) = limit[bound].get("storage") else { continue };
                let beyond = if bound == "min" { asked < quantity(amount) } else { asked > quantity(amount) };
                if beyond {
                    wrong.push(format!(
                        "{word} storage usage per PersistentVolumeClaim is {}, but request is {asked}",
                        text(amount)
                    ));
                }
            }
        }
    }
    let why = match wrong.as_slice() {
        [] => return Ok(()),
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    };
    Err(Status::forbidden("", "persistentvolumeclaims", name, &why))
}

/// What was set is told in an annotation.
fn give_defaults(limit: &Value, pod: &mut Value) {
    let mut told = Vec::new();
    for (list, words) in [("containers", "container"), ("initContainers", "init container")] {
        for container in items(&mut pod["spec"], list) {
            let name = text(&container["name"]).to_owned();
            for (given, wanted, word) in
                [("defaultRequest", "requests", "request"), ("default", "limits", "limit")]
            {
                let mut set = Vec::new();
                for (resource, amount) in limit[given].as_object().into_iter().flatten() {
                    if container["resources"][wanted].get(resource).is_none() {
                        fill(&mut container["resources"][wanted], resource, amount.clone());
                        set.push(resource.as_str());
                    }
                }
                if !set.is_empty() {
                    told.push(format!("{} {word} for {words} {name}", set.join(", ")));
                }
                if container["resources"][wanted].is_null()
                    && let Some(resources) = container["resources"].as_object_mut()
                {
                    resources.remove(wanted);
                }
            }
        }
    }
    if !told.is_empty() {
        let text = format!("LimitRanger plugin set: {}", told.join("; "));
        if !pod["metadata"]["annotations"].is_object() {
            pod["metadata"]["annotations"] = json!({});
        }
        pod["metadata"]["annotations"]["kubernetes.io/limit-ranger"] = text.into();
    }
}

fn violations(limit: &Value, pod: &Value) -> Vec<String> {
    let lists = ["containers", "initContainers"];
    let containers = lists.iter().flat_map(|list| pod["spec"][*list].as_array().into_iter().flatten());
    match text(&limit["type"]) {
        "Container" => containers.flat_map(|container| check(limit, &container["resources"])).collect(),
        "Pod" => {
            let mut total = json!({});
            for container in containers {
                for kind in ["requests", "limits"] {
                    for (name, amount) in container["resources"][kind].as_object().into_iter().flatten() {
                        let sum = quantity(&total[kind][name]) + quantity(amount);
                        total[kind][name] = sum.to_string().into();
                    }
                }
            }
            check(limit, &total)
        }
        _ => Vec::new(),
    }
}

fn quantity(value: &Value) -> Quantity {
    text(value).parse().unwrap_or(Quantity::ZERO)
}

fn check(limit: &Value, resources: &Value) -> Vec<String> {
    let kind = text(&limit["type"]);
    let given = |list: &str, name: &str| resources[list].get(name).map(quantity);
    let mut wrong = Vec::new();
    for (name, bound) in limit["min"].as_object().into_iter().flatten() {
        let words = format!("minimum {name} usage per {kind} is {}", text(bound));
        let (request, most) = (given("requests", name), given("limits", name));
        match (request, most) {
            (None, _) => wrong.push(format!("{words}.  No request is specified")),
            (Some(request), _) if request < quantity(bound) => {
                wrong.push(format!("{words}, but request is {request}"));
            }
            (_, Some(most)) if most < quantity(bound) => wrong.push(format!("{words}, but limit is {most}")),
            _ => {}
        }
    }
    for (name, bound) in limit["max"].as_object().into_iter().flatten() {
        let words = format!("maximum {name} usage per {kind} is {}", text(bound));
        let (request, most) = (given("requests", name), given("limits", name));
        match (most, request) {
            (None, _) => wrong.push(format!("{words}.  No limit is specified")),
            (Some(most), _) if most > quantity(bound) => wrong.push(format!("{words}, but limit is {most}")),
            (_, Some(request)) if request > quantity(bound) => {
                wrong.push(format!("{words}, but request is {request}"));
            }
            _ => {}
        }
    }
    for (name, bound) in limit["maxLimitRequestRatio"].as_object().into_iter().flatten() {
        let words = format!("{name} max limit to request ratio per {kind} is {}", text(bound));
        let (request, most) = (given("requests", name), given("limits", name));
        match (request.filter(|q| !q.is_zero()), most.filter(|q| !q.is_zero())) {
            (None, _) => wrong.push(format!("{words}, but no request is specified or request is 0")),
            (_, None) => wrong.push(format!("{words}, but no limit is specified or limit is 0")),
            (Some(request), Some(most)) => {
                // Amounts of a container are far below what a float holds exactly.
                let ratio = most.milli_value() as f64 / request.milli_value() as f64;
                if ratio > quantity(bound).milli_value() as f64 / 1000.0 {
                    wrong.push(format!("{words}, but provided ratio is {ratio:.6}"));
                }
            }
        }
    }
    wrong
}
