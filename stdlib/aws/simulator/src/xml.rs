//! XML of JSON: an object's members are elements, an array's items are elements with the same name, and `@name` is an attribute.

use std::fmt::Write as _;

use serde_json::Value;

/// A document with this root.
pub(crate) fn document(root: &str, content: &Value) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    element(&mut out, root, content);
    out
}

fn element(out: &mut String, name: &str, content: &Value) {
    match content {
        Value::Null => {}
        Value::Array(items) => items.iter().for_each(|item| element(out, name, item)),
        Value::Object(members) => {
            let _ = write!(out, "<{name}");
            for (key, value) in
                members.iter().filter_map(|(key, value)| Some((key.strip_prefix('@')?, value)))
            {
                let _ = write!(out, " {key}=\"{}\"", escaped(value.as_str().unwrap_or_default()));
            }
            out.push('>');
            members
                .iter()
                .filter(|(key, _)| !key.starts_with('@'))
                .for_each(|(key, value)| element(out, key, value));
            let _ = write!(out, "</{name}>");
        }
        Value::String(text) => {
            let _ = write!(out, "<{name}>{}</{name}>", escaped(text));
        }
        other => {
            let _ = write!(out, "<{name}>{other}</{name}>");
        }
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // A reader would make a line feed of it.
            '\r' => out.push_str("&#xD;"),
            c => out.push(c),
        }
    }
    out
}
