//! What is left out of a deleted object so that the server accepts it again.

use serde_json::Value;

use crate::inverse::without_state;
use crate::object::Object;

/// The labels that the Job controller generates, with the selector that matches them.
const JOB_LABELS: [&str; 4] =
    ["controller-uid", "batch.kubernetes.io/controller-uid", "job-name", "batch.kubernetes.io/job-name"];

/// The object as one would create it.
pub(crate) fn fresh(object: &Value) -> Value {
    let mut fresh = without_state(object);
    if let Some(metadata) = fresh.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
        if let Some(finalizers) = metadata.get_mut("finalizers").and_then(Value::as_array_mut) {
            finalizers.retain(|name| name != "foregroundDeletion" && name != "orphan");
        }
    }
    match object.text("/kind") {
        "Job" if object.pointer("/spec/manualSelector") != Some(&Value::Bool(true)) => {
            if let Some(spec) = fresh.get_mut("spec").and_then(Value::as_object_mut) {
                spec.remove("selector");
            }
            for pointer in ["/metadata/labels", "/spec/template/metadata/labels"] {
                if let Some(labels) = fresh.pointer_mut(pointer).and_then(Value::as_object_mut) {
                    labels.retain(|label, _| !JOB_LABELS.contains(&label.as_str()));
                }
            }
        }
        "Pod" => {
            if let Some(spec) = fresh.get_mut("spec").and_then(Value::as_object_mut) {
                spec.remove("nodeName");
            }
        }
        _ => {}
    }
    fresh
}
