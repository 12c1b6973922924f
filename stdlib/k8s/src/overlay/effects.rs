//! What became of the objects of an overlay, as a plan tells it: what somebody wants of them field by field, and what
//! follows for pods. What controllers keep for themselves is left out.

use std::collections::BTreeMap;
use std::sync::Arc;

use opsrun_core::{Alteration, Alterations, FieldAlteration, How, Precondition};
use opsrun_k8s_schema::managed::owners;
use opsrun_k8s_schema::{Gvk, Schema, diff};
use opsrun_k8s_simulator::Cluster;
use opsrun_k8s_simulator::overlay::Altered;
use opsrun_k8s_simulator::store::{GroupResource, ObjectKey, Store};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::object::Object;
use crate::simulator::wanted;

/// What has become of objects since this was asked last.
pub(super) fn alterations(cluster: &mut Cluster) -> Alterations {
    let Some((overlay, store, _)) = cluster.over() else { return Alterations::default() };
    let altered = overlay.take_altered();
    let things = altered.iter().filter_map(alteration).collect();
    Alterations { things, consequences: pods(&altered, store) }
}

/// `deployments prod/api`
pub(super) fn place(key: &ObjectKey) -> String {
    match key.namespace.as_str() {
        "" => format!("{} {}", key.resource.resource, key.name),
        namespace => format!("{} {namespace}/{}", key.resource.resource, key.name),
    }
}

fn alteration(altered: &Altered) -> Option<Alteration> {
    let shown = |object: &Option<Arc<Value>>| {
        object
            .as_deref()
            .filter(|object| !is_made_by_controllers(object))
            .and_then(|object| wanted(object.clone()))
    };
    let (before, after) = (shown(&altered.before), shown(&altered.after));
    let anew = |old: &Value, new: &Value| old.uid() != new.uid();
    let how = match (&before, &after, &altered.before, &altered.after) {
        (None, None, ..) => return None,
        (None, Some(_), ..) => How::Created,
        (Some(_), None, ..) => How::Deleted,
        (Some(_), Some(_), Some(old), Some(new)) if anew(old, new) => How::Replaced,
        _ => How::Changed,
    };
    let mut fields = Vec::new();
    if let (Some(mut before), Some(mut after)) = (before, after) {
        // How many are ready is not wanted, it becomes so.
        for object in [&mut before, &mut after] {
            object.as_object_mut().map(|map| map.remove("status"));
        }
        let schema = Schema::for_kind(&Gvk::of(&after));
        let owners = altered.before.as_deref().map(owners).unwrap_or_default();
        let secret = after["kind"] == "Secret";
        fields.extend(diff(schema, &before, &after).into_iter().map(|change| {
            // That it differs may be told; what it is may not.
            let hides = secret && change.path.starts_with("data");
            let shown = |value: Option<Value>, hidden: &str| match value {
                Some(_) if hides => Some(hidden.into()),
                value => value,
            };
            FieldAlteration {
                owner: owner(&owners, &change.path),
                before: shown(change.old, "(hidden)"),
                after: shown(change.new, "(hidden, differs)"),
                path: change.path,
            }
        }));
        if fields.is_empty() && how == How::Changed {
            return None;
        }
    }
    Some(Alteration { what: place(&altered.key), how, fields })
}

/// Who has the field, or what it is a part of.
fn owner(owners: &BTreeMap<String, Vec<String>>, path: &str) -> Option<String> {
    let mut path = path;
    loop {
        if let Some(names) = owners.get(path) {
            return Some(names.join(", "));
        }
        path = &path[..path.rfind(['.', '['])?];
    }
}

/// What happens to pods, by the workload that they belong to.
fn pods(altered: &[Altered], store: &Store) -> Vec<String> {
    #[derive(Default)]
    struct Counts {
        gone: usize,
        new: usize,
    }
    let mut by_workload: BTreeMap<String, Counts> = BTreeMap::new();
    let going = |object: &Value| object.pointer("/metadata/deletionTimestamp").is_some();
    for altered in altered.iter().filter(|altered| altered.key.resource.resource == "pods") {
        let Some(pod) = altered.before.as_deref().or(altered.after.as_deref()) else { continue };
        let counts = by_workload.entry(workload(pod, store)).or_default();
        match (altered.before.as_deref(), altered.after.as_deref()) {
            (None, Some(_)) => counts.new += 1,
            (Some(before), None) if !going(before) => counts.gone += 1,
            (Some(before), Some(after)) if !going(before) && going(after) => counts.gone += 1,
            _ => {}
        }
    }
    let number = |count: usize| format!("{count} pod{}", if count == 1 { "" } else { "s" });
    let told = by_workload.into_iter().filter_map(|(workload, Counts { gone, new })| match (gone, new) {
        (0, 0) => None,
        (0, new) => Some(format!("{} of {workload} would start", number(new))),
        (gone, 0) => Some(format!("{} of {workload} would stop", number(gone))),
        (gone, new) => Some(format!("{} of {workload} would be replaced by {new}", number(gone))),
    });
    told.collect()
}

/// What makes the pod be there, through all that stands between.
fn workload(pod: &Value, store: &Store) -> String {
    let namespace = pod.text("/metadata/namespace");
    let Some((kind, name)) = owner_of(pod) else { return format!("pods {namespace}/{}", pod.name()) };
    if kind == "ReplicaSet" {
        let set = store.get(&GroupResource::new("apps", "replicasets"), namespace, name);
        if let Some((_, deployment)) = set.and_then(|set| owner_of(set)) {
            return format!("deployments {namespace}/{deployment}");
        }
    }
    format!("{}s {namespace}/{name}", kind.to_ascii_lowercase())
}

/// Kind and name of what controls the object.
fn owner_of(object: &Value) -> Option<(&str, &str)> {
    let owners = object.pointer("/metadata/ownerReferences")?.as_array()?;
    let owner = owners.iter().find(|owner| owner["controller"] == true)?;
    Some((owner.text("/kind"), owner.text("/name")))
}

/// What its owner's controller made of it, and nobody else had a hand in.
fn is_made_by_controllers(object: &Value) -> bool {
    let managers = object.pointer("/metadata/managedFields").and_then(Value::as_array);
    let of_controllers = |entry: &Value| CONTROLLERS.contains(&entry.text("/manager"));
    object.controller().is_some() && managers.is_none_or(|managers| managers.iter().all(of_controllers))
}

/// The field managers of the control plane.
const CONTROLLERS: [&str; 3] = ["kube-controller-manager", "kube-scheduler", "kubelet"];

/// How an object was, for the run that a plan binds.
pub(crate) fn precondition(what: &str, path: &str, object: Option<&Value>) -> Precondition {
    let digest = object.map(|object| {
        // Of a Secret, whose content could be found by trying, only that it is the same version.
        let sum = match object["kind"].as_str() {
            Some("Secret") => Sha256::digest(format!("{} {}", object.uid(), object.resource_version())),
            _ => Sha256::digest(intended(object).to_string()),
        };
        sum.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    });
    let version = object.map(|object| object.resource_version().to_owned());
    Precondition { what: what.to_owned(), object: path.to_owned(), version, digest }
}

/// What somebody wants of the object: not its status, and not the number of replicas that an autoscaler sets.
fn intended(object: &Value) -> Value {
    let mut wanted = crate::inverse::without_state(object);
    let scaled =
        object.pointer("/metadata/managedFields").and_then(Value::as_array).into_iter().flatten().any(
            |entry| entry["subresource"] == "scale" && entry.pointer("/fieldsV1/f:spec/f:replicas").is_some(),
        );
    if let Some(map) = wanted.as_object_mut() {
        map.remove("apiVersion");
    }
    if let Some(metadata) = wanted.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    if scaled && let Some(spec) = wanted.get_mut("spec").and_then(Value::as_object_mut) {
        spec.remove("replicas");
    }
    wanted
}
