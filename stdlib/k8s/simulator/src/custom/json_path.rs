//! The part of JSONPath that printer columns use: fields, indexes, `[*]`, quoted keys and equality filters.

use serde_json::Value;

/// The first value a path finds.
pub(super) fn first(object: &Value, path: &str) -> Option<Value> {
    let mut found = vec![object.clone()];
    let mut rest = path.trim().trim_start_matches('{').trim_end_matches('}').trim_start_matches('$');
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let end = closing(inner)?;
            let term = &inner[..end];
            found = found.iter().flat_map(|value| select(value, term)).collect();
            rest = &inner[end + 1..];
        } else {
            let name = rest.trim_start_matches('.');
            let end = name.find(['.', '[']).unwrap_or(name.len());
            // A dot in a name is escaped.
            let (mut key, mut end) = (name[..end].to_owned(), end);
            while key.ends_with('\\') && end < name.len() {
                key.pop();
                let next = name[end + 1..].find(['.', '[']).map_or(name.len(), |at| end + 1 + at);
                key.push_str(&name[end..next]);
                end = next;
            }
            found = found.iter().filter_map(|value| value.get(&key).cloned()).collect();
            rest = &name[end..];
        }
    }
    found.into_iter().next()
}

fn closing(text: &str) -> Option<usize> {
    let mut quoted = None;
    for (at, c) in text.char_indices() {
        match (quoted, c) {
            (None, ']') => return Some(at),
            (None, '\'' | '"') => quoted = Some(c),
            (Some(open), c) if open == c => quoted = None,
            _ => {}
        }
    }
    None
}

fn select(value: &Value, term: &str) -> Vec<Value> {
    let unquoted = |text: &str| text.trim().trim_matches(['\'', '"']).to_owned();
    if let Some(filter) = term.strip_prefix("?(").and_then(|filter| filter.strip_suffix(')')) {
        let Some((field, wanted)) = filter.split_once("==") else { return Vec::new() };
        let (field, wanted) = (field.trim().trim_start_matches("@."), unquoted(wanted));
        let matches = |item: &&Value| match &item[field] {
            Value::String(text) => *text == wanted,
            Value::Null => false,
            other => *other.to_string() == *wanted,
        };
        return value.as_array().into_iter().flatten().filter(matches).cloned().collect();
    }
    match (term, value) {
        ("*", Value::Array(items)) => items.clone(),
        ("*", Value::Object(map)) => map.values().cloned().collect(),
        (term, Value::Array(items)) => {
            let Ok(index) = term.parse::<isize>() else { return Vec::new() };
            let index =
                if index < 0 { items.len().checked_add_signed(index) } else { usize::try_from(index).ok() };
            index.and_then(|index| items.get(index)).cloned().into_iter().collect()
        }
        (term, Value::Object(map)) => map.get(&unquoted(term)).cloned().into_iter().collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printer_columns_find_their_values() {
        let object = serde_json::json!({
            "spec": {"size": 3, "ports": [{"name": "a", "port": 1}, {"name": "b", "port": 2}]},
            "metadata": {"labels": {"x.y/z": "l"}},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        });
        for (path, wanted) in [
            (".spec.size", "3"),
            (".spec.ports[1].port", "2"),
            (".spec.ports[-1].name", "\"b\""),
            (".spec.ports[*].port", "1"),
            (".metadata.labels['x.y/z']", "\"l\""),
            (".metadata.labels.x\\.y/z", "\"l\""),
            (".status.conditions[?(@.type==\"Ready\")].status", "\"True\""),
        ] {
            assert_eq!(first(&object, path).map(|v| v.to_string()).as_deref(), Some(wanted), "{path}");
        }
        assert_eq!(first(&object, ".spec.none"), None);
    }
}
