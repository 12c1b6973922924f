//! Writes values as YAML: as `sigs.k8s.io/yaml` does, which passes through JSON and go-yaml v2, or as go-yaml v3 does.

use std::borrow::Cow;
use std::cmp::Ordering;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use gotemplate::{Map, Number, Object, Str, Value};

use super::emit::{Scalar, Style, Tree, emit};
use super::order::compare;
use super::resolve::{Dialect, Resolved, is_base_60, is_old_bool, resolve};
use crate::json::{EncodeError, Encoded, encoded, go_lossy};
use crate::number;

/// `yaml.Marshal` of `sigs.k8s.io/yaml`, with the line feed at the end that `toYaml` cuts off.
pub fn write(value: &Value) -> Result<String, EncodeError> {
    let tree = json_tree(value).map_err(|e| match e {
        EncodeError::Json(message) => EncodeError::Yaml(format!("error marshaling into JSON: {message}")),
        other => other,
    })?;
    Ok(emit(&tree, Dialect::V2))
}

/// The same for a JSON value.
pub fn write_json(value: &serde_json::Value) -> String {
    emit(&serde_tree(value), Dialect::V2)
}

/// `yaml.v3`'s encoder with an indentation of two, as `toYamlPretty` uses it.
pub fn write_pretty(value: &Value) -> String {
    emit(&pretty_tree(value), Dialect::V3)
}

fn json_tree(value: &Value) -> Result<Tree, EncodeError> {
    Ok(match encoded(value)? {
        Encoded::Null => plain("null".to_owned()),
        Encoded::Bool(b) => plain(b.to_string()),
        Encoded::Number(json) => plain(through_yaml(json)),
        Encoded::Text(text) => Tree::Scalar(string(&through_quotes(&text)?, Dialect::V2)),
        Encoded::List(items) => Tree::Sequence(items.iter().map(json_tree).collect::<Result<_, _>>()?),
        Encoded::Object(entries) => {
            let mut tree = Vec::with_capacity(entries.len());
            for (key, value) in entries {
                let folded = key.as_str().is_some_and(|key| key.contains('\u{85}'));
                let key = through_quotes(&key)?;
                if folded || is_too_long_for_a_key(&key) {
                    return Err(EncodeError::Yaml("yaml: did not find expected ',' or '}'".to_owned()));
                }
                tree.push((string(&key, Dialect::V2), json_tree(&value)?));
            }
            sorted(tree, Dialect::V2)
        }
    })
}

fn serde_tree(value: &serde_json::Value) -> Tree {
    match value {
        serde_json::Value::Null => plain("null".to_owned()),
        serde_json::Value::Bool(b) => plain(b.to_string()),
        serde_json::Value::Number(n) => match n.as_f64() {
            Some(f) if n.is_f64() => plain(through_yaml(number::json(f))),
            _ => plain(n.to_string()),
        },
        serde_json::Value::String(text) => Tree::Scalar(string(text, Dialect::V2)),
        serde_json::Value::Array(items) => Tree::Sequence(items.iter().map(serde_tree).collect()),
        serde_json::Value::Object(entries) => {
            let entries = entries.iter().map(|(key, value)| (string(key, Dialect::V2), serde_tree(value)));
            sorted(entries.collect(), Dialect::V2)
        }
    }
}

fn pretty_tree(value: &Value) -> Tree {
    match value {
        Value::NoValue | Value::Nil => plain("null".to_owned()),
        Value::Bool(b) => plain(b.to_string()),
        Value::Number(n) => plain(pretty_number(*n)),
        Value::Str(text) => pretty_string(text),
        Value::List(list) => Tree::Sequence(list.iter().map(pretty_tree).collect()),
        Value::Map(map) => pretty_map(map),
        Value::Object(object) => pretty_object(object.as_ref()),
    }
}

fn pretty_map(map: &Map) -> Tree {
    let entries = map.read();
    let tree = entries.iter().map(|(key, value)| (pretty_scalar(key), pretty_tree(value)));
    sorted(tree.collect(), Dialect::V3)
}

fn pretty_object(object: &dyn Object) -> Tree {
    match object.encoded() {
        // A time is written unquoted, and a duration as its text, where JSON has a number.
        Some(Value::Str(time)) if object.type_name() == "time.Time" => plain(time.to_text().into_owned()),
        _ if object.type_name() == "time.Duration" => {
            Tree::Scalar(string(&object.text().unwrap_or_default(), Dialect::V3))
        }
        Some(value) => pretty_tree(&value),
        None => match object.underlying() {
            Some(value) => pretty_tree(&value),
            None => {
                let fields = object.fields().into_iter();
                let entries =
                    fields.map(|(name, v)| (string(&name.to_lowercase(), Dialect::V3), pretty_tree(&v)));
                Tree::Mapping(entries.collect())
            }
        },
    }
}

fn pretty_number(n: Number) -> String {
    let named = |text: String| match text.as_str() {
        "+Inf" => ".inf".to_owned(),
        "-Inf" => "-.inf".to_owned(),
        "NaN" => ".nan".to_owned(),
        _ => text,
    };
    match n {
        Number::Float32(f) => named(number::general_32(f)),
        Number::Float64(f) => named(number::general(f)),
        Number::Complex128(..) => String::new(),
        _ => match (n.as_int(), n.as_uint()) {
            (Some(n), _) => n.to_string(),
            (None, n) => n.unwrap_or(0).to_string(),
        },
    }
}

fn pretty_string(text: &Str) -> Tree {
    Tree::Scalar(pretty_scalar(text))
}

fn pretty_scalar(text: &Str) -> Scalar {
    match text.as_str() {
        Some(text) => string(text, Dialect::V3),
        None => {
            let text = base64_lines(text.as_bytes());
            let style = if text.contains('\n') { Style::Literal } else { Style::Plain };
            Scalar { text, style, binary: true }
        }
    }
}

/// Base64 in lines of 70 once it is longer than that.
fn base64_lines(bytes: &[u8]) -> String {
    let text = BASE64.encode(bytes);
    if text.len() < 70 {
        return text;
    }
    let mut lines = String::with_capacity(text.len() + text.len() / 70 + 1);
    for (i, c) in text.chars().enumerate() {
        lines.push(c);
        if i % 70 == 69 {
            lines.push('\n');
        }
    }
    if !lines.ends_with('\n') {
        lines.push('\n');
    }
    lines
}

fn plain(text: String) -> Tree {
    Tree::Scalar(Scalar { text, style: Style::Plain, binary: false })
}

/// A text that must read back as a text.
fn string(text: &str, dialect: Dialect) -> Scalar {
    let reads_as_text = resolve(text, dialect, true) == Resolved::Text && !is_base_60(text);
    let style = if text.contains('\n') {
        Style::Literal
    } else if reads_as_text && !(dialect == Dialect::V3 && is_old_bool(text)) {
        Style::Plain
    } else {
        Style::DoubleQuoted
    };
    Scalar { text: text.to_owned(), style, binary: false }
}

fn sorted(entries: Vec<(Scalar, Tree)>, dialect: Dialect) -> Tree {
    Tree::Mapping(merge_sort(entries, &|(a, _), (b, _)| compare(&a.text, &b.text, dialect)))
}

/// go-yaml's order of keys is not transitive for every set of them, which `sort_by` answers with a panic.
fn merge_sort<T>(mut items: Vec<T>, compare: &dyn Fn(&T, &T) -> Ordering) -> Vec<T> {
    if items.is_sorted_by(|a, b| compare(a, b) != Ordering::Greater) {
        return items;
    }
    let right = items.split_off(items.len() / 2);
    let mut left = merge_sort(items, compare).into_iter().peekable();
    let mut right = merge_sort(right, compare).into_iter().peekable();
    let mut merged = Vec::with_capacity(left.len() + right.len());
    while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
        let smaller = if compare(b, a) == Ordering::Less { &mut right } else { &mut left };
        merged.extend(smaller.next());
    }
    merged.extend(left);
    merged.extend(right);
    merged
}

/// A JSON number after go-yaml read it: an integer if it is written as one and fits 64 bits, a float otherwise.
fn through_yaml(json: String) -> String {
    match resolve(&json, Dialect::V2, false) {
        Resolved::Int(n) => n.to_string(),
        Resolved::Uint(n) => n.to_string(),
        Resolved::Float(f) => number::general(f),
        _ => json,
    }
}

/// A JSON string after go-yaml read it, which refuses some characters and folds lines at NEL.
fn through_quotes(text: &Str) -> Result<Cow<'_, str>, EncodeError> {
    let text = go_lossy(text);
    if text.is_ascii() && !text.contains('\x7F') {
        return Ok(text);
    }
    if text.contains(|c| matches!(c, '\x7F'..='\u{84}' | '\u{86}'..='\u{9F}' | '\u{FFFE}' | '\u{FFFF}')) {
        return Err(EncodeError::Yaml("yaml: control characters are not allowed".to_owned()));
    }
    if !text.contains('\u{85}') {
        return Ok(text);
    }
    let is_folded = |c: char| matches!(c, ' ' | '\u{85}');
    let mut folded = String::new();
    let mut rest = text.as_ref();
    while let Some(nel) = rest.find('\u{85}') {
        folded.push_str(rest[..nel].trim_end_matches(' '));
        let after = rest[nel..].trim_start_matches(is_folded);
        let breaks = rest[nel..rest.len() - after.len()].matches('\u{85}').count();
        folded.push_str(if breaks == 1 { " " } else { "" });
        folded.extend(std::iter::repeat_n('\n', breaks - 1));
        rest = after;
    }
    folded.push_str(rest);
    Ok(Cow::Owned(folded))
}

/// go-yaml reads keys of at most 1,024 characters on one line, quotes and escapes included.
fn is_too_long_for_a_key(key: &str) -> bool {
    key.len() > 160 && crate::json::quoted(key.as_bytes()).chars().count() > 1_024
}
