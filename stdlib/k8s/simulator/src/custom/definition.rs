//! The CustomResourceDefinition itself: its defaults, what is refused, how it goes.

use serde_json::{Value, json};

use crate::context::{Cx, rfc3339, text};
use crate::kinds::{Column, Kind, Resource};
use crate::status::{Invalid, Reason, Result};

pub(crate) struct Definition;

/// Holds a definition until its objects are gone.
pub(super) const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

impl Kind for Definition {
    fn resource(&self) -> Resource {
        Resource::cluster(
            "apiextensions.k8s.io",
            "v1",
            "customresourcedefinitions",
            "CustomResourceDefinition",
        )
        .short("crd")
        .short("crds")
        .category("api-extensions")
        .status()
    }

    fn default(&self, object: &mut Value) {
        let spec = &mut object["spec"];
        let kind = text(&spec["names"]["kind"]).to_owned();
        for (field, name) in [("singular", kind.to_lowercase()), ("listKind", format!("{kind}List"))] {
            if text(&spec["names"][field]).is_empty() && !kind.is_empty() {
                spec["names"][field] = name.into();
            }
        }
        if !spec["conversion"].is_object() {
            spec["conversion"] = json!({"strategy": "None"});
        }
    }

    fn prepare_create(&self, _cx: &mut Cx<'_>, object: &mut Value) -> Result<()> {
        let stored: Vec<Value> = storage_versions(object).into_iter().take(1).collect();
        object["status"] = json!({"conditions": null, "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": stored});
        Ok(())
    }

    fn prepare_update(&self, _cx: &mut Cx<'_>, _old: &Value, new: &mut Value) -> Result<()> {
        for version in storage_versions(new) {
            let stored = &mut new["status"]["storedVersions"];
            match stored.as_array_mut() {
                Some(list) if list.contains(&version) => {}
                Some(list) => list.push(version),
                None => *stored = json!([version]),
            }
        }
        Ok(())
    }

    fn validate_create(&self, object: &Value) -> Vec<Invalid> {
        let mut wrong = Vec::new();
        let (name, spec) = (text(&object["metadata"]["name"]), &object["spec"]);
        if name != format!("{}.{}", text(&spec["names"]["plural"]), text(&spec["group"])) {
            wrong.push(Invalid::value("metadata.name", name, "must be spec.names.plural+\".\"+spec.group"));
        }
        let group = text(&spec["group"]);
        if group.is_empty() {
            wrong.push(Invalid::required("spec.group", ""));
        } else if !group.contains('.') {
            wrong.push(Invalid::value("spec.group", group, "should be a domain with at least one dot"));
        }
        match text(&spec["scope"]) {
            "Namespaced" | "Cluster" => {}
            "" => wrong.push(Invalid::required("spec.scope", "")),
            scope => wrong.push(Invalid::not_supported("spec.scope", scope, &["Cluster", "Namespaced"])),
        }
        for field in ["plural", "kind"] {
            if text(&spec["names"][field]).is_empty() {
                wrong.push(Invalid::required(format!("spec.names.{field}"), ""));
            }
        }
        wrong.extend(versions_wrong(object));
        wrong
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn deletion_answers_object(&self) -> bool {
        true
    }

    /// A definition stays until its objects have been deleted.
    fn holds_deletion(&self, object: &Value) -> bool {
        !crate::meta::is_deleting(object) || crate::meta::finalizers(object).next().is_some()
    }

    fn mark_deleting(&self, object: &mut Value, at: &str) {
        if crate::meta::is_deleting(object) {
            return;
        }
        let metadata = &mut object["metadata"];
        metadata["deletionTimestamp"] = at.into();
        match metadata["finalizers"].as_array_mut() {
            Some(list) => list.push(CLEANUP.into()),
            None => metadata["finalizers"] = json!([CLEANUP]),
        }
        let condition = json!({
            "type": "Terminating", "status": "True", "lastTransitionTime": at, "reason": "InstanceDeletionPending",
            "message": "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
        });
        match object["status"]["conditions"].as_array_mut() {
            Some(list) => list.push(condition),
            None => object["status"]["conditions"] = json!([condition]),
        }
    }

    fn columns(&self) -> Vec<Column> {
        vec![Column::name(), Column::new("Created At", "date", 0, crate::kinds::CREATED)]
    }

    fn cells(&self, object: &Value, _now: jiff::Timestamp) -> Vec<Value> {
        vec![object["metadata"]["name"].clone(), object["metadata"]["creationTimestamp"].clone()]
    }
}

fn storage_versions(object: &Value) -> Vec<Value> {
    let versions = object["spec"]["versions"].as_array().into_iter().flatten();
    versions.filter(|version| version["storage"] == true).map(|version| version["name"].clone()).collect()
}

fn versions_wrong(object: &Value) -> Vec<Invalid> {
    let mut wrong = Vec::new();
    let versions = object["spec"]["versions"].as_array().cloned().unwrap_or_default();
    let storage = storage_versions(object);
    if versions.is_empty() {
        wrong.push(Invalid::value(
            "spec.versions",
            Value::Null,
            "must have exactly one version marked as storage version",
        ));
    } else if storage.len() != 1 {
        let shown: Vec<String> = versions.iter().map(as_in_go).collect();
        wrong.push(Invalid {
            reason: Reason::Invalid,
            field: "spec.versions".to_owned(),
            value: None,
            detail: format!("[{}]: must have exactly one version marked as storage version", shown.join(",")),
        });
    }
    if let Some(last) = storage.last()
        && let Some(stored) =
            object["status"]["storedVersions"].as_array().filter(|stored| !stored.contains(last))
    {
        let detail = format!("must have the storage version {}", text(last));
        wrong.push(Invalid::value("status.storedVersions", stored.clone(), detail));
    }
    // A schema that all versions share is moved to the top, and errors name it there.
    let single = versions.len() == 1;
    for (index, version) in versions.iter().enumerate() {
        let schema = &version["schema"]["openAPIV3Schema"];
        if !schema.is_object() {
            wrong.push(Invalid::required(format!("spec.versions[{index}].schema.openAPIV3Schema"), ""));
            continue;
        }
        let at = if single {
            "spec.validation.openAPIV3Schema".to_owned()
        } else {
            format!("spec.versions[{index}].schema.openAPIV3Schema")
        };
        untyped(schema, &at, true, &mut wrong);
    }
    wrong
}

/// The internal type as Go's JSON shows it: its fields in their order.
fn as_in_go(version: &Value) -> String {
    let given = |field: &str| version[field].clone();
    let flag = |field: &str| Value::from(version[field] == true);
    let fields = [
        ("Name", given("name")),
        ("Served", flag("served")),
        ("Storage", flag("storage")),
        ("Deprecated", flag("deprecated")),
        ("DeprecationWarning", given("deprecationWarning")),
        ("Schema", Value::Null),
        ("Subresources", given("subresources")),
        ("AdditionalPrinterColumns", given("additionalPrinterColumns")),
        ("SelectableFields", given("selectableFields")),
    ];
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", fields.join(","))
}

/// A structural schema says the type of everything.
fn untyped(schema: &Value, at: &str, root: bool, wrong: &mut Vec<Invalid>) {
    let excused = schema["x-kubernetes-int-or-string"] == true
        || schema["x-kubernetes-preserve-unknown-fields"] == true;
    if text(&schema["type"]).is_empty() && (root || !excused) {
        let why = match (root, at.ends_with("items")) {
            (true, _) => "must not be empty at the root",
            (_, true) => "must not be empty for specified array items",
            _ => "must not be empty for specified object fields",
        };
        wrong.push(Invalid::required(format!("{at}.type"), why));
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        untyped(property, &format!("{at}.properties[{name}]"), false, wrong);
    }
    if schema["items"].is_object() {
        untyped(&schema["items"], &format!("{at}.items"), false, wrong);
    }
    if schema["additionalProperties"].is_object() {
        untyped(&schema["additionalProperties"], &format!("{at}.additionalProperties"), false, wrong);
    }
}

/// The status of a definition whose names are taken.
pub(super) fn established(object: &mut Value, now: jiff::Timestamp) {
    object["status"]["acceptedNames"] = object["spec"]["names"].clone();
    let at = rfc3339(now);
    if object["status"]["conditions"].as_array().is_none_or(Vec::is_empty) {
        object["status"]["conditions"] = json!([
            {"type": "NamesAccepted", "status": "True", "lastTransitionTime": at, "reason": "NoConflicts", "message": "no conflicts found"},
            {"type": "Established", "status": "True", "lastTransitionTime": at, "reason": "InitialNamesAccepted",
             "message": "the initial names have been accepted"},
        ]);
    }
}
