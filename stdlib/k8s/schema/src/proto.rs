//! Protobuf bodies of the API (`k8s\0` and a `runtime.Unknown`) read into JSON, by the field numbers of the catalogue.
//! Only reading: answers are JSON, which every client takes.

use base64::Engine;
use serde_json::{Map, Value, json};

use crate::decode;
use crate::schema::{Gvk, Message, Object, Scalar, Schema, Shape};
use crate::time::format_seconds;

const MAGIC: &[u8] = b"k8s\0";

/// Why a body cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtoError {
    #[error("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")]
    Magic,
    #[error("proto: {0}")]
    Wire(&'static str),
    #[error("no kind {:?} is registered for version {:?}", .0.kind, .0.api_version())]
    Kind(Gvk),
}

/// Reads a body into the object it stands for, as JSON of its kind.
///
/// `default` is the kind meant when the body names none.
pub fn decode_protobuf(body: &[u8], default: Option<&Gvk>) -> Result<Value, ProtoError> {
    let unknown = body.strip_prefix(MAGIC).ok_or(ProtoError::Magic)?;
    let (mut gvk, mut raw): (Gvk, &[u8]) = (Gvk::new("", "", ""), &[]);
    let mut reader = Reader(unknown);
    while let Some((number, wire)) = reader.field()? {
        match (number, wire) {
            (1, Wire::Bytes(meta)) => {
                let mut meta = Reader(meta);
                let (mut api_version, mut kind) = (String::new(), String::new());
                while let Some((number, wire)) = meta.field()? {
                    match (number, wire) {
                        (1, Wire::Bytes(text)) => api_version = utf8(text)?,
                        (2, Wire::Bytes(text)) => kind = utf8(text)?,
                        _ => {}
                    }
                }
                gvk = Gvk::from_api_version(&api_version, &kind);
            }
            (2, Wire::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    let known = if gvk.kind.is_empty() { default.unwrap_or(&gvk) } else { &gvk };
    let schema = Schema::for_kind(known)
        .or_else(|| Schema::named(&format!("io.k8s.apimachinery.pkg.apis.meta.v1.{}", known.kind)))
        .ok_or_else(|| ProtoError::Kind(known.clone()))?;
    let object = schema.object().ok_or_else(|| ProtoError::Kind(known.clone()))?;
    let mut map = message(object, raw)?;
    map.insert("apiVersion".to_owned(), known.api_version().into());
    map.insert("kind".to_owned(), known.kind.as_str().into());
    Ok(Value::Object(map))
}

fn message(object: &Object, bytes: &[u8]) -> Result<Map<String, Value>, ProtoError> {
    let mut out = Map::new();
    let mut reader = Reader(bytes);
    while let Some((number, wire)) = reader.field()? {
        for part in &object.messages {
            match part {
                Message::Field { number: at, index } if *at == number => {
                    let field = &object.fields[*index];
                    let before = out.remove(&field.name);
                    let value = value(&field.schema, wire, before)?;
                    // A zero that is no pointer is what absence means.
                    let absent = !field.pointer && is_zero(&field.schema, &value);
                    if !absent {
                        out.insert(field.name.clone(), value);
                    }
                }
                Message::Embedded { number: at, schema } if *at == number => {
                    if let (Wire::Bytes(bytes), Some(inner)) = (wire, schema.object()) {
                        out.extend(message(inner, bytes)?);
                    }
                }
                _ => {}
            }
        }
    }
    Ok(out)
}

fn is_zero(schema: &Schema, value: &Value) -> bool {
    match schema.shape() {
        Shape::Scalar(Scalar::IntOrString) => false,
        Shape::Scalar(_) => *value == decode::zero(schema) || value.is_null(),
        _ => value.is_null(),
    }
}

fn value(schema: &Schema, wire: Wire<'_>, before: Option<Value>) -> Result<Value, ProtoError> {
    let wrong = ProtoError::Wire("wrong wireType");
    match (schema.shape(), wire) {
        (Shape::Scalar(scalar), wire) => self::scalar(*scalar, wire),
        (Shape::List { item, .. }, wire) => {
            let mut items = match before {
                Some(Value::Array(items)) => items,
                _ => Vec::new(),
            };
            items.push(value(item, wire, None)?);
            Ok(Value::Array(items))
        }
        (Shape::Map { value: schema, .. }, Wire::Bytes(bytes)) => {
            let mut map = match before {
                Some(Value::Object(map)) => map,
                _ => Map::new(),
            };
            let mut reader = Reader(bytes);
            let (mut key, mut found) = (String::new(), None);
            while let Some((number, wire)) = reader.field()? {
                match (number, wire) {
                    (1, Wire::Bytes(text)) => key = utf8(text)?,
                    // A list of strings inside a map is a message of its own.
                    (2, Wire::Bytes(bytes)) if matches!(schema.shape(), Shape::List { .. }) => {
                        let mut inner = Reader(bytes);
                        let mut list = None;
                        while let Some((1, wire)) = inner.field()? {
                            list = Some(value(schema, wire, list)?);
                        }
                        found = Some(list.unwrap_or_else(|| json!([])));
                    }
                    (2, wire) => found = Some(value(schema, wire, None)?),
                    _ => {}
                }
            }
            map.insert(key, found.unwrap_or_else(|| decode::zero(schema)));
            Ok(Value::Object(map))
        }
        (Shape::Object(object), Wire::Bytes(bytes)) => message(object, bytes).map(Value::Object),
        // RawExtension, JSON and FieldsV1: one field with the JSON in it.
        (Shape::Any, Wire::Bytes(bytes)) => {
            let mut reader = Reader(bytes);
            while let Some((number, wire)) = reader.field()? {
                if let (1, Wire::Bytes(raw)) = (number, wire) {
                    return serde_json::from_slice(raw)
                        .map_err(|_| ProtoError::Wire("bad JSON in raw extension"));
                }
            }
            Ok(Value::Null)
        }
        _ => Err(wrong),
    }
}

fn scalar(scalar: Scalar, wire: Wire<'_>) -> Result<Value, ProtoError> {
    let parts = |bytes| {
        let mut reader = Reader(bytes);
        let mut out = Vec::new();
        while let Some(part) = reader.field()? {
            out.push(part);
        }
        Ok::<_, ProtoError>(out)
    };
    let varint = |parts: &[(u32, Wire<'_>)], wanted: u32| {
        parts.iter().find_map(|(number, wire)| match wire {
            Wire::Varint(value) if *number == wanted => Some(signed(*value)),
            _ => None,
        })
    };
    let text = |parts: &[(u32, Wire<'_>)], wanted: u32| {
        parts.iter().find_map(|(number, wire)| match wire {
            Wire::Bytes(bytes) if *number == wanted => Some(String::from_utf8_lossy(bytes).into_owned()),
            _ => None,
        })
    };
    match (scalar, wire) {
        (Scalar::String, Wire::Bytes(bytes)) => utf8(bytes).map(Value::from),
        (Scalar::Bytes, Wire::Bytes(bytes)) => {
            Ok(base64::engine::general_purpose::STANDARD.encode(bytes).into())
        }
        (Scalar::Bool, Wire::Varint(value)) => Ok((value != 0).into()),
        (Scalar::Int32 | Scalar::Int64 | Scalar::Byte, Wire::Varint(value)) => Ok(signed(value).into()),
        (Scalar::Float, Wire::Fixed64(value)) => Ok(f64::from_bits(value).into()),
        (Scalar::Quantity, Wire::Bytes(bytes)) => Ok(text(&parts(bytes)?, 1)
            .filter(|text| !text.is_empty())
            .unwrap_or_else(|| "0".to_owned())
            .into()),
        (Scalar::IntOrString, Wire::Bytes(bytes)) => {
            let parts = parts(bytes)?;
            Ok(match varint(&parts, 1) {
                Some(1) => text(&parts, 3).unwrap_or_default().into(),
                _ => varint(&parts, 2).unwrap_or(0).into(),
            })
        }
        (Scalar::Time | Scalar::MicroTime, Wire::Bytes(bytes)) => {
            let parts = parts(bytes)?;
            if parts.is_empty() {
                return Ok(Value::Null);
            }
            let base = format_seconds(varint(&parts, 1).unwrap_or(0));
            if scalar == Scalar::Time {
                return Ok(base.into());
            }
            let micros = varint(&parts, 2).unwrap_or(0) / 1000;
            Ok(format!("{}.{micros:06}Z", base.trim_end_matches('Z')).into())
        }
        (Scalar::Duration, Wire::Bytes(bytes)) => {
            Ok(crate::duration::format_go(varint(&parts(bytes)?, 1).unwrap_or(0)).into())
        }
        _ => Err(ProtoError::Wire("wrong wireType")),
    }
}

/// Two's complement, as protobuf writes negative integers.
fn signed(value: u64) -> i64 {
    i64::from_ne_bytes(value.to_ne_bytes())
}

fn utf8(bytes: &[u8]) -> Result<String, ProtoError> {
    String::from_utf8(bytes.to_vec()).map_err(|_| ProtoError::Wire("invalid UTF-8"))
}

#[derive(Clone, Copy)]
enum Wire<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32,
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn field(&mut self) -> Result<Option<(u32, Wire<'a>)>, ProtoError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).map_err(|_| ProtoError::Wire("illegal tag"))?;
        let wire = match tag & 7 {
            0 => Wire::Varint(self.varint()?),
            1 => {
                let bytes = self.take(8)?;
                let bytes = <[u8; 8]>::try_from(bytes).map_err(|_| ProtoError::Wire("unexpected EOF"))?;
                Wire::Fixed64(u64::from_le_bytes(bytes))
            }
            2 => {
                let length =
                    usize::try_from(self.varint()?).map_err(|_| ProtoError::Wire("negative length"))?;
                Wire::Bytes(self.take(length)?)
            }
            5 => {
                self.take(4)?;
                Wire::Fixed32
            }
            _ => return Err(ProtoError::Wire("illegal wireType")),
        };
        Ok(Some((number, wire)))
    }

    fn varint(&mut self) -> Result<u64, ProtoError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(ProtoError::Wire("integer overflow"))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], ProtoError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(ProtoError::Wire("unexpected EOF"))?;
        self.0 = rest;
        Ok(taken)
    }
}
