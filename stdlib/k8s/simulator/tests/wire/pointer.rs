//! JSON pointers with `*` and `[key=value]` segments, and the conditions that use them.

use serde_json::Value;

/// The segments of a pointer; a `[k=v]` segment may hold slashes.
fn split(pointer: &str) -> Vec<String> {
    let (mut out, mut current, mut bracket) = (Vec::new(), String::new(), false);
    for c in pointer.chars().skip(1) {
        match c {
            '[' if current.is_empty() => bracket = true,
            ']' => bracket = false,
            _ => {}
        }
        if c == '/' && !bracket {
            out.push(std::mem::take(&mut current));
        } else {
            current.push(c);
        }
    }
    out.push(current);
    out
}

/// What the pointer finds; `None` for nothing there.
pub(crate) fn lookup(doc: &Value, pointer: &str) -> Option<Value> {
    if pointer.is_empty() { Some(doc.clone()) } else { find(doc, &split(pointer)) }
}

fn find(doc: &Value, segments: &[String]) -> Option<Value> {
    let Some((segment, rest)) = segments.split_first() else { return Some(doc.clone()) };
    let found = |value: &Value| find(value, rest).unwrap_or(Value::Null);
    match (segment.as_str(), doc) {
        ("*", Value::Array(items)) => Some(items.iter().map(found).collect()),
        ("*", Value::Object(map)) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            Some(keys.into_iter().map(|key| found(&map[key])).collect())
        }
        (_, Value::Array(items)) => find(&items[position(segment, items)?], rest),
        (_, Value::Object(map)) => find(map.get(&unescape(segment))?, rest),
        _ => None,
    }
}

/// The index that a segment names in a list: a number, from the end if negative, or `[key=value]`.
fn position(segment: &str, items: &[Value]) -> Option<usize> {
    if let Some(term) = segment.strip_prefix('[').and_then(|s| s.strip_suffix(']')) {
        let (key, wanted) = term.split_once('=')?;
        return items.iter().position(|item| plain(lookup(item, &format!("/{key}"))) == wanted);
    }
    let index: isize = segment.parse().ok()?;
    let index = if index < 0 { items.len().checked_add_signed(index)? } else { index.unsigned_abs() };
    (index < items.len()).then_some(index)
}

fn plain(value: Option<Value>) -> String {
    match value {
        Some(Value::String(text)) => text,
        Some(value) => value.to_string(),
        None => String::new(),
    }
}

fn unescape(segment: &str) -> String {
    segment.replace("~1", "/").replace("~0", "~")
}

/// Removes what the pointer finds.
pub(crate) fn drop(doc: &mut Value, pointer: &str) {
    remove(doc, &split(pointer));
}

fn remove(doc: &mut Value, segments: &[String]) {
    let Some((segment, rest)) = segments.split_first() else { return };
    match (segment.as_str(), doc) {
        ("*", Value::Array(items)) => items.iter_mut().for_each(|item| remove(item, rest)),
        ("*", Value::Object(map)) => map.values_mut().for_each(|item| remove(item, rest)),
        (_, Value::Array(items)) => {
            if let Some(at) = position(segment, items) {
                if rest.is_empty() {
                    items.remove(at);
                } else {
                    remove(&mut items[at], rest);
                }
            }
        }
        (_, Value::Object(map)) => {
            let key = unescape(segment);
            if rest.is_empty() {
                map.remove(&key);
            } else if let Some(value) = map.get_mut(&key) {
                remove(value, rest);
            }
        }
        _ => {}
    }
}

/// Changes what the pointer finds in place.
pub(crate) fn sort(doc: &mut Value, pointer: &str) {
    fn go(doc: &mut Value, segments: &[String]) {
        match (segments.split_first(), doc) {
            (None, Value::Array(items)) => items.sort_by_key(Value::to_string),
            (Some((segment, rest)), Value::Array(items)) => {
                if let Some(at) = position(segment, items) {
                    go(&mut items[at], rest);
                }
            }
            (Some((segment, rest)), Value::Object(map)) => {
                if let Some(value) = map.get_mut(&unescape(segment)) {
                    go(value, rest);
                }
            }
            _ => {}
        }
    }
    go(doc, &if pointer.is_empty() { Vec::new() } else { split(pointer) });
}

/// Whether a condition of a scenario holds.
pub(crate) fn holds(condition: &Value, status: u16, doc: &Value) -> bool {
    if let Some(wanted) = condition.get("status") {
        return *wanted == status;
    }
    if let Some(any) = condition["any"].as_array() {
        return any.iter().any(|one| holds(one, status, doc));
    }
    let found = lookup(doc, condition["pointer"].as_str().expect("a condition has a pointer"));
    if let Some(exists) = condition["exists"].as_bool() {
        return found.is_some() == exists;
    }
    if let Some(count) = condition["count"].as_u64() {
        let length = match &found {
            Some(Value::Array(items)) => items.len(),
            Some(Value::Object(map)) => map.len(),
            _ => 0,
        };
        return length as u64 == count;
    }
    let Some(found) = found else { return false };
    if let Some(wanted) = condition.get("equals") {
        return found == *wanted;
    }
    if let Some(unwanted) = condition.get("not") {
        return found != *unwanted;
    }
    if let Some(any) = condition["in"].as_array() {
        return any.contains(&found);
    }
    if let Some(least) = condition["min"].as_f64() {
        return found.as_f64().is_some_and(|number| number >= least);
    }
    match (&condition["contains"], &found) {
        (Value::String(part), Value::String(text)) => text.contains(part.as_str()),
        (part, Value::Array(items)) => items.contains(part),
        (Value::String(part), other) => other.to_string().contains(part.as_str()),
        _ => panic!("a condition that is not known: {condition}"),
    }
}

/// The first difference between two documents: its pointer, what was expected, what is there.
pub(crate) fn difference(want: &Value, got: &Value, at: &str) -> Option<(String, String, String)> {
    let absent = || "(absent)".to_owned();
    match (want, got) {
        (Value::Object(want), Value::Object(got)) => {
            let mut keys: Vec<&String> = want.keys().chain(got.keys()).collect();
            keys.sort();
            keys.dedup();
            keys.into_iter().find_map(|key| {
                let here = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
                match (want.get(key), got.get(key)) {
                    (Some(want), Some(got)) => difference(want, got, &here),
                    (Some(want), None) => Some((here, show(want), absent())),
                    (None, Some(got)) => Some((here, absent(), show(got))),
                    (None, None) => None,
                }
            })
        }
        (Value::Array(want), Value::Array(got)) => (0..want.len().max(got.len())).find_map(|index| {
            let here = format!("{at}/{index}");
            match (want.get(index), got.get(index)) {
                (Some(want), Some(got)) => difference(want, got, &here),
                (Some(want), None) => Some((here, show(want), absent())),
                (None, Some(got)) => Some((here, absent(), show(got))),
                (None, None) => None,
            }
        }),
        (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() => None,
        (want, got) if want == got => None,
        (want, got) => Some((at.to_owned(), show(want), show(got))),
    }
}

fn show(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(600) {
        None => text,
        Some((cut, _)) => format!("{}...", &text[..cut]),
    }
}
