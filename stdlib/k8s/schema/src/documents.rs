//! The OpenAPI documents that clients read: `/openapi/v3` with its group documents, and `/openapi/v2`.
//! Made from the catalogue when asked for; custom resources are added by the caller as `CustomKind`s.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use serde_json::{Map, Value, json};

use crate::catalogue::{catalogue, unpack};
use crate::schema::{Field, Gvk, ListKind, Scalar, Schema, Shape};

/// A custom resource's version, for the documents.
#[derive(Clone, Debug)]
pub struct CustomKind {
    pub gvk: Gvk,
    pub plural: String,
    pub namespaced: bool,
    pub open_api: Value,
}

/// The documents' names: `api/v1`, `apis/apps/v1`, `version`, …, sorted.
pub fn document_names() -> Vec<String> {
    tables().documents.keys().cloned().collect()
}

/// A group document of `/openapi/v3`; `None` for an unknown name.
pub fn document_v3(name: &str) -> Option<Value> {
    let paths = tables().documents.get(name)?;
    let mut needed = BTreeSet::new();
    let mut shown = Map::new();
    for path in paths {
        shown.insert(path.path.clone(), operations(path, &mut needed));
    }
    let mut schemas = Map::new();
    while let Some(name) = needed.pop_first() {
        if !schemas.contains_key(&name) {
            schemas.insert(name.clone(), definition(&name, Dialect::V3, &mut needed));
        }
    }
    Some(frame_v3(&shown, &schemas))
}

/// The group document of a custom resource's group and version.
pub fn custom_document_v3(kinds: &[CustomKind]) -> Value {
    let mut paths = Map::new();
    let mut schemas = Map::new();
    let mut needed = BTreeSet::new();
    for one in kinds {
        let Gvk { group, version, kind } = &one.gvk;
        let reversed: Vec<&str> = group.split('.').rev().collect();
        let name = format!("{}.{version}.{kind}", reversed.join("."));
        let mut schema = one.open_api.clone();
        let meta = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
        needed.insert(meta.to_owned());
        schema["properties"]["metadata"] = reference(meta, Dialect::V3);
        for field in ["apiVersion", "kind"] {
            schema["properties"][field] = json!({"type": "string"});
        }
        schema["x-kubernetes-group-version-kind"] = json!([gvk_json(&one.gvk)]);
        schemas.insert(name.clone(), schema);
        let scope = if one.namespaced { "/namespaces/{namespace}" } else { "" };
        let base = format!("/apis/{group}/{version}{scope}/{}", one.plural);
        let row = |method: &str, action: &str, parameters: &str| Operation {
            method: method.to_owned(),
            id: format!("{action}{kind}"),
            action: action.to_owned(),
            gvk: Some(one.gvk.clone()),
            body: if method == "get" || method == "delete" { String::new() } else { name.clone() },
            answer: name.clone(),
            parameters: parameters.split(',').map(str::to_owned).collect(),
        };
        let write = "dryRun,fieldManager,fieldValidation";
        let rows = [
            (
                base.clone(),
                vec![row("get", "list", "labelSelector,fieldSelector"), row("post", "post", write)],
            ),
            (
                format!("{base}/{{name}}"),
                vec![
                    row("get", "get", "resourceVersion"),
                    row("put", "put", write),
                    row("patch", "patch", "dryRun,fieldManager,fieldValidation,force"),
                    row("delete", "delete", "dryRun,gracePeriodSeconds,propagationPolicy"),
                ],
            ),
        ];
        for (path, list) in rows {
            let mut ignored = BTreeSet::new();
            let path = PathItem { path, operations: list };
            paths.insert(path.path.clone(), operations(&path, &mut ignored));
        }
    }
    while let Some(name) = needed.pop_first() {
        if !schemas.contains_key(&name) {
            schemas.insert(name.clone(), definition(&name, Dialect::V3, &mut needed));
        }
    }
    frame_v3(&paths, &schemas)
}

/// `/openapi/v2`: all definitions, and for each path what its operations act on.
pub fn document_v2() -> Value {
    let mut definitions = Map::new();
    for one in &catalogue().types {
        if one.name.starts_with("io.k8s") {
            definitions.insert(one.name.clone(), definition(&one.name, Dialect::V2, &mut BTreeSet::new()));
        }
    }
    for (name, schema) in SPECIAL {
        definitions.insert((*name).to_owned(), special(schema));
    }
    let mut paths = Map::new();
    for path in tables().documents.values().flatten() {
        let mut item = Map::new();
        for operation in &path.operations {
            let mut entry = json!({
                "operationId": operation.id,
                "responses": {"200": {"description": "OK"}},
                "parameters": operation.parameters.iter().filter_map(|name| {
                    let parameter = tables().parameters.get(name)?;
                    Some(json!({"name": name, "in": "query", "type": parameter.kind, "uniqueItems": true}))
                }).collect::<Vec<_>>(),
            });
            if let Some(gvk) = &operation.gvk {
                entry["x-kubernetes-group-version-kind"] = gvk_json(gvk);
                entry["x-kubernetes-action"] = operation.action.as_str().into();
            }
            item.insert(operation.method.clone(), entry);
        }
        paths.insert(path.path.clone(), Value::Object(item));
    }
    json!({
        "swagger": "2.0", "info": {"title": "Kubernetes", "version": "v1.34.4"},
        "paths": paths, "definitions": definitions,
    })
}

/// What a type or field is for, as Kubernetes documents it; `field` empty for the type itself.
pub fn description(type_name: &str, field: &str) -> Option<&'static str> {
    let (own, fields) = texts().get(type_name)?;
    if field.is_empty() { Some(own) } else { fields.get(field).map(String::as_str) }
}

fn frame_v3(paths: &Map<String, Value>, schemas: &Map<String, Value>) -> Value {
    json!({
        "openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "v1.34.4"},
        "paths": paths, "components": {"schemas": schemas},
    })
}

#[derive(Clone, Copy, PartialEq)]
enum Dialect {
    V2,
    V3,
}

struct Tables {
    documents: BTreeMap<String, Vec<PathItem>>,
    parameters: BTreeMap<String, Parameter>,
}

struct PathItem {
    path: String,
    operations: Vec<Operation>,
}

struct Operation {
    method: String,
    id: String,
    action: String,
    gvk: Option<Gvk>,
    body: String,
    answer: String,
    parameters: Vec<String>,
}

struct Parameter {
    kind: String,
    description: String,
}

fn tables() -> &'static Tables {
    static TABLES: OnceLock<Tables> = OnceLock::new();
    TABLES.get_or_init(|| {
        let mut tables = Tables { documents: BTreeMap::new(), parameters: BTreeMap::new() };
        let mut document = String::new();
        for line in unpack(include_bytes!("../data/paths.gz")).lines() {
            let parts: Vec<&str> = line.split('\t').collect();
            match parts[0] {
                "Q" => {
                    let parameter = Parameter { kind: parts[3].to_owned(), description: plain(parts[4]) };
                    tables.parameters.insert(parts[1].to_owned(), parameter);
                }
                "D" => {
                    parts[1].clone_into(&mut document);
                    tables.documents.insert(document.clone(), Vec::new());
                }
                "P" => tables
                    .documents
                    .entry(document.clone())
                    .or_default()
                    .push(PathItem { path: parts[1].to_owned(), operations: Vec::new() }),
                _ => {
                    let gvk = (!parts[4].is_empty()).then(|| {
                        let parts: Vec<&str> = parts[4].split('/').collect();
                        Gvk::new(parts[0], parts[1], parts[2])
                    });
                    let operation = Operation {
                        method: parts[1].to_owned(),
                        id: parts[2].to_owned(),
                        action: parts[3].to_owned(),
                        gvk,
                        body: parts[5].to_owned(),
                        answer: parts[6].to_owned(),
                        parameters: parts[7]
                            .split(',')
                            .filter(|p| !p.is_empty())
                            .map(str::to_owned)
                            .collect(),
                    };
                    if let Some(path) = tables.documents.entry(document.clone()).or_default().last_mut() {
                        path.operations.push(operation);
                    }
                }
            }
        }
        tables
    })
}

type Texts = BTreeMap<String, (String, BTreeMap<String, String>)>;

/// Descriptions: one line for each type and each of its own fields, in the catalogue's order.
fn texts() -> &'static Texts {
    static TEXTS: OnceLock<Texts> = OnceLock::new();
    TEXTS.get_or_init(|| {
        let text = unpack(include_bytes!("../data/texts.gz"));
        let mut lines = text.lines();
        let types = unpack(include_bytes!("../data/types.gz"));
        let mut out = Texts::new();
        let mut name = String::new();
        for line in types.lines() {
            let parts: Vec<&str> = line.split('\t').collect();
            match parts[0] {
                "T" => {
                    parts[1].clone_into(&mut name);
                    out.insert(name.clone(), (plain(lines.next().unwrap_or_default()), BTreeMap::new()));
                }
                "F" => {
                    let text = plain(lines.next().unwrap_or_default());
                    if let Some((_, fields)) = out.get_mut(&name) {
                        fields.insert(parts[1].to_owned(), text);
                    }
                }
                _ => {}
            }
        }
        out
    })
}

fn plain(line: &str) -> String {
    line.replace("\\n", "\n").replace("\\t", "\t").replace("\\\\", "\\")
}

fn gvk_json(gvk: &Gvk) -> Value {
    json!({"group": gvk.group, "version": gvk.version, "kind": gvk.kind})
}

fn operations(path: &PathItem, needed: &mut BTreeSet<String>) -> Value {
    let mut item = Map::new();
    for operation in &path.operations {
        let mut of = |name: &str| {
            if name.is_empty() {
                return json!({});
            }
            needed.insert(name.to_owned());
            json!({"application/json": {"schema": reference(name, Dialect::V3)}})
        };
        let parameters: Vec<Value> = operation
            .parameters
            .iter()
            .filter_map(|name| {
                let parameter = tables().parameters.get(name)?;
                Some(json!({
                    "name": name, "in": "query", "description": parameter.description,
                    "schema": {"type": parameter.kind, "uniqueItems": true},
                }))
            })
            .collect();
        let mut entry = json!({
            "operationId": operation.id,
            "responses": {"200": {"description": "OK", "content": of(&operation.answer)}},
        });
        if !operation.body.is_empty() {
            entry["requestBody"] = json!({"required": true, "content": of(&operation.body)});
        }
        if !parameters.is_empty() {
            entry["parameters"] = parameters.into();
        }
        if let Some(gvk) = &operation.gvk {
            entry["x-kubernetes-group-version-kind"] = gvk_json(gvk);
            entry["x-kubernetes-action"] = operation.action.as_str().into();
        }
        item.insert(operation.method.clone(), entry);
    }
    Value::Object(item)
}

/// Types whose JSON is no object of fields.
const SPECIAL: &[(&str, &str)] = &[
    ("io.k8s.apimachinery.pkg.apis.meta.v1.Time", "date-time"),
    ("io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime", "date-time"),
    ("io.k8s.apimachinery.pkg.apis.meta.v1.Duration", ""),
    ("io.k8s.apimachinery.pkg.api.resource.Quantity", "quantity"),
    ("io.k8s.apimachinery.pkg.util.intstr.IntOrString", "int-or-string"),
    ("io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1", "object"),
    ("io.k8s.apimachinery.pkg.runtime.RawExtension", "object"),
    ("io.k8s.apimachinery.pkg.apis.meta.v1.Patch", "object"),
];

fn special(format: &str) -> Value {
    match format {
        "object" => json!({"type": "object"}),
        "" => json!({"type": "string"}),
        "quantity" => json!({"oneOf": [{"type": "string"}, {"type": "number"}]}),
        "int-or-string" => json!({"format": format, "oneOf": [{"type": "integer"}, {"type": "string"}]}),
        format => json!({"type": "string", "format": format}),
    }
}

fn reference(name: &str, dialect: Dialect) -> Value {
    match dialect {
        Dialect::V2 => json!({"$ref": format!("#/definitions/{name}")}),
        Dialect::V3 => json!({"$ref": format!("#/components/schemas/{name}")}),
    }
}

fn definition(name: &str, dialect: Dialect, needed: &mut BTreeSet<String>) -> Value {
    if let Some((_, format)) = SPECIAL.iter().find(|(known, _)| *known == name) {
        return special(format);
    }
    let Some(one) = catalogue().named(name) else { return json!({"type": "object"}) };
    let mut out = json!({"type": "object"});
    if let Some(text) = description(name, "").filter(|text| !text.is_empty()) {
        out["description"] = text.into();
    }
    if !one.kinds.is_empty() {
        out["x-kubernetes-group-version-kind"] = one.kinds.iter().map(gvk_json).collect();
    }
    let Some(object) = one.schema.object() else { return out };
    let required: Vec<&str> =
        object.fields.iter().filter(|field| field.required).map(|field| field.name.as_str()).collect();
    if !required.is_empty() {
        out["required"] = json!(required);
    }
    if object.atomic {
        out["x-kubernetes-map-type"] = "atomic".into();
    }
    let properties: Map<String, Value> = object
        .fields
        .iter()
        .map(|field| (field.name.clone(), property(name, field, dialect, needed)))
        .collect();
    if !properties.is_empty() {
        out["properties"] = Value::Object(properties);
    }
    out
}

fn property(owner: &str, field: &Field, dialect: Dialect, needed: &mut BTreeSet<String>) -> Value {
    let mut out = shape(&field.schema, dialect, needed);
    // Beside a reference nothing may stand in version 3.
    if dialect == Dialect::V3 && out.get("$ref").is_some() {
        out = json!({"allOf": [out]});
    }
    let text = description(owner, &field.name).filter(|text| !text.is_empty());
    if let Some(text) = text.or_else(|| embedded_description(field)) {
        out["description"] = text.into();
    }
    let structure = matches!(field.schema.shape(), Shape::Object(_)) && !field.pointer;
    if dialect == Dialect::V3 {
        match &field.default {
            Some(value) => out["default"] = value.clone(),
            None if structure => out["default"] = json!({}),
            None => {}
        }
    }
    if !field.enumeration.is_empty() {
        out["enum"] = json!(field.enumeration);
    }
    if let Shape::List { list, .. } = field.schema.shape() {
        match list {
            ListKind::Atomic => out["x-kubernetes-list-type"] = "atomic".into(),
            ListKind::Set => out["x-kubernetes-list-type"] = "set".into(),
            ListKind::Map(keys) => {
                out["x-kubernetes-list-type"] = "map".into();
                out["x-kubernetes-list-map-keys"] = json!(keys);
            }
        }
    }
    let mut strategies = Vec::new();
    for (given, name) in [
        (field.patch.merge, "merge"),
        (field.patch.retain_keys, "retainKeys"),
        (field.patch.replace, "replace"),
    ] {
        if given {
            strategies.push(name);
        }
    }
    if !strategies.is_empty() {
        out["x-kubernetes-patch-strategy"] = strategies.join(",").into();
    }
    if let Some(key) = &field.patch.merge_key {
        out["x-kubernetes-patch-merge-key"] = key.as_str().into();
    }
    out
}

/// A field of an embedded struct is documented there.
fn embedded_description(field: &Field) -> Option<&'static str> {
    let inner = field.embedded.last()?;
    let suffix = format!(".{inner}");
    texts()
        .iter()
        .filter(|(name, _)| name.ends_with(&suffix))
        .find_map(|(_, (_, fields))| fields.get(&field.name))
        .map(String::as_str)
        .filter(|text| !text.is_empty())
}

/// An item or a map's value: version 3 says its zero.
fn element(schema: &Schema, dialect: Dialect, needed: &mut BTreeSet<String>) -> Value {
    let inner = shape(schema, dialect, needed);
    if dialect == Dialect::V2 {
        return inner;
    }
    let zero = zero_of(schema.shape());
    let mut out = if inner.get("$ref").is_some() { json!({"allOf": [inner]}) } else { inner };
    if let Some(zero) = zero {
        out["default"] = zero;
    }
    out
}

fn zero_of(shape: &Shape) -> Option<Value> {
    match shape {
        Shape::Object(_) => Some(json!({})),
        Shape::Scalar(Scalar::String) => Some("".into()),
        Shape::Scalar(Scalar::Int32 | Scalar::Int64) => Some(0.into()),
        Shape::Scalar(Scalar::Bool) => Some(false.into()),
        _ => None,
    }
}

fn shape(schema: &Schema, dialect: Dialect, needed: &mut BTreeSet<String>) -> Value {
    let mut refer = |name: &str| {
        needed.insert(name.to_owned());
        reference(name, dialect)
    };
    match &schema.shape {
        Shape::Ref(number) => refer(&catalogue().types[*number].name),
        Shape::Object(object) if !object.fields.is_empty() => {
            // A type that is atomic at this place only.
            let named = catalogue().types.iter().find(|one| one.schema.go == schema.go);
            match named {
                Some(one) => {
                    let mut out = json!({"allOf": [refer(&one.name)]});
                    out["x-kubernetes-map-type"] = "atomic".into();
                    out
                }
                None => json!({"type": "object"}),
            }
        }
        Shape::Object(_) | Shape::Any => json!({"type": "object"}),
        Shape::Map { value, .. } => {
            json!({"type": "object", "additionalProperties": element(value, dialect, needed)})
        }
        Shape::List { item, .. } => json!({"type": "array", "items": element(item, dialect, needed)}),
        Shape::Scalar(scalar) => match scalar {
            Scalar::String | Scalar::Untyped => json!({"type": "string"}),
            Scalar::Bool => json!({"type": "boolean"}),
            Scalar::Int32 | Scalar::Byte => json!({"type": "integer", "format": "int32"}),
            Scalar::Int64 => json!({"type": "integer", "format": "int64"}),
            Scalar::Float => json!({"type": "number", "format": "double"}),
            Scalar::Bytes => json!({"type": "string", "format": "byte"}),
            Scalar::Time => refer("io.k8s.apimachinery.pkg.apis.meta.v1.Time"),
            Scalar::MicroTime => refer("io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime"),
            Scalar::Duration => refer("io.k8s.apimachinery.pkg.apis.meta.v1.Duration"),
            Scalar::Quantity => refer("io.k8s.apimachinery.pkg.api.resource.Quantity"),
            Scalar::IntOrString => refer("io.k8s.apimachinery.pkg.util.intstr.IntOrString"),
        },
    }
}
