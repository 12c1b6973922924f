//! Strategic merge patch: lists merge by key, and directives (`$patch`, `$retainKeys`, `$setElementOrder/…`,
//! `$deleteFromPrimitiveList/…`) say the rest. Errors are Kubernetes' own texts; the server answers them with 500.

use serde_json::{Map, Value};

use crate::schema::{Patch, Schema, Shape};
use crate::typed::go_plain;

const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const ORDER: &str = "$setElementOrder";
const DELETE_FROM: &str = "$deleteFromPrimitiveList";

/// Lays a strategic merge patch over an object of a built-in kind.
pub fn strategic_merge(schema: &Schema, object: &Value, patch: &Value) -> Result<Value, String> {
    let (Value::Object(original), Value::Object(patch)) = (object, patch) else {
        return Err("invalid JSON document".to_owned());
    };
    merge_map(original.clone(), patch.clone(), Some(schema)).map(Value::Object)
}

fn merge_map(
    mut original: Map<String, Value>,
    mut patch: Map<String, Value>,
    schema: Option<&Schema>,
) -> Result<Map<String, Value>, String> {
    if let Some(directive) = patch.get(DIRECTIVE) {
        return match directive.as_str() {
            Some("replace") => {
                patch.remove(DIRECTIVE);
                Ok(patch)
            }
            Some("delete") => Ok(Map::new()),
            _ => Err(bad_directive(directive, &patch)),
        };
    }
    retain_keys(&mut original, &mut patch)?;
    let ordered: Vec<String> = patch.keys().filter(|key| key.starts_with(ORDER)).cloned().collect();
    for key in ordered {
        merge_ordered(&key, &mut original, &mut patch, schema)?;
    }
    for (key, value) in patch {
        let (name, deletes) = if key.starts_with(DELETE_FROM) {
            let name = key.strip_prefix(DELETE_FROM).and_then(|rest| rest.strip_prefix('/'));
            (name.ok_or("invalid patch format of primitive list")?.to_owned(), true)
        } else {
            (key, false)
        };
        if value.is_null() {
            original.remove(&name);
            continue;
        }
        let same_type = original
            .get(&name)
            .is_some_and(|old| std::mem::discriminant(old) == std::mem::discriminant(&value));
        if !same_type {
            if !deletes {
                put(&mut original, name, without_nulls(value));
            }
            continue;
        }
        let (inner, rule) = lookup(schema, &name);
        match (original.remove(&name).unwrap_or(Value::Null), value) {
            (Value::Object(old), Value::Object(new)) => {
                let merged = if rule.replace { new } else { merge_map(old, new, inner)? };
                original.insert(name, Value::Object(merged));
            }
            (Value::Array(old), Value::Array(new)) => {
                let merged = if rule.merge || deletes {
                    merge_list(old, new, item(inner), rule.merge_key.as_deref(), deletes)?
                } else {
                    new
                };
                original.insert(name, Value::Array(merged));
            }
            (_, value) => put(&mut original, name, value),
        }
    }
    Ok(original)
}

fn lookup<'a>(schema: Option<&'a Schema>, name: &str) -> (Option<&'a Schema>, Patch) {
    let Some(schema) = schema else { return (None, Patch::default()) };
    match schema.shape() {
        Shape::Object(object) => match object.field(name) {
            Some(field) => (Some(&field.schema), field.patch.clone()),
            None => (object.rest.as_deref(), Patch::default()),
        },
        Shape::Map { value, .. } => (Some(value), Patch::default()),
        _ => (None, Patch::default()),
    }
}

fn item(schema: Option<&Schema>) -> Option<&Schema> {
    match schema?.shape() {
        Shape::List { item, .. } => Some(item),
        _ => None,
    }
}

fn put(map: &mut Map<String, Value>, key: String, value: Value) {
    match without_directives(value) {
        Some(value) => drop(map.insert(key, value)),
        None => drop(map.remove(&key)),
    }
}

/// `None` for an object that is a directive itself.
fn without_directives(value: Value) -> Option<Value> {
    match value {
        Value::Object(map) if map.contains_key(DIRECTIVE) => None,
        Value::Object(map) => Some(Value::Object(
            map.into_iter().filter_map(|(key, one)| Some((key, without_directives(one)?))).collect(),
        )),
        Value::Array(items) => Some(items.into_iter().filter_map(without_directives).collect()),
        other => Some(other),
    }
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.into_iter()
                .filter(|(_, one)| !one.is_null())
                .map(|(key, one)| (key, without_nulls(one)))
                .collect(),
        ),
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        other => other,
    }
}

fn retain_keys(original: &mut Map<String, Value>, patch: &mut Map<String, Value>) -> Result<(), String> {
    let Some(keys) = patch.remove(RETAIN_KEYS) else { return Ok(()) };
    let bad = || "invalid patch format of retainKeys".to_owned();
    let keys = keys.as_array().ok_or_else(bad)?;
    let kept = |name: &str| keys.iter().any(|key| key.as_str() == Some(name));
    for (key, value) in patch.iter() {
        let directive = key.starts_with(DELETE_FROM) || key.starts_with(ORDER);
        if !value.is_null() && !directive && !kept(key) {
            return Err(bad());
        }
    }
    original.retain(|key, _| kept(key));
    Ok(())
}

/// `$setElementOrder/name`: merges the list and puts it in that order, what only the server has in its old place.
fn merge_ordered(
    key: &str,
    original: &mut Map<String, Value>,
    patch: &mut Map<String, Value>,
    schema: Option<&Schema>,
) -> Result<(), String> {
    let bad = || "invalid patch format of setElementOrder list".to_owned();
    let Some(Value::Array(order)) = patch.remove(key) else {
        return Err("expected a []interface {}, but received a map[string]interface {}".to_owned());
    };
    let name = key.strip_prefix(ORDER).and_then(|rest| rest.strip_prefix('/')).ok_or_else(bad)?;
    let list = |value: Option<&Value>| match value {
        None => Ok(None),
        Some(Value::Array(items)) => Ok(Some(items.clone())),
        Some(other) => Err(format!("expected a []interface {{}}, but received a {}", go_type(other))),
    };
    let old = list(original.get(name))?;
    let new = list(patch.get(name))?;
    let (inner, rule) = lookup(schema, name);
    let merge_key = rule.merge_key.as_deref();
    if let Some(new) = &new {
        check_order(new, &order, merge_key)?;
    }
    let merged = match (&old, &new) {
        (None, None) => return Ok(()),
        (Some(old), None) => old.clone(),
        (None, Some(new)) => new.iter().cloned().filter_map(without_directives).collect(),
        (Some(old), Some(new)) if rule.merge => {
            merge_list(old.clone(), new.clone(), item(inner), merge_key, false)?
        }
        (Some(_), Some(new)) => new.clone(),
    };
    patch.remove(name);
    let both = in_order(merged, &order, &old.unwrap_or_default(), merge_key)?;
    original.insert(name.to_owned(), Value::Array(both));
    Ok(())
}

/// The patch's items must come in the order that is asked for.
fn check_order(patch: &[Value], order: &[Value], merge_key: Option<&str>) -> Result<(), String> {
    if patch.is_empty() || order.is_empty() {
        return Ok(());
    }
    let mut left = order.iter();
    for one in patch.iter().filter(|one| one.get(DIRECTIVE).is_none()) {
        let mut found = false;
        for wanted in left.by_ref() {
            if key_of(one, merge_key)? == key_of(wanted, merge_key)? {
                found = true;
                break;
            }
        }
        if !found {
            return Err(format!(
                "The order in patch list:\n{}\n doesn't match {ORDER} list:\n{}\n",
                go_plain(&Value::Array(patch.to_vec())),
                go_plain(&Value::Array(order.to_vec()))
            ));
        }
    }
    Ok(())
}

/// What identifies an item: the value of its merge key, or itself.
fn key_of<'a>(value: &'a Value, merge_key: Option<&str>) -> Result<&'a Value, String> {
    match (merge_key, value) {
        (None, _) => Ok(value),
        (Some(key), Value::Object(map)) => map.get(key).ok_or_else(|| no_merge_key(map, key)),
        (Some(_), other) => {
            Err(format!("expected a map[string]interface {{}}, but received a {}", go_type(other)))
        }
    }
}

fn merge_list(
    original: Vec<Value>,
    patch: Vec<Value>,
    schema: Option<&Schema>,
    merge_key: Option<&str>,
    deletes: bool,
) -> Result<Vec<Value>, String> {
    let Some(first) = original.first().or(patch.first()) else { return Ok(original) };
    if !first.is_object() {
        if deletes {
            return Ok(original.into_iter().filter(|one| !patch.contains(one)).collect());
        }
        let mut merged: Vec<Value> = Vec::new();
        for one in original.iter().chain(&patch) {
            if !merged.contains(one) {
                merged.push(one.clone());
            }
        }
        return in_order(merged, &patch, &original, None);
    }
    let Some(key) = merge_key else {
        let name = schema.map_or("", Schema::go_name);
        return Err(format!("cannot merge lists without merge key for {name}"));
    };
    let (original, patch) = special_items(original, patch, key)?;
    let mut merged = original.clone();
    for one in &patch {
        let Value::Object(new) = one else {
            return Err(format!("expected a map[string]interface {{}}, but received a {}", go_type(one)));
        };
        let wanted = new.get(key).ok_or_else(|| no_merge_key(new, key))?;
        match merged.iter_mut().find(|old| old.get(key) == Some(wanted)) {
            Some(Value::Object(old)) => *old = merge_map(std::mem::take(old), new.clone(), schema)?,
            _ => merged.push(one.clone()),
        }
    }
    in_order(merged, &patch, &original, merge_key)
}

/// Carries out `$patch: delete` and `$patch: replace` items.
fn special_items(
    mut original: Vec<Value>,
    patch: Vec<Value>,
    key: &str,
) -> Result<(Vec<Value>, Vec<Value>), String> {
    let mut plain = Vec::new();
    let mut replace = false;
    for one in patch {
        let Value::Object(map) = &one else {
            return Err(format!("expected a map[string]interface {{}}, but received a {}", go_type(&one)));
        };
        match map.get(DIRECTIVE) {
            None => plain.push(one),
            Some(directive) => match directive.as_str() {
                Some("delete") => {
                    let wanted = map.get(key).ok_or_else(|| no_merge_key(map, key))?;
                    original.retain(|old| old.get(key) != Some(wanted));
                }
                Some("replace") => replace = true,
                Some("merge") => return Err("merging lists cannot yet be specified in the patch".to_owned()),
                _ => return Err(bad_directive(directive, map)),
            },
        }
    }
    Ok(if replace { (plain, Vec::new()) } else { (original, plain) })
}

/// Items of the patch in the patch's order; the server's own among them where they were.
fn in_order(
    merged: Vec<Value>,
    order: &[Value],
    server: &[Value],
    merge_key: Option<&str>,
) -> Result<Vec<Value>, String> {
    let place = |list: &[Value], one: &Value| -> Option<usize> {
        let key = key_of(one, merge_key).ok()?;
        list.iter().position(|other| key_of(other, merge_key).ok() == Some(key))
    };
    for one in &merged {
        key_of(one, merge_key)?;
    }
    let (mut ours, mut theirs): (Vec<Value>, Vec<Value>) =
        merged.into_iter().partition(|one| place(order, one).is_some());
    ours.sort_by_key(|one| place(order, one));
    theirs.sort_by_key(|one| place(server, one).unwrap_or(usize::MAX));
    let mut out = Vec::new();
    let mut theirs = theirs.into_iter().peekable();
    for one in ours {
        while let Some(next) = theirs.peek() {
            match (place(server, next), place(server, &one)) {
                (Some(left), Some(right)) if left < right => out.extend(theirs.next()),
                _ => break,
            }
        }
        out.push(one);
    }
    out.extend(theirs);
    Ok(out)
}

fn no_merge_key(map: &Map<String, Value>, key: &str) -> String {
    let shown = go_plain(&Value::Object(map.clone()));
    format!("map: {shown} does not contain declared merge key: {key}")
}

fn bad_directive(directive: &Value, map: &Map<String, Value>) -> String {
    let shown = match directive {
        Value::String(text) => text.clone(),
        other => format!("%!s({}={})", go_type(other), go_plain(other)),
    };
    format!("unknown patch type: {shown} in map: {}", go_plain(&Value::Object(map.clone())))
}

fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "%!s(<nil>)",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}
