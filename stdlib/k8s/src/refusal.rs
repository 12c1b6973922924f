//! The error answers of an API server, for faults that are injected at the gate.

use http::StatusCode;
use opsrun_core::{Access, Refusal};
use serde_json::json;

/// The Status that the API server would answer.
pub(crate) fn of(status: StatusCode, access: &Access) -> Refusal {
    let resource = access.resource.split('/').next().unwrap_or_default();
    let group = group_of(resource);
    let qualified = if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") };
    let name = access.name.as_deref().unwrap_or_default();
    let (reason, message) = match status.as_u16() {
        400 => ("BadRequest", "the request is bad (injected fault)".to_owned()),
        401 => ("Unauthorized", "Unauthorized".to_owned()),
        403 => ("Forbidden", forbidden(access, group, &qualified)),
        404 => ("NotFound", format!("{qualified} \"{name}\" not found")),
        409 => (
            "Conflict",
            format!(
                "Operation cannot be fulfilled on {qualified} \"{name}\": the object has been modified; please apply \
                 your changes to the latest version and try again"
            ),
        ),
        422 => ("Invalid", format!("{qualified} \"{name}\" is invalid: injected fault")),
        429 => ("TooManyRequests", "too many requests, please try again later (injected fault)".to_owned()),
        500 => ("InternalError", "Internal error occurred: injected fault".to_owned()),
        503 => ("ServiceUnavailable", "the server is currently unable to handle the request".to_owned()),
        504 => ("Timeout", "the request did not complete within the allotted timeout".to_owned()),
        _ => ("", format!("{status} (injected fault)")),
    };
    let mut details = json!({});
    for (key, value) in [("name", name), ("group", group), ("kind", resource)] {
        if !value.is_empty() {
            details[key] = value.into();
        }
    }
    let body = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "details": details,
        "code": status.as_u16(),
    });
    Refusal { content_type: "application/json", body: format!("{body}\n").into() }
}

fn forbidden(access: &Access, group: &str, qualified: &str) -> String {
    let object = access.name.as_ref().map(|name| format!(" \"{name}\"")).unwrap_or_default();
    let place = match &access.namespace {
        Some(namespace) => format!(" in the namespace \"{namespace}\""),
        None => " at the cluster scope".to_owned(),
    };
    format!(
        "{qualified}{object} is forbidden: User \"opsrun\" cannot {} resource \"{}\" in API group \"{group}\"{place}",
        access.verb, access.resource
    )
}

/// The groups of Kubernetes' own resources; a request's access does not bear them.
fn group_of(resource: &str) -> &'static str {
    match resource {
        "deployments" | "statefulsets" | "daemonsets" | "replicasets" | "controllerrevisions" => "apps",
        "jobs" | "cronjobs" => "batch",
        "horizontalpodautoscalers" => "autoscaling",
        "ingresses" | "ingressclasses" | "networkpolicies" => "networking.k8s.io",
        "poddisruptionbudgets" => "policy",
        "roles" | "rolebindings" | "clusterroles" | "clusterrolebindings" => "rbac.authorization.k8s.io",
        "storageclasses" | "volumeattachments" | "csidrivers" | "csinodes" => "storage.k8s.io",
        "customresourcedefinitions" => "apiextensions.k8s.io",
        "apiservices" => "apiregistration.k8s.io",
        "leases" => "coordination.k8s.io",
        "endpointslices" => "discovery.k8s.io",
        "priorityclasses" => "scheduling.k8s.io",
        "mutatingwebhookconfigurations" | "validatingwebhookconfigurations" => "admissionregistration.k8s.io",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use opsrun_core::Effect;

    use super::*;

    #[test]
    fn a_refusal_reads_like_the_api_servers() {
        let access = Access {
            system: "k8s".into(),
            verb: "patch".into(),
            resource: "deployments".into(),
            name: Some("api".into()),
            namespace: Some("prod".into()),
            effect: Effect::Write,
        };
        let refusal = of(StatusCode::FORBIDDEN, &access);
        let status: kube::core::Status = serde_json::from_slice(&refusal.body).expect("a Status");
        assert_eq!(
            status.message,
            "deployments.apps \"api\" is forbidden: User \"opsrun\" cannot patch resource \"deployments\" in API group \
             \"apps\" in the namespace \"prod\""
        );
        assert_eq!((status.code, status.reason.as_str()), (403, "Forbidden"));
    }
}
