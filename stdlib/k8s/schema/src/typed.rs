//! Values seen through their schema: validated, compared, merged and cut by field sets.
//! The rules are those of structured merge and diff; managers and versions are `managed`'s business.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::field_set::{FieldSet, Literal, PathElement};
use crate::schema::{ListKind, Object, Scalar, Schema, Shape};

/// What differs between two values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    pub added: FieldSet,
    pub removed: FieldSet,
    pub modified: FieldSet,
}

/// A field that does not fit its schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    pub path: String,
    pub message: String,
}

/// One or several mismatches as the server words them.
pub fn mismatch_text(mismatches: &[Mismatch]) -> String {
    let one = |m: &Mismatch| {
        if m.path.is_empty() { m.message.clone() } else { format!("{}: {}", m.path, m.message) }
    };
    match mismatches {
        [single] => one(single),
        many => {
            let lines: Vec<String> = many.iter().map(|m| format!("  {}", one(m))).collect();
            format!("errors:\n{}", lines.join("\n"))
        }
    }
}

/// What a schema comes to for a value at hand: free-form parts are what their value is.
#[derive(Clone, Copy)]
enum Atom<'a> {
    Scalar(Scalar),
    List { item: &'a Schema, list: &'a ListKind },
    Object { object: &'a Object },
    Map { atomic: bool },
}

impl Atom<'_> {
    fn same_kind(self, other: Self) -> bool {
        let kind = |atom: Self| match atom {
            Self::Scalar(_) => 0,
            Self::List { .. } => 1,
            Self::Object { .. } | Self::Map { .. } => 2,
        };
        kind(self) == kind(other)
    }
}

fn atom<'a>(schema: &'a Schema, value: Option<&Value>) -> Atom<'a> {
    match schema.shape() {
        Shape::Scalar(scalar) => Atom::Scalar(*scalar),
        Shape::List { item, list } => Atom::List { item, list },
        Shape::Object(object) => Atom::Object { object },
        Shape::Map { atomic, .. } => Atom::Map { atomic: *atomic },
        Shape::Any | Shape::Ref(_) => match value {
            Some(Value::Array(_)) => Atom::List { item: schema, list: &ListKind::Atomic },
            // A RawExtension is one thing; what a CRD leaves open merges field by field.
            Some(Value::Object(_) | Value::Null) | None => Atom::Map { atomic: !schema.go.is_empty() },
            Some(_) => Atom::Scalar(Scalar::Untyped),
        },
    }
}

/// A map's way to its values.
#[derive(Clone, Copy)]
enum Keys<'a> {
    Object(&'a Object),
    Map(&'a Schema),
}

impl<'a> Keys<'a> {
    fn named(self, key: &str) -> Option<&'a Schema> {
        match self {
            Self::Object(object) => object.field(key).map(|field| &field.schema),
            Self::Map(_) => None,
        }
    }

    fn schema(self, key: &str) -> Option<&'a Schema> {
        match self {
            Self::Object(object) => self.named(key).or(object.rest.as_deref()),
            Self::Map(value) => Some(value),
        }
    }
}

fn field_element(key: &str) -> PathElement {
    PathElement::Field(key.to_owned())
}

fn entries(value: Option<&Value>) -> Option<&Map<String, Value>> {
    value.and_then(Value::as_object)
}

fn items(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The path element of a list's item.
fn item_element(item: &Schema, list: &ListKind, value: &Value) -> Result<PathElement, String> {
    match list {
        ListKind::Atomic => Err("invalid indexing of non-associative list".to_owned()),
        ListKind::Set => match value {
            Value::Object(_) => {
                Err("associative list without keys has an element that's a map type".to_owned())
            }
            Value::Array(_) => Err("not supported: associative list with lists as elements".to_owned()),
            Value::Null => {
                Err("associative list without keys has an element that's an explicit null".to_owned())
            }
            scalar => Ok(PathElement::Value(Literal::new(scalar))),
        },
        ListKind::Map(keys) => {
            let map = match value {
                Value::Object(map) => map,
                Value::Null => {
                    return Err("associative list with keys may not have a null element".to_owned());
                }
                _ => return Err("associative list with keys may not have non-map elements".to_owned()),
            };
            let mut found = BTreeMap::new();
            for key in keys {
                let default = || item.object()?.field(key)?.default.as_ref();
                if let Some(value) = map.get(key).or_else(default) {
                    found.insert(key.clone(), Literal::new(value));
                }
            }
            if found.is_empty() {
                let names: Vec<String> = keys.iter().map(|key| format!("{key:?}")).collect();
                return Err(format!(
                    "associative list with keys has an element that omits all key fields [{}] (and doesn't have \
                     default values for any key fields)",
                    names.join(" ")
                ));
            }
            Ok(PathElement::Key(found))
        }
    }
}

/// Checks a value against its schema. `duplicates`: whether a list may have one key twice.
pub fn validate(schema: &Schema, value: &Value, duplicates: Duplicates) -> Vec<Mismatch> {
    let mut out = Vec::new();
    check(schema, value, duplicates, "", &mut out);
    out
}

/// Whether list items with the same key are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duplicates {
    Allowed,
    Refused,
}

fn check(schema: &Schema, value: &Value, duplicates: Duplicates, path: &str, out: &mut Vec<Mismatch>) {
    let mut wrong = |message: String| out.push(Mismatch { path: path.to_owned(), message });
    match atom(schema, Some(value)) {
        Atom::Scalar(scalar) => {
            if let Some(message) = scalar_mismatch(scalar, value) {
                wrong(message);
            }
        }
        Atom::List { item, list } => match value {
            Value::Null => {}
            Value::Array(items) => {
                let mut seen = Vec::new();
                for (at, one) in items.iter().enumerate() {
                    let element = if *list == ListKind::Atomic {
                        PathElement::Index(at)
                    } else {
                        match item_element(item, list, one) {
                            Ok(element) => element,
                            Err(why) => {
                                let message = format!("element {at}: {why}");
                                out.push(Mismatch { path: path.to_owned(), message });
                                return;
                            }
                        }
                    };
                    if duplicates == Duplicates::Refused && seen.contains(&element) {
                        let message = format!("duplicate entries for key {element}");
                        out.push(Mismatch { path: path.to_owned(), message });
                    }
                    check(item, one, duplicates, &format!("{path}{element}"), out);
                    seen.push(element);
                }
            }
            other => wrong(format!("expected list, got &{{{}}}", go_plain(other))),
        },
        Atom::Object { .. } | Atom::Map { .. } => match value {
            Value::Null => {}
            Value::Object(map) => {
                let keys = keys_of(schema);
                for (key, one) in map {
                    let below = format!("{path}.{key}");
                    match keys.schema(key) {
                        Some(inner) => check(inner, one, duplicates, &below, out),
                        None => {
                            let message = "field not declared in schema".to_owned();
                            out.push(Mismatch { path: below, message });
                            return;
                        }
                    }
                }
            }
            other => wrong(format!("expected map, got &{{{}}}", go_plain(other))),
        },
    }
}

fn keys_of(schema: &Schema) -> Keys<'_> {
    match schema.shape() {
        Shape::Object(object) => Keys::Object(object),
        Shape::Map { value, .. } => Keys::Map(value),
        _ => Keys::Map(schema),
    }
}

fn scalar_mismatch(scalar: Scalar, value: &Value) -> Option<String> {
    let go_type = match value {
        Value::Null => return None,
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    };
    match scalar {
        Scalar::String | Scalar::Bytes | Scalar::Time | Scalar::MicroTime | Scalar::Duration => (!value
            .is_string())
        .then(|| format!("expected string, got &value.valueUnstructured{{Value:{}}}", go_syntax(value))),
        Scalar::Bool => {
            (!value.is_boolean()).then(|| format!("expected boolean, got &{{{}}}", go_plain(value)))
        }
        Scalar::Int32 | Scalar::Int64 | Scalar::Float | Scalar::Byte => {
            (!value.is_number()).then(|| format!("expected numeric (int or float), got {go_type}"))
        }
        Scalar::Quantity | Scalar::IntOrString | Scalar::Untyped => (value.is_object() || value.is_array())
            .then(|| format!("expected any scalar, got &{{{}}}", go_plain(value))),
    }
}

/// As Go's `%v` prints it.
pub(crate) fn go_plain(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(go_plain).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => {
            let parts: Vec<String> =
                map.iter().map(|(key, one)| format!("{key}:{}", go_plain(one))).collect();
            format!("map[{}]", parts.join(" "))
        }
        other => other.to_string(),
    }
}

/// As Go's `%#v` prints it.
fn go_syntax(value: &Value) -> String {
    match value {
        Value::Null => "interface {}(nil)".to_owned(),
        Value::Array(items) => {
            format!("[]interface {{}}{{{}}}", items.iter().map(go_syntax).collect::<Vec<_>>().join(", "))
        }
        Value::Object(map) => {
            let parts: Vec<String> =
                map.iter().map(|(key, one)| format!("{key:?}:{}", go_syntax(one))).collect();
            format!("map[string]interface {{}}{{{}}}", parts.join(", "))
        }
        other => other.to_string(),
    }
}

/// The paths a value has: what applying it owns.
pub fn field_set(schema: &Schema, value: &Value) -> FieldSet {
    let mut set = FieldSet::default();
    collect(schema, value, &mut Vec::new(), &mut set);
    set
}

fn collect(schema: &Schema, value: &Value, path: &mut Vec<PathElement>, set: &mut FieldSet) {
    match atom(schema, Some(value)) {
        Atom::Scalar(_) => set.insert(path),
        Atom::List { list: ListKind::Atomic, .. } | Atom::Map { atomic: true, .. } => set.insert(path),
        Atom::Object { object } if object.atomic => set.insert(path),
        Atom::List { item, list } => {
            let elements: Vec<(PathElement, &Value)> = items(Some(value))
                .iter()
                .filter_map(|one| Some((item_element(item, list, one).ok()?, one)))
                .collect();
            for (element, one) in &elements {
                let twice = elements.iter().filter(|(other, _)| other == element).count() > 1;
                path.push(element.clone());
                if !twice {
                    collect(item, one, path, set);
                }
                set.insert(path);
                path.pop();
            }
        }
        Atom::Object { .. } | Atom::Map { .. } => {
            let keys = keys_of(schema);
            for (key, one) in entries(Some(value)).into_iter().flatten() {
                let Some(inner) = keys.schema(key) else { continue };
                path.push(field_element(key));
                collect(inner, one, path, set);
                let hollow = one.is_null() || one.as_object().is_some_and(Map::is_empty);
                if hollow || keys.named(key).is_none() {
                    set.insert(path);
                }
                path.pop();
            }
        }
    }
}

/// What `new` adds to, removes from and changes in `old`.
pub fn compare(schema: &Schema, old: &Value, new: &Value) -> Comparison {
    let mut comparison = Comparison::default();
    differ(schema, Some(old), Some(new), &mut Vec::new(), &mut comparison);
    comparison
}

fn differ(
    schema: &Schema,
    old: Option<&Value>,
    new: Option<&Value>,
    path: &mut Vec<PathElement>,
    out: &mut Comparison,
) {
    let (before, after) = (atom(schema, old), atom(schema, new));
    let leaf = if new.is_none() {
        differ_as(before, schema, old, new, path, out)
    } else if old.is_none() || before.same_kind(after) || old.is_some_and(Value::is_null) {
        differ_as(after, schema, old, new, path, out)
    } else {
        differ_as(before, schema, old, new, path, out);
        differ_as(after, schema, old, new, path, out)
    };
    if !leaf {
        if old.is_none() {
            out.added.insert(path);
        } else if new.is_none() {
            out.removed.insert(path);
        }
    }
}

/// Whether it was compared as a whole.
fn differ_as(
    atom: Atom<'_>,
    schema: &Schema,
    old: Option<&Value>,
    new: Option<&Value>,
    path: &mut Vec<PathElement>,
    out: &mut Comparison,
) -> bool {
    match atom {
        Atom::Scalar(_) => {
            differ_leaf(old, new, path, out);
            true
        }
        Atom::List { item, list } => {
            let (before, after) = (items(old), items(new));
            if *list == ListKind::Atomic || (before.is_empty() && after.is_empty()) {
                differ_leaf(old, new, path, out);
                return true;
            }
            differ_items(item, list, before, after, path, out);
            false
        }
        Atom::Object { .. } | Atom::Map { .. } => {
            let atomic = match atom {
                Atom::Object { object } => object.atomic,
                Atom::Map { atomic, .. } => atomic,
                _ => false,
            };
            let empty = Map::new();
            let (before, after) = (entries(old).unwrap_or(&empty), entries(new).unwrap_or(&empty));
            if atomic || (before.is_empty() && after.is_empty()) {
                differ_leaf(old, new, path, out);
                return true;
            }
            let keys = keys_of(schema);
            let added = after.keys().filter(|key| !before.contains_key(*key));
            for key in before.keys().chain(added) {
                let (old, new) = (before.get(key), after.get(key));
                // Most of an object is as it was.
                if old == new {
                    continue;
                }
                let Some(inner) = keys.schema(key) else { continue };
                path.push(field_element(key));
                differ(inner, old, new, path, out);
                path.pop();
            }
            false
        }
    }
}

fn differ_leaf(old: Option<&Value>, new: Option<&Value>, path: &[PathElement], out: &mut Comparison) {
    match (old, new) {
        (None, _) => out.added.insert(path),
        (_, None) => out.removed.insert(path),
        (Some(old), Some(new)) if !equal(old, new) => out.modified.insert(path),
        _ => {}
    }
}

/// Equality where null and an empty list or map are the same.
fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Null, Value::Array(items)) | (Value::Array(items), Value::Null) => items.is_empty(),
        (Value::Null, Value::Object(map)) | (Value::Object(map), Value::Null) => map.is_empty(),
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, one)| b.get(key).is_some_and(|other| equal(one, other)))
        }
        _ => a == b,
    }
}

/// A list's items by their path elements, in the list's order; an element can come several times.
type Groups<'v> = Vec<(PathElement, Vec<&'v Value>)>;

fn grouped<'v>(item: &Schema, list: &ListKind, values: &'v [Value]) -> Groups<'v> {
    let mut groups: Groups<'v> = Vec::with_capacity(values.len());
    for one in values {
        let Ok(element) = item_element(item, list, one) else { continue };
        match groups.iter_mut().find(|(known, _)| *known == element) {
            Some((_, group)) => group.push(one),
            None => groups.push((element, vec![one])),
        }
    }
    groups
}

fn group<'g, 'v>(groups: &'g Groups<'v>, wanted: &PathElement) -> &'g [&'v Value] {
    groups.iter().find(|(element, _)| element == wanted).map_or(&[], |(_, group)| group)
}

fn differ_items(
    item: &Schema,
    list: &ListKind,
    before: &[Value],
    after: &[Value],
    path: &mut Vec<PathElement>,
    out: &mut Comparison,
) {
    let (old_groups, new_groups) = (grouped(item, list, before), grouped(item, list, after));
    let added = new_groups.iter().filter(|(element, _)| group(&old_groups, element).is_empty());
    for (element, _) in old_groups.iter().chain(added) {
        let (old, new) = (group(&old_groups, element), group(&new_groups, element));
        if old == new {
            continue;
        }
        path.push(element.clone());
        match (old, new) {
            ([] | [_], [] | [_]) => differ(item, old.first().copied(), new.first().copied(), path, out),
            ([_, _, ..], [_, _, ..]) => {
                if old.len() != new.len() || !old.iter().zip(new).all(|(old, new)| equal(old, new)) {
                    out.modified.insert(path);
                }
            }
            ([_, _, ..], _) => {
                if let Some(new) = new.first() {
                    differ(item, None, Some(new), path, out);
                }
                out.removed.insert(path);
            }
            (_, [_, _, ..]) => {
                if let Some(old) = old.first() {
                    differ(item, Some(old), None, path, out);
                }
                out.added.insert(path);
            }
        }
        path.pop();
    }
}

/// `new` laid over `old`: fields of `new` win, the rest stays, lists with keys keep both sides' order.
pub fn merge(schema: &Schema, old: &Value, new: &Value) -> Value {
    merged(schema, Some(old), Some(new)).unwrap_or(Value::Null)
}

fn merged(schema: &Schema, old: Option<&Value>, new: Option<&Value>) -> Option<Value> {
    let kind = if new.is_none_or(Value::is_null) { atom(schema, old.or(new)) } else { atom(schema, new) };
    let leaf = || new.or(old).cloned();
    match kind {
        Atom::Scalar(_) => leaf(),
        Atom::List { item, list } => {
            let (before, after) = (items(old), items(new));
            if *list == ListKind::Atomic || (before.is_empty() && after.is_empty()) {
                return leaf();
            }
            let out = merged_items(item, list, before, after);
            (!out.is_empty()).then_some(Value::Array(out))
        }
        Atom::Object { .. } | Atom::Map { .. } => {
            let atomic = match kind {
                Atom::Object { object } => object.atomic,
                Atom::Map { atomic, .. } => atomic,
                _ => false,
            };
            let empty = Map::new();
            let (before, after) = (entries(old).unwrap_or(&empty), entries(new).unwrap_or(&empty));
            if atomic || (before.is_empty() && after.is_empty()) {
                return leaf();
            }
            let keys = keys_of(schema);
            let added = after.keys().filter(|key| !before.contains_key(*key));
            let out: Map<String, Value> = before
                .keys()
                .chain(added)
                .filter_map(|key| {
                    let value = match keys.schema(key) {
                        Some(inner) => merged(inner, before.get(key), after.get(key)),
                        None => after.get(key).or(before.get(key)).cloned(),
                    };
                    Some((key.clone(), value?))
                })
                .collect();
            (!out.is_empty()).then_some(Value::Object(out))
        }
    }
}

/// The new items in their order, the old ones around them in theirs.
fn merged_items(item: &Schema, list: &ListKind, before: &[Value], after: &[Value]) -> Vec<Value> {
    let index = |values: &[Value]| -> Vec<(PathElement, Value)> {
        values.iter().filter_map(|one| Some((item_element(item, list, one).ok()?, one.clone()))).collect()
    };
    let (left, right) = (index(before), index(after));
    let in_left = |element: &PathElement| left.iter().filter(|(known, _)| known == element).count();
    let in_right = |element: &PathElement| right.iter().any(|(known, _)| known == element);
    // An item that the old list has twice is replaced, not merged with.
    let old_of = |element: &PathElement| match in_left(element) {
        1 => left.iter().find(|(known, _)| known == element).map(|(_, one)| one),
        _ => None,
    };
    let mut shared: std::collections::VecDeque<&PathElement> =
        right.iter().map(|(element, _)| element).filter(|element| in_left(element) > 0).collect();
    let mut next_shared = shared.pop_front();
    let mut done: Vec<&PathElement> = Vec::new();
    let mut out = Vec::new();
    let (mut l, mut r) = (0, 0);
    while l < left.len() || r < right.len() {
        if l < left.len() && r < right.len() {
            let element = &left[l].0;
            if *element == right[r].0 {
                done.push(&right[r].0);
                out.extend(merged(item, old_of(element), Some(&right[r].1)));
                l += 1;
                r += 1;
                next_shared = shared.pop_front();
                continue;
            }
            if in_right(element) && next_shared.is_some_and(|next| next != element) {
                // Shared, but another's turn.
                l += 1;
                continue;
            }
        }
        if l < left.len() {
            let (element, one) = &left[l];
            if !in_right(element) {
                out.push(one.clone());
                l += 1;
                continue;
            } else if done.contains(&element) {
                l += 1;
            }
        }
        if r < right.len() {
            let (element, one) = &right[r];
            done.push(element);
            out.extend(merged(item, old_of(element), Some(one)));
            r += 1;
            if next_shared == Some(element) {
                next_shared = shared.pop_front();
            }
        }
    }
    out
}

/// `value` without the paths of `set`.
pub fn remove(schema: &Schema, value: &Value, set: &FieldSet) -> Value {
    match atom(schema, Some(value)) {
        Atom::Scalar(_) => value.clone(),
        Atom::List { list: ListKind::Atomic, .. } | Atom::Map { atomic: true, .. } => Value::Null,
        Atom::Object { object } if object.atomic => Value::Null,
        Atom::List { item, list } => {
            let kept: Vec<Value> = items(Some(value))
                .iter()
                .filter_map(|one| {
                    let Ok(element) = item_element(item, list, one) else { return Some(one.clone()) };
                    if set.members.contains(&element) {
                        return None;
                    }
                    Some(match set.children.get(&element) {
                        Some(below) if !below.is_empty() => remove(item, one, below),
                        _ => one.clone(),
                    })
                })
                .collect();
            if kept.is_empty() { Value::Null } else { Value::Array(kept) }
        }
        Atom::Object { .. } | Atom::Map { .. } => {
            let keys = keys_of(schema);
            let kept: Map<String, Value> = entries(Some(value))
                .into_iter()
                .flatten()
                .filter_map(|(key, one)| {
                    let element = field_element(key);
                    if set.members.contains(&element) {
                        return None;
                    }
                    let one = match (set.children.get(&element), keys.schema(key)) {
                        (Some(below), Some(inner)) if !below.is_empty() => remove(inner, one, below),
                        _ => one.clone(),
                    };
                    Some((key.clone(), one))
                })
                .collect();
            if kept.is_empty() { Value::Null } else { Value::Object(kept) }
        }
    }
}

/// The set with the named fields on the way to its paths as members of their own.
pub(crate) fn with_named_fields(schema: Option<&Schema>, set: &FieldSet) -> FieldSet {
    let mut out = FieldSet { members: set.members.clone(), ..FieldSet::default() };
    for (element, below) in &set.children {
        let inner = match (element, schema.map(|schema| (schema, schema.shape()))) {
            (PathElement::Field(name), Some((schema, _))) => {
                let keys = keys_of(schema);
                if keys.named(name).is_some() {
                    out.members.insert(element.clone());
                }
                keys.schema(name)
            }
            (PathElement::Key(_), Some((_, Shape::List { item, .. }))) => Some(&**item),
            _ => None,
        };
        out.children.insert(element.clone(), with_named_fields(inner, below));
    }
    out
}
