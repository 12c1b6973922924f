//! Between the script's values and JSON, the form in which arguments and results travel.
//! Lengths of time, amounts and moments travel as text; closures do not travel.

use opsrun_core::{Bytes, Span, Value};
use rhai::{Array, Dynamic, FnPtr, ImmutableString, Map};
use serde_json::Number;

use crate::library::Moment;
use crate::limits::DEEPEST;

/// A value of the script as JSON.
///
/// # Errors
/// What cannot travel, and where in the value it is: ``a closure (at `hooks[0]`)``.
pub(crate) fn to_json(value: &Dynamic) -> Result<Value, String> {
    let mut path = Vec::new();
    convert(value, &mut path).map_err(|what| match path.is_empty() {
        true => what,
        false => format!("{what} (at `{}`)", shown(&path)),
    })
}

/// JSON as a value of the script. Objects become maps, `null` becomes `()`.
pub(crate) fn from_json(value: &Value) -> Dynamic {
    match value {
        Value::Null => Dynamic::UNIT,
        Value::Bool(flag) => (*flag).into(),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => integer.into(),
            (None, float) => float.unwrap_or(f64::NAN).into(),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => Dynamic::from_array(items.iter().map(from_json).collect()),
        Value::Object(fields) => Dynamic::from_map(
            fields.iter().map(|(key, value)| (key.as_str().into(), from_json(value))).collect::<Map>(),
        ),
    }
}

/// The name of a value's type, as a playbook's author would say it.
pub(crate) fn kind_of(value: &Dynamic) -> &'static str {
    match value {
        _ if value.is_unit() => "nothing",
        _ if value.is_bool() => "a bool",
        _ if value.is_int() => "an integer",
        _ if value.is_float() => "a float",
        _ if value.is_string() || value.is_char() => "a string",
        _ if value.is_array() => "an array",
        _ if value.is_map() => "a map",
        _ if value.is_fnptr() => "a closure",
        _ if value.is::<Span>() => "a length of time",
        _ if value.is::<Bytes>() => "an amount of bytes",
        _ if value.is::<Moment>() => "a moment",
        _ => "a value of another type",
    }
}

/// A value as it prints, closures by their kind only: what they hold may be themselves.
pub(crate) fn printed(value: &Dynamic) -> String {
    if let Some(text) = value.read_lock::<ImmutableString>() {
        return text.to_string();
    }
    if value.is_char() {
        return value.to_string();
    }
    let mut text = String::new();
    print(value, 0, &mut text);
    if value.is_unit() { String::new() } else { text }
}

/// As it would be written in a playbook.
fn print(value: &Dynamic, depth: usize, text: &mut String) {
    if depth > DEEPEST {
        text.push('…');
    } else if let Some(array) = value.read_lock::<Array>() {
        text.push('[');
        for (index, item) in array.iter().enumerate() {
            text.push_str(if index > 0 { ", " } else { "" });
            print(item, depth + 1, text);
        }
        text.push(']');
    } else if let Some(map) = value.read_lock::<Map>() {
        text.push_str("#{");
        for (index, (key, item)) in map.iter().enumerate() {
            text.push_str(if index > 0 { ", " } else { "" });
            text.push_str(&format!("{key:?}: "));
            print(item, depth + 1, text);
        }
        text.push('}');
    } else if let Some(function) = value.read_lock::<FnPtr>() {
        match function.is_anonymous() {
            true => text.push_str("|…| …"),
            false => text.push_str(&format!("Fn({})", function.fn_name())),
        }
    } else if value.is_unit() {
        text.push_str("()");
    } else if let Some(string) = value.read_lock::<ImmutableString>() {
        text.push_str(&format!("{:?}", string.as_str()));
    } else if let Ok(character) = value.as_char() {
        text.push_str(&format!("{character:?}"));
    } else {
        text.push_str(&value.to_string());
    }
}

#[derive(Debug)]
enum Part {
    Key(String),
    Index(usize),
}

fn shown(path: &[Part]) -> String {
    let mut text = String::new();
    for part in path {
        match part {
            Part::Key(key) if text.is_empty() => text.push_str(key),
            Part::Key(key) => text.extend([".", key]),
            Part::Index(index) => text.push_str(&format!("[{index}]")),
        }
    }
    text
}

/// On an error, `path` leads to what could not be converted.
fn convert(value: &Dynamic, path: &mut Vec<Part>) -> Result<Value, String> {
    if path.len() > DEEPEST {
        path.truncate(3);
        return Err(format!("a value that holds itself, or is nested more than {DEEPEST} deep"));
    }
    if let Some(array) = value.read_lock::<Array>() {
        let mut items = Vec::with_capacity(array.len());
        for (index, item) in array.iter().enumerate() {
            path.push(Part::Index(index));
            items.push(convert(item, path)?);
            path.pop();
        }
        return Ok(Value::Array(items));
    }
    if let Some(map) = value.read_lock::<Map>() {
        let mut fields = serde_json::Map::new();
        for (key, item) in map.iter() {
            path.push(Part::Key(key.to_string()));
            fields.insert(key.to_string(), convert(item, path)?);
            path.pop();
        }
        return Ok(Value::Object(fields));
    }
    scalar(value)
}

fn scalar(value: &Dynamic) -> Result<Value, String> {
    if value.is_unit() {
        return Ok(Value::Null);
    }
    if let Ok(flag) = value.as_bool() {
        return Ok(Value::Bool(flag));
    }
    if let Ok(integer) = value.as_int() {
        return Ok(integer.into());
    }
    if let Ok(float) = value.as_float() {
        return Number::from_f64(float).map(Value::Number).ok_or_else(|| format!("the number {float}"));
    }
    if let Ok(character) = value.as_char() {
        return Ok(Value::String(character.to_string()));
    }
    if let Some(text) = value.read_lock::<ImmutableString>() {
        return Ok(Value::String(text.to_string()));
    }
    if let Some(span) = value.read_lock::<Span>() {
        return Ok(Value::String(span.to_string()));
    }
    if let Some(bytes) = value.read_lock::<Bytes>() {
        return Ok(Value::String(bytes.to_string()));
    }
    if let Some(moment) = value.read_lock::<Moment>() {
        return Ok(Value::String(moment.to_string()));
    }
    if value.is::<FnPtr>() {
        return Err("a closure".to_owned());
    }
    Err(format!("a value of type `{}`", value.type_name()))
}
