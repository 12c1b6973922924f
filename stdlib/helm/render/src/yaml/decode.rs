//! Gives a document's nodes their values, as `sigs.k8s.io/yaml` does: go-yaml v2's types, then what JSON makes of them.
//! Knows no particular kind of value; a [`Sink`] builds them.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use gotemplate::format::quote;

use super::YamlError;
use super::document::{Content, Document, Node, NodeId};
use super::resolve::{Dialect, Resolved, resolve};

/// Builds the values that a document decodes to.
pub(super) trait Sink {
    type Value: Clone;
    fn null(&self) -> Self::Value;
    fn bool(&self, b: bool) -> Self::Value;
    fn int(&self, n: i64) -> Self::Value;
    fn uint(&self, n: u64) -> Self::Value;
    fn float(&self, f: f64) -> Self::Value;
    fn text(&self, text: &str) -> Self::Value;
    fn list(&self, items: Vec<Self::Value>) -> Self::Value;
    /// Of two entries with the same key the later one counts.
    fn map(&self, entries: impl Iterator<Item = (String, Self::Value)>) -> Self::Value;
}

/// Whether a key may be given twice in a mapping; the last one counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Duplicates {
    Allowed,
    Refused,
}

/// The value of a document; an empty one is null.
pub(super) fn decode<S: Sink>(
    document: &Document,
    sink: &S,
    duplicates: Duplicates,
) -> Result<S::Value, YamlError> {
    let mut decoder = Decoder {
        document,
        sink,
        duplicates,
        following: Vec::new(),
        repeated: Vec::new(),
        unsupported_key: None,
        decoded: 0,
        aliased: 0,
    };
    let value = match document.root() {
        Some(root) => decoder.value(root)?,
        None => sink.null(),
    };
    if !decoder.repeated.is_empty() {
        let lines = decoder.repeated.join("\n  ");
        return Err(YamlError::yaml(None, format!("unmarshal errors:\n  {lines}")));
    }
    decoder.unsupported_key.map_or(Ok(value), |e| Err(YamlError::convert(e)))
}

struct Decoder<'a, S> {
    document: &'a Document,
    sink: &'a S,
    duplicates: Duplicates,
    /// The aliases that are being followed.
    following: Vec<NodeId>,
    /// What is to be said about repeated keys.
    repeated: Vec<String>,
    /// The first key that JSON cannot have.
    unsupported_key: Option<String>,
    decoded: usize,
    aliased: usize,
}

/// A mapping's entries, first as go-yaml keys them: `1` and `"1"` are two keys until JSON makes them one.
type Entries<V> = BTreeMap<Key, V>;

/// In the order in which Go prints them. Where JSON makes two keys one, the text counts.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Null,
    Text(String),
    Int(i64),
    Uint(u64),
    /// As the text that JSON gives it.
    Float(String),
    Bool(bool),
}

impl<S: Sink> Decoder<'_, S> {
    fn value(&mut self, id: NodeId) -> Result<S::Value, YamlError> {
        self.count()?;
        let node = self.document.node(id);
        match &node.content {
            Content::Scalar { .. } => self.scalar(node),
            Content::Alias { .. } => self.follow(id, Self::value),
            Content::Sequence(children) => {
                let items = children.iter().map(|child| self.value(*child)).collect::<Result<_, _>>()?;
                Ok(self.sink.list(items))
            }
            Content::Mapping(_) => {
                let mut entries = Entries::new();
                self.mapping(id, &mut entries)?;
                Ok(self.sink.map(entries.into_iter().rev().map(|(key, value)| (key.into_text(), value))))
            }
        }
    }

    /// Bounds what aliases can multiply, with go-yaml's measure.
    fn count(&mut self) -> Result<(), YamlError> {
        self.decoded += 1;
        if !self.following.is_empty() {
            self.aliased += 1;
        }
        let ratio = self.aliased as f64 / self.decoded as f64;
        if self.aliased > 100 && self.decoded > 1_000 && ratio > allowed_alias_ratio(self.decoded) {
            return Err(YamlError::yaml(None, "document contains excessive aliasing"));
        }
        Ok(())
    }

    fn follow<T>(
        &mut self,
        alias: NodeId,
        then: impl FnOnce(&mut Self, NodeId) -> Result<T, YamlError>,
    ) -> Result<T, YamlError> {
        let Content::Alias { name, target } = &self.document.node(alias).content else {
            return then(self, alias);
        };
        if self.following.contains(&alias) {
            return Err(YamlError::yaml(None, format!("anchor '{name}' value contains itself")));
        }
        self.following.push(alias);
        let result = then(self, *target);
        self.following.pop();
        result
    }

    fn scalar(&self, node: &Node) -> Result<S::Value, YamlError> {
        let sink = self.sink;
        Ok(match scalar(node)? {
            Scalar::Resolved(Resolved::Null, _) => sink.null(),
            Scalar::Resolved(Resolved::Bool(b), _) => sink.bool(b),
            Scalar::Resolved(Resolved::Int(n), _) => sink.int(n),
            Scalar::Resolved(Resolved::Uint(n), _) => sink.uint(n),
            Scalar::Resolved(Resolved::Float(f), _) if !f.is_finite() => {
                return Err(YamlError::convert(format!("json: unsupported value: {}", infinite_name(f))));
            }
            Scalar::Resolved(Resolved::Float(f), _) => sink.float(f),
            Scalar::Resolved(_, text) => sink.text(text),
            Scalar::Binary(text) => sink.text(&text),
        })
    }

    fn mapping(&mut self, id: NodeId, entries: &mut Entries<S::Value>) -> Result<(), YamlError> {
        let Content::Mapping(children) = &self.document.node(id).content else {
            return Err(YamlError::yaml(None, WANT_MAP));
        };
        for pair in children.chunks_exact(2) {
            let (key, value) = (pair[0], pair[1]);
            if is_merge(self.document.node(key)) {
                self.merge(value, entries)?;
                continue;
            }
            let key = self.key(key)?;
            self.check_key(&key, value)?;
            let line = self.document.node(value).line + 1;
            let value = self.value(value)?;
            if self.duplicates == Duplicates::Refused && entries.contains_key(&key) {
                self.repeated.push(format!("line {line}: key {} already set in map", key.in_go()));
            } else {
                entries.insert(key, value);
            }
        }
        Ok(())
    }

    fn check_key(&mut self, key: &Key, value: NodeId) -> Result<(), YamlError> {
        let kind = match key {
            Key::Null => "%!s(<nil>)",
            Key::Uint(_) => "uint64",
            _ => return Ok(()),
        };
        if self.unsupported_key.is_none() {
            let key = key.in_go();
            let mut shown = String::new();
            self.write_in_go(value, &mut shown)?;
            let shown = if shown == NIL { "<nil>" } else { &shown };
            self.unsupported_key =
                Some(format!("unsupported map key of type: {kind}, key: {key}, value: {shown}"));
        }
        Ok(())
    }

    fn merge(&mut self, id: NodeId, entries: &mut Entries<S::Value>) -> Result<(), YamlError> {
        let is_mapping = |id| matches!(self.document.resolved(id).content, Content::Mapping(_));
        let sources = match &self.document.node(id).content {
            Content::Sequence(children) => children.iter().rev().copied().collect(),
            _ => vec![id],
        };
        for source in sources {
            if !is_mapping(source) {
                return Err(YamlError::yaml(None, WANT_MAP));
            }
            self.count()?;
            if matches!(self.document.node(source).content, Content::Alias { .. }) {
                self.follow(source, |decoder, target| {
                    decoder.count()?;
                    decoder.mapping(target, entries)
                })?;
            } else {
                self.mapping(source, entries)?;
            }
        }
        Ok(())
    }

    fn key(&mut self, id: NodeId) -> Result<Key, YamlError> {
        self.count()?;
        let node = self.document.resolved(id);
        if !matches!(node.content, Content::Scalar { .. }) {
            let mut text = String::new();
            self.write_in_go(id, &mut text)?;
            return Err(YamlError::yaml(None, format!("invalid map key: {text}")));
        }
        Ok(match scalar(node)? {
            Scalar::Resolved(Resolved::Null, _) => Key::Null,
            Scalar::Resolved(Resolved::Bool(b), _) => Key::Bool(b),
            Scalar::Resolved(Resolved::Int(n), _) => Key::Int(n),
            Scalar::Resolved(Resolved::Uint(n), _) => Key::Uint(n),
            Scalar::Resolved(Resolved::Float(f), _) => Key::Float(float_key(f)),
            Scalar::Resolved(_, text) => Key::Text(text.to_owned()),
            Scalar::Binary(text) => Key::Text(text),
        })
    }

    /// A value as Go's `%#v` shows what go-yaml decodes it to.
    fn write_in_go(&mut self, id: NodeId, out: &mut String) -> Result<(), YamlError> {
        let node = self.document.node(id);
        match &node.content {
            Content::Alias { .. } => return self.follow(id, |d, target| d.write_in_go(target, out)),
            Content::Sequence(children) => {
                out.push_str("[]interface {}{");
                for (i, child) in children.iter().enumerate() {
                    out.push_str(if i > 0 { ", " } else { "" });
                    self.write_in_go(*child, out)?;
                }
                out.push('}');
            }
            Content::Mapping(children) => {
                let mut entries = BTreeMap::new();
                for pair in children.chunks_exact(2) {
                    let mut value = String::new();
                    self.write_in_go(pair[1], &mut value)?;
                    entries.insert(self.key(pair[0])?, value);
                }
                let entries = entries.iter().map(|(key, value)| format!("{}:{value}", key.in_go()));
                out.push_str("map[interface {}]interface {}{");
                out.push_str(&entries.collect::<Vec<_>>().join(", "));
                out.push('}');
            }
            Content::Scalar { .. } => match scalar(node)? {
                Scalar::Resolved(Resolved::Null, _) => out.push_str(NIL),
                Scalar::Resolved(Resolved::Bool(b), _) => out.push_str(&b.to_string()),
                Scalar::Resolved(Resolved::Int(n), _) => out.push_str(&n.to_string()),
                Scalar::Resolved(Resolved::Uint(n), _) => out.push_str(&format!("{n:#x}")),
                Scalar::Resolved(Resolved::Float(f), _) => out.push_str(&crate::number::general(f)),
                Scalar::Resolved(_, text) => out.push_str(&quote(text.as_bytes())),
                Scalar::Binary(text) => out.push_str(&quote(text.as_bytes())),
            },
        }
        Ok(())
    }
}

const WANT_MAP: &str = "map merge requires map or sequence of maps as the value";

const NIL: &str = "interface {}(nil)";

enum Scalar<'a> {
    /// With the text as it was written.
    Resolved(Resolved, &'a str),
    Binary(String),
}

/// What a scalar is, by its tag or by its looks.
fn scalar(node: &Node) -> Result<Scalar<'_>, YamlError> {
    let Content::Scalar { value, plain } = &node.content else {
        unreachable!("the caller looked at the content");
    };
    let text = value.as_str();
    let wanted = match node.tag.strip_prefix("tag:yaml.org,2002:") {
        None if node.tag.is_empty() && *plain => {
            return Ok(Scalar::Resolved(resolve(text, Dialect::V2, true), text));
        }
        Some("binary") => {
            let bytes = BASE64
                .decode(text.replace(['\r', '\n'], ""))
                .map_err(|_| YamlError::yaml(None, "!!binary value contains invalid base64 data"))?;
            return Ok(Scalar::Binary(String::from_utf8_lossy(&bytes).into_owned()));
        }
        Some(tag @ ("bool" | "int" | "float" | "null" | "timestamp")) => format!("!!{tag}"),
        // Other tags say nothing that JSON could keep.
        _ => return Ok(Scalar::Resolved(Resolved::Text, text)),
    };
    let found = match (resolve(text, Dialect::V2, wanted == "!!timestamp"), wanted.as_str()) {
        (Resolved::Int(n), "!!float") => Resolved::Float(n as f64),
        (found, _) => found,
    };
    if found.tag() == wanted {
        return Ok(Scalar::Resolved(found, text));
    }
    Err(YamlError::yaml(None, format!("cannot decode {} `{text}` as a {wanted}", found.tag())))
}

fn is_merge(node: &Node) -> bool {
    matches!(&node.content, Content::Scalar { value, plain }
        if value == "<<" && (*plain || node.tag == "tag:yaml.org,2002:merge"))
}

fn infinite_name(f: f64) -> &'static str {
    match f {
        f if f.is_nan() => "NaN",
        f if f > 0.0 => "+Inf",
        _ => "-Inf",
    }
}

/// sigs.k8s.io/yaml prints the key with the digits of a float32.
fn float_key(f: f64) -> String {
    match f {
        f if f.is_nan() => ".nan".to_owned(),
        f64::INFINITY => ".inf".to_owned(),
        f64::NEG_INFINITY => "-.inf".to_owned(),
        f => crate::number::general_32(f as f32),
    }
}

fn allowed_alias_ratio(decoded: usize) -> f64 {
    const LOW: f64 = 400_000.0;
    const HIGH: f64 = 4_000_000.0;
    let within = (decoded as f64 - LOW) / (HIGH - LOW);
    0.99 - 0.89 * within.clamp(0.0, 1.0)
}

impl Key {
    fn into_text(self) -> String {
        match self {
            Key::Text(text) | Key::Float(text) => text,
            Key::Int(n) => n.to_string(),
            Key::Bool(b) => b.to_string(),
            // Such a key has made the whole document an error.
            Key::Null | Key::Uint(_) => String::new(),
        }
    }

    fn in_go(&self) -> String {
        match self {
            Key::Null => "<nil>".to_owned(),
            Key::Bool(b) => b.to_string(),
            Key::Int(n) => n.to_string(),
            Key::Uint(n) => format!("{n:#x}"),
            Key::Float(text) => text.clone(),
            Key::Text(text) => quote(text.as_bytes()),
        }
    }
}
