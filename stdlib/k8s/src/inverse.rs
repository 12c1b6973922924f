//! What takes writes to objects back: how each object was, recorded before the first write and made exact after the last.
//! The record is a call of `k8s::restore`; who carries it out needs nothing else.

use opsrun_core::{BrokenOff, Cx, Inverse, Result, UndoSlot};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::client::Client;
use crate::error::Error;
use crate::object::{Address, Object};
use crate::readiness::{self, Readiness};

/// The primitive that carries the record out.
pub const RESTORE: &str = "k8s::restore";

/// An object and how it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Former {
    pub api_version: String,
    pub kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    pub name: String,
    /// It was ready, so it is waited for until it is so again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ready: bool,
    /// Of an object that was there. What takes back its creation has to know it again when it was deleted, and put back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    pub was: Was,
}

/// How an object was before a write.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Was {
    /// It did not exist. With a `uid`, only the object that was created then is deleted.
    Absent { uid: Option<String> },
    /// It was this.
    Whole(Value),
    /// It was this in those parts that the write changed, as a JSON merge patch, and its fields were managed so.
    Parts { patch: Value, managed: Value },
}

/// How far a write to an object got.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    /// Nothing was sent, or the server refused it.
    Untouched,
    /// The server has it so now.
    Now(Value),
    /// It was deleted.
    Gone,
    /// No answer came.
    Unknown,
}

impl Outcome {
    /// Of a request whose answer is the object.
    pub(crate) fn of(result: &Result<(bool, Value), Error>) -> Outcome {
        match result {
            Ok((_, object)) => Outcome::Now(object.clone()),
            Err(error) => Outcome::of_failure(error),
        }
    }

    pub(crate) fn of_delete(result: &Result<bool, Error>) -> Outcome {
        match result {
            Ok(true) => Outcome::Gone,
            Ok(false) => Outcome::Untouched,
            Err(error) => Outcome::of_failure(error),
        }
    }

    pub(crate) fn of_failure(error: &Error) -> Outcome {
        if error.is_refusal() { Outcome::Untouched } else { Outcome::Unknown }
    }
}

/// The record of one group of writes.
pub(crate) struct Memory {
    slot: UndoSlot,
    entries: Vec<Entry>,
}

struct Entry {
    at: Address,
    before: Option<Value>,
    outcome: Outcome,
}

impl Memory {
    /// Records durably how the objects are, before they are written to.
    pub(crate) async fn of(client: &Client, objects: Vec<(Address, Option<Value>)>) -> Result<Memory> {
        let entries: Vec<Entry> = objects
            .into_iter()
            .map(|(at, before)| Entry { at, before, outcome: Outcome::Untouched })
            .collect();
        let all: Vec<Former> = entries.iter().map(|entry| entry.former(entry.was_before())).collect();
        let slot = client.cx().undo(restore(&all)).await?;
        Ok(Memory { slot, entries })
    }

    pub(crate) fn note(&mut self, index: usize, outcome: Outcome) {
        if let Some(entry) = self.entries.get_mut(index) {
            entry.outcome = outcome;
        }
    }

    /// Makes the record exact: only what was changed, and that in full.
    pub(crate) async fn settle(self) -> Result<()> {
        let changed: Vec<Former> = self.entries.iter().filter_map(Entry::settled).collect();
        if changed.is_empty() { self.slot.forget().await } else { self.slot.refine(restore(&changed)).await }
    }
}

impl Entry {
    fn was_before(&self) -> Was {
        match &self.before {
            Some(object) => Was::Whole(without_state(object)),
            None => Was::Absent { uid: None },
        }
    }

    fn settled(&self) -> Option<Former> {
        let was = match (&self.before, &self.outcome) {
            (_, Outcome::Untouched) | (None, Outcome::Gone) => return None,
            (_, Outcome::Unknown) | (Some(_), Outcome::Gone) => self.was_before(),
            (None, Outcome::Now(after)) => Was::Absent { uid: Some(after.uid().to_owned()) },
            (Some(before), Outcome::Now(after)) => {
                if before.resource_version() == after.resource_version() {
                    return None;
                }
                let patch = difference(&without_state(after), &without_state(before));
                Was::Parts { patch: patch.unwrap_or_else(|| json!({})), managed: managed(before) }
            }
        };
        Some(self.former(was))
    }

    fn former(&self, was: Was) -> Former {
        Former {
            api_version: self.at.resource.api_version(),
            kind: self.at.resource.kind.clone(),
            namespace: self.at.namespace.clone(),
            name: self.at.name.clone(),
            uid: self.before.as_ref().map(|before| before.uid().to_owned()),
            ready: self.before.as_ref().is_some_and(|before| readiness::of(before) == Readiness::Ready),
            was,
        }
    }
}

/// What a call had recorded of the objects before it broke off.
pub(crate) fn recorded(before: &BrokenOff) -> Vec<Former> {
    let formers = before.inverses.iter().filter_map(|inverse| match inverse {
        Inverse::Call { path, args, .. } if path == RESTORE => {
            serde_json::from_value::<Vec<Former>>(args["objects"].clone()).ok()
        }
        _ => None,
    });
    formers.flatten().collect()
}

/// How an object was when this call first began, if the run broke off in it after it had recorded that; `now` is how it is.
/// `Some(None)`: it did not exist.
pub(crate) fn formerly(cx: &Cx, at: &Address, now: Option<&Value>) -> Option<Option<Value>> {
    let is_meant = |former: &Former| {
        (&former.kind, &former.namespace, &former.name) == (&at.resource.kind, &at.namespace, &at.name)
            && former.api_version == at.resource.api_version()
    };
    let former = recorded(cx.broken_off()?).into_iter().find(is_meant)?;
    Some(match former.was {
        Was::Absent { .. } => None,
        Was::Whole(object) => Some(object),
        Was::Parts { patch, .. } => now.map(|now| {
            let mut object = now.clone();
            opsrun_k8s_schema::patch::merge_patch(&mut object, &patch);
            object
        }),
    })
}

fn restore(objects: &[Former]) -> Inverse {
    let secrets = objects.iter().enumerate().filter(|(_, former)| former.kind == "Secret");
    let values = secrets.filter(|(_, former)| !matches!(former.was, Was::Absent { .. }));
    let pointers = values.map(|(index, _)| format!("/objects/{index}/was")).collect();
    Inverse::call(RESTORE, json!({ "objects": objects })).sealed(pointers)
}

pub(crate) fn managed(object: &Value) -> Value {
    object.pointer("/metadata/managedFields").cloned().unwrap_or_else(|| json!([]))
}

/// An object without what the server or its controllers decide; `managedFields` stay.
pub(crate) fn without_state(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(map) = object.as_object_mut() {
        map.remove("status");
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        for field in [
            "resourceVersion",
            "generation",
            "uid",
            "creationTimestamp",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "selfLink",
        ] {
            metadata.remove(field);
        }
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.retain(|key, _| !is_controllers_annotation(key));
            if annotations.is_empty() {
                metadata.remove("annotations");
            }
        }
    }
    object
}

/// Annotations that controllers count in: going back is a new count, not an old one.
fn is_controllers_annotation(key: &str) -> bool {
    key == "deployment.kubernetes.io/revision" || key == "deprecated.daemonset.template.generation"
}

/// The JSON merge patch (RFC 7386) that makes `to` of `from`, without `managedFields`; `None` if there is no difference.
pub(crate) fn difference(from: &Value, to: &Value) -> Option<Value> {
    let patch = merge_patch(from, to);
    patch.as_object().is_none_or(|map| !map.is_empty()).then_some(patch)
}

fn merge_patch(from: &Value, to: &Value) -> Value {
    let (Value::Object(from), Value::Object(to)) = (from, to) else { return to.clone() };
    let mut patch = Map::new();
    for (key, old) in from {
        match to.get(key) {
            None if key != "managedFields" => {
                patch.insert(key.clone(), Value::Null);
            }
            Some(new) if new != old && key != "managedFields" => {
                let part = merge_patch(old, new);
                if part.as_object().is_none_or(|part| !part.is_empty()) {
                    patch.insert(key.clone(), part);
                }
            }
            _ => {}
        }
    }
    for (key, new) in to.iter().filter(|(key, _)| !from.contains_key(*key) && *key != "managedFields") {
        patch.insert(key.clone(), new.clone());
    }
    Value::Object(patch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_names_only_what_differs() {
        for (from, to, expected) in [
            (json!({ "a": 1 }), json!({ "a": 1 }), None),
            (
                json!({ "a": 1, "b": { "c": 1, "d": 2 } }),
                json!({ "b": { "c": 3 } }),
                Some(json!({ "a": null, "b": { "c": 3, "d": null } })),
            ),
            (json!({ "l": [1, 2] }), json!({ "l": [1] }), Some(json!({ "l": [1] }))),
            (json!({}), json!({ "a": { "b": 1 } }), Some(json!({ "a": { "b": 1 } }))),
            (
                json!({ "metadata": { "managedFields": [1] } }),
                json!({ "metadata": { "managedFields": [2] } }),
                None,
            ),
        ] {
            assert_eq!(difference(&from, &to), expected, "{from} to {to}");
        }
    }
}
