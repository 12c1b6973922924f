//! YAML as Helm reads and writes it: `sigs.k8s.io/yaml` over go-yaml v2, and go-yaml v3 for `toYamlPretty`.
//! One document at a time: splitting a stream of them is the caller's. Knows no charts and no manifests.

mod decode;
mod document;
mod emit;
mod event;
mod order;
mod resolve;
mod scan;
mod scan_scalar;
mod write;

use gotemplate::{Map, Str, Value};
use thiserror::Error;

use decode::{Duplicates, Sink, decode};
use document::Document;
pub use write::{write, write_json, write_pretty};

/// The bytes that one document may have. Read, it takes some fifty times as much memory; a release could not be stored
/// that has a document of a tenth of this.
pub const MAX_DOCUMENT: usize = 10 << 20;

/// Why a YAML text was refused, in the words of `sigs.k8s.io/yaml`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum YamlError {
    /// The text is not YAML, or not what JSON can hold.
    #[error("error converting YAML to JSON: {message}")]
    Convert {
        /// Counted from 1 as go-yaml counts, which for some errors names the line before; `None` where it gives none.
        line: Option<usize>,
        /// `yaml: line 3: …`
        message: String,
    },
    /// The document is not of the kind that was asked for.
    #[error(
        "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {found} into Go value of type {wanted}"
    )]
    Kind {
        /// As JSON calls it: `array`, `string`, `number`, `bool`, `object`.
        found: &'static str,
        /// The Go type.
        wanted: &'static str,
    },
}

/// The first document of a text; numbers become Go's `float64`. An empty text is nil. A repeated key counts the last time.
pub fn parse(text: impl AsRef<[u8]>) -> Result<Value, YamlError> {
    read(text.as_ref(), &TemplateValues, Duplicates::Allowed)
}

/// The first document of a text, which must be a mapping (as values files are) or null, which gives an empty one.
pub fn parse_map(text: impl AsRef<[u8]>) -> Result<Map, YamlError> {
    const WANTED: &str = "map[string]interface {}";
    match parse(text)? {
        Value::Map(map) => Ok(map),
        Value::Nil => Ok(Map::new()),
        other => Err(YamlError::Kind { found: json_kind(&other), wanted: WANTED }),
    }
}

/// The first document of a text as JSON; integers stay integers. An empty text is null.
pub fn to_json(text: impl AsRef<[u8]>) -> Result<serde_json::Value, YamlError> {
    read(text.as_ref(), &JsonValues, Duplicates::Allowed)
}

/// Like [`to_json`], but a key that is given twice is an error, as in `UnmarshalStrict`.
pub fn to_json_strict(text: impl AsRef<[u8]>) -> Result<serde_json::Value, YamlError> {
    read(text.as_ref(), &JsonValues, Duplicates::Refused)
}

/// What JSON calls a value in its errors.
pub(crate) fn json_kind(value: &Value) -> &'static str {
    match value {
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::Str(_) => "string",
        Value::List(_) => "array",
        _ => "object",
    }
}

fn read<S: Sink>(text: &[u8], sink: &S, duplicates: Duplicates) -> Result<S::Value, YamlError> {
    if text.len() > MAX_DOCUMENT {
        let message = format!("yaml: the document is longer than {} MiB", MAX_DOCUMENT >> 20);
        return Err(YamlError::convert(message));
    }
    let document = scan::check_characters(text)
        .and_then(Document::parse)
        .map_err(|e| YamlError::yaml(e.line, e.problem))?;
    decode(&document, sink, duplicates)
}

impl YamlError {
    /// The line that go-yaml blames, if any.
    pub fn line(&self) -> Option<usize> {
        match self {
            YamlError::Convert { line, .. } => *line,
            YamlError::Kind { .. } => None,
        }
    }

    fn yaml(line: Option<usize>, problem: impl AsRef<str>) -> Self {
        let problem = problem.as_ref();
        let message = match line {
            Some(line) => format!("yaml: line {line}: {problem}"),
            None => format!("yaml: {problem}"),
        };
        YamlError::Convert { line, message }
    }

    fn convert(message: String) -> Self {
        YamlError::Convert { line: None, message }
    }
}

/// Values for templates, with JSON's one kind of number.
struct TemplateValues;

impl Sink for TemplateValues {
    type Value = Value;

    fn null(&self) -> Value {
        Value::Nil
    }
    fn bool(&self, b: bool) -> Value {
        Value::Bool(b)
    }
    fn int(&self, n: i64) -> Value {
        Value::float(n as f64)
    }
    fn uint(&self, n: u64) -> Value {
        Value::float(n as f64)
    }
    fn float(&self, f: f64) -> Value {
        Value::float(f)
    }
    fn text(&self, text: &str) -> Value {
        Value::str(text)
    }
    fn list(&self, items: Vec<Value>) -> Value {
        Value::list(items)
    }
    fn map(&self, entries: impl Iterator<Item = (String, Value)>) -> Value {
        Value::Map(entries.map(|(key, value)| (Str::from(key), value)).collect())
    }
}

struct JsonValues;

impl Sink for JsonValues {
    type Value = serde_json::Value;

    fn null(&self) -> serde_json::Value {
        serde_json::Value::Null
    }
    fn bool(&self, b: bool) -> serde_json::Value {
        b.into()
    }
    fn int(&self, n: i64) -> serde_json::Value {
        n.into()
    }
    fn uint(&self, n: u64) -> serde_json::Value {
        n.into()
    }
    fn float(&self, f: f64) -> serde_json::Value {
        f.into()
    }
    fn text(&self, text: &str) -> serde_json::Value {
        text.into()
    }
    fn list(&self, items: Vec<serde_json::Value>) -> serde_json::Value {
        items.into()
    }
    fn map(&self, entries: impl Iterator<Item = (String, serde_json::Value)>) -> serde_json::Value {
        serde_json::Value::Object(entries.collect())
    }
}
