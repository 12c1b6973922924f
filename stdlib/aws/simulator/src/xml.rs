//! XML of JSON: an object's members are elements, an array's items are elements with the same name, and `@name` is an attribute.

use std::fmt::Write as _;

use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::{Map, Value};

/// A document with this root.
pub fn document(root: &str, content: &Value) -> String {
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

/// The content of a document's root: elements are members, those that come again are arrays, all else is text.
///
/// # Errors
/// Why it is no XML.
pub fn read(text: &[u8]) -> Result<Value, String> {
    let mut reader = Reader::from_reader(text);
    let mut open: Vec<(Map<String, Value>, String)> = vec![(Map::new(), String::new())];
    loop {
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Start(_) => open.push((Map::new(), String::new())),
            Event::Empty(element) => {
                put(&mut open, element.local_name().as_ref(), Value::String(String::new()));
            }
            Event::End(element) => {
                let (members, text) = open.pop().unwrap_or_default();
                let content = if members.is_empty() { Value::String(text) } else { Value::Object(members) };
                put(&mut open, element.local_name().as_ref(), content);
            }
            Event::Text(text) => {
                let text = text.decode().map_err(|error| error.to_string())?;
                if let Some((_, known)) = open.last_mut() {
                    known.push_str(&text);
                }
            }
            Event::GeneralRef(entity) => {
                let named = entity.decode().map_err(|error| error.to_string())?;
                let character = entity.resolve_char_ref().map_err(|error| error.to_string())?;
                let character = character.map(String::from);
                let meant = character
                    .or_else(|| quick_xml::escape::resolve_predefined_entity(&named).map(str::to_owned));
                if let Some((_, known)) = open.last_mut() {
                    known.push_str(&meant.ok_or_else(|| format!("there is no entity `{named}`"))?);
                }
            }
            Event::Eof => break,
            _ => {}
        }
    }
    let (root, _) = open.pop().unwrap_or_default();
    root.into_iter().next().map(|(_, content)| content).ok_or_else(|| "it has no root".to_owned())
}

fn put(open: &mut [(Map<String, Value>, String)], name: &[u8], content: Value) {
    let Some((members, _)) = open.last_mut() else { return };
    let name = String::from_utf8_lossy(name).into_owned();
    match members.get_mut(&name) {
        None => drop(members.insert(name, content)),
        Some(Value::Array(items)) => items.push(content),
        Some(first) => *first = Value::Array(vec![first.take(), content]),
    }
}

/// What may be one element or several.
pub fn items(value: Option<&Value>) -> Vec<&Value> {
    match value {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(items)) => items.iter().collect(),
        Some(one) => vec![one],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_written_is_read_again() {
        let content = json!({ "Name": "a<b & \"c\"", "Items": { "Item": ["1", "2"] }, "@xmlns": "urn:x" });
        let text = document("Root", &content);
        assert!(text.contains("<Root xmlns=\"urn:x\">"), "{text}");
        let read = read(text.as_bytes()).expect("it is XML");
        assert_eq!(read, json!({ "Name": "a<b & \"c\"", "Items": { "Item": ["1", "2"] } }));
    }
}
