//! How names, labels, annotations, owners and finalizers are checked, in the words of apimachinery's validation.
//! Pure functions of texts; it knows no object.

use serde_json::Value;

use crate::kinds::NameRule;
use crate::status::Invalid;

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and \
    must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start \
    and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const LABEL_1035: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an \
    alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for \
    validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const QUALIFIED: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
    alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
    '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', \
    and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for \
    validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const ANNOTATIONS_LIMIT: usize = 256 * 1024;

/// What is wrong with a name.
pub fn check(rule: NameRule, name: &str) -> Vec<String> {
    match rule {
        NameRule::Subdomain => subdomain(name),
        NameRule::Label => label(name),
        NameRule::Label1035 => label_1035(name),
        NameRule::PathSegment => path_segment(name),
    }
}

/// RFC 1123 subdomain, at most 253 bytes.
pub fn subdomain(name: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if name.len() > 253 {
        wrong.push("must be no more than 253 characters".to_owned());
    }
    if !name.split('.').all(is_label) {
        wrong.push(SUBDOMAIN.to_owned());
    }
    wrong
}

/// RFC 1123 label, at most 63 bytes.
pub fn label(name: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if name.len() > 63 {
        wrong.push("must be no more than 63 characters".to_owned());
    }
    if !is_label(name) {
        let dotted = name.split('.').all(is_label);
        wrong.push(if dotted { "must not contain dots" } else { LABEL }.to_owned());
    }
    wrong
}

/// RFC 1035 label: starts with a letter.
pub fn label_1035(name: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if name.len() > 63 {
        wrong.push("must be no more than 63 characters".to_owned());
    }
    if !is_label(name) || !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        wrong.push(LABEL_1035.to_owned());
    }
    wrong
}

fn path_segment(name: &str) -> Vec<String> {
    if name == "." || name == ".." {
        return vec![format!("may not be '{name}'")];
    }
    ['/', '%'].iter().filter(|c| name.contains(**c)).map(|c| format!("may not contain '{c}'")).collect()
}

/// `prefix/name`, as keys of labels and annotations are.
pub fn qualified(name: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let part = match name.split_once('/') {
        None => name,
        Some((_, part)) if part.contains('/') => {
            return vec![format!(
                "a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
                 alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
                 '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. \
                 'example.com/MyName')"
            )];
        }
        Some(("", part)) => {
            wrong.push("prefix part must be non-empty".to_owned());
            part
        }
        Some((prefix, part)) => {
            wrong.extend(subdomain(prefix).into_iter().map(|why| format!("prefix part {why}")));
            part
        }
    };
    if part.is_empty() {
        wrong.push("name part must be non-empty".to_owned());
    } else if part.len() > 63 {
        wrong.push("name part must be no more than 63 characters".to_owned());
    }
    if !is_qualified_part(part) {
        wrong.push(QUALIFIED.to_owned());
    }
    wrong
}

/// What is wrong with a label's value.
pub fn label_value(value: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if value.len() > 63 {
        wrong.push("must be no more than 63 characters".to_owned());
    }
    if !value.is_empty() && !is_qualified_part(value) {
        wrong.push(LABEL_VALUE.to_owned());
    }
    wrong
}

/// A map of labels.
pub fn labels(labels: &Value, path: &str) -> Vec<Invalid> {
    let mut wrong = Vec::new();
    for (key, value) in labels.as_object().into_iter().flatten() {
        wrong.extend(qualified(key).into_iter().map(|why| Invalid::value(path, key.as_str(), why)));
        let value = value.as_str().unwrap_or_default();
        wrong.extend(label_value(value).into_iter().map(|why| Invalid::value(path, value, why)));
    }
    wrong
}

/// A map of annotations.
pub fn annotations(annotations: &Value, path: &str) -> Vec<Invalid> {
    let mut wrong = Vec::new();
    let mut size = 0;
    for (key, value) in annotations.as_object().into_iter().flatten() {
        wrong.extend(
            qualified(&key.to_lowercase()).into_iter().map(|why| Invalid::value(path, key.as_str(), why)),
        );
        size += key.len() + value.as_str().unwrap_or_default().len();
    }
    if size > ANNOTATIONS_LIMIT {
        wrong.push(Invalid::too_long(path, ANNOTATIONS_LIMIT));
    }
    wrong
}

/// Owner references: each names its kind, name and uid, and one at most is the controller.
pub fn owners(owners: &Value, path: &str) -> Vec<Invalid> {
    let mut wrong = Vec::new();
    let mut controllers: Vec<String> = Vec::new();
    for owner in owners.as_array().into_iter().flatten() {
        let at = |field: &str| format!("{path}.{field}");
        let empty = |field: &str| owner[field].as_str().unwrap_or_default().is_empty();
        let version = owner["apiVersion"].as_str().unwrap_or_default();
        if version.rsplit('/').next().unwrap_or_default().is_empty() {
            wrong.push(Invalid::value(at("apiVersion"), version, "version must not be empty"));
        }
        for (field, why) in
            [("kind", "must not be empty"), ("name", "must not be empty"), ("uid", "must not be empty")]
        {
            if empty(field) {
                wrong.push(Invalid::value(at(field), owner[field].as_str().unwrap_or_default(), why));
            }
        }
        if owner["controller"] == Value::Bool(true) {
            controllers.push(format!(
                "{}/{}",
                owner["kind"].as_str().unwrap_or_default(),
                owner["name"].as_str().unwrap_or_default()
            ));
        }
    }
    if controllers.len() > 1 {
        let detail = format!(
            "Only one reference can have Controller set to true. Found \"true\" in references for {} and {}",
            controllers[0], controllers[1]
        );
        wrong.push(Invalid::value(path, owners.clone(), detail));
    }
    wrong
}

/// Finalizers are qualified names, and of the two collection policies only one may be among them.
pub fn finalizers(finalizers: &Value, path: &str) -> Vec<Invalid> {
    let mut wrong = Vec::new();
    let names: Vec<&str> = finalizers.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (index, name) in names.iter().enumerate() {
        let at = format!("{path}[{index}]");
        wrong.extend(qualified(name).into_iter().map(|why| Invalid::value(path, *name, why)));
        if !name.contains('/') && !matches!(*name, "orphan" | "foregroundDeletion" | "kubernetes") {
            let why = "name is neither a standard finalizer name nor is it fully qualified";
            wrong.push(Invalid::value(at, *name, why));
        }
    }
    if names.contains(&"orphan") && names.contains(&"foregroundDeletion") {
        let why = "finalizer orphan and foregroundDeletion cannot be both set";
        wrong.push(Invalid::value(path, finalizers.clone(), why));
    }
    wrong
}

fn is_label(name: &str) -> bool {
    let alphanumeric = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    let bytes = name.as_bytes();
    match (bytes.first(), bytes.last()) {
        (Some(first), Some(last)) => {
            alphanumeric(*first)
                && alphanumeric(*last)
                && bytes.iter().all(|c| alphanumeric(*c) || *c == b'-')
        }
        _ => false,
    }
}

fn is_qualified_part(name: &str) -> bool {
    let bytes = name.as_bytes();
    match (bytes.first(), bytes.last()) {
        (Some(first), Some(last)) => {
            first.is_ascii_alphanumeric()
                && last.is_ascii_alphanumeric()
                && bytes.iter().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.'))
        }
        _ => false,
    }
}
