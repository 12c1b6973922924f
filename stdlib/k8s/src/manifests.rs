//! Manifests as playbooks give them (YAML text, maps, arrays, files), and the order in which objects are applied.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::PathBuf;

use opsrun_core::{Cx, Error, Result};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

use crate::object::Object;

/// YAML with any number of documents, an object, `#{ file: "path" }`, or an array of these.
#[derive(Debug, Clone, PartialEq)]
pub enum Manifests {
    Text(String),
    File(PathBuf),
    Object(Value),
    Many(Vec<Manifests>),
}

impl Manifests {
    /// The objects, in the order in which they are written; lists are taken apart.
    ///
    /// # Errors
    /// `Invalid` if something is no object of Kubernetes, and those of reading a file.
    pub fn load(&self, cx: &Cx) -> Result<Vec<Value>> {
        let mut objects = Vec::new();
        self.collect(cx, &mut objects)?;
        let mut seen = BTreeSet::new();
        for object in &objects {
            let group = object.text("/apiVersion").rsplit_once('/').map_or("", |(group, _)| group);
            let place = (group, object.text("/kind"), object.text("/metadata/namespace"), object.name());
            if !object.name().is_empty() && !seen.insert(place) {
                return Err(Error::invalid(format!(
                    "the {} `{}` is given twice: only one of them can be meant",
                    object.text("/kind"),
                    object.name()
                )));
            }
        }
        match objects.iter().find(|object| object.name().is_empty()) {
            Some(nameless) => Err(Error::invalid(format!(
                "a manifest of kind `{}` has no `metadata.name`",
                nameless.text("/kind")
            ))),
            None => Ok(objects),
        }
    }

    /// The objects, of which some may have a `generateName` only.
    ///
    /// # Errors
    /// As [`Manifests::load`].
    pub(crate) fn collect(&self, cx: &Cx, into: &mut Vec<Value>) -> Result<()> {
        match self {
            Manifests::Text(text) => parse("the manifest", text, into),
            Manifests::File(path) => {
                let text = cx.read_file(path)?;
                let text = std::str::from_utf8(&text)
                    .map_err(|_| Error::invalid(format!("`{}` is not text", path.display())))?;
                parse(&path.display().to_string(), text, into)
            }
            Manifests::Object(object) => flatten("the manifest", object.clone(), into),
            Manifests::Many(many) => many.iter().try_for_each(|one| one.collect(cx, into)),
        }
    }
}

/// Takes the documents of `text` as objects; `what` names it in errors.
///
/// # Errors
/// `Invalid` if the text is not YAML or a document is no object of Kubernetes.
pub fn parse(what: &str, text: &str, into: &mut Vec<Value>) -> Result<()> {
    for (index, document) in opsrun_core::yaml::documents(what, text)?.into_iter().enumerate() {
        flatten(&format!("document {} of {what}", index + 1), document, into)?;
    }
    Ok(())
}

fn flatten(what: &str, object: Value, into: &mut Vec<Value>) -> Result<()> {
    let missing =
        |field: &str| Error::invalid(format!("{what} is no Kubernetes object: it has no `{field}`"));
    if !object.is_object() {
        return Err(Error::invalid(format!("{what} is no Kubernetes object, but {}", kind_of(&object))));
    }
    for field in ["apiVersion", "kind"] {
        if object[field].as_str().is_none_or(str::is_empty) {
            return Err(missing(field));
        }
    }
    if object.text("/kind").ends_with("List")
        && let Some(items) = object.get("items").and_then(Value::as_array)
    {
        return items.iter().try_for_each(|item| flatten(what, item.clone(), into));
    }
    if object.name().is_empty() && object.text("/metadata/generateName").is_empty() {
        return Err(missing("metadata.name"));
    }
    into.push(object);
    Ok(())
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// Which objects go before which: those of a lower wave are in place before the next wave begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wave {
    /// Namespaces and priority classes: other objects name them.
    Places,
    /// Kinds, and the rules by which later objects are admitted.
    Rules,
    /// What workloads need when they start.
    Needs,
    Workloads,
    /// What leads to workloads or acts on them, and all kinds that Kubernetes itself does not have.
    Rest,
    /// Admission webhooks: they must not see the objects before whatever answers them runs.
    Webhooks,
}

impl Wave {
    pub fn of(kind: &str) -> Wave {
        match kind {
            "Namespace" | "PriorityClass" => Wave::Places,
            "CustomResourceDefinition" | "ResourceQuota" | "LimitRange" => Wave::Rules,
            "NetworkPolicy"
            | "PodDisruptionBudget"
            | "ServiceAccount"
            | "Secret"
            | "ConfigMap"
            | "StorageClass"
            | "PersistentVolume"
            | "PersistentVolumeClaim"
            | "ClusterRole"
            | "ClusterRoleBinding"
            | "Role"
            | "RoleBinding"
            | "Service"
            | "RuntimeClass" => Wave::Needs,
            "DaemonSet"
            | "Pod"
            | "ReplicationController"
            | "ReplicaSet"
            | "Deployment"
            | "StatefulSet"
            | "Job"
            | "CronJob" => Wave::Workloads,
            "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration" => Wave::Webhooks,
            _ => Wave::Rest,
        }
    }
}

impl<'de> Deserialize<'de> for Manifests {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(Value::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

fn read(value: Value) -> Result<Manifests, String> {
    match value {
        Value::String(text) => Ok(Manifests::Text(text)),
        Value::Object(map) if map.len() == 1 && map.contains_key("file") => match &map["file"] {
            Value::String(path) => Ok(Manifests::File(path.into())),
            _ => Err("`file` is the path of a file".to_owned()),
        },
        object @ Value::Object(_) => Ok(Manifests::Object(object)),
        Value::Array(many) => many.into_iter().map(read).collect::<Result<_, _>>().map(Manifests::Many),
        other => Err(format!(
            "expected manifests (YAML text, an object, `#{{ file: \"path\" }}` or an array of these), found {}",
            kind_of(&other)
        )),
    }
}

impl JsonSchema for Manifests {
    fn schema_name() -> Cow<'static, str> {
        "Manifests".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "YAML text, an object, `#{ file: \"path\" }`, or an array of these",
            "anyOf": [{ "type": "string" }, { "type": "object" }, { "type": "array" }]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_and_lists_become_objects_and_mistakes_are_placed() {
        let mut objects = Vec::new();
        let text = "# a comment\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\n---\n---\n\
                    apiVersion: v1\nkind: List\nitems:\n- { apiVersion: v1, kind: Secret, metadata: { name: b } }\n";
        parse("`x.yaml`", text, &mut objects).expect("manifests");
        assert_eq!(objects.iter().map(Object::name).collect::<Vec<_>>(), ["a", "b"]);
        for (text, expected) in [
            ("kind: A", "document 1 of x is no Kubernetes object: it has no `apiVersion`"),
            ("- a", "document 1 of x is no Kubernetes object, but an array"),
            (
                "apiVersion: v1\nkind: Pod\nmetadata: {labels: {}}",
                "document 1 of x is no Kubernetes object: it has no `metadata.name`",
            ),
        ] {
            assert_eq!(parse("x", text, &mut objects).expect_err(text).message(), expected);
        }
    }
}
