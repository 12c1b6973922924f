//! Roles and their bindings: any path segment for a name, a role that cannot be exchanged, and their columns.

use serde_json::Value;

use super::pod_spec::{fill, items};
use super::{Column, Kind, NameRule, Resource, age};
use crate::context::text;
use crate::status::Invalid;

pub(super) const GROUP: &str = "rbac.authorization.k8s.io";

pub(super) struct Role;
pub(super) struct ClusterRole;
pub(super) struct RoleBinding;
pub(super) struct ClusterRoleBinding;

fn role_columns() -> Vec<Column> {
    vec![Column::name(), Column::new("Created At", "date", 0, super::CREATED)]
}

fn role_cells(object: &Value) -> Vec<Value> {
    let metadata = &object["metadata"];
    vec![metadata["name"].clone(), metadata["creationTimestamp"].clone()]
}

fn default_binding(object: &mut Value) {
    if object["roleRef"].is_object() {
        fill_text(&mut object["roleRef"], "apiGroup", GROUP);
    }
    for subject in items(object, "subjects") {
        if text(&subject["kind"]) != "ServiceAccount" {
            fill_text(subject, "apiGroup", GROUP);
        }
    }
}

/// An empty text counts as absent.
fn fill_text(object: &mut Value, field: &str, value: &str) {
    if text(&object[field]).is_empty() {
        if let Some(map) = object.as_object_mut() {
            map.remove(field);
        }
        fill(object, field, value);
    }
}

fn validate_binding(object: &Value) -> Vec<Invalid> {
    let mut wrong = Vec::new();
    let role = &object["roleRef"];
    if text(&role["apiGroup"]) != GROUP {
        wrong.push(Invalid::not_supported("roleRef.apiGroup", text(&role["apiGroup"]), &[GROUP]));
    }
    let kinds: &[&str] =
        if object["kind"] == "RoleBinding" { &["Role", "ClusterRole"] } else { &["ClusterRole"] };
    if !kinds.contains(&text(&role["kind"])) {
        wrong.push(Invalid::not_supported("roleRef.kind", text(&role["kind"]), kinds));
    }
    if text(&role["name"]).is_empty() {
        wrong.push(Invalid::required("roleRef.name", ""));
    }
    for (index, subject) in object["subjects"].as_array().into_iter().flatten().enumerate() {
        let path = |field: &str| format!("subjects[{index}].{field}");
        if text(&subject["name"]).is_empty() {
            wrong.push(Invalid::required(path("name"), ""));
        }
        let group = text(&subject["apiGroup"]);
        match text(&subject["kind"]) {
            "ServiceAccount" => {
                if !group.is_empty() {
                    wrong.push(Invalid::not_supported(path("apiGroup"), group, &[""]));
                }
                if object["kind"] == "ClusterRoleBinding" && text(&subject["namespace"]).is_empty() {
                    wrong.push(Invalid::required(path("namespace"), ""));
                }
            }
            "User" | "Group" => {
                if group != GROUP {
                    wrong.push(Invalid::not_supported(path("apiGroup"), group, &[GROUP]));
                }
            }
            other => {
                let words = ["Group", "ServiceAccount", "User"];
                wrong.push(Invalid::not_supported(path("kind"), other, &words));
            }
        }
    }
    wrong
}

fn validate_rules(object: &Value, namespaced: bool) -> Vec<Invalid> {
    let mut wrong = Vec::new();
    for (index, rule) in object["rules"].as_array().into_iter().flatten().enumerate() {
        let path = |field: &str| format!("rules[{index}].{field}");
        let empty = |field: &str| rule[field].as_array().is_none_or(Vec::is_empty);
        if empty("verbs") {
            wrong.push(Invalid::required(path("verbs"), "verbs must contain at least one value"));
        }
        if !empty("nonResourceURLs") {
            if namespaced {
                let why = "namespaced rules cannot apply to non-resource URLs";
                wrong.push(Invalid::value(path("nonResourceURLs"), rule["nonResourceURLs"].clone(), why));
            }
            continue;
        }
        if empty("apiGroups") {
            let why = "resource rules must supply at least one api group";
            wrong.push(Invalid::required(path("apiGroups"), why));
        }
        if empty("resources") {
            let why = "resource rules must supply at least one resource";
            wrong.push(Invalid::required(path("resources"), why));
        }
    }
    wrong
}

fn binding_columns(role: &str, of: &str) -> Vec<Column> {
    let wide = |name: &str| Column::new(name, "string", 1, &format!("{name} in the {of}"));
    vec![
        Column::name(),
        Column::new("Role", "string", 0, role),
        Column::age(),
        wide("Users"),
        wide("Groups"),
        wide("ServiceAccounts"),
    ]
}

fn binding_cells(object: &Value, now: jiff::Timestamp) -> Vec<Value> {
    let role = &object["roleRef"];
    let subjects = |kind: &str| -> Value {
        let of_kind = object["subjects"].as_array().into_iter().flatten().filter(|one| one["kind"] == kind);
        let names: Vec<String> = of_kind
            .map(|one| match (kind, text(&one["namespace"])) {
                ("ServiceAccount", namespace) => format!("{namespace}/{}", text(&one["name"])),
                _ => text(&one["name"]).to_owned(),
            })
            .collect();
        names.join(", ").into()
    };
    vec![
        object["metadata"]["name"].clone(),
        format!("{}/{}", text(&role["kind"]), text(&role["name"])).into(),
        age(object, now),
        subjects("User"),
        subjects("Group"),
        subjects("ServiceAccount"),
    ]
}

impl Kind for Role {
    fn resource(&self) -> Resource {
        Resource::namespaced(GROUP, "v1", "roles", "Role")
    }

    fn name_rule(&self) -> NameRule {
        NameRule::PathSegment
    }

    fn validate_create(&self, object: &Value) -> Vec<Invalid> {
        validate_rules(object, true)
    }

    fn columns(&self) -> Vec<Column> {
        role_columns()
    }

    fn cells(&self, object: &Value, _now: jiff::Timestamp) -> Vec<Value> {
        role_cells(object)
    }
}

impl Kind for ClusterRole {
    fn resource(&self) -> Resource {
        Resource::cluster(GROUP, "v1", "clusterroles", "ClusterRole")
    }

    fn name_rule(&self) -> NameRule {
        NameRule::PathSegment
    }

    fn validate_create(&self, object: &Value) -> Vec<Invalid> {
        validate_rules(object, false)
    }

    fn columns(&self) -> Vec<Column> {
        role_columns()
    }

    fn cells(&self, object: &Value, _now: jiff::Timestamp) -> Vec<Value> {
        role_cells(object)
    }
}

impl Kind for RoleBinding {
    fn resource(&self) -> Resource {
        Resource::namespaced(GROUP, "v1", "rolebindings", "RoleBinding")
    }

    fn default(&self, object: &mut Value) {
        default_binding(object);
    }

    fn name_rule(&self) -> NameRule {
        NameRule::PathSegment
    }

    fn validate_create(&self, object: &Value) -> Vec<Invalid> {
        validate_binding(object)
    }

    fn validate_update(&self, old: &Value, new: &Value) -> Vec<Invalid> {
        let mut wrong = validate_binding(new);
        wrong.extend(super::rules::validate_role_binding_update(old, new));
        wrong
    }

    fn columns(&self) -> Vec<Column> {
        let role = "RoleRef can reference a Role in the current namespace or a ClusterRole in the global namespace. If the \
            RoleRef cannot be resolved, the Authorizer must return an error.";
        binding_columns(role, "roleBinding")
    }

    fn cells(&self, object: &Value, now: jiff::Timestamp) -> Vec<Value> {
        binding_cells(object, now)
    }
}

impl Kind for ClusterRoleBinding {
    fn resource(&self) -> Resource {
        Resource::cluster(GROUP, "v1", "clusterrolebindings", "ClusterRoleBinding")
    }

    fn default(&self, object: &mut Value) {
        default_binding(object);
    }

    fn name_rule(&self) -> NameRule {
        NameRule::PathSegment
    }

    fn validate_create(&self, object: &Value) -> Vec<Invalid> {
        validate_binding(object)
    }

    fn validate_update(&self, old: &Value, new: &Value) -> Vec<Invalid> {
        let mut wrong = validate_binding(new);
        wrong.extend(super::rules::validate_role_binding_update(old, new));
        wrong
    }

    fn columns(&self) -> Vec<Column> {
        let role = "RoleRef can only reference a ClusterRole in the global namespace. If the RoleRef cannot be resolved, the \
            Authorizer must return an error.";
        binding_columns(role, "clusterRoleBinding")
    }

    fn cells(&self, object: &Value, now: jiff::Timestamp) -> Vec<Value> {
        binding_cells(object, now)
    }
}
