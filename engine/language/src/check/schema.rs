//! Arguments against the JSON schema of a primitive: literals wholly, other expressions as far as their kind is certain.
//! What it does not understand of a schema it lets pass: the call itself decides.

use opsrun_core::{Bytes, Span, Value};
use rhai::Expr;
use schemars::Schema;

use super::literal::{closure, is_text, literal};
use crate::diagnostic::{Diagnostic, Place};
use crate::words::{nearest, quoted};

/// Whether the argument `field` may be a map, going by the schema of all arguments.
pub(crate) fn accepts_map(arguments: &Schema, field: &str) -> bool {
    let schema =
        arguments.get("properties").and_then(|fields| fields.get(field)).unwrap_or(&Value::Bool(true));
    violation(schema, &Value::Object(serde_json::Map::new()), false).is_none()
}

/// What `expression` has against `schema`; `what` names it: ``option `wait` ``.
pub(super) fn check(schema: &Value, expression: &Expr, what: &str, file: &str, found: &mut Vec<Diagnostic>) {
    let at = || Place::new(file, expression.start_position());
    if closure(expression).is_some() {
        found.push(Diagnostic::error(at(), format!("{what}: a closure cannot be passed to a primitive")));
        return;
    }
    match expression {
        Expr::Map(map, _) => {
            if let Some(object) = alternative(schema, "object") {
                for (key, value) in &map.0 {
                    entry(object, &key.name, value, &Place::new(file, key.pos), what, found);
                }
                return;
            }
        }
        Expr::Array(items, _) => {
            if let Some(array) = alternative(schema, "array") {
                if let Some(schema) = array.get("items") {
                    for (index, item) in items.iter().enumerate() {
                        check(schema, item, &format!("{what}[{index}]"), file, found);
                    }
                }
                return;
            }
        }
        _ => {}
    }
    let wrong = match literal(expression) {
        Some(value) => violation(schema, &value, true),
        None if is_text(expression) => {
            let fits = alternative(schema, "string").is_some() || !is_typed(schema);
            (!fits).then(|| format!("{} is expected, this is a string", words(schema)))
        }
        None => None,
    };
    if let Some(wrong) = wrong {
        found.push(Diagnostic::error(at(), format!("{what}: {wrong}")));
    }
}

/// One entry of a literal map against an object's schema.
fn entry(object: &Value, key: &str, value: &Expr, at: &Place, what: &str, found: &mut Vec<Diagnostic>) {
    let inner = |key: &str| match what.strip_suffix('`') {
        Some(open) => format!("{open}.{key}`"),
        None => format!("{what}.{key}"),
    };
    let fields = object.get("properties").and_then(Value::as_object);
    if let Some(schema) = fields.and_then(|fields| fields.get(key)) {
        return check(schema, value, &inner(key), &at.file, found);
    }
    match object.get("additionalProperties") {
        Some(Value::Bool(false)) => {
            let names: Vec<_> = fields.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
            let unknown = Diagnostic::error(at.clone(), format!("{what} has no field `{key}`"));
            found.push(match nearest(key, names.iter().copied()) {
                Some(name) => unknown.hint(format!("did you mean `{name}`?")),
                None => unknown.hint(format!("its fields are {}", quoted(names))),
            });
        }
        Some(schema) => check(schema, value, &inner(key), &at.file, found),
        None => {}
    }
}

/// The alternative of the schema that speaks of values of this JSON type.
fn alternative<'s>(schema: &'s Value, kind: &str) -> Option<&'s Value> {
    if types(schema).is_some_and(|mut types| types.any(|name| name == kind)) {
        return Some(schema);
    }
    alternatives(schema).find_map(|schema| alternative(schema, kind))
}

fn alternatives(schema: &Value) -> impl Iterator<Item = &Value> {
    ["anyOf", "oneOf", "allOf"].into_iter().filter_map(|key| schema.get(key)?.as_array()).flatten()
}

fn types(schema: &Value) -> Option<Box<dyn Iterator<Item = &str> + '_>> {
    match schema.get("type")? {
        Value::String(name) => Some(Box::new(std::iter::once(name.as_str()))),
        Value::Array(names) => Some(Box::new(names.iter().filter_map(Value::as_str))),
        _ => None,
    }
}

/// Whether the schema restricts the JSON type at all.
fn is_typed(schema: &Value) -> bool {
    if schema.get("$ref").is_some() {
        return false;
    }
    types(schema).is_some() || schema.get("enum").is_some() || schema.get("const").is_some() || {
        let mut any = false;
        alternatives(schema).all(|schema| {
            any = true;
            is_typed(schema)
        }) && any
    }
}

/// Why a value does not fit, in words; `None` if it does, or if the schema is not understood. `inside` goes into maps.
fn violation(schema: &Value, value: &Value, inside: bool) -> Option<String> {
    if schema.get("$ref").is_some() {
        return None;
    }
    for key in ["anyOf", "oneOf"] {
        let Some(alternatives) = schema.get(key).and_then(Value::as_array) else { continue };
        let wrong: Option<Vec<String>> =
            alternatives.iter().map(|alternative| violation(alternative, value, inside)).collect();
        if let Some(wrong) = wrong {
            let real: Vec<_> = alternatives
                .iter()
                .zip(wrong)
                .filter(|(schema, _)| schema.get("type") != Some(&"null".into()))
                .collect();
            return Some(match real.as_slice() {
                [(_, only)] => only.clone(),
                _ => format!("{} is expected, this is {}", words(schema), shown(value)),
            });
        }
    }
    if let Some(wrong) = schema
        .get("allOf")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .find_map(|part| violation(part, value, inside))
    {
        return Some(wrong);
    }
    if let Some(choices) = schema.get("enum").and_then(Value::as_array)
        && !choices.contains(value)
    {
        let names: Vec<_> = choices.iter().filter_map(Value::as_str).collect();
        let near = value.as_str().and_then(|text| nearest(text, names.iter().copied()));
        return Some(match near {
            Some(name) => format!("{} is none of {} (did you mean `{name}`?)", shown(value), quoted(names)),
            None => format!("{} is none of {}", shown(value), quoted(names)),
        });
    }
    if schema.get("const").is_some_and(|constant| constant != value) {
        return Some(format!("{} is expected, this is {}", words(schema), shown(value)));
    }
    let fits = types(schema).is_none_or(|mut types| types.any(|kind| is_of(value, kind)));
    let expected = || Some(format!("{} is expected, this is {}", words(schema), shown(value)));
    if !fits {
        return expected();
    }
    match value {
        Value::String(text) => match schema.get("format").and_then(Value::as_str) {
            Some("span") => text.parse::<Span>().err(),
            Some("bytes") => text.parse::<Bytes>().err(),
            _ => None,
        },
        Value::Number(number) => {
            let limit = |key: &str| schema.get(key).and_then(Value::as_f64);
            let number = number.as_f64()?;
            let low = limit("minimum")
                .filter(|low| number < *low)
                .map(|low| format!("{number} is less than {low}"));
            low.or_else(|| {
                limit("maximum")
                    .filter(|high| number > *high)
                    .map(|high| format!("{number} is more than {high}"))
            })
        }
        Value::Object(fields) if inside => object_violation(schema, fields),
        Value::Array(items) if inside => {
            let schema = schema.get("items")?;
            items.iter().find_map(|item| violation(schema, item, inside))
        }
        _ => None,
    }
}

fn object_violation(schema: &Value, fields: &serde_json::Map<String, Value>) -> Option<String> {
    let missing =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    if let Some(missing) = missing.into_iter().find(|name| !fields.contains_key(*name)) {
        return Some(format!("the field `{missing}` is missing"));
    }
    let known = schema.get("properties").and_then(Value::as_object);
    fields.iter().find_map(|(key, value)| match known.and_then(|known| known.get(key)) {
        Some(schema) => violation(schema, value, true).map(|wrong| format!("`{key}`: {wrong}")),
        None if schema.get("additionalProperties") == Some(&Value::Bool(false)) => {
            Some(format!("there is no field `{key}`"))
        }
        None => None,
    })
}

fn is_of(value: &Value, kind: &str) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => true,
    }
}

/// What a schema wants, in words.
pub(crate) fn words(schema: &Value) -> String {
    if let Some(choices) = schema.get("enum").and_then(Value::as_array) {
        return format!("one of {}", quoted(choices.iter().filter_map(Value::as_str)));
    }
    if let Some(constant) = schema.get("const") {
        return format!("`{}`", crate::parameter::plain(constant));
    }
    match schema.get("format").and_then(Value::as_str) {
        Some("span") => return "a length of time such as `5.m`".to_owned(),
        Some("bytes") => return "an amount of bytes such as `512.MiB`".to_owned(),
        _ => {}
    }
    let mut kinds: Vec<String> = types(schema)
        .into_iter()
        .flatten()
        .filter(|kind| *kind != "null")
        .map(|kind| match kind {
            "boolean" => "a bool".to_owned(),
            "integer" => "an integer".to_owned(),
            "number" => "a number".to_owned(),
            "string" => "a string".to_owned(),
            "array" => array_words(schema),
            "object" => "a map".to_owned(),
            other => other.to_owned(),
        })
        .collect();
    kinds.extend(alternatives(schema).filter(|schema| schema.get("type") != Some(&"null".into())).map(words));
    kinds.dedup();
    match kinds.as_slice() {
        [] => "anything".to_owned(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

fn array_words(schema: &Value) -> String {
    match schema.get("items").map(words).as_deref() {
        Some("a string") => "an array of strings".to_owned(),
        Some("an integer") => "an array of integers".to_owned(),
        Some("a map") => "an array of maps".to_owned(),
        _ => "an array".to_owned(),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(flag) => format!("the bool `{flag}`"),
        Value::Number(number) => format!("the number `{number}`"),
        Value::String(text) => format!("the string {text:?}"),
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "a map".to_owned(),
    }
}
