//! Custom resources: what a CRD's structural schema makes of an object: pruned, defaulted, validated.
//! Rules in CEL (`x-kubernetes-validations`) are not evaluated; `has_rules` says whether there are any.

use regex::Regex;
use serde_json::{Map, Value, json};

use crate::decode::{DecodeError, Decoded, decode};
use crate::json::Document;
use crate::schema::{Field, ListKind, Object, Scalar, Schema, Shape};

const PRESERVE: &str = "x-kubernetes-preserve-unknown-fields";
const INT_OR_STRING: &str = "x-kubernetes-int-or-string";
const EMBEDDED: &str = "x-kubernetes-embedded-resource";

/// One version's schema of a custom resource.
#[derive(Clone, Debug)]
pub struct CustomSchema {
    root: Value,
    schema: Schema,
}

/// A field of a custom resource that is refused.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldError {
    pub reason: Refusal,
    /// `spec.size`, `spec.ports[1]`, `<nil>` for the object as a whole.
    pub field: String,
    pub value: Option<Value>,
    pub detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    Required,
    Invalid,
    TypeInvalid,
    NotSupported,
    Duplicate,
    TooLong,
    TooMany,
}

impl CustomSchema {
    /// From a version's `openAPIV3Schema`.
    pub fn new(open_api: &Value) -> Self {
        let mut schema = convert(open_api);
        if let Shape::Object(object) = &mut schema.shape {
            let mut fields: Vec<Field> = object
                .fields
                .drain(..)
                .filter(|field| !["apiVersion", "kind", "metadata"].contains(&field.name.as_str()))
                .collect();
            fields.push(Field::new("apiVersion", scalar(Scalar::String)));
            fields.push(Field::new("kind", scalar(Scalar::String)));
            fields.extend(object_meta().map(|meta| Field::new("metadata", meta.clone())));
            let rest = object.rest.take();
            *object = Object::new(fields);
            object.rest = rest;
        }
        Self { root: open_api.clone(), schema }
    }

    /// For apply: how its lists and maps merge.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The schema as the CRD states it.
    pub fn open_api(&self) -> &Value {
        &self.root
    }

    /// Whether there are CEL rules anywhere in it.
    pub fn has_rules(&self) -> bool {
        fn any(node: &Value) -> bool {
            match node {
                Value::Object(map) => map.contains_key("x-kubernetes-validations") || map.values().any(any),
                Value::Array(items) => items.iter().any(any),
                _ => false,
            }
        }
        any(&self.root)
    }

    /// A body with unknown fields dropped and named; metadata is typed as everywhere.
    pub fn decode(&self, document: &Document) -> Result<Decoded, DecodeError> {
        let Document::Object(entries) = document else {
            let go = "map[string]interface {}";
            return Err(DecodeError(format!(
                "json: cannot unmarshal {} into Go value of type {go}",
                document.word()
            )));
        };
        let mut strict = Vec::new();
        duplicates(document, "", &mut strict);
        let mut out = Map::new();
        for (key, one) in entries {
            if key == "metadata" {
                out.insert(key.clone(), decode_metadata(one, &mut strict)?);
            } else {
                out.insert(key.clone(), one.to_value());
            }
        }
        let mut object = Value::Object(out);
        prune(&self.root, &mut object, "", true, &mut strict);
        Ok(Decoded { object, strict })
    }

    /// Fills in the schema's defaults; null where the field may not be null counts as absent.
    pub fn default(&self, object: &mut Value) {
        default(&self.root, object);
    }

    /// Everything that is wrong with an object.
    pub fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut wrong = Vec::new();
        validate(&self.root, object, "", &mut wrong);
        if wrong.is_empty() {
            list_types(&self.root, object, "", &mut wrong);
        }
        let blocks = |error: &FieldError| !matches!(error.reason, Refusal::Invalid | Refusal::Duplicate);
        if wrong.iter().any(blocks) && self.has_rules() {
            wrong.push(FieldError {
                reason: Refusal::Invalid,
                field: "<nil>".to_owned(),
                value: Some(Value::Null),
                detail: "some validation rules were not checked because the object was invalid; correct the existing \
                         errors to complete validation"
                    .to_owned(),
            });
        }
        wrong
    }
}

fn object_meta() -> Option<&'static Schema> {
    Schema::named("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta")
}

fn scalar(scalar: Scalar) -> Schema {
    Schema { shape: Shape::Scalar(scalar), go: String::new() }
}

fn is_true(node: &Value, key: &str) -> bool {
    node[key] == true
}

fn convert(node: &Value) -> Schema {
    let shape = if is_true(node, INT_OR_STRING) {
        Shape::Scalar(Scalar::Untyped)
    } else {
        match node["type"].as_str() {
            Some("string") => Shape::Scalar(Scalar::String),
            Some("boolean") => Shape::Scalar(Scalar::Bool),
            Some("integer" | "number") => Shape::Scalar(Scalar::Float),
            Some("array") => {
                let keys = || node["x-kubernetes-list-map-keys"].as_array().into_iter().flatten();
                let list = match node["x-kubernetes-list-type"].as_str() {
                    Some("set") => ListKind::Set,
                    Some("map") => {
                        ListKind::Map(keys().filter_map(Value::as_str).map(str::to_owned).collect())
                    }
                    _ => ListKind::Atomic,
                };
                Shape::List { item: Box::new(convert(&node["items"])), list }
            }
            Some("object") => return object(node),
            _ => Shape::Any,
        }
    };
    Schema { shape, go: String::new() }
}

fn object(node: &Value) -> Schema {
    let atomic = node["x-kubernetes-map-type"] == "atomic";
    let properties = node["properties"].as_object();
    let preserve = is_true(node, PRESERVE);
    let shape = match (&node["additionalProperties"], properties) {
        (value @ Value::Object(_), None) => Shape::Map { value: Box::new(convert(value)), atomic },
        (_, None) if preserve || node["additionalProperties"] == true => Shape::Any,
        (_, properties) => {
            let required = |name: &str| {
                node["required"].as_array().into_iter().flatten().any(|one| one.as_str() == Some(name))
            };
            let fields = properties
                .into_iter()
                .flatten()
                .map(|(name, inner)| Field {
                    required: required(name),
                    default: inner.get("default").cloned(),
                    ..Field::new(name, convert(inner))
                })
                .collect();
            let mut object = Object::new(fields);
            object.atomic = atomic;
            object.rest = preserve.then(|| Box::new(Schema { shape: Shape::Any, go: String::new() }));
            if is_true(node, EMBEDDED) {
                object.rest = Some(Box::new(Schema { shape: Shape::Any, go: String::new() }));
            }
            Shape::Object(object)
        }
    };
    Schema { shape, go: String::new() }
}

fn below(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn duplicates(document: &Document, path: &str, strict: &mut Vec<String>) {
    match document {
        Document::Object(entries) => {
            for (at, (key, one)) in entries.iter().enumerate() {
                let inner = below(path, key);
                if entries[..at].iter().any(|(other, _)| other == key) {
                    strict.push(format!("duplicate field {}", json!(inner)));
                }
                duplicates(one, &inner, strict);
            }
        }
        Document::Array(items) => {
            for (at, one) in items.iter().enumerate() {
                duplicates(one, &format!("{path}[{at}]"), strict);
            }
        }
        _ => {}
    }
}

fn decode_metadata(document: &Document, strict: &mut Vec<String>) -> Result<Value, DecodeError> {
    let Some(schema) = object_meta() else { return Ok(document.to_value()) };
    let decoded = decode(schema, document)?;
    for text in decoded.strict {
        if let Some(field) = text.strip_prefix("unknown field \"") {
            strict.push(format!("unknown field \"metadata.{field}"));
        }
    }
    Ok(decoded.object)
}

fn prune(node: &Value, value: &mut Value, path: &str, resource: bool, strict: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            let resource = resource || is_true(node, EMBEDDED);
            let preserve = is_true(node, PRESERVE);
            let additional = &node["additionalProperties"];
            let mut gone = Vec::new();
            for (key, one) in map.iter_mut() {
                if resource && ["apiVersion", "kind", "metadata"].contains(&key.as_str()) {
                    continue;
                }
                let inner = below(path, key);
                match node["properties"].get(key) {
                    Some(property) => prune(property, one, &inner, false, strict),
                    None if additional.is_object() => prune(additional, one, &inner, false, strict),
                    None if preserve || *additional == true => {}
                    None => {
                        strict.push(format!("unknown field {}", json!(inner)));
                        gone.push(key.clone());
                    }
                }
            }
            gone.iter().for_each(|key| drop(map.remove(key)));
        }
        Value::Array(items) => {
            for (at, one) in items.iter_mut().enumerate() {
                prune(&node["items"], one, &format!("{path}[{at}]"), false, strict);
            }
        }
        _ => {}
    }
}

fn default(node: &Value, value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, property) in node["properties"].as_object().into_iter().flatten() {
                let Some(value) = property.get("default") else { continue };
                let absent = match map.get(key) {
                    None => true,
                    Some(Value::Null) => !is_true(property, "nullable"),
                    Some(_) => false,
                };
                if absent {
                    map.insert(key.clone(), value.clone());
                }
            }
            for (key, one) in map.iter_mut() {
                match node["properties"].get(key) {
                    Some(property) => default(property, one),
                    None => default(&node["additionalProperties"], one),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|one| default(&node["items"], one)),
        _ => {}
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn fits(wanted: &str, value: &Value) -> bool {
    match (wanted, value) {
        ("integer", Value::Number(number)) => number.as_f64().is_some_and(|n| n.fract() == 0.0),
        ("number", Value::Number(_)) => true,
        _ => wanted == type_of(value),
    }
}

fn validate(node: &Value, value: &Value, path: &str, out: &mut Vec<FieldError>) {
    let mut add = |reason, value: Option<Value>, detail: String| {
        out.push(FieldError { reason, field: path.to_owned(), value, detail });
    };
    if value.is_null() && is_true(node, "nullable") {
        return;
    }
    let wanted = if is_true(node, INT_OR_STRING) { None } else { node["type"].as_str() };
    if let Some(wanted) = wanted
        && !fits(wanted, value)
    {
        let given = type_of(value);
        add(
            Refusal::TypeInvalid,
            Some(given.into()),
            format!("{path} in body must be of type {wanted}: {}", json!(given)),
        );
        return;
    }
    if is_true(node, INT_OR_STRING) && !matches!(value, Value::String(_)) && !fits("integer", value) {
        let given = type_of(value);
        add(
            Refusal::TypeInvalid,
            Some(given.into()),
            format!("{path} in body must be of type integer,string: {}", json!(given)),
        );
        return;
    }
    if let Some(allowed) = node["enum"].as_array()
        && !allowed.contains(value)
    {
        let shown: Vec<String> = allowed.iter().map(ToString::to_string).collect();
        add(Refusal::NotSupported, Some(value.clone()), format!("supported values: {}", shown.join(", ")));
    }
    let shown = || Some(value.clone());
    match value {
        Value::String(text) => {
            let length = text.chars().count() as u64;
            if let Some(most) = node["maxLength"].as_u64().filter(|most| length > *most) {
                add(Refusal::TooLong, None, format!("may not be more than {most} characters"));
            }
            if let Some(least) = node["minLength"].as_u64().filter(|least| length < *least) {
                add(
                    Refusal::Invalid,
                    shown(),
                    format!("{path} in body should be at least {least} chars long"),
                );
            }
            if let Some(pattern) = node["pattern"].as_str()
                && Regex::new(pattern).is_ok_and(|regex| !regex.is_match(text))
            {
                add(Refusal::Invalid, shown(), format!("{path} in body should match '{pattern}'"));
            }
        }
        Value::Number(number) => {
            let given = number.as_f64().unwrap_or_default();
            if let Some(most) = node["maximum"].as_f64() {
                let exclusive = is_true(node, "exclusiveMaximum");
                if given > most || exclusive && given >= most {
                    let words = if exclusive { "less than" } else { "less than or equal to" };
                    add(
                        Refusal::Invalid,
                        shown(),
                        format!("{path} in body should be {words} {}", node["maximum"]),
                    );
                }
            }
            if let Some(least) = node["minimum"].as_f64() {
                let exclusive = is_true(node, "exclusiveMinimum");
                if given < least || exclusive && given <= least {
                    let words = if exclusive { "greater than" } else { "greater than or equal to" };
                    add(
                        Refusal::Invalid,
                        shown(),
                        format!("{path} in body should be {words} {}", node["minimum"]),
                    );
                }
            }
            if let Some(step) = node["multipleOf"].as_f64().filter(|step| *step != 0.0)
                && (given / step).fract() != 0.0
            {
                add(
                    Refusal::Invalid,
                    shown(),
                    format!("{path} in body should be a multiple of {}", node["multipleOf"]),
                );
            }
        }
        Value::Array(items) => {
            if let Some(most) = node["maxItems"].as_u64().filter(|most| items.len() as u64 > *most) {
                add(Refusal::TooMany, Some(items.len().into()), format!("must have at most {most} items"));
            }
            if let Some(least) = node["minItems"].as_u64().filter(|least| (items.len() as u64) < *least) {
                add(Refusal::Invalid, shown(), format!("{path} in body should have at least {least} items"));
            }
            for (at, one) in items.iter().enumerate() {
                validate(&node["items"], one, &format!("{path}[{at}]"), out);
            }
        }
        Value::Object(map) => {
            for name in node["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                if !map.contains_key(name) {
                    out.push(FieldError {
                        reason: Refusal::Required,
                        field: below(path, name),
                        value: None,
                        detail: String::new(),
                    });
                }
            }
            for (key, one) in map {
                if path.is_empty() && key == "metadata" {
                    continue;
                }
                let additional = &node["additionalProperties"];
                if let Some(property) = node["properties"].get(key) {
                    validate(property, one, &below(path, key), out);
                } else if additional.is_object() {
                    validate(additional, one, &below(path, key), out);
                }
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

/// Sets without duplicates, maps without two items of one key.
fn list_types(node: &Value, value: &Value, path: &str, out: &mut Vec<FieldError>) {
    match value {
        Value::Array(items) => {
            let keys: Vec<&str> = node["x-kubernetes-list-map-keys"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            let key_of = |one: &Value| match node["x-kubernetes-list-type"].as_str() {
                Some("set") => Some(one.clone()),
                Some("map") => Some(
                    keys.iter()
                        .filter_map(|key| Some(((*key).to_owned(), one.get(key)?.clone())))
                        .collect::<Map<String, Value>>()
                        .into(),
                ),
                _ => None,
            };
            let mut seen = Vec::new();
            for (at, one) in items.iter().enumerate() {
                if let Some(key) = key_of(one) {
                    if seen.contains(&key) {
                        out.push(FieldError {
                            reason: Refusal::Duplicate,
                            field: format!("{path}[{at}]"),
                            value: Some(key.clone()),
                            detail: String::new(),
                        });
                    }
                    seen.push(key);
                }
                list_types(&node["items"], one, &format!("{path}[{at}]"), out);
            }
        }
        Value::Object(map) => {
            for (key, one) in map {
                let inner = node["properties"].get(key).unwrap_or(&node["additionalProperties"]);
                list_types(inner, one, &below(path, key), out);
            }
        }
        _ => {}
    }
}
