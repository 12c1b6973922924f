//! Roles and bindings: names are path segments, subjects and references get their API group.

use serde_json::{Value, json};

use super::pod_spec::{fill, items};
use super::{CREATED, Column, Kind, NameRule, Resource};
use crate::context::text;
use crate::status::Invalid;

const GROUP: &str = "rbac.authorization.k8s.io";

pub(super) struct Role;

impl Kind for Role {
    fn resource(&self) -> Resource {
        Resource::namespaced(GROUP, "v1", "roles", "Role")
    }

    fn name_rule(&self) -> NameRule {
        NameRule::PathSegment
    }

    fn columns(&self) -> Vec<Column> {
        role_columns()
    }

    fn cells(&self, object: &Value, _now: jiff::Timestamp) -> Vec<Value> {
        role_cells(object)
    }
}

pub(super) struct ClusterRole;

impl Kind for ClusterRole {
    fn resource(&self) -> Resource {
        Resource::cluster(GROUP, "v1", "clusterroles", "ClusterRole")
    }

    fn name_rule(&self) -> NameRule {
        NameRule::PathSegment
    }

    fn columns(&self) -> Vec<Column> {
        role_columns()
    }

    fn cells(&self, object: &Value, _now: jiff::Timestamp) -> Vec<Value> {
        role_cells(object)
    }
}

fn role_columns() -> Vec<Column> {
    vec![Column::name(), Column::new("Created At", "date", 0, CREATED)]
}

fn role_cells(object: &Value) -> Vec<Value> {
    vec![object["metadata"]["name"].clone(), object["metadata"]["creationTimestamp"].clone()]
}

pub(super) struct RoleBinding;

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

    fn validate_update(&self, old: &Value, new: &Value) -> Vec<Invalid> {
        cannot_change_role(old, new)
    }

    fn columns(&self) -> Vec<Column> {
        binding_columns()
    }

    fn cells(&self, object: &Value, now: jiff::Timestamp) -> Vec<Value> {
        binding_cells(object, now)
    }
}

pub(super) struct ClusterRoleBinding;

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

    fn validate_update(&self, old: &Value, new: &Value) -> Vec<Invalid> {
        cannot_change_role(old, new)
    }

    fn columns(&self) -> Vec<Column> {
        binding_columns()
    }

    fn cells(&self, object: &Value, now: jiff::Timestamp) -> Vec<Value> {
        binding_cells(object, now)
    }
}

fn default_binding(object: &mut Value) {
    if text(&object["roleRef"]["apiGroup"]).is_empty() {
        object["roleRef"]["apiGroup"] = GROUP.into();
    }
    for subject in items(object, "subjects") {
        if matches!(text(&subject["kind"]), "User" | "Group") {
            fill(subject, "apiGroup", GROUP);
        }
    }
}

fn cannot_change_role(old: &Value, new: &Value) -> Vec<Invalid> {
    if old["roleRef"] == new["roleRef"] {
        return Vec::new();
    }
    let shown = &new["roleRef"];
    let shown = json!({"APIGroup": shown["apiGroup"], "Kind": shown["kind"], "Name": shown["name"]});
    vec![Invalid::value("roleRef", shown, "cannot change roleRef")]
}

fn binding_columns() -> Vec<Column> {
    vec![
        Column::name(),
        Column::new(
            "Role",
            "string",
            0,
            "RoleRef can reference a Role in the current namespace or a ClusterRole in the global namespace. If the RoleRef cannot be resolved, the Authorizer must return an error. This field is immutable.",
        ),
        Column::age(),
        Column::new("Users", "string", 1, "Users in the binding"),
        Column::new("Groups", "string", 1, "Groups in the binding"),
        Column::new("ServiceAccounts", "string", 1, "ServiceAccounts in the binding"),
    ]
}

fn binding_cells(object: &Value, now: jiff::Timestamp) -> Vec<Value> {
    let subjects = |kind: &str| -> Value {
        let all =
            object["subjects"].as_array().into_iter().flatten().filter(|subject| subject["kind"] == kind);
        let names: Vec<String> = all
            .map(|subject| match kind {
                "ServiceAccount" => format!("{}/{}", text(&subject["namespace"]), text(&subject["name"])),
                _ => text(&subject["name"]).to_owned(),
            })
            .collect();
        names.join(", ").into()
    };
    let role = format!("{}/{}", text(&object["roleRef"]["kind"]), text(&object["roleRef"]["name"]));
    vec![
        object["metadata"]["name"].clone(),
        role.into(),
        super::age(object, now),
        subjects("User"),
        subjects("Group"),
        subjects("ServiceAccount"),
    ]
}
