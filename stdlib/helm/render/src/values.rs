//! The values that a user gives a chart: files merged in order, then single settings, as Helm's command line does.

mod coalesce;
mod set;

use gotemplate::{Map, Value};

pub(crate) use coalesce::{Coalescer, path_value, table};
pub use set::SetError;
use set::Settings;

use crate::yaml;

/// Values for a chart and, under their names, for the charts it depends on. A null deletes what a chart has by default.
#[derive(Clone, Debug, Default)]
pub struct Values(pub(crate) Map);

/// How the text after `=` becomes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetKind {
    /// `--set`: `true`, `false`, `null` and integers are what they say; `{a,b}` is a list.
    Typed,
    /// `--set-string`: everything is text.
    Text,
    /// `--set-json`: `key=JSON`, or an object that is merged.
    Json,
    /// `--set-literal`: everything after the first `=` is one text, commas and all.
    Literal,
}

impl Values {
    pub fn new() -> Self {
        Values::default()
    }

    /// The documents of a values file, merged. The error is Helm's text.
    pub fn from_yaml(text: impl AsRef<[u8]>) -> Result<Self, String> {
        load_documents(text.as_ref()).map(Values)
    }

    /// Values from JSON, which must be an object.
    pub fn from_json(json: &serde_json::Value) -> Option<Self> {
        json.as_object().map(|entries| {
            Values(entries.iter().map(|(key, value)| (key.as_str(), from_json(value))).collect())
        })
    }

    pub fn to_json(&self) -> serde_json::Value {
        to_json(&Value::Map(self.0.clone()))
    }

    /// Puts other values over these: maps are merged, everything else is replaced.
    #[must_use]
    pub fn merged(&self, over: &Values) -> Self {
        Values(merge_maps(&self.0, &over.0))
    }

    /// Puts these values over `former` ones, as `helm upgrade --reset-then-reuse-values` does: a null deletes what was under it.
    #[must_use]
    pub fn over_former(&self, former: &Values) -> Self {
        let over = self.0.deep_copy();
        let over = if over.is_nil() { Map::new() } else { over };
        Coalescer::default().coalesce_tables(&over, &former.0.deep_copy());
        Values(over)
    }

    /// Applies settings such as `image.tag=1.2,replicas=3`; text keeps its order.
    pub fn set(&mut self, kind: SetKind, settings: &str) -> Result<(), SetError> {
        // Values handed out earlier must not change with this one.
        let mut root = self.0.deep_copy();
        if kind == SetKind::Json && settings.trim_start().starts_with('{') {
            let json: serde_json::Value = serde_json::from_str(settings.trim())
                .map_err(|_| SetError::new(format!("failed parsing --set-json data JSON: {settings}")))?;
            let over = Values::from_json(&json).unwrap_or_default();
            root = merge_maps(&root, &over.0);
        } else {
            Settings::new(settings, kind, None).apply(&root)?;
        }
        self.0 = root;
        Ok(())
    }

    /// Applies settings whose texts name files: `tls.key=FILE` (Helm's `--set-file`). `read` gives a file's text.
    pub fn set_files(
        &mut self,
        settings: &str,
        read: &mut dyn FnMut(&str) -> Result<String, String>,
    ) -> Result<(), SetError> {
        let root = self.0.deep_copy();
        Settings::new(settings, SetKind::Text, Some(read)).apply(&root)?;
        self.0 = root;
        Ok(())
    }
}

/// The documents of a text, each merged over those before it.
pub(crate) fn load_documents(text: &[u8]) -> Result<Map, String> {
    if text.len() > yaml::MAX_DOCUMENT {
        return Err(format!("the values are longer than {} MiB", yaml::MAX_DOCUMENT >> 20));
    }
    let mut values = Map::new();
    for document in documents(text)? {
        let map = yaml::parse_map(document).map_err(|e| format!("cannot unmarshal yaml document: {e}"))?;
        values = merge_maps(&values, &map);
    }
    Ok(values)
}

/// Cuts a stream at its `---` lines. One that comes first belongs to the document that it starts. Every line ends with
/// a newline, the last one too, and a carriage return before it is dropped.
fn documents(text: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let mut documents = Vec::new();
    let mut document = Vec::new();
    for line in text.split_inclusive(|b| *b == b'\n') {
        let line = line.strip_suffix(b"\n").map_or(line, |line| line.strip_suffix(b"\r").unwrap_or(line));
        if let Some(rest) = line.strip_prefix(b"---") {
            let rest = rest.trim_ascii();
            if !matches!(rest.first(), None | Some(b'#')) {
                let rest = String::from_utf8_lossy(rest);
                return Err(format!("error reading yaml document: invalid Yaml document separator: {rest}"));
            }
            if !document.is_empty() {
                documents.push(std::mem::take(&mut document));
                continue;
            }
        }
        document.extend_from_slice(line);
        document.push(b'\n');
    }
    if !document.is_empty() {
        documents.push(document);
    }
    Ok(documents)
}

/// Helm's `MergeMaps`: `over` wins, maps within maps are merged.
pub(crate) fn merge_maps(under: &Map, over: &Map) -> Map {
    let merged = under.shallow_copy();
    let merged = if merged.is_nil() { Map::new() } else { merged };
    for (key, value) in over.entries() {
        let value = match (&value, merged.get(key.as_bytes())) {
            (Value::Map(over), Some(Value::Map(under))) => Value::Map(merge_maps(&under, over)),
            _ => value,
        };
        merged.insert(key, value);
    }
    merged
}

/// A value as Go's `encoding/json` decodes it: every number is a `float64`.
pub(crate) fn from_json(json: &serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match json {
        Json::Null => Value::Nil,
        Json::Bool(b) => Value::Bool(*b),
        Json::Number(n) => Value::float(n.as_f64().unwrap_or(f64::NAN)),
        Json::String(s) => Value::str(s.as_str()),
        Json::Array(items) => Value::list(items.iter().map(from_json).collect()),
        Json::Object(entries) => {
            Value::Map(entries.iter().map(|(key, value)| (key.as_str(), from_json(value))).collect())
        }
    }
}

/// A value as JSON; a float without a fraction becomes an integer, as Go writes it.
pub(crate) fn to_json(value: &Value) -> serde_json::Value {
    use serde_json::Value as Json;
    match value {
        Value::NoValue | Value::Nil => Json::Null,
        Value::Bool(b) => Json::Bool(*b),
        Value::Number(n) => match (n.as_int(), n.as_uint(), n.as_float()) {
            (Some(n), ..) => n.into(),
            (_, Some(n), _) => n.into(),
            (.., Some(f)) if f.trunc() == f && f.abs() < 9e15 => (f as i64).into(),
            (.., Some(f)) => f.into(),
            _ => Json::Null,
        },
        Value::Str(s) => Json::String(s.to_text().into_owned()),
        Value::List(items) => Json::Array(items.iter().map(to_json).collect()),
        Value::Map(map) => Json::Object(
            map.read().iter().map(|(key, value)| (key.to_text().into_owned(), to_json(value))).collect(),
        ),
        Value::Object(o) => o.underlying().map_or(Json::Null, |value| to_json(&value)),
    }
}
