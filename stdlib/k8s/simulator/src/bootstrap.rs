//! What a cluster holds from its first moment: the four namespaces and what comes with them.
//! It runs once, before the first request.

use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::context::{Author, Cx, text};
use crate::status::{Result, Status};
use crate::store::GroupResource;

/// Creates the initial objects.
pub(crate) fn populate(cluster: &mut Cluster) {
    let mut cx = Cx::new(cluster, Author::component("kube-apiserver"));
    for (group, resource, object) in initial() {
        // A refusal here is a mistake in this file; the tests start clusters.
        cx.create(&GroupResource::new(group, resource), object).expect("an initial object is valid");
    }
    if let Some(class) = cx.cluster.estate().storage_class.clone() {
        let class = json!({
            "metadata": {
                "name": class, "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
            },
            "provisioner": "opsrun.dev/simulated",
        });
        cx.create(&GroupResource::new("storage.k8s.io", "storageclasses"), class)
            .expect("a storage class is valid");
    }
    let mut cx = Cx::new(cluster, Author::component("kubelet"));
    crate::kubelet::register(&mut cx).expect("a node of the estate is valid");
}

/// Creates the objects that the estate file lists, in order.
///
/// # Errors
/// What the server answers to the first that it refuses, with the object's place in the list before it.
pub(crate) fn create_estate_objects(cluster: &mut Cluster) -> Result<()> {
    let objects = cluster.estate().objects.clone();
    for (index, object) in objects.into_iter().enumerate() {
        let refused = |mut status: Status| {
            status.message = format!("kubernetes.objects[{index}]: {}", status.message);
            status
        };
        let mut cx = Cx::new(cluster, Author::component("estate"));
        let (version, kind) = (text(&object["apiVersion"]).to_owned(), text(&object["kind"]).to_owned());
        let Some((resource, namespaced)) = cx.resource_of(&version, &kind) else {
            return Err(refused(Status::bad_request(format!("no kind `{kind}` in `{version}` is served"))));
        };
        let mut object = object;
        if namespaced && text(&object["metadata"]["namespace"]).is_empty() {
            object["metadata"]["namespace"] = "default".into();
        }
        cx.create(&resource, object).map_err(refused)?;
    }
    Ok(())
}

fn initial() -> Vec<(&'static str, &'static str, Value)> {
    let mut all = Vec::new();
    for namespace in ["default", "kube-system", "kube-public", "kube-node-lease"] {
        all.push(("", "namespaces", json!({"metadata": {"name": namespace}})));
    }
    for (name, value, description) in [
        (
            "system-cluster-critical",
            2_000_000_000,
            "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
        ),
        (
            "system-node-critical",
            2_000_001_000,
            "Used for system critical pods that must not be moved from their current node.",
        ),
    ] {
        let class = json!({"metadata": {"name": name}, "value": value, "description": description});
        all.push(("scheduling.k8s.io", "priorityclasses", class));
    }
    all.push(("", "services", json!({
        "metadata": {"name": "kubernetes", "namespace": "default", "labels": {"component": "apiserver", "provider": "kubernetes"}},
        "spec": {"type": "ClusterIP", "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443}]},
    })));
    all.extend(roles());
    all
}

const RBAC: &str = "rbac.authorization.k8s.io";

/// The roles that every cluster has, and who has them.
fn roles() -> Vec<(&'static str, &'static str, Value)> {
    let everything = json!([
        {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
        {"nonResourceURLs": ["*"], "verbs": ["*"]},
    ]);
    let own_reviews = json!([
        {"apiGroups": ["authorization.k8s.io"], "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
         "verbs": ["create"]},
        {"apiGroups": ["authentication.k8s.io"], "resources": ["selfsubjectreviews"], "verbs": ["create"]},
    ]);
    let discovery = json!([{"verbs": ["get"], "nonResourceURLs": [
        "/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*", "/readyz", "/version", "/version/",
    ]}]);
    let public = json!([{"nonResourceURLs": ["/healthz", "/livez", "/readyz", "/version", "/version/"], "verbs": ["get"]}]);
    let authenticated = json!([{"apiGroup": RBAC, "kind": "Group", "name": "system:authenticated"}]);
    let anyone = json!([
        {"apiGroup": RBAC, "kind": "Group", "name": "system:authenticated"},
        {"apiGroup": RBAC, "kind": "Group", "name": "system:unauthenticated"},
    ]);
    let masters = json!([{"apiGroup": RBAC, "kind": "Group", "name": "system:masters"}]);
    let labels = json!({"kubernetes.io/bootstrapping": "rbac-defaults"});
    let mut all = Vec::new();
    for (name, rules, subjects) in [
        ("cluster-admin", everything, masters),
        ("system:basic-user", own_reviews, authenticated.clone()),
        ("system:discovery", discovery, authenticated),
        ("system:public-info-viewer", public, anyone),
    ] {
        all.push((
            RBAC,
            "clusterroles",
            json!({"metadata": {"name": name, "labels": labels}, "rules": rules}),
        ));
        let reference = json!({"apiGroup": RBAC, "kind": "ClusterRole", "name": name});
        let binding =
            json!({"metadata": {"name": name, "labels": labels}, "roleRef": reference, "subjects": subjects});
        all.push((RBAC, "clusterrolebindings", binding));
    }
    let (read, write) =
        (json!(["get", "list", "watch"]), json!(["create", "delete", "deletecollection", "patch", "update"]));
    let common = json!([
        {"apiGroups": [""], "resources": ["bindings", "configmaps", "endpoints", "events", "limitranges", "namespaces",
            "namespaces/status", "persistentvolumeclaims", "persistentvolumeclaims/status", "pods", "pods/log", "pods/status",
            "replicationcontrollers", "replicationcontrollers/scale", "resourcequotas", "serviceaccounts", "services"]},
        {"apiGroups": ["apps"], "resources": ["*"]},
        {"apiGroups": ["autoscaling"], "resources": ["*"]},
        {"apiGroups": ["batch"], "resources": ["*"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"]},
        {"apiGroups": ["networking.k8s.io"], "resources": ["ingresses", "ingresses/status", "networkpolicies"]},
        {"apiGroups": ["policy"], "resources": ["*"]},
    ]);
    let with = |verbs: &Value| -> Vec<Value> {
        let mut rules = common.as_array().cloned().unwrap_or_default();
        rules.iter_mut().for_each(|rule| rule["verbs"] = verbs.clone());
        rules
    };
    let secrets = json!({"apiGroups": [""], "resources": ["secrets", "pods/exec", "pods/attach", "pods/portforward", "pods/eviction",
        "serviceaccounts/token"], "verbs": ["*"]});
    let roles = json!({"apiGroups": [RBAC], "resources": ["roles", "rolebindings"], "verbs": ["*"]});
    let view = with(&read);
    let mut edit = view.clone();
    edit.extend(with(&write));
    edit.push(secrets);
    let mut admin = edit.clone();
    admin.push(roles);
    for (name, rules) in [("view", view), ("edit", edit), ("admin", admin)] {
        all.push((
            RBAC,
            "clusterroles",
            json!({"metadata": {"name": name, "labels": labels}, "rules": rules}),
        ));
    }
    all
}
