//! Makes answers comparable: what differs from run to run (names, times, addresses, versions) becomes a placeholder.
//! The rules are numbered in `k8s-wire`'s README.

use std::sync::LazyLock;

use fancy_regex::{Captures, Regex};
use serde_json::{Map, Value};

const LETTERS: &str = "bcdfghjklmnpqrstvwxz2456789";
const HASH_LETTERS: &str = "456789bcdf";
const HASH_LABELS: [&str; 2] = ["pod-template-hash", "controller-revision-hash"];

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a pattern of this file")
}

static UUID: LazyLock<Regex> =
    LazyLock::new(|| regex(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"));
static TIME: LazyLock<Regex> =
    LazyLock::new(|| regex(r"\b(\d{4})-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"));
static IPV4: LazyLock<Regex> = LazyLock::new(|| regex(r"\b(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\b"));
static HASHED: LazyLock<Regex> = LazyLock::new(|| {
    regex(&format!("-([{HASH_LETTERS}]{{6,10}})(-[{LETTERS}]{{5}})?(?=-?(?:$|[^a-z0-9.-]))"))
});
static RAND: LazyLock<Regex> = LazyLock::new(|| regex(&format!("-[{LETTERS}]{{5}}(?=$|[^a-z0-9.-])")));
static HEX16: LazyLock<Regex> = LazyLock::new(|| regex(r"\.[0-9a-f]{16}(?=$|[^0-9a-z])"));
static SHA: LazyLock<Regex> = LazyLock::new(|| regex(r"\b[0-9a-f]{64}\b"));
static DUMP: LazyLock<Regex> = LazyLock::new(|| regex(r#"Invalid value: "\{(?:[^"\\]|\\.){100,}\}""#));
static VERSION_TEXT: LazyLock<Regex> =
    LazyLock::new(|| regex(r"(in record \(|current: |too old resource version: \d+ \()\d+"));
static AGE: LazyLock<Regex> = LazyLock::new(|| regex(r"^(?:(\d+[smhdy])+|<invalid>)$"));
static CELL_PORT: LazyLock<Regex> = LazyLock::new(|| regex(r"(?<=:)3[0-2]\d{3}(?=/(TCP|UDP))"));
static WHOLE_HASH: LazyLock<Regex> = LazyLock::new(|| regex(&format!("^(.*-)?[{HASH_LETTERS}]{{6,10}}$")));
static NUMBER: LazyLock<Regex> = LazyLock::new(|| regex(r"^[1-9]\d*$"));

/// Normalises the answers of one scenario.
pub(crate) struct Normaliser<'a> {
    /// The scenario's variables, oldest first.
    pub(crate) variables: &'a [(String, String)],
    pub(crate) node: Regex,
}

impl<'a> Normaliser<'a> {
    pub(crate) fn new(variables: &'a [(String, String)], node: &str) -> Self {
        Self { variables, node: regex(&format!(r"(?<![\w-]){}(?![\w-])", fancy_regex::escape(node))) }
    }

    pub(crate) fn text(&self, text: &str, key: &str) -> String {
        let mut s = text.to_owned();
        for (name, value) in self.variables {
            if !value.is_empty() && (s == *value || value.len() >= 8 && s.contains(value.as_str())) {
                s = s.replace(value.as_str(), &format!("${{{name}}}"));
            }
        }
        if key == "message" {
            s = DUMP.replace_all(&s, r#"Invalid value: "<object>""#).into_owned();
            s = VERSION_TEXT.replace_all(&s, "${1}<rv>").into_owned();
        }
        s = UUID.replace_all(&s, "<uid>").into_owned();
        s = TIME
            .replace_all(&s, |found: &Captures<'_, str>| {
                let year: u32 = found[1].parse().unwrap_or(0);
                match found.get(2) {
                    _ if year < 2020 => found[0].to_owned(),
                    Some(_) => "<microtime>".to_owned(),
                    None => "<time>".to_owned(),
                }
            })
            .into_owned();
        s = IPV4.replace_all(&s, |found: &Captures<'_, str>| address(&found[0])).into_owned();
        s = SHA.replace_all(&s, "<sha256>").into_owned();
        s = self.node.replace_all(&s, "<node>").into_owned();
        if HASH_LABELS.contains(&key) && matches(&WHOLE_HASH, &s) {
            return match s.rsplit_once('-') {
                Some((name, _)) => format!("{name}-<hash>"),
                None => "<hash>".to_owned(),
            };
        }
        if key == "cells" {
            if matches(&AGE, &s) {
                return "<age>".to_owned();
            }
            s = CELL_PORT.replace_all(&s, "<nodePort>").into_owned();
        }
        s = HASHED
            .replace_all(&s, |found: &Captures<'_, str>| match found.get(2) {
                Some(_) => "-<hash>-<rand>".to_owned(),
                None => "-<hash>".to_owned(),
            })
            .into_owned();
        s = RAND.replace_all(&s, "-<rand>").into_owned();
        HEX16.replace_all(&s, ".<hex>").into_owned()
    }

    pub(crate) fn body(&self, doc: &Value) -> Value {
        self.value(doc, "", false)
    }

    fn value(&self, doc: &Value, key: &str, list_metadata: bool) -> Value {
        match doc {
            Value::Object(map) => self.object(map, key, list_metadata),
            Value::Array(items) => {
                let mut items: Vec<Value> = items.iter().map(|item| self.value(item, key, false)).collect();
                if key == "managedFields" {
                    let text =
                        |entry: &Value, field: &str| entry[field].as_str().unwrap_or_default().to_owned();
                    items.sort_by_key(|entry| {
                        let keys = ["operation", "manager", "subresource", "apiVersion"]
                            .map(|field| text(entry, field));
                        (keys, entry.to_string())
                    });
                } else if key == "conditions"
                    && !items.is_empty()
                    && items.iter().all(|item| item.get("type").is_some())
                {
                    items.sort_by_key(|item| item["type"].as_str().unwrap_or_default().to_owned());
                }
                items.into()
            }
            Value::String(text) => self.text(text, key).into(),
            other => other.clone(),
        }
    }

    fn object(&self, map: &Map<String, Value>, key: &str, list_metadata: bool) -> Value {
        let kind = map.get("kind").and_then(Value::as_str).unwrap_or_default();
        let is_list = kind.ends_with("List") || kind == "Table";
        let mut out = Map::new();
        for (field, value) in map {
            if field == "time" && key == "managedFields" {
                continue;
            }
            let name =
                if HASH_LABELS.contains(&field.as_str()) { field.clone() } else { self.text(field, "") };
            let new = match (field.as_str(), value) {
                ("resourceVersion", Value::String(version)) => self.version(version, list_metadata).into(),
                ("continue", Value::String(token)) if !token.is_empty() => "<continue>".into(),
                ("containerID" | "imageID", Value::String(id)) if !id.is_empty() => {
                    format!("<{field}>").into()
                }
                ("nodePort" | "healthCheckNodePort", Value::Number(port)) if port.as_i64() != Some(0) => {
                    format!("<{field}>").into()
                }
                ("nodeName", Value::String(node)) if !node.is_empty() => "<node>".into(),
                _ => self.value(value, field, is_list && field == "metadata"),
            };
            out.insert(name, new);
        }
        if out.get("kind").is_some_and(|kind| kind == "Status") {
            sort_causes(&mut out);
        }
        Value::Object(out)
    }

    fn version(&self, version: &str, of_list: bool) -> String {
        if !matches(&NUMBER, version) {
            return version.to_owned();
        }
        let saved = self.variables.iter().find(|(_, value)| value == version);
        match saved {
            Some((name, _)) if !of_list => format!("${{{name}}}"),
            _ => "<rv>".to_owned(),
        }
    }
}

fn matches(pattern: &Regex, text: &str) -> bool {
    pattern.is_match(text).unwrap_or(false)
}

fn address(text: &str) -> String {
    let kept = ["0.0.0.0", "127.0.0.1"].contains(&text)
        || ["192.0.2.", "198.51.100.", "203.0.113."].iter().any(|net| text.starts_with(net));
    if kept { text.to_owned() } else { "<ip>".to_owned() }
}

/// Several causes come in no fixed order, and so do their texts at the end of the message.
fn sort_causes(status: &mut Map<String, Value>) {
    let Some(causes) = status.get("details").and_then(|details| details["causes"].as_array()).cloned() else {
        return;
    };
    if causes.len() < 2 {
        return;
    }
    let text = |cause: &Value, field: &str| cause[field].as_str().unwrap_or_default().to_owned();
    let list = |causes: &[Value]| {
        let mut seen: Vec<String> = Vec::new();
        for cause in causes {
            let line = format!("{}: {}", text(cause, "field"), text(cause, "message"));
            if !seen.contains(&line) {
                seen.push(line);
            }
        }
        format!("[{}]", seen.join(", "))
    };
    let before = list(&causes);
    let mut sorted = causes;
    sorted.sort_by_key(|cause| ["field", "reason", "message"].map(|field| text(cause, field)));
    let after = list(&sorted);
    let message = status.get("message").and_then(Value::as_str).unwrap_or_default();
    if let Some(head) = message.strip_suffix(before.as_str()) {
        status.insert("message".to_owned(), format!("{head}{after}").into());
    }
    status["details"]["causes"] = sorted.into();
}
