//! What two runs have in common that did the same: the rest is times, identifiers and generated names.
//! It knows their forms, and no system.

use std::collections::BTreeMap;

use jiff::Timestamp;
use opsrun_core::Value;

/// A snapshot without what differs from one run to another that did the same.
pub(crate) fn of_snapshot(snapshot: &BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    let mut alike = BTreeMap::new();
    for (name, value) in snapshot {
        let name = of_text(name);
        let mut key = name.clone();
        // Several things may differ in a generated name alone.
        for number in 2.. {
            if !alike.contains_key(&key) {
                break;
            }
            key = format!("{name} ({number})");
        }
        alike.insert(key, of(value));
    }
    alike
}

/// A value without that.
pub(crate) fn of(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(of_text(text)),
        Value::Array(items) => items.iter().map(of).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (of_text(key), of(value))).collect(),
        other => other.clone(),
    }
}

fn of_text(text: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | ':' | '.' | '+');
    let mut alike = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(is_part) {
        let (before, from) = rest.split_at(start);
        let (word, after) = from.split_at(from.find(|c| !is_part(c)).unwrap_or(from.len()));
        alike.push_str(before);
        alike.push_str(&of_word(word));
        rest = after;
    }
    alike.push_str(rest);
    alike
}

fn of_word(word: &str) -> String {
    if word.len() >= 20 && word.parse::<Timestamp>().is_ok() || is_unix_time(word) {
        return "(time)".to_owned();
    }
    if let Some((before, after)) = around_uuid(word) {
        return format!("{before}(uid){after}");
    }
    match word.rsplit_once('-') {
        Some((name, suffix)) if is_generated(suffix) => format!("{name}-(name)"),
        _ => word.to_owned(),
    }
}

/// Seconds since 1970, of this century's second quarter.
fn is_unix_time(word: &str) -> bool {
    word.len() == 10
        && word.bytes().all(|byte| byte.is_ascii_digit())
        && ("1735689600".."2500000000").contains(&word)
}

/// `pvc-1c6ad2f0-…` has one in it.
fn around_uuid(word: &str) -> Option<(&str, &str)> {
    const LENGTH: usize = 36;
    let is_uuid = |text: &str| {
        text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
    };
    let last = word.len().checked_sub(LENGTH)?;
    // A word is ASCII.
    let at = (0..=last).find(|at| is_uuid(&word[*at..*at + LENGTH]))?;
    Some((&word[..at], &word[at + LENGTH..]))
}

/// Five letters or digits that make no word, as suffixes of generated names are.
fn is_generated(suffix: &str) -> bool {
    suffix.len() == 5 && suffix.bytes().all(|byte| b"bcdfghjklmnpqrstvwxz2456789".contains(&byte))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn times_identifiers_and_generated_names_are_left_out_and_nothing_else() {
        for (text, alike) in [
            ("2026-03-02T03:00:00Z", "(time)"),
            ("deployed at 2026-03-02T03:00:00.25Z by hand", "deployed at (time) by hand"),
            ("1772420412", "(time)"),
            ("0123456789", "0123456789"),
            ("pvc-1c6ad2f0-77c5-4d4c-9b3a-2f4b7a1e0d11", "pvc-(uid)"),
            ("jobs prod/migrate-x7k2p", "jobs prod/migrate-(name)"),
            ("web-settings", "web-settings"),
            ("nginx:1.27.3", "nginx:1.27.3"),
            ("10.0.0.1", "10.0.0.1"),
            ("", ""),
        ] {
            assert_eq!(of_text(text), alike);
        }
        let snapshot = BTreeMap::from([
            ("jobs migrate-x7k2p".to_owned(), json!({ "at": ["2026-03-02T03:00:00Z", 3] })),
            ("jobs migrate-zzzzz".to_owned(), json!(null)),
        ]);
        let alike = BTreeMap::from([
            ("jobs migrate-(name)".to_owned(), json!({ "at": ["(time)", 3] })),
            ("jobs migrate-(name) (2)".to_owned(), json!(null)),
        ]);
        assert_eq!(of_snapshot(&snapshot), alike);
    }
}
