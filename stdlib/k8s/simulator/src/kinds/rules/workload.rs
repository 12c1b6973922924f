//! Deployments, ReplicaSets, StatefulSets and DaemonSets.

use serde_json::{Value, json};

use super::{
    at, count_or_percent, has, immutable, label_selector, non_negative, one_of, percent, selects, shown,
    validate_pod_template,
};
use crate::context::text;
use crate::names;
use crate::status::{Invalid, Reason};

pub(super) const MISMATCH: &str = "`selector` does not match template `labels`";

/// Selector and template of a workload: the one is there and selects the other, whose pods restart.
fn selector_and_template(spec: &Value, kind: &str, wrong: &mut Vec<Invalid>) {
    let selector = &spec["selector"];
    if selector.is_object() {
        label_selector(selector, "spec.selector", wrong);
        let empty = |field: &str| match &selector[field] {
            Value::Object(map) => map.is_empty(),
            Value::Array(list) => list.is_empty(),
            _ => true,
        };
        if empty("matchLabels") && empty("matchExpressions") {
            let why = format!("empty selector is invalid for {kind}");
            wrong.push(Invalid::value("spec.selector", selector.clone(), why));
        }
    } else {
        wrong.push(Invalid::required("spec.selector", ""));
    }
    let labels = &spec["template"]["metadata"]["labels"];
    if !selects(selector, labels) {
        wrong.push(Invalid::value("spec.template.metadata.labels", labels.clone(), MISMATCH));
    }
    validate_pod_template(&spec["template"], "spec.template", wrong);
    let restart = text(&spec["template"]["spec"]["restartPolicy"]);
    if restart != "Always" && !restart.is_empty() {
        wrong.push(Invalid::not_supported("spec.template.spec.restartPolicy", restart, &["Always"]));
    }
    if has(&spec["template"]["spec"], "activeDeadlineSeconds") {
        let why = "activeDeadlineSeconds in ReplicaSet is not Supported";
        wrong.push(Invalid::forbidden("spec.template.spec.activeDeadlineSeconds", why));
    }
}

pub(crate) fn validate_deployment(object: &Value) -> Vec<Invalid> {
    let (spec, mut wrong) = (&object["spec"], Vec::new());
    non_negative(
        spec,
        &["replicas", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"],
        "spec",
        &mut wrong,
    );
    selector_and_template(spec, "deployment", &mut wrong);
    let strategy = &spec["strategy"];
    match text(&strategy["type"]) {
        "Recreate" if has(strategy, "rollingUpdate") => {
            let why = "may not be specified when strategy `type` is 'Recreate'";
            wrong.push(Invalid::forbidden("spec.strategy.rollingUpdate", why));
        }
        "RollingUpdate" if !has(strategy, "rollingUpdate") => {
            let why = "this should be defaulted and never be nil";
            wrong.push(Invalid::required("spec.strategy.rollingUpdate", why));
        }
        "RollingUpdate" => rolling(&strategy["rollingUpdate"], "spec.strategy.rollingUpdate", &mut wrong),
        "Recreate" => {}
        other => {
            let value = [("Type", &json!(other)), ("RollingUpdate", &strategy["rollingUpdate"])];
            let why = "supported values: \"Recreate\", \"RollingUpdate\"";
            wrong.push(shown(Reason::NotSupported, "spec.strategy", &value, why));
        }
    }
    if let Some(deadline) = spec["progressDeadlineSeconds"].as_i64()
        && deadline <= spec["minReadySeconds"].as_i64().unwrap_or(0)
    {
        let why = "must be greater than minReadySeconds";
        wrong.push(Invalid::value("spec.progressDeadlineSeconds", deadline, why));
    }
    wrong
}

fn rolling(update: &Value, path: &str, wrong: &mut Vec<Invalid>) {
    count_or_percent(update, "maxUnavailable", path, wrong);
    count_or_percent(update, "maxSurge", path, wrong);
    let zero = |field: &str| match &update[field] {
        Value::String(text) => percent(text) == Some(0),
        other => other.as_i64() == Some(0),
    };
    if zero("maxUnavailable") && zero("maxSurge") {
        let why = "may not be 0 when `maxSurge` is 0";
        wrong.push(Invalid::value(at(path, "maxUnavailable"), update["maxUnavailable"].clone(), why));
    }
}

/// Counters of a workload's status: none is negative, and of `parts` none is greater than all replicas.
pub(crate) fn validate_counters(status: &Value, counters: &[&str], parts: &[&str]) -> Vec<Invalid> {
    let mut wrong = Vec::new();
    non_negative(status, counters, "status", &mut wrong);
    let number = |field: &str| status[field].as_i64().unwrap_or(0);
    for field in parts.iter().filter(|field| number(field) > number("replicas")) {
        let why = "cannot be greater than status.replicas";
        wrong.push(Invalid::value(at("status", field), number(field), why));
    }
    if parts.contains(&"availableReplicas") && number("availableReplicas") > number("readyReplicas") {
        // Only StatefulSets, which alone count current ones, name the field in full.
        let ready = if parts.contains(&"currentReplicas") { "status.readyReplicas" } else { "readyReplicas" };
        let why = format!("cannot be greater than {ready}");
        wrong.push(Invalid::value("status.availableReplicas", number("availableReplicas"), why));
    }
    wrong
}

pub(crate) fn validate_deployment_update(old: &Value, new: &Value) -> Vec<Invalid> {
    let mut wrong = validate_deployment(new);
    immutable(&old["spec"], &new["spec"], &["selector"], "spec", &mut wrong);
    wrong
}

pub(crate) fn validate_replica_set(object: &Value) -> Vec<Invalid> {
    let (spec, mut wrong) = (&object["spec"], Vec::new());
    non_negative(spec, &["replicas", "minReadySeconds"], "spec", &mut wrong);
    selector_and_template(spec, "deployment", &mut wrong);
    wrong
}

pub(crate) fn validate_replica_set_update(old: &Value, new: &Value) -> Vec<Invalid> {
    let mut wrong = validate_replica_set(new);
    immutable(&old["spec"], &new["spec"], &["selector"], "spec", &mut wrong);
    wrong
}

pub(crate) fn validate_replication_controller(object: &Value) -> Vec<Invalid> {
    let (spec, mut wrong) = (&object["spec"], Vec::new());
    non_negative(spec, &["minReadySeconds", "replicas"], "spec", &mut wrong);
    let selector = &spec["selector"];
    let chosen = selector.as_object().is_some_and(|labels| !labels.is_empty());
    if !chosen {
        wrong.push(Invalid::required("spec.selector", ""));
    }
    let template = &spec["template"];
    if !template.is_object() {
        wrong.push(Invalid::required("spec.template", ""));
        return wrong;
    }
    let labels = &template["metadata"]["labels"];
    if chosen && !selects(&json!({"matchLabels": selector}), labels) {
        wrong.push(Invalid::value("spec.template.metadata.labels", labels.clone(), MISMATCH));
    }
    validate_pod_template(template, "spec.template", &mut wrong);
    let restart = text(&template["spec"]["restartPolicy"]);
    if restart != "Always" && !restart.is_empty() {
        wrong.push(Invalid::not_supported("spec.template.spec.restartPolicy", restart, &["Always"]));
    }
    if has(&template["spec"], "activeDeadlineSeconds") {
        let why = "activeDeadlineSeconds in ReplicationController is not Supported";
        wrong.push(Invalid::forbidden("spec.template.spec.activeDeadlineSeconds", why));
    }
    wrong
}

pub(crate) fn validate_stateful_set(object: &Value) -> Vec<Invalid> {
    let (spec, mut wrong) = (&object["spec"], Vec::new());
    let service = text(&spec["serviceName"]);
    if !service.is_empty() {
        let faults = names::label(service);
        wrong.extend(faults.into_iter().map(|why| Invalid::value("spec.serviceName", service, why)));
    }
    match text(&spec["podManagementPolicy"]) {
        "OrderedReady" | "Parallel" => {}
        "" => wrong.push(Invalid::required("spec.podManagementPolicy", "")),
        other => wrong.push(Invalid::value(
            "spec.podManagementPolicy",
            other,
            "must be 'OrderedReady' or 'Parallel'",
        )),
    }
    let strategy = &spec["updateStrategy"];
    match text(&strategy["type"]) {
        "OnDelete" if has(strategy, "rollingUpdate") => {
            let why = "only allowed for updateStrategy 'RollingUpdate'";
            let shown = strategy["rollingUpdate"].clone();
            wrong.push(Invalid::value("spec.updateStrategy.rollingUpdate", shown, why));
        }
        "OnDelete" => {}
        "RollingUpdate" => {
            let path = "spec.updateStrategy.rollingUpdate";
            non_negative(&strategy["rollingUpdate"], &["partition"], path, &mut wrong);
            count_or_percent(&strategy["rollingUpdate"], "maxUnavailable", path, &mut wrong);
        }
        "" => wrong.push(Invalid::required("spec.updateStrategy", "")),
        other => {
            let value = [("Type", &json!(other)), ("RollingUpdate", &strategy["rollingUpdate"])];
            let why = "must be 'RollingUpdate' or 'OnDelete'";
            wrong.push(shown(Reason::Invalid, "spec.updateStrategy", &value, why));
        }
    }
    let retention = &spec["persistentVolumeClaimRetentionPolicy"];
    let path = "spec.persistentVolumeClaimRetentionPolicy";
    for field in ["whenDeleted", "whenScaled"] {
        one_of(retention, field, &["Retain", "Delete"], path, &mut wrong);
    }
    non_negative(spec, &["replicas", "minReadySeconds"], "spec", &mut wrong);
    non_negative(&spec["ordinals"], &["start"], "spec.ordinals", &mut wrong);
    selector_and_template(spec, "statefulset", &mut wrong);
    wrong
}

const STATEFUL_SET_CHANGES: &[&str] = &[
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
];

pub(crate) fn validate_stateful_set_update(old: &Value, new: &Value) -> Vec<Invalid> {
    let mut wrong = validate_stateful_set(new);
    let mut same = new["spec"].clone();
    crate::kinds::keep(&old["spec"], &mut same, STATEFUL_SET_CHANGES);
    if same != old["spec"] {
        let why = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', \
            'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
        wrong.push(Invalid::forbidden("spec", why));
    }
    wrong
}

pub(crate) fn validate_daemon_set(object: &Value) -> Vec<Invalid> {
    let (spec, mut wrong) = (&object["spec"], Vec::new());
    selector_and_template(spec, "daemonset", &mut wrong);
    non_negative(spec, &["minReadySeconds", "revisionHistoryLimit"], "spec", &mut wrong);
    let strategy = &spec["updateStrategy"];
    match text(&strategy["type"]) {
        "OnDelete" => {}
        "RollingUpdate" => {
            let path = "spec.updateStrategy.rollingUpdate";
            let update = &strategy["rollingUpdate"];
            count_or_percent(update, "maxUnavailable", path, &mut wrong);
            count_or_percent(update, "maxSurge", path, &mut wrong);
            let zero = |field: &str| update[field] == 0 || update[field] == "0%";
            if zero("maxUnavailable") && zero("maxSurge") {
                let why = "cannot be 0 when maxSurge is 0";
                wrong.push(Invalid::value(at(path, "maxUnavailable"), update["maxUnavailable"].clone(), why));
            }
            if !zero("maxUnavailable") && !zero("maxSurge") && has(update, "maxSurge") {
                let why = "may not be set when maxUnavailable is non-zero";
                wrong.push(Invalid::value(at(path, "maxSurge"), update["maxSurge"].clone(), why));
            }
        }
        other => {
            let words = ["RollingUpdate", "OnDelete"];
            wrong.push(Invalid::not_supported("spec.updateStrategy.type", other, &words));
        }
    }
    wrong
}

pub(crate) fn validate_daemon_set_update(old: &Value, new: &Value) -> Vec<Invalid> {
    let mut wrong = validate_daemon_set(new);
    immutable(&old["spec"], &new["spec"], &["selector"], "spec", &mut wrong);
    wrong
}
