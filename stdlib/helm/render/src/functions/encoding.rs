//! Texts that carry data: base64, base32, JSON, YAML and TOML.

use base64::Engine as _;
use gotemplate::{FnError, Function, Functions, Map, Type, Value};

use super::args::text;
use super::{base, toml};
use crate::json::{self, Layout};
use crate::json_read;
use crate::yaml::{self, json_kind};

pub(super) fn add(functions: &mut Functions) {
    use Type::{Any, String as Text};
    let mut set = |name: &str, function| {
        functions.set(name, function);
    };
    set(
        "b64enc",
        Function::new(&[Text], |_, a| {
            Ok(base64::engine::general_purpose::STANDARD.encode(text(a, 0)).into())
        }),
    );
    set("b64dec", Function::new(&[Text], |_, a| Ok(data_or_error(base::decode_64(text(a, 0))))));
    set("b32enc", Function::new(&[Text], |_, a| Ok(base::encode_32(text(a, 0)).into())));
    set("b32dec", Function::new(&[Text], |_, a| Ok(data_or_error(base::decode_32(text(a, 0))))));

    // Helm's own `toJson` hides errors, as do Sprig's functions without `must`; `toRawJson` does not.
    for (name, layout) in [("toJson", Layout::Compact), ("toPrettyJson", Layout::Pretty)] {
        set(
            name,
            Function::new(&[Any], move |_, a| Ok(json::marshal(&a[0], layout).unwrap_or_default().into())),
        );
    }
    for (name, layout) in [
        ("mustToJson", Layout::Compact),
        ("mustToPrettyJson", Layout::Pretty),
        ("toRawJson", Layout::Raw),
        ("mustToRawJson", Layout::Raw),
    ] {
        set(
            name,
            Function::new(&[Any], move |_, a| {
                json::marshal(&a[0], layout).map(Value::from).map_err(|e| FnError::new(e.to_string()))
            }),
        );
    }
    set("mustFromJson", Function::new(&[Text], |_, a| json_read::parse(text(a, 0)).map_err(FnError::from)));
    set(
        "fromJson",
        Function::new(&[Text], |_, a| {
            Ok(map_or_error(json_read::parse(text(a, 0)).and_then(|value| as_map(value, "json: "))))
        }),
    );
    set(
        "fromJsonArray",
        Function::new(&[Text], |_, a| {
            Ok(list_or_error(json_read::parse(text(a, 0)).and_then(|value| as_list(value, "json: "))))
        }),
    );

    set(
        "toYaml",
        Function::new(&[Any], |_, a| Ok(without_line_feed(yaml::write(&a[0]).unwrap_or_default()))),
    );
    set(
        "mustToYaml",
        Function::new(&[Any], |_, a| {
            yaml::write(&a[0]).map(without_line_feed).map_err(|e| FnError::new(e.to_string()))
        }),
    );
    set("toYamlPretty", Function::new(&[Any], |_, a| Ok(without_line_feed(yaml::write_pretty(&a[0])))));
    set(
        "fromYaml",
        Function::new(&[Text], |_, a| {
            Ok(map_or_error(
                parse_yaml(text(a, 0), Map::new().into()).and_then(|value| as_map(value, YAML_FAILED)),
            ))
        }),
    );
    set(
        "fromYamlArray",
        Function::new(&[Text], |_, a| {
            Ok(list_or_error(
                parse_yaml(text(a, 0), Value::list(Vec::new())).and_then(|value| as_list(value, YAML_FAILED)),
            ))
        }),
    );

    for name in ["toToml", "mustToToml"] {
        let must = name == "mustToToml";
        set(
            name,
            Function::new(&[Any], move |_, a| match toml::write(&a[0]) {
                Ok(text) => Ok(Value::str(text)),
                Err(e) if must || e == toml::REFLECTED_NIL => Err(FnError::new(e)),
                Err(e) => Ok(e.into()),
            }),
        );
    }
    set(
        "fromToml",
        Function::new(&[Text], |_, a| Ok(toml::parse(text(a, 0)).map_or_else(error_map, Value::from))),
    );
}

const YAML_FAILED: &str = "error unmarshaling JSON: while decoding JSON: json: ";

fn data_or_error(decoded: std::result::Result<Vec<u8>, String>) -> Value {
    decoded.map_or_else(Value::str, Value::str)
}

fn without_line_feed(mut text: String) -> Value {
    if text.ends_with('\n') {
        text.pop();
    }
    text.into()
}

/// A null document leaves what was there before: `empty`.
fn parse_yaml(text: &[u8], empty: Value) -> std::result::Result<Value, String> {
    match yaml::parse(text).map_err(|e| e.to_string())? {
        Value::Nil => Ok(empty),
        value => Ok(value),
    }
}

fn as_map(value: Value, failed: &str) -> std::result::Result<Value, String> {
    match value {
        Value::Map(_) => Ok(value),
        Value::Nil => Ok(Map::nil(Type::Any).into()),
        other => {
            let found = json_kind(&other);
            Err(format!("{failed}cannot unmarshal {found} into Go value of type map[string]interface {{}}"))
        }
    }
}

fn as_list(value: Value, failed: &str) -> std::result::Result<Value, String> {
    match value {
        Value::List(_) => Ok(value),
        Value::Nil => Ok(super::args::list(None)),
        other => {
            let found = json_kind(&other);
            Err(format!("{failed}cannot unmarshal {found} into Go value of type []interface {{}}"))
        }
    }
}

fn map_or_error(result: std::result::Result<Value, String>) -> Value {
    result.unwrap_or_else(error_map)
}

fn error_map(error: String) -> Value {
    Map::from_iter([("Error", Value::from(error))]).into()
}

fn list_or_error(result: std::result::Result<Value, String>) -> Value {
    result.unwrap_or_else(|error| Value::list(vec![error.into()]))
}
