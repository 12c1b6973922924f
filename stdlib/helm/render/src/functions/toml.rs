//! TOML as BurntSushi's library writes it: keys before tables, both sorted, tables indented below their parents.

use gotemplate::{List, Map, Number, Str, Type, Value};

use super::args::slice;
use super::time::Moment;
use crate::number;

/// A document, or the text of the error.
pub(super) fn write(value: &Value) -> Result<Vec<u8>, String> {
    if value.is_nil() {
        return Err(REFLECTED_NIL.to_owned());
    }
    let mut writer = Writer { out: Vec::new() };
    writer.encode(&[], value)?;
    Ok(writer.out)
}

/// What Go's reflection panics with over nil; even `toToml` lets that through.
pub(super) const REFLECTED_NIL: &str = "reflect: call of reflect.Value.Type on zero Value";

/// A document as a map; integers are `int64`, arrays of tables lists of maps.
pub(super) fn parse(text: &[u8]) -> Result<Map, String> {
    let text = crate::json::go_lossy(text);
    let table: toml::Table = toml::from_str(&text).map_err(|e| format!("toml: {}", e.message()))?;
    Ok(map(table))
}

fn map(table: toml::Table) -> Map {
    table.into_iter().map(|(key, value)| (key, from_toml(value))).collect()
}

fn from_toml(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(n) => Value::int64(n),
        toml::Value::Float(f) => Value::float(f),
        toml::Value::Boolean(b) => b.into(),
        toml::Value::Table(table) => map(table).into(),
        toml::Value::Array(items) => {
            let is_tables = !items.is_empty() && items.iter().all(toml::Value::is_table);
            let elem = if is_tables { gotemplate::MAP } else { Type::Any };
            List::new(elem, items.into_iter().map(from_toml).collect()).into()
        }
        toml::Value::Datetime(date) => {
            let text = date.to_string();
            let layouts = [
                "2006-01-02T15:04:05.999999999Z07:00",
                "2006-01-02T15:04:05.999999999",
                "2006-01-02",
                "15:04:05.999999999",
            ];
            let moment = layouts.iter().find_map(|layout| Moment::parse(layout, &text).ok());
            moment.map_or_else(|| Value::str(text), Value::from)
        }
    }
}

struct Writer {
    out: Vec<u8>,
}

type Written = Result<(), String>;

impl Writer {
    fn encode(&mut self, key: &[Str], value: &Value) -> Written {
        match plain(value) {
            Value::Nil | Value::NoValue => Ok(()),
            Value::Map(map) if map.is_nil() => Ok(()),
            Value::Map(map) => self.table(key, &map),
            Value::List(list) if is_tables(&list)? => self.tables(key, &list),
            other => self.key_value(key, &other, false),
        }
    }

    fn table(&mut self, key: &[Str], map: &Map) -> Written {
        if key.len() == 1 {
            self.line_feed();
        }
        if !key.is_empty() {
            self.indent(key);
            self.out.extend([b"[".as_slice(), &dotted(key), b"]"].concat());
            self.line_feed();
        }
        self.entries(key, map)
    }

    fn tables(&mut self, key: &[Str], list: &List) -> Written {
        if key.is_empty() {
            return Err("toml: top-level values must be Go maps or structs".to_owned());
        }
        for item in list.iter() {
            let Value::Map(map) = plain(item) else { continue };
            self.line_feed();
            self.indent(key);
            self.out.extend([b"[[".as_slice(), &dotted(key), b"]]"].concat());
            self.line_feed();
            self.entries(key, &map)?;
        }
        Ok(())
    }

    fn entries(&mut self, key: &[Str], map: &Map) -> Written {
        let (direct, tables) = sorted(map)?;
        for (name, value) in direct.iter().chain(&tables) {
            let mut key = key.to_vec();
            key.push(name.clone());
            self.encode(&key, value)?;
        }
        Ok(())
    }

    fn key_value(&mut self, key: &[Str], value: &Value, inline: bool) -> Written {
        let Some(name) = key.last() else { return self.element(value) };
        self.indent(key);
        self.out.extend(quoted_key(name));
        self.out.extend_from_slice(b" = ");
        self.element(value)?;
        if !inline {
            self.line_feed();
        }
        Ok(())
    }

    fn element(&mut self, value: &Value) -> Written {
        match value {
            Value::Str(text) => self.out.extend(quoted(text)),
            Value::Bool(b) => self.out.extend(b.to_string().into_bytes()),
            Value::Number(n) => self.out.extend(number_text(*n)?.into_bytes()),
            Value::List(list) => {
                self.out.push(b'[');
                for (i, item) in list.iter().enumerate() {
                    self.out.extend_from_slice(if i > 0 { b", " } else { b"" });
                    self.element(item)?;
                }
                self.out.push(b']');
            }
            Value::Map(map) => {
                self.out.push(b'{');
                let (direct, tables) = sorted(map)?;
                for (i, (name, value)) in direct.iter().chain(&tables).enumerate() {
                    self.out.extend_from_slice(if i > 0 { b", " } else { b"" });
                    self.key_value(std::slice::from_ref(name), value, true)?;
                }
                self.out.push(b'}');
            }
            Value::Object(object) => match (object.type_name(), object.encoded()) {
                ("time.Time", Some(Value::Str(time))) => self.out.extend_from_slice(&time),
                ("time.Duration", _) => {
                    self.out.extend(quoted(object.text().unwrap_or_default().as_bytes()));
                }
                _ => return self.element(&plain(value)),
            },
            Value::Nil | Value::NoValue => {
                return Err("toml: cannot encode array with nil element".to_owned());
            }
        }
        Ok(())
    }

    fn indent(&mut self, key: &[Str]) {
        self.out.extend(std::iter::repeat_n(b' ', 2 * key.len().saturating_sub(1)));
    }

    /// Nothing goes before the first line.
    fn line_feed(&mut self) {
        if !self.out.is_empty() {
            self.out.push(b'\n');
        }
    }
}

/// What a named value is underneath.
fn plain(value: &Value) -> Value {
    match value {
        Value::Object(object) if !matches!(object.type_name(), "time.Time" | "time.Duration") => {
            match (object.encoded(), object.underlying()) {
                (Some(value), _) | (None, Some(value)) => plain(&value),
                (None, None) => Map::from_iter(object.fields()).into(),
            }
        }
        other => other.clone(),
    }
}

fn is_tables(list: &List) -> Result<bool, String> {
    if list.iter().any(Value::is_nil) {
        return Err("toml: cannot encode array with nil element".to_owned());
    }
    Ok(!list.is_empty() && list.iter().all(|item| matches!(plain(item), Value::Map(_))))
}

type Entries = Vec<(Str, Value)>;

/// What is not nil: first what stands on a line of its own, then tables.
fn sorted(map: &Map) -> Result<(Entries, Entries), String> {
    let (mut direct, mut tables) = (Vec::new(), Vec::new());
    for (name, value) in map.entries() {
        let value = plain(&value);
        let is_table = match &value {
            Value::Nil | Value::NoValue => continue,
            Value::Map(map) if map.is_nil() => continue,
            Value::Map(_) => true,
            other => match slice(other) {
                Some(list) => is_tables(&list)?,
                None => false,
            },
        };
        if is_table { &mut tables } else { &mut direct }.push((name, value));
    }
    Ok((direct, tables))
}

fn number_text(n: Number) -> Result<String, String> {
    if let Some(f) = n.as_float() {
        if f.is_nan() {
            return Ok("nan".to_owned());
        }
        if f.is_infinite() {
            return Ok(if f > 0.0 { "inf" } else { "-inf" }.to_owned());
        }
        let text = if let Number::Float32(f) = n { number::general_32(f) } else { number::general(f) };
        return Ok(if text.contains(['e', '.']) { text } else { text + ".0" });
    }
    match (n.as_int(), n.as_uint()) {
        (Some(n), _) => Ok(n.to_string()),
        (_, Some(n)) => Ok(n.to_string()),
        _ => Err("unsupported type: complex128".to_owned()),
    }
}

fn dotted(key: &[Str]) -> Vec<u8> {
    key.iter().map(quoted_key).collect::<Vec<_>>().join(b".".as_slice())
}

fn quoted_key(key: &Str) -> Vec<u8> {
    let is_bare = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    if !key.is_empty() && key.iter().all(is_bare) { key.to_vec() } else { quoted(key) }
}

/// Bytes that are not UTF-8 stay as they are.
fn quoted(text: &[u8]) -> Vec<u8> {
    let mut out = vec![b'"'];
    for b in text {
        match b {
            b'"' | b'\\' => out.extend([b'\\', *b]),
            b'\t' => out.extend(b"\\t"),
            b'\n' => out.extend(b"\\n"),
            b'\r' => out.extend(b"\\r"),
            0x08 => out.extend(b"\\b"),
            0x0C => out.extend(b"\\f"),
            0..0x20 | 0x7F => out.extend(format!("\\u{b:04x}").into_bytes()),
            b => out.push(*b),
        }
    }
    out.push(b'"');
    out
}
