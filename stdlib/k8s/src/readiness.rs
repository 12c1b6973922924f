//! Whether an object has become what its spec asks for, by the rules of `kubectl rollout status` and kstatus.
//! It reads one object and knows no cluster.

use serde_json::Value;

use crate::object::Object;

/// How far an object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    Ready,
    /// Not yet, and what is missing.
    Waiting(String),
    /// It will not become ready by waiting, and why.
    Failed(String),
}

use Readiness::{Failed, Ready, Waiting};

/// How far `object` is. A Job is ready when it has completed.
pub fn of(object: &Value) -> Readiness {
    if !object.text("/metadata/deletionTimestamp").is_empty() {
        return Waiting("is being deleted".to_owned());
    }
    let generation = object.number("/metadata/generation");
    let observed = object.pointer("/status/observedGeneration").and_then(Value::as_i64);
    if let Some(observed) = observed
        && observed < generation
    {
        return Waiting("its latest change has not been looked at yet".to_owned());
    }
    let group = object.text("/apiVersion").split_once('/').map_or("", |(group, _)| group);
    match (group, object.text("/kind")) {
        ("apps", "Deployment") => deployment(object, observed),
        ("apps", "StatefulSet") => stateful_set(object, observed),
        ("apps", "DaemonSet") => daemon_set(object, observed),
        ("apps", "ReplicaSet") | ("", "ReplicationController") => replicas(object),
        ("batch", "Job") => job(object),
        ("", "Pod") => pod(object),
        ("", "PersistentVolumeClaim") => phase(object, "Bound"),
        ("", "Namespace") => phase(object, "Active"),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => definition(object),
        ("apiregistration.k8s.io", "APIService") => condition(object, "Available"),
        _ => any(object),
    }
}

fn deployment(object: &Value, observed: Option<i64>) -> Readiness {
    if observed.is_none() {
        return Waiting("its controller has not looked at it yet".to_owned());
    }
    if let Some(progressing) = object.condition("Progressing")
        && progressing["reason"] == "ProgressDeadlineExceeded"
        && !is_older_than_the_latest_change(progressing, object)
    {
        return Failed("it exceeded its progress deadline".to_owned());
    }
    let wanted = object.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
    let status = |field: &str| object.number(&format!("/status/{field}"));
    let (updated, all, available) =
        (status("updatedReplicas"), status("replicas"), status("availableReplicas"));
    if updated < wanted && object.pointer("/spec/paused") == Some(&Value::Bool(true)) {
        Waiting(format!("{updated} of {wanted} replicas are updated, and it is paused (`spec.paused`)"))
    } else if updated < wanted {
        Waiting(format!("{updated} of {wanted} replicas are updated"))
    } else if all > updated {
        Waiting(format!("{} old replicas are still there", all - updated))
    } else if available < updated {
        Waiting(format!("{available} of {updated} replicas are available"))
    } else {
        Ready
    }
}

/// The deployment controller leaves an exceeded deadline standing when a change goes back to a ReplicaSet that exists, until
/// that makes progress. Both times are the server's, to the second; no deadline is shorter than that.
fn is_older_than_the_latest_change(condition: &Value, object: &Value) -> bool {
    let writes = object.items("/metadata/managedFields").iter();
    let changed =
        writes.filter(|write| write["subresource"].is_null()).filter_map(|write| write["time"].as_str());
    // RFC 3339 in UTC without fractions: the order of the texts is that of the times.
    changed.max().is_some_and(|changed| condition.text("/lastUpdateTime") <= changed)
}

fn stateful_set(object: &Value, observed: Option<i64>) -> Readiness {
    if observed.is_none() {
        return Waiting("its controller has not looked at it yet".to_owned());
    }
    let wanted = object.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
    let ready = object.number("/status/readyReplicas");
    if ready < wanted {
        return Waiting(format!("{ready} of {wanted} replicas are ready"));
    }
    if object.text("/spec/updateStrategy/type") == "OnDelete" {
        return Ready;
    }
    let updated = object.number("/status/updatedReplicas");
    let partition = object.number("/spec/updateStrategy/rollingUpdate/partition");
    if partition > 0 {
        let to_update = (wanted - partition).max(0);
        return if updated < to_update {
            Waiting(format!("{updated} of {to_update} replicas are updated"))
        } else {
            Ready
        };
    }
    if object.text("/status/updateRevision") == object.text("/status/currentRevision") {
        Ready
    } else {
        Waiting(format!("{updated} of {wanted} replicas are updated"))
    }
}

fn daemon_set(object: &Value, observed: Option<i64>) -> Readiness {
    if observed.is_none() {
        return Waiting("its controller has not looked at it yet".to_owned());
    }
    let status = |field: &str| object.number(&format!("/status/{field}"));
    let wanted = status("desiredNumberScheduled");
    let (updated, available) = (status("updatedNumberScheduled"), status("numberAvailable"));
    if object.text("/spec/updateStrategy/type") != "OnDelete" && updated < wanted {
        Waiting(format!("{updated} of {wanted} pods are updated"))
    } else if available < wanted {
        Waiting(format!("{available} of {wanted} pods are available"))
    } else {
        Ready
    }
}

fn replicas(object: &Value) -> Readiness {
    let wanted = object.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
    let ready = object.number("/status/readyReplicas");
    if ready < wanted { Waiting(format!("{ready} of {wanted} replicas are ready")) } else { Ready }
}

fn job(object: &Value) -> Readiness {
    if is_true(object, "Complete") {
        return Ready;
    }
    match object.condition("Failed").filter(|failed| failed["status"] == "True") {
        Some(failed) => Failed(format!("{} ({})", failed.text("/message"), failed.text("/reason"))),
        None if object.pointer("/spec/suspend") == Some(&Value::Bool(true)) => {
            Waiting("it is suspended (`spec.suspend`)".to_owned())
        }
        None => Waiting(format!(
            "{} of {} completions",
            object.number("/status/succeeded"),
            object.pointer("/spec/completions").and_then(Value::as_i64).unwrap_or(1)
        )),
    }
}

fn pod(object: &Value) -> Readiness {
    match object.text("/status/phase") {
        "Succeeded" => Ready,
        "Failed" => Failed("it failed".to_owned()),
        _ if is_true(object, "Ready") => Ready,
        "" => Waiting("it has no state yet".to_owned()),
        phase => Waiting(format!("it is {}, not ready", phase.to_lowercase())),
    }
}

fn phase(object: &Value, wanted: &str) -> Readiness {
    let phase = object.text("/status/phase");
    if phase == wanted { Ready } else { Waiting(format!("its phase is `{phase}`, not `{wanted}`")) }
}

fn definition(object: &Value) -> Readiness {
    match object.condition("NamesAccepted").filter(|accepted| accepted["status"] == "False") {
        Some(accepted) => Failed(accepted.text("/message").to_owned()),
        None => condition(object, "Established"),
    }
}

fn condition(object: &Value, kind: &str) -> Readiness {
    if is_true(object, kind) {
        return Ready;
    }
    match object.condition(kind).map(|found| found.text("/message")).filter(|text| !text.is_empty()) {
        Some(message) => Waiting(message.to_owned()),
        None => Waiting(format!("it is not {kind}")),
    }
}

/// Kinds of others, by the conditions that the Kubernetes conventions give a meaning.
fn any(object: &Value) -> Readiness {
    let message = |kind: &str, when: &[&str]| {
        let found = object.condition(kind)?;
        when.contains(&found.text("/status")).then(|| match found.text("/message") {
            "" => format!("`{kind}` is {}", found.text("/status")),
            message => message.to_owned(),
        })
    };
    if let Some(why) = message("Stalled", &["True"]) {
        Failed(why)
    } else if let Some(why) = message("Reconciling", &["True"]).or(message("Ready", &["False", "Unknown"])) {
        Waiting(why)
    } else {
        Ready
    }
}

fn is_true(object: &Value, kind: &str) -> bool {
    object.condition(kind).is_some_and(|condition| condition["status"] == "True")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_is_as_ready_as_its_status_says() {
        let deployment = |status: Value| {
            json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "generation": 2 },
                    "spec": { "replicas": 2 }, "status": status })
        };
        let waiting = |why: &str| Waiting(why.to_owned());
        for (object, expected) in [
            (deployment(json!({})), waiting("its controller has not looked at it yet")),
            (
                deployment(json!({ "observedGeneration": 1 })),
                waiting("its latest change has not been looked at yet"),
            ),
            (
                deployment(json!({ "observedGeneration": 2, "updatedReplicas": 1, "replicas": 2 })),
                waiting("1 of 2 replicas are updated"),
            ),
            (
                deployment(json!({ "observedGeneration": 2, "updatedReplicas": 2, "replicas": 3 })),
                waiting("1 old replicas are still there"),
            ),
            (
                deployment(
                    json!({ "observedGeneration": 2, "updatedReplicas": 2, "replicas": 2, "availableReplicas": 1 }),
                ),
                waiting("1 of 2 replicas are available"),
            ),
            (
                deployment(
                    json!({ "observedGeneration": 2, "updatedReplicas": 2, "replicas": 2, "availableReplicas": 2 }),
                ),
                Ready,
            ),
            (
                deployment(json!({ "observedGeneration": 2, "updatedReplicas": 1, "conditions":
                    [{ "type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded" }] })),
                Failed("it exceeded its progress deadline".to_owned()),
            ),
            (
                {
                    let mut rolled_back =
                        deployment(json!({ "observedGeneration": 2, "updatedReplicas": 1, "conditions":
                        [{ "type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded",
                           "lastUpdateTime": "2026-03-02T03:05:00Z" }] }));
                    rolled_back["metadata"]["managedFields"] = json!([
                        { "manager": "helm", "time": "2026-03-02T03:05:00Z" },
                        { "manager": "kube-controller-manager", "subresource": "status", "time": "2026-03-02T03:05:00Z" },
                    ]);
                    rolled_back
                },
                waiting("1 of 2 replicas are updated"),
            ),
            (
                json!({ "apiVersion": "batch/v1", "kind": "Job", "status": { "conditions":
                    [{ "type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "Too often" }] } }),
                Failed("Too often (BackoffLimitExceeded)".to_owned()),
            ),
            (
                json!({ "apiVersion": "cert-manager.io/v1", "kind": "Certificate", "status": { "conditions":
                    [{ "type": "Ready", "status": "False", "message": "no issuer" }] } }),
                waiting("no issuer"),
            ),
            (json!({ "apiVersion": "v1", "kind": "ConfigMap" }), Ready),
            (
                json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "deletionTimestamp": "2026-01-01T00:00:00Z" } }),
                waiting("is being deleted"),
            ),
        ] {
            assert_eq!(of(&object), expected, "{object}");
        }
    }
}
