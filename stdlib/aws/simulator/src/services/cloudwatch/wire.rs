//! What is common to CloudWatch's operations, whose input may be a form, JSON or CBOR.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cbor;
use crate::fault::{Answer, Fault};

/// Lists of a form, `{ member: [...] }`, as lists.
pub(super) fn flat(input: &Value) -> Value {
    match input {
        Value::Object(members) => match members.get("member") {
            Some(Value::Array(items)) if members.len() == 1 => items.iter().map(flat).collect(),
            _ => Value::Object(members.iter().map(|(name, value)| (name.clone(), flat(value))).collect()),
        },
        other => other.clone(),
    }
}

/// Lists as XML has them.
pub(super) fn deep(result: Value) -> Value {
    match result {
        Value::Array(items) => json!({ "member": items.into_iter().map(deep).collect::<Vec<_>>() }),
        Value::Object(members) => members.into_iter().map(|(name, value)| (name, deep(value))).collect(),
        other => other,
    }
}

pub(super) fn invalid(message: impl Into<String>) -> Fault {
    Fault::sender("ValidationError", message)
}

pub(super) fn missing(member: &str) -> Fault {
    Fault::sender("MissingParameter", format!("The parameter {member} is required."))
}

pub(super) fn optional<'v>(input: &'v Value, member: &str) -> Option<&'v str> {
    input.get(member).and_then(Value::as_str)
}

pub(super) fn needed<'v>(input: &'v Value, member: &str) -> Answer<&'v str> {
    optional(input, member).ok_or_else(|| missing(member))
}

/// # Errors
/// `ValidationError` for what is none.
pub(super) fn number(input: &Value, member: &str) -> Answer<Option<f64>> {
    match input.get(member) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let number = value.as_f64().or_else(|| value.as_str()?.parse().ok());
            number.map(Some).ok_or_else(|| invalid(format!("The parameter {member} must be a number.")))
        }
    }
}

/// A whole number above zero.
///
/// # Errors
/// `ValidationError` for what is none.
pub(super) fn count(input: &Value, member: &str) -> Answer<Option<i64>> {
    let Some(value) = input.get(member).filter(|value| !value.is_null()) else { return Ok(None) };
    let number = value.as_i64().or_else(|| value.as_str()?.parse().ok()).filter(|number| *number > 0);
    number.map(Some).ok_or_else(|| invalid(format!("The parameter {member} must be greater than 0.")))
}

pub(super) fn flag(input: &Value, member: &str) -> Option<bool> {
    let value = input.get(member)?;
    value.as_bool().or_else(|| Some(value.as_str()? == "true"))
}

/// # Errors
/// `ValidationError` for what is none.
pub(super) fn time(input: &Value, member: &str) -> Answer<Option<Timestamp>> {
    let Some(value) = input.get(member).filter(|value| !value.is_null()) else { return Ok(None) };
    cbor::time(value).map(Some).ok_or_else(|| invalid(format!("The parameter {member} must be a time.")))
}

/// A period is a multiple of a minute, or one of the short ones.
///
/// # Errors
/// `MissingParameter`, `ValidationError`.
pub(super) fn period(input: &Value) -> Answer<i64> {
    match count(input, "Period")?.ok_or_else(|| missing("Period"))? {
        seconds @ (1 | 5 | 10 | 20 | 30) => Ok(seconds),
        seconds if seconds % 60 == 0 => Ok(seconds),
        seconds => Err(invalid(format!("Period {seconds} is not 1, 5, 10, 20, 30 or a multiple of 60."))),
    }
}

pub(super) fn list<'v>(input: &'v Value, member: &str) -> impl Iterator<Item = &'v Value> {
    input.get(member).and_then(Value::as_array).into_iter().flatten()
}

pub(super) fn texts(input: &Value, member: &str) -> Vec<String> {
    list(input, member).filter_map(Value::as_str).map(str::to_owned).collect()
}

/// `[{ Name, Value }]`
pub(super) fn dimensions(input: &Value) -> BTreeMap<String, String> {
    let pair = |dimension: &Value| {
        Some((optional(dimension, "Name")?.to_owned(), optional(dimension, "Value")?.to_owned()))
    };
    list(input, "Dimensions").filter_map(pair).collect()
}

pub(super) fn told(dimensions: &BTreeMap<String, String>) -> Value {
    dimensions.iter().map(|(name, value)| json!({ "Name": name, "Value": value })).collect()
}

/// Where a page begins, as its token says.
///
/// # Errors
/// `InvalidNextToken`
pub(super) fn from(input: &Value) -> Answer<usize> {
    match optional(input, "NextToken") {
        None => Ok(0),
        Some(token) => token.parse().map_err(|_| Fault::sender("InvalidNextToken", "Invalid next token.")),
    }
}
