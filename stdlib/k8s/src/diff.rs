//! What changes in an object, for people: without what the server decides, and without the values of Secrets.

use opsrun_core::Result;
use serde_json::Value;
use similar::TextDiff;

use crate::apply::{Applied, Change};
use crate::inverse::without_state;
use crate::object::Address;
use crate::types::{ChangedObject, ObjectDiff};

/// What an apply changes, or would change, in one object: a unified diff of its YAML.
///
/// # Errors
/// `Failed` if the object cannot be written as YAML.
pub fn of(applied: &Applied) -> Result<ObjectDiff> {
    let object = ChangedObject::new(&applied.at, applied.change);
    if applied.change == Change::Unchanged {
        return Ok(ObjectDiff { object, diff: String::new() });
    }
    let before =
        applied.before.as_ref().map(|before| shown(before, &applied.after, "(hidden)")).transpose()?;
    let after = shown(&applied.after, applied.before.as_ref().unwrap_or(&Value::Null), "(hidden, differs)")?;
    Ok(ObjectDiff { object, diff: unified(before.as_deref().unwrap_or_default(), &after) })
}

/// What goes with an object that is deleted.
///
/// # Errors
/// As [`of`].
pub fn deleted(at: &Address, object: &Value) -> Result<ObjectDiff> {
    let before = shown(object, &Value::Null, "(hidden)")?;
    Ok(ObjectDiff { object: ChangedObject::new(at, Change::Deleted), diff: unified(&before, "") })
}

fn unified(before: &str, after: &str) -> String {
    TextDiff::from_lines(before, after).unified_diff().context_radius(3).header("now", "applied").to_string()
}

/// The object as YAML, without what the server decides. A Secret's values that `other` has not are shown as `hidden`.
fn shown(object: &Value, other: &Value, hidden: &str) -> Result<String> {
    let mut shown = without_state(object);
    if let Some(metadata) = shown.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    if object["kind"] == "Secret" {
        // kubectl keeps a copy of all there.
        if let Some(annotations) = shown.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
            annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
        }
        for (key, value) in shown.get_mut("data").and_then(Value::as_object_mut).into_iter().flatten() {
            *value =
                if other["data"].get(key) == Some(&*value) { "(hidden, the same)" } else { hidden }.into();
        }
    }
    opsrun_core::yaml::to_string(&shown)
}
