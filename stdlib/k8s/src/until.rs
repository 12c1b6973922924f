//! What a playbook waits for: a state, a condition, or a field with a value.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

use crate::object::Object;

/// Written as `ready`, `exists`, `deleted`, `condition=Available`, `condition=Ready=False`, `.status.phase=Bound`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Until {
    Ready,
    Exists,
    Deleted,
    Condition {
        kind: String,
        status: String,
    },
    Field {
        path: Vec<Step>,
        /// As it was written.
        text: String,
        /// Any, if left out.
        value: Option<String>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Key(String),
    Index(usize),
}

impl Until {
    /// Whether it holds for an object that exists.
    pub(crate) fn holds(&self, object: &Value) -> bool {
        match self {
            Until::Ready => crate::readiness::of(object) == crate::readiness::Readiness::Ready,
            Until::Exists => true,
            Until::Deleted => false,
            Until::Condition { kind, status } => condition(object, kind).is_some_and(|found| {
                found.text("/status").eq_ignore_ascii_case(status) && !is_outdated(object, found)
            }),
            Until::Field { path, value, .. } => match (follow(object, path), value) {
                (None | Some(Value::Null), _) => false,
                (Some(_), None) => true,
                (Some(found), Some(value)) => shown(found) == *value,
            },
        }
    }

    /// What there is instead.
    pub(crate) fn found_in(&self, object: &Value) -> String {
        match self {
            Until::Condition { kind, .. } => match condition(object, kind) {
                None => format!("it has no condition `{kind}` yet"),
                Some(found) if is_outdated(object, found) => {
                    format!("`{kind}` does not speak of its latest change yet")
                }
                Some(found) => {
                    let message = found.text("/message");
                    let separator = if message.is_empty() { "" } else { ": " };
                    format!("`{kind}` is {}{separator}{message}", found.text("/status"))
                }
            },
            Until::Field { path, text, .. } => match follow(object, path) {
                None | Some(Value::Null) => format!("it has no `{text}` yet"),
                Some(found) => format!("`{text}` is `{}`", shown(found)),
            },
            _ if object.is_null() => "it does not exist".to_owned(),
            _ => "it exists".to_owned(),
        }
    }
}

fn condition<'o>(object: &'o Value, kind: &str) -> Option<&'o Value> {
    object.conditions().find(|condition| condition.text("/type").eq_ignore_ascii_case(kind))
}

/// Whether a condition was set before the object's latest change, as far as its controller tells.
fn is_outdated(object: &Value, condition: &Value) -> bool {
    let observed = condition["observedGeneration"].as_i64();
    let observed = observed.or_else(|| object.pointer("/status/observedGeneration").and_then(Value::as_i64));
    observed.is_some_and(|observed| observed < object.number("/metadata/generation"))
}

fn follow<'o>(object: &'o Value, path: &[Step]) -> Option<&'o Value> {
    path.iter().try_fold(object, |value, step| match step {
        Step::Key(key) => value.get(key),
        Step::Index(index) => value.get(index),
    })
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

impl FromStr for Until {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "ready" => return Ok(Until::Ready),
            "exists" => return Ok(Until::Exists),
            "deleted" => return Ok(Until::Deleted),
            _ => {}
        }
        let text = text.trim();
        if let Some(condition) = text.strip_prefix("condition=") {
            let (kind, status) = condition.split_once('=').unwrap_or((condition, "True"));
            return Ok(Until::Condition { kind: kind.to_owned(), status: status.to_owned() });
        }
        let text = text.strip_prefix("jsonpath=").unwrap_or(text);
        let (path, value) = match text.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
            Some((path, "")) => (path, None),
            Some((path, rest)) => {
                let value =
                    rest.strip_prefix('=').ok_or_else(|| format!("`{text}`: expected `=` after `}}`"))?;
                (path, Some(value))
            }
            None => text.split_once('=').map_or((text, None), |(path, value)| (path, Some(value))),
        };
        let steps = steps(path).ok_or_else(|| {
            format!(
                "`{text}` is nothing to wait for: write `ready`, `exists`, `deleted`, `condition=Available` or \
                 `.status.phase=Bound`"
            )
        })?;
        Ok(Until::Field { path: steps, text: path.to_owned(), value: value.map(str::to_owned) })
    }
}

/// The steps of `.status.conditions[0].type` or `.metadata.annotations['a.b/c']`.
fn steps(path: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let mut key = String::new();
            let mut end = after.len();
            let mut letters = after.char_indices();
            while let Some((at, letter)) = letters.next() {
                match letter {
                    '\\' => key.extend(letters.next().map(|(_, escaped)| escaped)),
                    '.' | '[' => {
                        end = at;
                        break;
                    }
                    letter => key.push(letter),
                }
            }
            if key.is_empty() || key.contains(char::is_whitespace) {
                return None;
            }
            steps.push(Step::Key(key));
            rest = &after[end..];
        } else {
            let (inside, after) = rest.strip_prefix('[')?.split_once(']')?;
            let quoted = inside.strip_prefix('\'').and_then(|inside| inside.strip_suffix('\''));
            steps.push(match quoted {
                Some(key) => Step::Key(key.to_owned()),
                None => Step::Index(inside.parse().ok()?),
            });
            rest = after;
        }
    }
    (!steps.is_empty()).then_some(steps)
}

impl fmt::Display for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Until::Ready => f.write_str("ready"),
            Until::Exists => f.write_str("exists"),
            Until::Deleted => f.write_str("deleted"),
            Until::Condition { kind, status } if status == "True" => f.write_str(kind),
            Until::Condition { kind, status } => write!(f, "{kind}={status}"),
            Until::Field { text, value: Some(value), .. } => write!(f, "{text}={value}"),
            Until::Field { text, value: None, .. } => f.write_str(text),
        }
    }
}

impl<'de> Deserialize<'de> for Until {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Until {
    fn schema_name() -> Cow<'static, str> {
        "Until".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "`ready`, `exists`, `deleted`, `condition=Available` or `.status.phase=Bound`",
            "type": "string"
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_waited_for_is_read_as_people_write_it() {
        let object = json!({
            "metadata": { "annotations": { "a.b/c": "yes" } },
            "status": { "phase": "Bound", "ready": 2, "list": [{ "x": true }],
                        "conditions": [{ "type": "Available", "status": "False" }] }
        });
        for (text, holds) in [
            ("exists", true),
            ("deleted", false),
            ("condition=Available", false),
            ("condition=available=false", true),
            ("condition=Ready", false),
            (".status.phase=Bound", true),
            ("{.status.phase}=Bound", true),
            ("jsonpath={.status.phase}=Lost", false),
            (".status.ready=2", true),
            (".status.phase", true),
            (".status.missing", false),
            (".status.list[0].x=true", true),
            (".metadata.annotations['a.b/c']=yes", true),
            (".metadata.annotations.a\\.b/c=yes", true),
        ] {
            let until: Until = text.parse().expect(text);
            assert_eq!(until.holds(&object), holds, "{text}");
        }
        let until: Until = "condition=Available".parse().expect("a condition");
        let changed = |observed: Value| json!({ "metadata": { "generation": 2 }, "status": { "observedGeneration": 2, "conditions": [observed] } });
        let said = |generation: Value| json!({ "type": "Available", "status": "True", "observedGeneration": generation });
        assert!(until.holds(&changed(said(json!(2)))) && until.holds(&changed(said(Value::Null))));
        assert!(!until.holds(&changed(said(json!(1)))), "it speaks of what was before");
        for text in ["", "Available", "status.phase=Bound", ".a..b", "[x]"] {
            assert!(text.parse::<Until>().is_err(), "{text}");
        }
    }
}
