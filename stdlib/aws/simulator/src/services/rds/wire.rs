//! What is common to RDS's operations: members of the form, filters, pages, identifiers.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::fault::{Answer, Fault};

pub(crate) fn optional<'v>(input: &'v Value, member: &str) -> Option<&'v str> {
    input.get(member).and_then(Value::as_str)
}

pub(crate) fn flag(input: &Value, member: &str) -> Option<bool> {
    optional(input, member).map(|text| text == "true")
}

/// A whole number.
///
/// # Errors
/// `InvalidParameterValue`.
pub(crate) fn number(input: &Value, member: &str) -> Answer<Option<u32>> {
    let Some(text) = optional(input, member) else { return Ok(None) };
    let number = text.parse();
    number.map(Some).map_err(|_| invalid(format!("Invalid value {text} for {member}.")))
}

/// Texts of a list: `ValuesToAdd.AttributeValue.1`.
pub(crate) fn list<'v>(input: &'v Value, member: &str, item: &str) -> Vec<&'v str> {
    let items = input.get(member).and_then(|list| list.get(item).or(list.get("member")));
    items.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

pub(crate) fn tags_of(input: &Value) -> BTreeMap<String, String> {
    let list = input.get("Tags").and_then(|tags| tags.get("Tag").or(tags.get("member")));
    let items = list.and_then(Value::as_array).into_iter().flatten();
    let pair = |tag: &Value| {
        Some((optional(tag, "Key")?.to_owned(), optional(tag, "Value").unwrap_or_default().to_owned()))
    };
    items.filter_map(pair).collect()
}

pub(crate) fn tags(tags: &BTreeMap<String, String>) -> Value {
    tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect()
}

pub(crate) fn invalid(message: impl Into<String>) -> Fault {
    Fault::sender("InvalidParameterValue", message)
}

/// The name of something that is made: AWS keeps it in small letters.
///
/// # Errors
/// `InvalidParameterValue`.
pub(crate) fn identifier(input: &Value, member: &str) -> Answer<String> {
    let name = crate::protocol::text(input, member)?;
    let good = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        && !name.ends_with('-')
        && !name.contains("--")
        && name.len() <= if member.contains("Snapshot") { 255 } else { 63 };
    if good {
        return Ok(name.to_ascii_lowercase());
    }
    Err(invalid(format!(
        "The parameter {member} is not a valid identifier. Identifiers must begin with a letter; must contain only ASCII letters, digits, and hyphens; and must not end with a hyphen or contain two consecutive hyphens."
    )))
}

/// `Filters.Filter.N`, each with its values.
pub(crate) struct Filters<'v>(Vec<(&'v str, BTreeSet<&'v str>)>);

impl<'v> Filters<'v> {
    /// # Errors
    /// `InvalidParameterValue` for one that is not among `known`.
    pub(crate) fn of(input: &'v Value, known: &[&str]) -> Answer<Self> {
        let list = input.get("Filters").and_then(|filters| filters.get("Filter").or(filters.get("member")));
        let mut filters = Vec::new();
        for filter in list.and_then(Value::as_array).into_iter().flatten() {
            let name = optional(filter, "Name").unwrap_or_default();
            if !known.contains(&name) {
                return Err(invalid(format!("Unrecognized filter name: {name}")));
            }
            filters.push((name, list_of_values(filter)));
        }
        Ok(Filters(filters))
    }

    /// Whether all of them let this pass.
    pub(crate) fn pass(&self, value: impl Fn(&str) -> String) -> bool {
        self.0.iter().all(|(name, values)| values.contains(value(name).as_str()))
    }
}

fn list_of_values(filter: &Value) -> BTreeSet<&str> {
    list(filter, "Values", "Value").into_iter().collect()
}

/// One page of `items`, which are in the order of their names, and the marker of the next one.
///
/// # Errors
/// `InvalidParameterValue` for a size that no page can have.
pub(crate) fn page(input: &Value, items: Vec<(String, Value)>) -> Answer<(Vec<Value>, Option<String>)> {
    let size = number(input, "MaxRecords")?.unwrap_or(100);
    if !(20..=100).contains(&size) {
        return Err(invalid(format!("Invalid value {size} for MaxRecords. Must be between 20 and 100")));
    }
    let after = optional(input, "Marker").unwrap_or_default();
    let mut rest = items.into_iter().filter(|(name, _)| name.as_str() > after).peekable();
    let mut page: Vec<(String, Value)> = rest.by_ref().take(size as usize).collect();
    let marker = if rest.peek().is_some() { page.last().map(|(name, _)| name.clone()) } else { None };
    Ok((page.drain(..).map(|(_, item)| item).collect(), marker))
}
