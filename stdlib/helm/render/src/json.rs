//! JSON as Go's `encoding/json` writes it: sorted keys, HTML-safe escapes, its spelling of numbers.
//! Knows every kind of template value; what has no JSON is an error in Go's words.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use gotemplate::{Number, Str, Type, Value};
use thiserror::Error;

use crate::number;

/// Why a value has no JSON, or no YAML.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EncodeError {
    #[error("{0}")]
    Json(String),
    #[error("{0}")]
    Yaml(String),
}

/// How JSON is to be laid out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// On one line, `<`, `>` and `&` escaped.
    Compact,
    /// Indented by two, likewise escaped.
    Pretty,
    /// On one line, with nothing escaped for HTML.
    Raw,
}

/// What JSON makes of a value, one level deep.
pub(crate) enum Encoded {
    Null,
    Bool(bool),
    /// Its text.
    Number(String),
    Text(Str),
    List(Vec<Value>),
    /// In the order in which JSON writes the entries.
    Object(Vec<(Str, Value)>),
}

pub(crate) fn marshal(value: &Value, layout: Layout) -> Result<String, EncodeError> {
    let mut out = Vec::new();
    write(value, layout, 0, &mut out)?;
    Ok(String::from_utf8(out).expect("strings are made UTF-8 before they are written"))
}

pub(crate) fn encoded(value: &Value) -> Result<Encoded, EncodeError> {
    Ok(match value {
        Value::NoValue | Value::Nil => Encoded::Null,
        Value::Bool(b) => Encoded::Bool(*b),
        Value::Number(n) => Encoded::Number(number(*n)?),
        Value::Str(text) => Encoded::Text(text.clone()),
        Value::List(list) if list.is_nil() => Encoded::Null,
        Value::List(list) => match list.to_bytes() {
            Some(bytes) if list.elem() == Type::Uint8 => Encoded::Text(BASE64.encode(bytes).into()),
            _ => Encoded::List(list.to_vec()),
        },
        Value::Map(map) if map.is_nil() => Encoded::Null,
        Value::Map(map) => Encoded::Object(map.entries()),
        Value::Object(object) => match (object.encoded(), object.underlying()) {
            (Some(value), _) | (None, Some(value)) => encoded(&value)?,
            (None, None) => {
                let fields = object.fields().into_iter();
                Encoded::Object(fields.map(|(name, value)| (name.into(), value)).collect())
            }
        },
    })
}

/// A string in quotes, safe inside of HTML.
pub(crate) fn quoted(text: &[u8]) -> String {
    let mut out = Vec::new();
    write_string(text, true, &mut out);
    String::from_utf8(out).expect("strings are made UTF-8 before they are written")
}

/// The text, with U+FFFD for each byte that is not UTF-8.
pub(crate) fn go_lossy(text: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(text) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => {
            let mut out = String::new();
            for chunk in text.utf8_chunks() {
                out.push_str(chunk.valid());
                out.extend(chunk.invalid().iter().map(|_| '\u{FFFD}'));
            }
            Cow::Owned(out)
        }
    }
}

fn number(n: Number) -> Result<String, EncodeError> {
    let (f, text) = match n {
        Number::Complex128(..) => {
            return Err(EncodeError::Json("json: unsupported type: complex128".to_owned()));
        }
        Number::Float32(f) => (f64::from(f), number::json_32(f)),
        Number::Float64(f) => (f, number::json(f)),
        _ => {
            return Ok(match (n.as_int(), n.as_uint()) {
                (Some(n), _) => n.to_string(),
                (None, n) => n.unwrap_or(0).to_string(),
            });
        }
    };
    if f.is_finite() {
        return Ok(text);
    }
    Err(EncodeError::Json(format!("json: unsupported value: {}", number::general(f))))
}

fn write(value: &Value, layout: Layout, depth: usize, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let escape = layout != Layout::Raw;
    match encoded(value)? {
        Encoded::Null => out.extend_from_slice(b"null"),
        Encoded::Bool(b) => out.extend_from_slice(if b { b"true" } else { b"false" }),
        Encoded::Number(text) => out.extend_from_slice(text.as_bytes()),
        Encoded::Text(text) => write_string(&text, escape, out),
        Encoded::List(items) if items.is_empty() => out.extend_from_slice(b"[]"),
        Encoded::List(items) => {
            for (i, item) in items.iter().enumerate() {
                out.push(if i == 0 { b'[' } else { b',' });
                break_line(layout, depth + 1, out);
                write(item, layout, depth + 1, out)?;
            }
            break_line(layout, depth, out);
            out.push(b']');
        }
        Encoded::Object(entries) if entries.is_empty() => out.extend_from_slice(b"{}"),
        Encoded::Object(entries) => {
            for (i, (key, value)) in entries.iter().enumerate() {
                out.push(if i == 0 { b'{' } else { b',' });
                break_line(layout, depth + 1, out);
                write_string(key, escape, out);
                out.push(b':');
                if layout == Layout::Pretty {
                    out.push(b' ');
                }
                write(value, layout, depth + 1, out)?;
            }
            break_line(layout, depth, out);
            out.push(b'}');
        }
    }
    Ok(())
}

fn break_line(layout: Layout, depth: usize, out: &mut Vec<u8>) {
    if layout == Layout::Pretty {
        out.push(b'\n');
        out.extend(std::iter::repeat_n(b' ', 2 * depth));
    }
}

fn write_string(text: &[u8], escape_html: bool, out: &mut Vec<u8>) {
    out.push(b'"');
    for chunk in text.utf8_chunks() {
        write_chars(chunk.valid(), escape_html, out);
        // Each byte that is not UTF-8 becomes the replacement character, escaped.
        for _ in chunk.invalid() {
            out.extend_from_slice(b"\\ufffd");
        }
    }
    out.push(b'"');
}

fn write_chars(text: &str, escape_html: bool, out: &mut Vec<u8>) {
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend([b'\\', c as u8]),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            '\x08' => out.extend_from_slice(b"\\b"),
            '\x0C' => out.extend_from_slice(b"\\f"),
            '\0'..'\x20' | '\u{2028}' | '\u{2029}' => escape(c, out),
            '<' | '>' | '&' if escape_html => escape(c, out),
            _ => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

fn escape(c: char, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("\\u{:04x}", u32::from(c)).as_bytes());
}
