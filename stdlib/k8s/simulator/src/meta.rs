//! `metadata`: reading it, what an update may not change in it, and how it is checked.
//! It knows the common part of every object and nothing of kinds.

use serde_json::{Map, Value};

use crate::context::text;
use crate::kinds::{NameRule, keep};
use crate::names;
use crate::status::Invalid;

/// The metadata, made if it is not there.
pub(crate) fn of(object: &mut Value) -> &mut Map<String, Value> {
    if !object["metadata"].is_object() {
        object["metadata"] = Value::Object(Map::new());
    }
    object["metadata"].as_object_mut().expect("just made")
}

pub(crate) fn remove(object: &mut Value, field: &str) {
    if let Some(map) = object.as_object_mut() {
        map.remove(field);
    }
}

pub(crate) fn is_deleting(object: &Value) -> bool {
    object["metadata"].get("deletionTimestamp").is_some_and(|at| !at.is_null())
}

pub(crate) fn finalizers(object: &Value) -> impl Iterator<Item = &str> {
    object["metadata"]["finalizers"].as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// Being deleted, its grace over, no finalizers in metadata.
pub(crate) fn is_released(object: &Value) -> bool {
    is_deleting(object)
        && object["metadata"]["deletionGracePeriodSeconds"].as_i64().unwrap_or(0) == 0
        && finalizers(object).next().is_none()
}

/// Gives an update the parts of metadata that it need not repeat, and those it cannot change.
pub(crate) fn carry_over(old: &Value, new: &mut Value) {
    let old = &old["metadata"];
    let metadata = of(new);
    for field in ["name", "namespace", "uid", "creationTimestamp"] {
        if old.get(field).is_none() {
            continue;
        }
        if metadata.get(field).is_none_or(|value| value.is_null() || text(value).is_empty()) {
            metadata.insert(field.to_owned(), old[field].clone());
        }
    }
    keep(
        old,
        &mut new["metadata"],
        &["generation", "deletionTimestamp", "deletionGracePeriodSeconds", "resourceVersion"],
    );
    remove(&mut new["metadata"], "selfLink");
}

/// What is wrong with the metadata of any object.
pub(crate) fn validate(object: &Value, rule: NameRule, namespaced: bool) -> Vec<Invalid> {
    let metadata = &object["metadata"];
    let mut wrong = Vec::new();
    let name = text(&metadata["name"]);
    if let Some(base) = metadata["generateName"].as_str().filter(|base| !base.is_empty()) {
        // A generated name's base may end in a dash: letters follow.
        let probe = base.strip_suffix('-').map_or_else(|| base.to_owned(), |base| format!("{base}a"));
        wrong.extend(
            names::check(rule, &probe)
                .into_iter()
                .map(|why| Invalid::value("metadata.generateName", base, why)),
        );
    }
    if name.is_empty() {
        wrong.push(Invalid::required("metadata.name", "name or generateName is required"));
    } else {
        wrong.extend(
            names::check(rule, name).into_iter().map(|why| Invalid::value("metadata.name", name, why)),
        );
    }
    if namespaced && text(&metadata["namespace"]).is_empty() {
        wrong.push(Invalid::required("metadata.namespace", ""));
    }
    wrong.extend(names::labels(&metadata["labels"], "metadata.labels"));
    wrong.extend(names::annotations(&metadata["annotations"], "metadata.annotations"));
    wrong.extend(names::owners(&metadata["ownerReferences"], "metadata.ownerReferences"));
    wrong.extend(names::finalizers(&metadata["finalizers"], "metadata.finalizers"));
    wrong
}

/// What an update may not do to metadata.
pub(crate) fn validate_update(old: &Value, new: &Value) -> Vec<Invalid> {
    let (old, new) = (&old["metadata"], &new["metadata"]);
    let mut wrong = Vec::new();
    if is_deleting(&serde_json::json!({"metadata": old})) {
        let before: Vec<&str> =
            old["finalizers"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let added: Vec<&Value> = new["finalizers"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|finalizer| !before.contains(&text(finalizer)))
            .collect();
        if !added.is_empty() {
            let list: Vec<&str> = added.iter().map(|value| text(value)).collect();
            let detail = format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                list.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
            );
            wrong.push(Invalid::forbidden("metadata.finalizers", detail));
        }
    }
    for field in
        ["name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"]
    {
        if old.get(field) != new.get(field) {
            wrong.push(Invalid::value(format!("metadata.{field}"), new[field].clone(), "field is immutable"));
        }
    }
    wrong
}
