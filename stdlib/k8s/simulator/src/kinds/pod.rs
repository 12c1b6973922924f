//! Pods: what they get besides a template's defaults, and what admission adds.
//! Scheduling and running are the scheduler's and the kubelet's.

use serde_json::{Value, json};

use super::pod_spec::{default_spec, fill, items};
use super::{Column, Kind, Resource, Subresource, keep};
use crate::context::{Cx, text};
use crate::status::{Invalid, Result, Status};
use crate::store::GroupResource;

pub(super) struct Pod;

const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

impl Kind for Pod {
    fn resource(&self) -> Resource {
        Resource::namespaced("", "v1", "pods", "Pod").short("po").category("all").status().subs(&[
            Subresource::Attach,
            Subresource::Binding,
            Subresource::EphemeralContainers,
            Subresource::Eviction,
            Subresource::Exec,
            Subresource::Log,
            Subresource::PortForward,
            Subresource::Proxy,
            Subresource::Resize,
        ])
    }

    /// Ephemeral containers come by a path of their own; a status leaves the spec alone.
    fn validate_status(&self, old: &Value, new: &Value) -> Vec<Invalid> {
        if old["spec"] == new["spec"] { Vec::new() } else { self.validate_create(new) }
    }

    fn warnings(&self, old: Option<&Value>, new: &Value) -> Vec<String> {
        match old {
            Some(_) => Vec::new(),
            None => {
                let name = super::rules::name_warning(new, "the Pod's hostname");
                name.into_iter().chain(super::rules::pod_warnings(new, "")).collect()
            }
        }
    }

    fn validate_create(&self, object: &Value) -> Vec<Invalid> {
        let mut wrong = Vec::new();
        super::rules::validate_pod_spec(&object["spec"], "spec", &mut wrong);
        wrong
    }

    fn validate_update(&self, old: &Value, new: &Value) -> Vec<Invalid> {
        super::rules::validate_pod_update(old, new)
    }

    fn default(&self, object: &mut Value) {
        if !object["spec"].is_object() {
            return;
        }
        let spec = &mut object["spec"];
        default_spec(spec);
        fill(spec, "enableServiceLinks", true);
        for list in ["containers", "initContainers"] {
            items(spec, list).for_each(request_what_is_limited);
        }
    }

    fn prepare_create(&self, _cx: &mut Cx<'_>, object: &mut Value) -> Result<()> {
        let class = quality_of_service(&object["spec"]);
        object["status"] = json!({"phase": "Pending", "qosClass": class});
        Ok(())
    }

    fn prepare_status(&self, old: &Value, new: &mut Value) {
        keep(old, new, &["spec"]);
        keep(&old["metadata"], &mut new["metadata"], &["deletionTimestamp"]);
        keep(&old["status"], &mut new["status"], &["qosClass"]);
    }

    fn prepare_subresource(&self, sub: Subresource, old: &Value, new: &mut Value) -> Vec<Invalid> {
        let sent = new["spec"].take();
        keep(old, new, &["spec", "status"]);
        match sub {
            Subresource::EphemeralContainers => keep(&sent, &mut new["spec"], &["ephemeralContainers"]),
            Subresource::Resize => {
                for list in ["containers", "initContainers"] {
                    let sent = sent[list].as_array().cloned().unwrap_or_default();
                    for container in items(&mut new["spec"], list) {
                        if let Some(same) = sent.iter().find(|sent| sent["name"] == container["name"]) {
                            keep(same, container, &["resources", "resizePolicy"]);
                        }
                    }
                }
                let class = text(&old["status"]["qosClass"]);
                if quality_of_service(&new["spec"]) != class {
                    let why = "Pod QOS Class may not change as a result of resizing";
                    return vec![Invalid::value("spec", class, why)];
                }
            }
            _ => new["spec"] = sent,
        }
        Vec::new()
    }

    fn admit_create(&self, cx: &mut Cx<'_>, object: &mut Value) -> Result<()> {
        let namespace = text(&object["metadata"]["namespace"]).to_owned();
        let name = text(&object["metadata"]["name"]).to_owned();
        mount_token(cx, &namespace, &name, object)?;
        give_priority(cx, &name, object)?;
        tolerate_lost_nodes(&mut object["spec"]);
        super::limits::apply(cx, &namespace, object)?;
        Ok(())
    }

    fn admit_update(&self, _cx: &mut Cx<'_>, _old: &Value, new: &mut Value) -> Result<()> {
        tolerate_lost_nodes(&mut new["spec"]);
        Ok(())
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn deletion_answers_object(&self) -> bool {
        true
    }

    fn grace_period(&self, object: &Value, requested: Option<i64>) -> Option<i64> {
        let unscheduled = text(&object["spec"]["nodeName"]).is_empty();
        if unscheduled || matches!(text(&object["status"]["phase"]), "Succeeded" | "Failed") {
            return Some(0);
        }
        let wanted =
            requested.or_else(|| object["spec"]["terminationGracePeriodSeconds"].as_i64()).unwrap_or(0);
        Some(if wanted < 0 { 1 } else { wanted })
    }

    fn field(&self, object: &Value, label: &str) -> Option<String> {
        let (spec, status) = (&object["spec"], &object["status"]);
        let value = match label {
            "spec.nodeName" | "spec.host" => &spec["nodeName"],
            "spec.restartPolicy" => &spec["restartPolicy"],
            "spec.schedulerName" => &spec["schedulerName"],
            "spec.serviceAccountName" => &spec["serviceAccountName"],
            "status.phase" => &status["phase"],
            "status.podIP" => &status["podIP"],
            "status.podIPs" => &status["podIPs"][0]["ip"],
            "status.nominatedNodeName" => &status["nominatedNodeName"],
            "spec.hostNetwork" => return Some((spec["hostNetwork"] == true).to_string()),
            _ => return None,
        };
        Some(text(value).to_owned())
    }

    fn unsupported_field(&self, label: &str) -> String {
        format!("field label not supported: {label}")
    }

    fn columns(&self) -> Vec<Column> {
        super::pod_table::columns()
    }

    fn cells(&self, object: &Value, now: jiff::Timestamp) -> Vec<Value> {
        super::pod_table::cells(object, now)
    }
}

/// Limits without requests are requested.
fn request_what_is_limited(container: &mut Value) {
    let Some(limits) = container["resources"]["limits"].as_object().cloned() else { return };
    for (resource, amount) in limits {
        fill(&mut container["resources"]["requests"], &resource, amount);
    }
}

fn quality_of_service(spec: &Value) -> &'static str {
    let lists = ["containers", "initContainers"];
    let containers = || lists.iter().flat_map(|list| spec[*list].as_array().into_iter().flatten());
    let amount =
        |container: &Value, kind: &str, resource: &str| container["resources"][kind].get(resource).cloned();
    let any = containers().any(|container| {
        ["limits", "requests"]
            .iter()
            .any(|kind| ["cpu", "memory"].iter().any(|r| amount(container, kind, r).is_some()))
    });
    let guaranteed = containers().all(|container| {
        ["cpu", "memory"].iter().all(|resource| {
            let limit = amount(container, "limits", resource);
            limit.is_some() && limit == amount(container, "requests", resource)
        })
    });
    match (any, guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

/// The `ServiceAccount` admission: an account that exists, and its token in every container.
fn mount_token(cx: &mut Cx<'_>, namespace: &str, name: &str, object: &mut Value) -> Result<()> {
    let spec = &mut object["spec"];
    fill(spec, "serviceAccountName", "default");
    if text(&spec["serviceAccountName"]).is_empty() {
        spec["serviceAccountName"] = "default".into();
    }
    let account = text(&spec["serviceAccountName"]).to_owned();
    spec["serviceAccount"] = account.clone().into();
    let Some(found) = cx.get(&GroupResource::new("", "serviceaccounts"), namespace, &account) else {
        let why = format!(
            "error looking up service account {namespace}/{account}: serviceaccount \"{account}\" not found"
        );
        return Err(Status::forbidden("", "pods", name, &why));
    };
    if spec["imagePullSecrets"].as_array().is_none_or(Vec::is_empty)
        && let Some(secrets) = found["imagePullSecrets"].as_array().filter(|secrets| !secrets.is_empty())
    {
        spec["imagePullSecrets"] = secrets.clone().into();
    }
    let wanted =
        spec["automountServiceAccountToken"].as_bool().or(found["automountServiceAccountToken"].as_bool());
    if wanted == Some(false) {
        return Ok(());
    }
    let present =
        spec["volumes"].as_array().into_iter().flatten().map(|volume| text(&volume["name"]).to_owned());
    let volume = present.into_iter().find(|name| name.starts_with("kube-api-access-"));
    let fresh = volume.is_none();
    let volume = volume.unwrap_or_else(|| format!("kube-api-access-{}", cx.random_suffix(5)));
    let mut mounted = false;
    for list in ["containers", "initContainers"] {
        for container in items(spec, list) {
            let has = container["volumeMounts"]
                .as_array()
                .into_iter()
                .flatten()
                .any(|m| m["mountPath"] == TOKEN_PATH);
            if has {
                continue;
            }
            let mount = json!({"name": volume, "readOnly": true, "mountPath": TOKEN_PATH});
            push(container, "volumeMounts", mount);
            mounted = true;
        }
    }
    if mounted && fresh {
        push(spec, "volumes", token_volume(&volume));
    }
    Ok(())
}

fn push(object: &mut Value, list: &str, item: Value) {
    match object.get_mut(list).and_then(Value::as_array_mut) {
        Some(list) => list.push(item),
        None => object[list] = json!([item]),
    }
}

fn token_volume(name: &str) -> Value {
    json!({"name": name, "projected": {"defaultMode": 420, "sources": [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [
            {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}},
        ]}},
    ]}})
}

/// The `Priority` admission: a class by name, the default class, or 0.
fn give_priority(cx: &mut Cx<'_>, name: &str, object: &mut Value) -> Result<()> {
    let classes = GroupResource::new("scheduling.k8s.io", "priorityclasses");
    let spec = &mut object["spec"];
    let wanted = text(&spec["priorityClassName"]).to_owned();
    let class = if wanted.is_empty() {
        cx.list(&classes, None).into_iter().find(|class| class["globalDefault"] == true)
    } else {
        let Some(class) = cx.get(&classes, "", &wanted) else {
            return Err(Status::forbidden(
                "",
                "pods",
                name,
                &format!("no PriorityClass with name {wanted} was found"),
            ));
        };
        Some(class)
    };
    if let Some(class) = &class {
        spec["priorityClassName"] = class["metadata"]["name"].clone();
    }
    spec["priority"] = class.as_ref().map_or_else(|| 0.into(), |class| class["value"].clone());
    let policy =
        class.as_ref().and_then(|class| class["preemptionPolicy"].as_str()).unwrap_or("PreemptLowerPriority");
    fill(spec, "preemptionPolicy", policy);
    Ok(())
}

/// The `DefaultTolerationSeconds` admission: five minutes on a node that is lost.
fn tolerate_lost_nodes(spec: &mut Value) {
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let tolerated = spec["tolerations"].as_array().into_iter().flatten().any(|toleration| {
            let (own, effect) = (text(&toleration["key"]), text(&toleration["effect"]));
            (own == key || own.is_empty()) && (effect.is_empty() || effect == "NoExecute")
        });
        if !tolerated {
            let toleration =
                json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300});
            push(spec, "tolerations", toleration);
        }
    }
}
