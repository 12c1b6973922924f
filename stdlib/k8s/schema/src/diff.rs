//! What differs between two objects, for people and for clients that apply: stable, in the order of paths.

use serde_json::{Map, Value};

use crate::schema::{ListKind, Schema, Shape};

/// One place that differs; `None` is absence.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// `spec.template.spec.containers[name=web].image`.
    pub path: String,
    pub old: Option<Value>,
    pub new: Option<Value>,
}

/// The changes from `old` to `new`. With a schema, items of keyed lists are matched by key, not by place.
pub fn diff(schema: Option<&Schema>, old: &Value, new: &Value) -> Vec<Change> {
    let mut out = Vec::new();
    walk(schema, Some(old), Some(new), "", &mut out);
    out
}

fn walk(
    schema: Option<&Schema>,
    old: Option<&Value>,
    new: Option<&Value>,
    path: &str,
    out: &mut Vec<Change>,
) {
    if old == new {
        return;
    }
    match (old, new) {
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            let mut keys: Vec<&String> = before.keys().chain(after.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                let inner = schema.and_then(|schema| schema.field(key));
                let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                walk(inner, before.get(key), after.get(key), &below, out);
            }
        }
        (Some(Value::Array(before)), Some(Value::Array(after))) => {
            let item = schema.and_then(|schema| match schema.shape() {
                Shape::List { item, .. } => Some(&**item),
                _ => None,
            });
            match keys_of(schema) {
                Some(keys) => keyed(&keys, item, before, after, path, out),
                None => {
                    for at in 0..before.len().max(after.len()) {
                        walk(item, before.get(at), after.get(at), &format!("{path}[{at}]"), out);
                    }
                }
            }
        }
        _ => out.push(Change { path: path.to_owned(), old: old.cloned(), new: new.cloned() }),
    }
}

/// The keys by which a list's items are told apart: those of server-side apply, or the merge key.
fn keys_of(schema: Option<&Schema>) -> Option<Vec<String>> {
    match schema?.shape() {
        Shape::List { list: ListKind::Map(keys), .. } => Some(keys.clone()),
        _ => None,
    }
}

fn keyed(
    keys: &[String],
    item: Option<&Schema>,
    before: &[Value],
    after: &[Value],
    path: &str,
    out: &mut Vec<Change>,
) {
    let name = |one: &Value| {
        let parts: Vec<String> = keys
            .iter()
            .filter_map(|key| match one.get(key)? {
                Value::String(text) => Some(format!("{key}={text}")),
                other => Some(format!("{key}={other}")),
            })
            .collect();
        parts.join(",")
    };
    let mut names: Vec<String> = before.iter().map(name).collect();
    names.extend(after.iter().map(name).filter(|one| !names.contains(one)).collect::<Vec<_>>());
    for wanted in names {
        let find = |items: &'_ [Value]| items.iter().find(|one| name(one) == wanted).cloned();
        walk(item, find(before).as_ref(), find(after).as_ref(), &format!("{path}[{wanted}]"), out);
    }
}

/// Three-way merge: what `desired` sets, what it gave up since `last`, everything else as it is in `live`.
///
/// Lists with keys merge by key where the schema says so; other lists are replaced.
pub fn three_way(schema: Option<&Schema>, last: &Value, desired: &Value, live: &Value) -> Value {
    let (Value::Object(desired), Value::Object(live)) = (desired, live) else { return desired.clone() };
    let empty = Map::new();
    let last = last.as_object().unwrap_or(&empty);
    let mut out = live.clone();
    for key in last.keys().filter(|key| !desired.contains_key(*key)) {
        out.remove(key);
    }
    for (key, wanted) in desired {
        let inner = schema.and_then(|schema| schema.field(key));
        let before = last.get(key).unwrap_or(&Value::Null);
        let merged = match (live.get(key), wanted) {
            (Some(live @ Value::Object(_)), Value::Object(_)) => three_way(inner, before, wanted, live),
            (Some(Value::Array(live)), Value::Array(wanted)) => three_way_list(inner, before, wanted, live),
            _ => wanted.clone(),
        };
        out.insert(key.clone(), merged);
    }
    Value::Object(out)
}

fn three_way_list(schema: Option<&Schema>, last: &Value, desired: &[Value], live: &[Value]) -> Value {
    let Some(keys) = keys_of(schema) else { return desired.to_vec().into() };
    let item = schema.and_then(|schema| match schema.shape() {
        Shape::List { item, .. } => Some(&**item),
        _ => None,
    });
    let same = |a: &Value, b: &Value| keys.iter().all(|key| a.get(key) == b.get(key));
    let empty = Vec::new();
    let last = last.as_array().unwrap_or(&empty);
    let mut out: Vec<Value> = desired
        .iter()
        .map(|wanted| {
            let before = last.iter().find(|one| same(one, wanted)).unwrap_or(&Value::Null);
            match live.iter().find(|one| same(one, wanted)) {
                Some(live) => three_way(item, before, wanted, live),
                None => wanted.clone(),
            }
        })
        .collect();
    let others = live.iter().filter(|one| {
        !desired.iter().any(|wanted| same(wanted, one)) && !last.iter().any(|before| same(before, one))
    });
    out.extend(others.cloned());
    out.into()
}
