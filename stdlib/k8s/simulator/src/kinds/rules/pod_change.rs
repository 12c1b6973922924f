//! What an update may change in a Pod: very little.

use serde_json::Value;

use super::IMMUTABLE;
use crate::status::Invalid;

const ALLOWED: &str = "pod updates may not change fields other than `spec.containers[*].image`,\
    `spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing \
    tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

pub(crate) fn validate_pod_update(old: &Value, new: &Value) -> Vec<Invalid> {
    let mut wrong = Vec::new();
    let (before, after) = (&old["spec"], &new["spec"]);
    let count = |spec: &Value, list: &str| spec[list].as_array().map_or(0, Vec::len);
    for list in ["containers", "initContainers"] {
        if count(before, list) != count(after, list) {
            let why = if list == "containers" {
                "pod updates may not add or remove containers"
            } else {
                "pod updates may not add or remove init containers"
            };
            wrong.push(Invalid::forbidden(format!("spec.{list}"), why));
        }
    }
    if !wrong.is_empty() {
        return wrong;
    }
    if let Some(value) = after["activeDeadlineSeconds"].as_i64() {
        if value <= 0 {
            let why = "must be between 1 and 2147483647, inclusive";
            wrong.push(Invalid::value("spec.activeDeadlineSeconds", value, why));
        } else if before["activeDeadlineSeconds"].as_i64().is_some_and(|old| value > old) {
            let why = "must be less than or equal to previous value";
            wrong.push(Invalid::value("spec.activeDeadlineSeconds", value, why));
        }
    }
    let kept = before["tolerations"].as_array().into_iter().flatten();
    let after_tolerations = after["tolerations"].as_array().cloned().unwrap_or_default();
    if kept.into_iter().any(|toleration| !after_tolerations.contains(toleration)) {
        let why = "existing toleration can not be modified except its tolerationSeconds";
        wrong.push(Invalid::forbidden("spec.tolerations", why));
    }
    // What may change is made equal; the rest must be so.
    let mut same = after.clone();
    for field in ["activeDeadlineSeconds", "tolerations", "ephemeralContainers", "schedulingGates"] {
        crate::kinds::keep(before, &mut same, &[field]);
    }
    for list in ["containers", "initContainers"] {
        let old_images: Vec<Value> =
            before[list].as_array().into_iter().flatten().map(|one| one["image"].clone()).collect();
        let containers = same.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten();
        for (container, image) in containers.zip(old_images) {
            container["image"] = image;
        }
    }
    let shortened = before["terminationGracePeriodSeconds"].as_i64().is_some_and(|old| old < 0)
        && after["terminationGracePeriodSeconds"] == 1;
    if shortened {
        crate::kinds::keep(before, &mut same, &["terminationGracePeriodSeconds"]);
    }
    if same != *before {
        let changes: Vec<String> = opsrun_k8s_schema::diff(None, before, &same)
            .into_iter()
            .map(|change| format!("  {}: {} -> {}", change.path, shown(change.old), shown(change.new)))
            .collect();
        wrong.push(Invalid::forbidden("spec", format!("{ALLOWED}\n{}\n", changes.join("\n"))));
    }
    if old["status"]["qosClass"] != new["status"]["qosClass"] {
        wrong.push(Invalid::value("status.qosClass", new["status"]["qosClass"].clone(), IMMUTABLE));
    }
    wrong
}

fn shown(value: Option<Value>) -> String {
    value.map_or_else(|| "(absent)".to_owned(), |value| value.to_string())
}
