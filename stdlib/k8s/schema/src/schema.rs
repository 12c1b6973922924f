//! The shape of a value: what fields an object has, how lists and maps merge, which Go type decodes it.
//! One model for built-in kinds (from the catalogue) and custom resources (from a CRD); it holds no values.

use std::collections::HashMap;
use std::fmt;

use serde_json::Value;

use crate::catalogue::catalogue;

/// A value's shape.
#[derive(Clone, Debug)]
pub struct Schema {
    pub shape: Shape,
    /// The Go type as Go prints it (`v1.PodSpec`, `[]string`); empty for custom resources.
    pub go: String,
}

#[derive(Clone, Debug)]
pub enum Shape {
    Object(Object),
    Map {
        value: Box<Schema>,
        atomic: bool,
    },
    List {
        item: Box<Schema>,
        list: ListKind,
    },
    Scalar(Scalar),
    /// Any JSON at all, merged field by field.
    Any,
    /// A built-in type, by its number in the catalogue.
    Ref(usize),
}

/// A struct's fields in their order, and what keys besides them are.
#[derive(Clone, Debug, Default)]
pub struct Object {
    pub fields: Vec<Field>,
    /// Replaced as a whole by an apply.
    pub atomic: bool,
    /// Keys that are no field are allowed, with this schema.
    pub rest: Option<Box<Schema>>,
    index: HashMap<String, usize>,
    /// The layout on the protobuf wire; embedded structs are messages of their own there.
    pub(crate) messages: Vec<Message>,
}

/// A place in a protobuf message.
#[derive(Clone, Debug)]
pub(crate) enum Message {
    Field { number: u32, index: usize },
    Embedded { number: u32, schema: Schema },
}

#[derive(Clone, Debug)]
pub struct Field {
    pub name: String,
    pub schema: Schema,
    pub required: bool,
    pub default: Option<Value>,
    pub enumeration: Vec<String>,
    pub patch: Patch,
    /// How Go writes it: left out when empty, when zero; a pointer tells absent from zero.
    pub omit_empty: bool,
    pub omit_zero: bool,
    pub pointer: bool,
    /// Names of the embedded Go structs it comes from, outermost first.
    pub embedded: Vec<String>,
}

/// How strategic merge patches treat a field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patch {
    pub merge: bool,
    pub retain_keys: bool,
    pub replace: bool,
    pub merge_key: Option<String>,
}

/// How server-side apply treats a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListKind {
    Atomic,
    Set,
    Map(Vec<String>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar {
    String,
    Bool,
    Int32,
    Int64,
    Float,
    Bytes,
    Byte,
    Time,
    MicroTime,
    Duration,
    Quantity,
    IntOrString,
    /// A scalar of any kind.
    Untyped,
}

/// A group, version and kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Gvk {
    pub group: String,
    pub version: String,
    pub kind: String,
}

impl Gvk {
    pub fn new(group: &str, version: &str, kind: &str) -> Self {
        Self { group: group.to_owned(), version: version.to_owned(), kind: kind.to_owned() }
    }

    /// From `apiVersion` (`v1`, `apps/v1`) and `kind`.
    pub fn from_api_version(api_version: &str, kind: &str) -> Self {
        match api_version.split_once('/') {
            Some((group, version)) => Self::new(group, version, kind),
            None => Self::new("", api_version, kind),
        }
    }

    /// Of an object; parts that are not there are empty.
    pub fn of(object: &Value) -> Self {
        let text = |key| object.get(key).and_then(Value::as_str).unwrap_or_default();
        Self::from_api_version(text("apiVersion"), text("kind"))
    }

    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }
}

impl fmt::Display for Gvk {
    /// As Go prints a GroupVersionKind: `apps/v1, Kind=Deployment`, `/v1, Kind=Pod`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}, Kind={}", self.group, self.version, self.kind)
    }
}

impl Schema {
    /// The schema of a built-in kind.
    pub fn for_kind(gvk: &Gvk) -> Option<&'static Self> {
        catalogue().kind(gvk).map(|one| &one.schema)
    }

    /// The schema of a built-in type by its OpenAPI name (`io.k8s.api.core.v1.PodSpec`).
    pub fn named(name: &str) -> Option<&'static Self> {
        catalogue().named(name).map(|one| &one.schema)
    }

    /// The shape with references followed.
    pub fn shape(&self) -> &Shape {
        match self.shape {
            Shape::Ref(number) => &catalogue().types[number].schema.shape,
            ref shape => shape,
        }
    }

    pub fn object(&self) -> Option<&Object> {
        match self.shape() {
            Shape::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The schema of a field of an object, or of any key of a map.
    pub fn field(&self, name: &str) -> Option<&Schema> {
        match self.shape() {
            Shape::Object(object) => object.field(name).map(|field| &field.schema).or(object.rest.as_deref()),
            Shape::Map { value, .. } => Some(value),
            Shape::Any => Some(self),
            _ => None,
        }
    }

    /// The schema at a path of field names; list items are passed through.
    pub fn at(&self, path: &[&str]) -> Option<&Schema> {
        let mut schema = self;
        for name in path {
            while let Shape::List { item, .. } = schema.shape() {
                schema = item;
            }
            schema = schema.field(name)?;
        }
        Some(schema)
    }

    /// The name of the Go type without its package.
    pub(crate) fn go_name(&self) -> &str {
        self.go.rsplit('.').next().unwrap_or_default()
    }
}

impl Object {
    pub(crate) fn new(fields: Vec<Field>) -> Self {
        let index = fields.iter().enumerate().map(|(at, field)| (field.name.clone(), at)).collect();
        Self { fields, index, ..Self::default() }
    }

    pub fn field(&self, name: &str) -> Option<&Field> {
        self.index.get(name).map(|at| &self.fields[*at])
    }

    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.index.get(name).copied()
    }
}

impl Field {
    pub(crate) fn new(name: &str, schema: Schema) -> Self {
        Self {
            name: name.to_owned(),
            schema,
            required: false,
            default: None,
            enumeration: Vec::new(),
            patch: Patch::default(),
            omit_empty: true,
            omit_zero: false,
            pointer: true,
            embedded: Vec::new(),
        }
    }
}
