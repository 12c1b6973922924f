//! Objects and how people name them: `deployment/api`, `deployments.apps/api`, or an object that was read before.
//! Objects are plain JSON, so that every kind is treated alike.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;

use crate::discovery::Resource;

/// A kind, mostly with a name, as it stands in a playbook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectRef {
    pub kind: String,
    /// Only given by an object that was read before.
    pub api_version: Option<String>,
    pub name: Option<String>,
    pub namespace: Option<String>,
}

/// An object of the cluster, of a kind that the cluster serves.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    pub resource: Arc<Resource>,
    /// `None` for kinds without namespaces.
    pub namespace: Option<String>,
    pub name: String,
}

impl Address {
    pub(crate) fn path(&self) -> String {
        self.resource.path(self.namespace.as_deref(), Some(&self.name))
    }

    /// `deployment/api`
    pub fn short(&self) -> String {
        format!("{}/{}", self.resource.singular, self.name)
    }
}

/// `deployment/api in prod`
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.resource.singular, self.name)?;
        match &self.namespace {
            Some(namespace) => write!(f, " in {namespace}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        match &self.name {
            Some(name) => write!(f, "/{name}"),
            None => Ok(()),
        }
    }
}

impl Serialize for ObjectRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ObjectRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => text.parse().map_err(de::Error::custom),
            object @ Value::Object(_) => {
                let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
                let kind = text("/kind").ok_or_else(|| de::Error::custom("an object has a `kind`"))?;
                Ok(ObjectRef {
                    kind,
                    api_version: text("/apiVersion"),
                    name: text("/metadata/name").or_else(|| text("/name")),
                    namespace: text("/metadata/namespace").or_else(|| text("/namespace")),
                })
            }
            other => Err(de::Error::custom(format!(
                "`{other}` names no object: write it like `deployment/api`, or give an object that was read before"
            ))),
        }
    }
}

impl std::str::FromStr for ObjectRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, name) = match text.split_once('/') {
            Some((kind, name)) => (kind, Some(name)),
            None => (text, None),
        };
        let bad = |part: &str| part.is_empty() || part.contains(['/', ' ', '\n']);
        if bad(kind) || name.is_some_and(bad) {
            return Err(format!("`{text}` names no object: write it like `deployment/api`"));
        }
        Ok(ObjectRef {
            kind: kind.to_owned(),
            api_version: None,
            name: name.map(str::to_owned),
            namespace: None,
        })
    }
}

impl JsonSchema for ObjectRef {
    fn schema_name() -> Cow<'static, str> {
        "ObjectRef".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "`kind/name`, or an object that was read before",
            "anyOf": [{ "type": "string", "format": "kubernetes-object" }, { "type": "object" }]
        })
    }
}

/// A label selector: `app=web,tier!=cache`, or a map of labels.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Labels(String);

impl Labels {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// From the `spec.selector` of a workload, in the form of `matchLabels` and `matchExpressions`.
    pub fn of_selector(selector: &Value) -> Labels {
        let equal = selector["matchLabels"].as_object().into_iter().flatten();
        let mut terms: Vec<String> =
            equal.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
        for expression in selector["matchExpressions"].as_array().into_iter().flatten() {
            let key = expression["key"].as_str().unwrap_or_default();
            let values: Vec<&str> =
                expression["values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            terms.push(match expression["operator"].as_str().unwrap_or_default() {
                "In" => format!("{key} in ({})", values.join(",")),
                "NotIn" => format!("{key} notin ({})", values.join(",")),
                "DoesNotExist" => format!("!{key}"),
                _ => key.to_owned(),
            });
        }
        Labels(terms.join(","))
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Labels(text)),
            Value::Object(map) => {
                let terms = map.iter().map(|(key, value)| match value {
                    Value::String(value) => Ok(format!("{key}={value}")),
                    Value::Number(_) | Value::Bool(_) => Ok(format!("{key}={value}")),
                    _ => Err(de::Error::custom(format!("the label `{key}` needs a text as its value"))),
                });
                Ok(Labels(terms.collect::<Result<Vec<_>, _>>()?.join(",")))
            }
            other => Err(de::Error::custom(format!(
                "`{other}` selects nothing: write it like `app=web` or `#{{ app: \"web\" }}`"
            ))),
        }
    }
}

impl JsonSchema for Labels {
    fn schema_name() -> Cow<'static, str> {
        "Labels".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "a label selector such as `app=web,tier!=cache`, or a map of labels",
            "anyOf": [{ "type": "string" }, { "type": "object", "additionalProperties": { "type": "string" } }]
        })
    }
}

/// What one reads of any object.
pub trait Object {
    fn text(&self, pointer: &str) -> &str;
    fn name(&self) -> &str;
    fn uid(&self) -> &str;
    fn resource_version(&self) -> &str;
    fn conditions(&self) -> impl Iterator<Item = &Value>;
    fn condition(&self, kind: &str) -> Option<&Value> {
        self.conditions().find(|condition| condition["type"] == kind)
    }
    /// The uid of the owner that manages it.
    fn controller(&self) -> Option<&str>;
    fn items(&self, pointer: &str) -> &[Value];
    fn number(&self, pointer: &str) -> i64;
}

impl Object for Value {
    fn text(&self, pointer: &str) -> &str {
        self.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    fn uid(&self) -> &str {
        self.text("/metadata/uid")
    }

    fn resource_version(&self) -> &str {
        self.text("/metadata/resourceVersion")
    }

    fn conditions(&self) -> impl Iterator<Item = &Value> {
        self.items("/status/conditions").iter()
    }

    fn controller(&self) -> Option<&str> {
        self.items("/metadata/ownerReferences")
            .iter()
            .find(|owner| owner["controller"] == true)
            .and_then(|owner| owner["uid"].as_str())
    }

    fn items(&self, pointer: &str) -> &[Value] {
        self.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    }

    fn number(&self, pointer: &str) -> i64 {
        self.pointer(pointer).and_then(Value::as_i64).unwrap_or_default()
    }
}
