//! Namespaces: a label that names them, finalizers in the spec, and a deletion that takes its time.

use serde_json::{Value, json};

use super::{Column, Kind, NameRule, Resource, Subresource, age, keep};
use crate::context::{Cx, text};
use crate::status::{Invalid, Result, Status};

pub(super) struct Namespace;

const NAME_LABEL: &str = "kubernetes.io/metadata.name";
/// They may not be deleted.
const IMMORTAL: [&str; 3] = ["default", "kube-system", "kube-public"];

impl Kind for Namespace {
    fn resource(&self) -> Resource {
        Resource::cluster("", "v1", "namespaces", "Namespace")
            .short("ns")
            .status()
            .with(Subresource::Finalize)
            .no_collection_delete()
    }

    fn default(&self, object: &mut Value) {
        let name = text(&object["metadata"]["name"]).to_owned();
        if !name.is_empty() {
            object["metadata"]["labels"][NAME_LABEL] = name.into();
        }
    }

    fn prepare_create(&self, _cx: &mut Cx<'_>, object: &mut Value) -> Result<()> {
        self.default(object);
        object["status"] = json!({"phase": "Active"});
        if !object["spec"].is_object() {
            object["spec"] = json!({});
        }
        let mut finalizers = object["spec"]["finalizers"].as_array().cloned().unwrap_or_default();
        if !finalizers.iter().any(|finalizer| finalizer == "kubernetes") {
            finalizers.push("kubernetes".into());
        }
        object["spec"]["finalizers"] = finalizers.into();
        Ok(())
    }

    fn prepare_update(&self, _cx: &mut Cx<'_>, old: &Value, new: &mut Value) -> Result<()> {
        keep(old, new, &["spec", "status"]);
        Ok(())
    }

    fn prepare_subresource(&self, sub: Subresource, old: &Value, new: &mut Value) -> Vec<Invalid> {
        if sub == Subresource::Finalize {
            keep(old, new, &["status"]);
        }
        Vec::new()
    }

    fn admit_delete(&self, _cx: &mut Cx<'_>, object: &Value) -> Result<()> {
        let name = text(&object["metadata"]["name"]);
        if IMMORTAL.contains(&name) {
            return Err(Status::forbidden("", "namespaces", name, "this namespace may not be deleted"));
        }
        Ok(())
    }

    fn validate_create(&self, object: &Value) -> Vec<Invalid> {
        crate::pod_security::validate_labels(object)
    }

    fn validate_status(&self, _old: &Value, new: &Value) -> Vec<Invalid> {
        let phase = text(&new["status"]["phase"]);
        let why = match (crate::meta::is_deleting(new), phase) {
            (false, "Active") | (true, "Terminating") => return Vec::new(),
            (false, _) => "may only be 'Active' if `deletionTimestamp` is empty",
            (true, _) => "may only be 'Terminating' if `deletionTimestamp` is not empty",
        };
        vec![Invalid::value("status.Phase", phase, why)]
    }

    fn name_rule(&self) -> NameRule {
        NameRule::Label
    }

    fn holds_deletion(&self, object: &Value) -> bool {
        object["spec"]["finalizers"].as_array().is_some_and(|finalizers| !finalizers.is_empty())
            || crate::meta::finalizers(object).next().is_some()
    }

    fn mark_deleting(&self, object: &mut Value, at: &str) {
        if !crate::meta::is_deleting(object) {
            object["metadata"]["deletionTimestamp"] = at.into();
        }
        object["status"]["phase"] = "Terminating".into();
    }

    fn deletion_answers_object(&self) -> bool {
        true
    }

    fn field(&self, object: &Value, label: &str) -> Option<String> {
        match label {
            "status.phase" => Some(text(&object["status"]["phase"]).to_owned()),
            "name" => Some(text(&object["metadata"]["name"]).to_owned()),
            _ => None,
        }
    }

    fn unsupported_field(&self, label: &str) -> String {
        format!("field label not supported: {label}")
    }

    fn columns(&self) -> Vec<Column> {
        vec![Column::name(), Column::new("Status", "string", 0, "The status of the namespace"), Column::age()]
    }

    fn cells(&self, object: &Value, now: jiff::Timestamp) -> Vec<Value> {
        vec![object["metadata"]["name"].clone(), object["status"]["phase"].clone(), age(object, now)]
    }
}
