//! Pods of a controller: finding, adopting and letting go, making from a template, and choosing whom to delete.
//! It knows pods and owner references, not what any one controller wants of them.

use std::cmp::Reverse;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::events::Recorder;
use super::object::{
    PODS, annotation, controlled_by, controller_of, created, int, is_controlled_by, is_going, key_of, list,
    name, namespace, pod, selects, time, uid,
};
use crate::context::{Cx, text};
use crate::status::{Result, Status};
use crate::store::ObjectKey;
use crate::write::DeleteOptions;

/// The pods of `owner` in its namespace, by name. Pods without an owner that `selector` covers are adopted; owned ones
/// that it no longer covers are let go.
pub(crate) fn claim(cx: &mut Cx<'_>, owner: &Value, selector: &Value) -> Result<Vec<Arc<Value>>> {
    let mut claimed = Vec::new();
    for pod in cx.list(&PODS, Some(namespace(owner))) {
        let selected = selects(selector, &pod["metadata"]["labels"]);
        if is_controlled_by(&pod, owner) {
            if selected {
                claimed.push(pod);
            } else if !is_going(&pod) && !is_going(owner) {
                let owner = uid(owner).to_owned();
                cx.modify(&key_of(&PODS, &pod), None, |pod| release(pod, &owner))?;
            }
        } else if selected && controller_of(&pod).is_none() && !is_going(owner) && pod::is_active(&pod) {
            let reference = controlled_by(owner);
            claimed.push(cx.modify(&key_of(&PODS, &pod), None, |pod| adopt(pod, reference))?);
        }
    }
    Ok(claimed)
}

pub(crate) fn adopt(object: &mut Value, reference: Value) {
    match object["metadata"]["ownerReferences"].as_array_mut() {
        Some(owners) => owners.push(reference),
        None => object["metadata"]["ownerReferences"] = json!([reference]),
    }
}

pub(crate) fn release(object: &mut Value, owner: &str) {
    let Some(metadata) = object["metadata"].as_object_mut() else { return };
    if let Some(owners) = metadata.get_mut("ownerReferences").and_then(Value::as_array_mut) {
        owners.retain(|reference| text(&reference["uid"]) != owner);
        if owners.is_empty() {
            metadata.remove("ownerReferences");
        }
    }
}

/// Takes a finalizer off an object, which may be gone already.
pub(crate) fn drop_finalizer(cx: &mut Cx<'_>, key: &ObjectKey, name: &str) -> Result<()> {
    let result = cx.modify(key, None, |object| {
        let Some(metadata) = object["metadata"].as_object_mut() else { return };
        let Some(finalizers) = metadata.get_mut("finalizers").and_then(Value::as_array_mut) else { return };
        finalizers.retain(|finalizer| finalizer != name);
        if finalizers.is_empty() {
            metadata.remove("finalizers");
        }
    });
    match result {
        Ok(_) | Err(Status { code: 404, .. }) => Ok(()),
        Err(status) => Err(status),
    }
}

/// A pod made from `owner`'s template, not stored yet; its name is generated unless `metadata.name` is set by the caller.
pub(crate) fn from_template(owner: &Value, template: &Value) -> Value {
    let mut metadata = Map::new();
    for field in ["labels", "annotations", "finalizers"] {
        if let Some(value) = template["metadata"].get(field).filter(|value| !value.is_null()) {
            metadata.insert(field.to_owned(), value.clone());
        }
    }
    metadata.insert("namespace".to_owned(), namespace(owner).into());
    metadata.insert("generateName".to_owned(), format!("{}-", name(owner)).into());
    metadata.insert("ownerReferences".to_owned(), json!([controlled_by(owner)]));
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]})
}

/// Creates a pod and reports it, or why it could not be, on its owner.
pub(crate) fn create_pod(
    cx: &mut Cx<'_>,
    recorder: Recorder<'_>,
    owner: &Value,
    pod: Value,
) -> Result<Arc<Value>> {
    match cx.create(&PODS, pod) {
        Ok(pod) => {
            recorder.normal(cx, owner, "SuccessfulCreate", &format!("Created pod: {}", name(&pod)));
            Ok(pod)
        }
        Err(status) => {
            if !is_namespace_going(&status) {
                recorder.warning(cx, owner, "FailedCreate", &format!("Error creating: {status}"));
            }
            Err(status)
        }
    }
}

/// Deletes a pod, which may be gone already, and reports it on its owner.
pub(crate) fn delete_pod(cx: &mut Cx<'_>, recorder: Recorder<'_>, owner: &Value, pod: &Value) -> Result<()> {
    match cx.delete(&key_of(&PODS, pod), &DeleteOptions::default()) {
        Ok(()) => {
            recorder.normal(cx, owner, "SuccessfulDelete", &format!("Deleted pod: {}", name(pod)));
            Ok(())
        }
        Err(status) if status.code == 404 => Ok(()),
        Err(status) => {
            recorder.warning(cx, owner, "FailedDelete", &format!("Error deleting: {status}"));
            Err(status)
        }
    }
}

pub(crate) fn is_namespace_going(status: &Status) -> bool {
    let causes = status.details.as_ref().map_or(&[][..], |details| list(details, "/causes"));
    causes.iter().any(|cause| cause["reason"] == "NamespaceTerminating")
}

/// Pods in the order in which surplus ones are deleted: those that serve least first, then those that share a node,
/// then those of the least age. `crowd` are all pods whose company counts.
pub(crate) fn in_deletion_order(pods: &mut [Arc<Value>], crowd: &[Arc<Value>]) {
    let company = |candidate: &Value| {
        let on_node = |other: &&Arc<Value>| pod::is_active(other) && pod::node(other) == pod::node(candidate);
        crowd.iter().filter(on_node).count()
    };
    pods.sort_by_cached_key(|candidate| {
        let ready = pod::is_ready(candidate);
        let phase = match pod::phase(candidate) {
            "Pending" => 0,
            "Running" => 2,
            _ => 1,
        };
        let cost = annotation(candidate, "controller.kubernetes.io/pod-deletion-cost");
        let since = super::object::condition(candidate, "Ready").and_then(|c| time(&c["lastTransitionTime"]));
        let restarts =
            list(candidate, "/status/containerStatuses").iter().map(|c| int(c, "/restartCount")).max();
        (
            !pod::node(candidate).is_empty(),
            phase,
            ready,
            cost.and_then(|cost| cost.parse::<i32>().ok()).unwrap_or(0),
            Reverse(company(candidate)),
            Reverse(since.filter(|_| ready)),
            Reverse(restarts),
            (Reverse(created(candidate)), uid(candidate).to_owned()),
        )
    });
}

/// Sets a number, or removes the field where Go would omit a zero.
pub(crate) fn set_or_remove(map: &mut Value, field: &str, number: i64) {
    let Some(map) = map.as_object_mut() else { return };
    if number == 0 {
        map.remove(field);
    } else {
        map.insert(field.to_owned(), number.into());
    }
}
