//! A body decoded into a kind's Go type and written again: types checked in Go's words, unknown fields dropped and named,
//! empty values left out or filled in as `omitempty` says. Defaults and validation are not its business.

use base64::Engine;
use serde_json::{Map, Value, json};

use crate::json::Document;
use crate::quantity::Quantity;
use crate::schema::{Field, Object, Scalar, Schema, Shape};
use crate::time;

/// What came of a body.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    pub object: Value,
    /// `unknown field "spec.replica"`, `duplicate field "metadata.name"`, in document order.
    pub strict: Vec<String>,
}

impl Decoded {
    /// `strict decoding error: unknown field "a", unknown field "b"`, if there is anything to refuse.
    pub fn strict_error(&self) -> Option<String> {
        (!self.strict.is_empty()).then(|| format!("strict decoding error: {}", self.strict.join(", ")))
    }
}

/// A value that its Go type cannot take: `json: cannot unmarshal string into Go struct field …`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DecodeError(pub String);

/// Decodes a document of a built-in kind.
pub fn decode(schema: &Schema, document: &Document) -> Result<Decoded, DecodeError> {
    let mut decoder = Decoder::default();
    let value = decoder.value(schema, document).map_err(DecodeError)?;
    match decoder.first_error {
        Some(message) => Err(DecodeError(message)),
        None => {
            let object = write(schema, value.unwrap_or(Value::Null));
            Ok(Decoded { object, strict: decoder.strict })
        }
    }
}

/// Decodes a value that is at hand already, as after a patch.
pub fn decode_value(schema: &Schema, value: &Value) -> Result<Decoded, DecodeError> {
    decode(schema, &Document::from(value))
}

#[derive(Default)]
struct Decoder {
    /// The innermost struct, and the names of the fields passed.
    structure: String,
    fields: Vec<String>,
    path: String,
    strict: Vec<String>,
    /// Go goes on after a type error and reports the first.
    first_error: Option<String>,
}

impl Decoder {
    /// `None` stands for null or a value that could not be taken. The error is one that ends decoding.
    fn value(&mut self, schema: &Schema, document: &Document) -> Result<Option<Value>, String> {
        if *document == Document::Null {
            return Ok(None);
        }
        match schema.shape() {
            Shape::Any => {
                self.duplicates(document);
                Ok(Some(document.to_value()))
            }
            Shape::Scalar(scalar) => self.scalar(*scalar, schema, document),
            Shape::List { item, .. } => {
                let Document::Array(items) = document else { return Ok(self.mismatch(document, schema)) };
                let length = self.path.len();
                let mut out = Vec::with_capacity(items.len());
                for (at, one) in items.iter().enumerate() {
                    self.path.push_str(&format!("[{at}]"));
                    let value = self.value(item, one)?;
                    self.path.truncate(length);
                    out.push(value.unwrap_or_else(|| zero(item)));
                }
                Ok(Some(out.into()))
            }
            Shape::Map { value, .. } => {
                let Document::Object(entries) = document else { return Ok(self.mismatch(document, schema)) };
                let mut out = Map::new();
                for (key, one) in entries {
                    let length = self.enter(key);
                    let decoded = self.value(value, one)?;
                    let path = self.leave(length);
                    if out.insert(key.clone(), decoded.unwrap_or_else(|| zero(value))).is_some() {
                        self.note("duplicate field", &path);
                    }
                }
                Ok(Some(Value::Object(out)))
            }
            Shape::Object(object) => self.object(schema, object, document),
            Shape::Ref(_) => Ok(None),
        }
    }

    fn object(
        &mut self,
        schema: &Schema,
        object: &Object,
        document: &Document,
    ) -> Result<Option<Value>, String> {
        let Document::Object(entries) = document else { return Ok(self.mismatch(document, schema)) };
        let outer = (self.structure.clone(), self.fields.len());
        let mut out = Map::new();
        for (key, one) in entries {
            let Some(field) = object.field(key) else {
                let length = self.enter(key);
                let path = self.leave(length);
                self.note("unknown field", &path);
                continue;
            };
            schema.go_name().clone_into(&mut self.structure);
            self.fields.extend(field.embedded.iter().cloned());
            self.fields.push(key.clone());
            let length = self.enter(key);
            if out.contains_key(key) {
                let path = self.path.clone();
                self.note("duplicate field", &path);
            }
            let decoded = self.value(&field.schema, one);
            self.leave(length);
            let decoded = decoded?;
            self.fields.truncate(outer.1);
            self.structure.clone_from(&outer.0);
            match decoded {
                Some(value) => drop(out.insert(key.clone(), value)),
                // `null` after a value clears what can be nil and leaves the rest.
                None if field.pointer => drop(out.remove(key)),
                None => {}
            }
        }
        Ok(Some(Value::Object(out)))
    }

    fn scalar(
        &mut self,
        scalar: Scalar,
        schema: &Schema,
        document: &Document,
    ) -> Result<Option<Value>, String> {
        match (scalar, document) {
            (Scalar::String, Document::String(text)) => Ok(Some(text.as_str().into())),
            (Scalar::Bool, Document::Bool(value)) => Ok(Some((*value).into())),
            (Scalar::Int32, Document::Number(digits)) => match digits.parse::<i32>() {
                Ok(integer) => Ok(Some(integer.into())),
                Err(_) => Ok(self.type_error(&format!("number {digits}"), &schema.go)),
            },
            (Scalar::Int64, Document::Number(digits)) => match digits.parse::<i64>() {
                Ok(integer) => Ok(Some(integer.into())),
                Err(_) => Ok(self.type_error(&format!("number {digits}"), &schema.go)),
            },
            (Scalar::Byte, Document::Number(digits)) => match digits.parse::<u8>() {
                Ok(integer) => Ok(Some(integer.into())),
                Err(_) => Ok(self.type_error(&format!("number {digits}"), &schema.go)),
            },
            (Scalar::Float, Document::Number(digits)) => {
                // Go writes a float without a fraction as an integer.
                Ok(digits.parse::<f64>().ok().map(|float| match digits.parse::<i64>() {
                    Ok(integer) => integer.into(),
                    Err(_) if float.fract() == 0.0 && float.abs() < 1e15 => (float as i64).into(),
                    Err(_) => float.into(),
                }))
            }
            (Scalar::Bytes, Document::String(text)) => match decode_base64(text) {
                Ok(bytes) => Ok(Some(base64::engine::general_purpose::STANDARD.encode(bytes).into())),
                Err(at) => {
                    self.first_error.get_or_insert(format!("illegal base64 data at input byte {at}"));
                    Ok(None)
                }
            },
            (Scalar::Time, Document::String(text)) => time::canonical(text).map(|time| Some(time.into())),
            (Scalar::MicroTime, Document::String(text)) => {
                time::canonical_micro(text).map(|time| Some(time.into()))
            }
            (Scalar::Duration, Document::String(text)) => {
                crate::duration::parse_go(text).map(|span| Some(crate::duration::format_go(span).into()))
            }
            (Scalar::Time | Scalar::MicroTime | Scalar::Duration, _) => {
                Err(self.type_words(document.word(), "string"))
            }
            (Scalar::Quantity, Document::String(text) | Document::Number(text)) => {
                let quantity: Quantity =
                    text.parse().map_err(|why: crate::quantity::QuantityError| why.to_string())?;
                Ok(Some(quantity.to_string().into()))
            }
            (Scalar::Quantity, other) => {
                // It reads the raw text, quotes or not.
                let raw = serde_json::to_string(&other.to_value()).unwrap_or_default();
                let quantity: Result<Quantity, _> = raw.parse();
                Err(quantity.err().map_or_else(String::new, |why| why.to_string()))
            }
            (Scalar::IntOrString, Document::String(text)) => Ok(Some(text.as_str().into())),
            (Scalar::IntOrString, Document::Number(digits)) => match digits.parse::<i32>() {
                Ok(integer) => Ok(Some(integer.into())),
                Err(_) => Err(self.type_words(&format!("number {digits}"), "int32")),
            },
            (Scalar::IntOrString, _) => Err(self.type_words(document.word(), "int32")),
            (Scalar::Untyped, _) => Ok(Some(document.to_value())),
            _ => Ok(self.mismatch(document, schema)),
        }
    }

    /// `duplicate field` inside free-form parts.
    fn duplicates(&mut self, document: &Document) {
        match document {
            Document::Object(entries) => {
                let mut seen = Vec::new();
                for (key, one) in entries {
                    let length = self.enter(key);
                    if seen.contains(&key) {
                        let path = self.path.clone();
                        self.note("duplicate field", &path);
                    }
                    seen.push(key);
                    self.duplicates(one);
                    self.leave(length);
                }
            }
            Document::Array(items) => {
                for (at, one) in items.iter().enumerate() {
                    let length = self.path.len();
                    self.path.push_str(&format!("[{at}]"));
                    self.duplicates(one);
                    self.path.truncate(length);
                }
            }
            _ => {}
        }
    }

    fn mismatch(&mut self, document: &Document, schema: &Schema) -> Option<Value> {
        self.type_error(document.word(), &schema.go)
    }

    fn type_error(&mut self, what: &str, go: &str) -> Option<Value> {
        let message = self.type_words(what, go);
        self.first_error.get_or_insert(message);
        None
    }

    fn type_words(&self, what: &str, go: &str) -> String {
        if self.fields.is_empty() {
            return format!("json: cannot unmarshal {what} into Go value of type {go}");
        }
        format!(
            "json: cannot unmarshal {what} into Go struct field {}.{} of type {go}",
            self.structure,
            self.fields.join(".")
        )
    }

    fn enter(&mut self, key: &str) -> usize {
        let length = self.path.len();
        if length > 0 {
            self.path.push('.');
        }
        self.path.push_str(key);
        length
    }

    fn leave(&mut self, length: usize) -> String {
        let path = self.path.clone();
        self.path.truncate(length);
        path
    }

    fn note(&mut self, what: &str, path: &str) {
        let text = format!("{what} {}", json!(path));
        if self.strict.len() < 100 && !self.strict.contains(&text) {
            self.strict.push(text);
        }
    }
}

/// Go's decoder skips line breaks and names the byte it cannot take.
fn decode_base64(text: &str) -> Result<Vec<u8>, usize> {
    let kept: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    base64::engine::general_purpose::STANDARD.decode(&kept).map_err(|error| match error {
        base64::DecodeError::InvalidByte(at, _) | base64::DecodeError::InvalidLastSymbol(at, _) => at,
        base64::DecodeError::InvalidLength(_) | base64::DecodeError::InvalidPadding => kept.len() / 4 * 4,
    })
}

/// The JSON that Go writes for a type's zero value.
pub(crate) fn zero(schema: &Schema) -> Value {
    match schema.shape() {
        Shape::Object(_) => write(schema, json!({})),
        Shape::Scalar(Scalar::String | Scalar::Untyped) => "".into(),
        Shape::Scalar(Scalar::Bool) => false.into(),
        Shape::Scalar(Scalar::Int32 | Scalar::Int64 | Scalar::Float | Scalar::Byte | Scalar::IntOrString) => {
            0.into()
        }
        Shape::Scalar(Scalar::Quantity) => "0".into(),
        Shape::Scalar(Scalar::Duration) => "0s".into(),
        _ => Value::Null,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

/// Writes a decoded value as Go does after it went through storage: empty lists and maps are nil.
fn write(schema: &Schema, value: Value) -> Value {
    match (schema.shape(), value) {
        (Shape::Object(object), Value::Object(mut map)) => {
            let mut out = Map::new();
            for field in &object.fields {
                if let Some(value) = write_field(field, map.remove(&field.name)) {
                    out.insert(field.name.clone(), value);
                }
            }
            Value::Object(out)
        }
        (Shape::List { item, .. }, Value::Array(items)) => {
            items.into_iter().map(|one| write(item, one)).collect()
        }
        (Shape::Map { value: schema, .. }, Value::Object(map)) => {
            Value::Object(map.into_iter().map(|(key, one)| (key, write(schema, one))).collect())
        }
        (_, value) => value,
    }
}

fn write_field(field: &Field, value: Option<Value>) -> Option<Value> {
    let shape = field.schema.shape();
    let collection = matches!(shape, Shape::List { .. } | Shape::Map { .. });
    let value = value.map(|value| write(&field.schema, value)).filter(|value| !value.is_null());
    match value {
        // A RawExtension is a struct: never left out.
        None if matches!(shape, Shape::Any) && !field.pointer => Some(Value::Null),
        None if field.pointer || collection => (!field.omit_empty).then_some(Value::Null),
        None if field.omit_zero => None,
        None => {
            let value = zero(&field.schema);
            (!(field.omit_empty && is_empty(&value) && !is_struct(shape))).then_some(value)
        }
        Some(value) if field.pointer => Some(value),
        Some(value) if collection && is_empty(&value) => (!field.omit_empty).then_some(Value::Null),
        Some(value) => (!(field.omit_empty && is_empty(&value) && !is_struct(shape))).then_some(value),
    }
}

/// Whether Go has a struct there, which `omitempty` never leaves out.
fn is_struct(shape: &Shape) -> bool {
    match shape {
        Shape::Object(_) => true,
        Shape::Scalar(scalar) => matches!(
            scalar,
            Scalar::Time | Scalar::MicroTime | Scalar::Duration | Scalar::Quantity | Scalar::IntOrString
        ),
        _ => false,
    }
}
