//! The part of admission that concerns every kind: namespaces that are absent, going or full, and what they forbid pods.
//! Admission of single kinds is theirs (`Kind::admit_*`).

use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::context::{Cx, text};
use crate::controllers::object::PODS;
use crate::meta;
use crate::pod_security::violation;
use crate::registry::Served;
use crate::status::{Result, Status};
use crate::store::GroupResource;

/// `NamespaceLifecycle` and `ResourceQuota`: a new object needs a namespace that exists, is not being deleted and has room.
pub(crate) fn namespace_accepts(cx: &Cx<'_>, served: &Served, namespace: &str, object: &Value) -> Result<()> {
    if !served.resource.namespaced {
        return Ok(());
    }
    let Some(found) = cx.get(&GroupResource::new("", "namespaces"), "", namespace) else {
        return Err(Status::not_found("", "namespaces", namespace));
    };
    if !meta::is_deleting(&found) {
        if served.resource.storage == PODS
            && let Some(why) = violation(&found, "enforce", object)
        {
            let name = text(&object["metadata"]["name"]);
            return Err(Status::forbidden("", "pods", name, &format!("violates {why}")));
        }
        return crate::kinds::quota::admit(cx, &served.resource.storage, object);
    }
    let name = text(&object["metadata"]["name"]);
    let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
    let mut refusal = Status::forbidden(&served.resource.group, &served.resource.plural, name, &why);
    if let Some(details) = &mut refusal.details {
        details["causes"] = json!([{
            "reason": "NamespaceTerminating",
            "message": format!("namespace {namespace} is being terminated"),
            "field": "metadata.namespace",
        }]);
    }
    Err(refusal)
}

/// `PodSecurity`: the warning about a new pod, or about a new pod template of a workload.
pub(crate) fn pod_security_warning(
    cluster: &Cluster,
    served: &Served,
    namespace: &str,
    old: Option<&Value>,
    object: &Value,
) -> Option<String> {
    let at = match (served.resource.group.as_str(), served.resource.plural.as_str()) {
        ("", "pods") => "",
        ("", "podtemplates") => "/template",
        ("", "replicationcontrollers")
        | ("apps", "deployments" | "replicasets" | "statefulsets" | "daemonsets")
        | ("batch", "jobs") => "/spec/template",
        ("batch", "cronjobs") => "/spec/jobTemplate/spec/template",
        _ => return None,
    };
    let pod = object.pointer(at)?;
    if old.is_some_and(|old| old.pointer(at).is_some_and(|old| old["spec"] == pod["spec"])) {
        return None;
    }
    let namespace = cluster.store.get(&GroupResource::new("", "namespaces"), "", namespace)?;
    violation(namespace, "warn", pod).map(|why| format!("would violate {why}"))
}
