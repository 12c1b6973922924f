//! A custom kind in one version: everything about it is read from its definition.

use opsrun_k8s_schema::CustomSchema;
use opsrun_k8s_schema::custom::{FieldError, Refusal};
use serde_json::{Value, json};

use super::json_path::first;
use crate::context::{Cx, text};
use crate::discovery::priority;
use crate::kinds::{Column, Kind, Resource, ScalePaths, Subresource, age};
use crate::status::{Invalid, Reason, Result};
use crate::store::GroupResource;

/// One version of a custom kind.
pub(super) struct CustomKind {
    resource: Resource,
    schema: CustomSchema,
    columns: Vec<(Column, String)>,
    scale: Option<ScalePaths>,
    warning: Option<String>,
}

impl CustomKind {
    pub(super) fn new(definition: &Value, version: &Value) -> Self {
        let spec = &definition["spec"];
        let (group, names) = (text(&spec["group"]), &spec["names"]);
        let strings = |value: &Value| -> Vec<String> {
            value.as_array().into_iter().flatten().map(|item| text(item).to_owned()).collect()
        };
        let (plural, kind, name) = (text(&names["plural"]), text(&names["kind"]), text(&version["name"]));
        let mut resource = Resource::cluster(group, name, plural, kind);
        resource.namespaced = spec["scope"] == "Namespaced";
        resource.singular = text(&names["singular"]).to_owned();
        resource.list_kind = text(&names["listKind"]).to_owned();
        resource.short_names = strings(&names["shortNames"]);
        resource.categories = strings(&names["categories"]);
        resource.custom = true;
        resource.storage =
            GroupResource { group: group.to_owned().into(), resource: plural.to_owned().into() };
        let versions = || spec["versions"].as_array().into_iter().flatten();
        let storage = versions().find(|version| version["storage"] == true);
        storage.map_or(name, |version| text(&version["name"])).clone_into(&mut resource.hub_version);
        let subresources = &version["subresources"];
        if subresources["status"].is_object() {
            resource = resource.status();
        }
        let scale = subresources["scale"].is_object().then(|| ScalePaths {
            spec_replicas: text(&subresources["scale"]["specReplicasPath"]).to_owned(),
            status_replicas: text(&subresources["scale"]["statusReplicasPath"]).to_owned(),
            selector: subresources["scale"]["labelSelectorPath"].as_str().map(str::to_owned),
        });
        if scale.is_some() {
            resource = resource.scale();
        }
        let warning = (version["deprecated"] == true).then(|| match version["deprecationWarning"].as_str() {
            Some(own) => own.to_owned(),
            None => {
                let newer = versions()
                    .filter(|v| v["served"] == true && v["deprecated"] != true)
                    .map(|v| text(&v["name"]));
                let newest = newer.max_by_key(|name| priority(name));
                match newest {
                    Some(newest) => {
                        format!("{group}/{name} {kind} is deprecated; use {group}/{newest} {kind}")
                    }
                    None => format!("{group}/{name} {kind} is deprecated"),
                }
            }
        });
        Self {
            resource,
            schema: CustomSchema::new(&version["schema"]["openAPIV3Schema"]),
            columns: columns(version),
            scale,
            warning,
        }
    }
}

fn columns(version: &Value) -> Vec<(Column, String)> {
    let given = version["additionalPrinterColumns"].as_array().cloned().unwrap_or_default();
    if given.is_empty() {
        let age = Column { kind: "date".to_owned(), ..Column::age() };
        return vec![(age, ".metadata.creationTimestamp".to_owned())];
    }
    given
        .iter()
        .map(|column| {
            let path = text(&column["jsonPath"]).to_owned();
            let description = match text(&column["description"]) {
                "" => format!("Custom resource definition column (in JSONPath format): {path}"),
                own => own.to_owned(),
            };
            let priority = column["priority"].as_i64().and_then(|n| i32::try_from(n).ok()).unwrap_or(0);
            let mut shown = Column::new(text(&column["name"]), text(&column["type"]), priority, &description);
            text(&column["format"]).clone_into(&mut shown.format);
            (shown, path)
        })
        .collect()
}

impl Kind for CustomKind {
    fn resource(&self) -> Resource {
        self.resource.clone()
    }

    fn custom_schema(&self) -> Option<&CustomSchema> {
        Some(&self.schema)
    }

    fn default(&self, object: &mut Value) {
        self.schema.default(object);
    }

    fn prepare_create(&self, _cx: &mut Cx<'_>, object: &mut Value) -> Result<()> {
        if self.resource.has(Subresource::Status) {
            crate::meta::remove(object, "status");
        }
        Ok(())
    }

    fn prepare_status(&self, old: &Value, new: &mut Value) {
        let status = new.get("status").cloned();
        let owners = new["metadata"].get("managedFields").cloned();
        let version = new["metadata"].get("resourceVersion").cloned();
        *new = old.clone();
        match status {
            Some(status) => new["status"] = status,
            None => crate::meta::remove(new, "status"),
        }
        for (field, value) in [("managedFields", owners), ("resourceVersion", version)] {
            match value {
                Some(value) => new["metadata"][field] = value,
                None => crate::meta::remove(&mut new["metadata"], field),
            }
        }
    }

    fn validate_create(&self, object: &Value) -> Vec<Invalid> {
        self.schema.validate(object).into_iter().map(invalid).collect()
    }

    fn validate_status(&self, _old: &Value, new: &Value) -> Vec<Invalid> {
        self.validate_create(new)
    }

    fn has_generation(&self) -> bool {
        true
    }

    /// Everything but metadata and, where it is a subresource, status.
    fn is_new_generation(&self, old: &Value, new: &Value) -> bool {
        let bare = |object: &Value| {
            let mut object = object.clone();
            crate::meta::remove(&mut object, "metadata");
            if self.resource.has(Subresource::Status) {
                crate::meta::remove(&mut object, "status");
            }
            object
        };
        bare(old) != bare(new)
    }

    fn needs_version_on_update(&self) -> bool {
        true
    }

    fn deprecation(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    fn unsupported_field(&self, label: &str) -> String {
        format!("field label not supported: {label}")
    }

    fn columns(&self) -> Vec<Column> {
        let mut all = vec![Column::name()];
        all.extend(self.columns.iter().map(|(column, _)| column.clone()));
        all
    }

    fn cells(&self, object: &Value, now: jiff::Timestamp) -> Vec<Value> {
        let mut cells = vec![object["metadata"]["name"].clone()];
        for (column, path) in &self.columns {
            let found = first(object, path);
            cells.push(match (column.kind.as_str(), found) {
                ("date", _) if path == ".metadata.creationTimestamp" => age(object, now),
                ("date", Some(at)) => age(&json!({"metadata": {"creationTimestamp": at}}), now),
                ("string", Some(value)) if !value.is_string() => value.to_string().into(),
                ("integer", Some(value)) if value.as_i64().is_none() => Value::Null,
                (_, Some(value)) => value,
                (_, None) => Value::Null,
            });
        }
        cells
    }

    fn scale(&self) -> ScalePaths {
        self.scale.clone().unwrap_or_default()
    }
}

fn invalid(error: FieldError) -> Invalid {
    let reason = match error.reason {
        Refusal::Required => Reason::Required,
        Refusal::Invalid => Reason::Invalid,
        Refusal::TypeInvalid => Reason::TypeInvalid,
        Refusal::NotSupported => Reason::NotSupported,
        Refusal::Duplicate => Reason::Duplicate,
        Refusal::TooLong => Reason::TooLong,
        Refusal::TooMany => Reason::TooMany,
    };
    Invalid { reason, field: error.field, value: error.value, detail: error.detail }
}
