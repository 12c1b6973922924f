//! `jsonb`: a JSON document as PostgreSQL keeps it, with exact numbers, its keys sorted by length and then by bytes.

use std::cmp::Ordering;
use std::fmt::{self, Write};

use super::{Numeric, ValueError};

#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    Number(Numeric),
    String(String),
    Array(Vec<Json>),
    /// Sorted, each key once.
    Object(Vec<(String, Json)>),
}

/// Deeper documents are refused, as PostgreSQL's own limit of its stack does.
const DEEPEST: usize = 512;

impl Json {
    /// # Errors
    /// 22P02
    pub fn parse(text: &str) -> Result<Self, ValueError> {
        let mut reader = Reader { text, at: 0 };
        let json = reader.value(0).and_then(|json| {
            reader.blank();
            (reader.at == text.len()).then_some(json)
        });
        json.ok_or_else(|| ValueError::new("22P02", "invalid input syntax for type json"))
    }

    pub fn of_serde(value: &serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Json::Null,
            serde_json::Value::Bool(is) => Json::Bool(*is),
            serde_json::Value::Number(number) => {
                Json::Number(number.to_string().parse().unwrap_or(Numeric::NaN))
            }
            serde_json::Value::String(text) => Json::String(text.clone()),
            serde_json::Value::Array(items) => Json::Array(items.iter().map(Json::of_serde).collect()),
            serde_json::Value::Object(fields) => {
                Json::object(fields.iter().map(|(key, value)| (key.clone(), Json::of_serde(value))).collect())
            }
        }
    }

    /// Of keys and values, the last of a key counts.
    pub fn object(mut fields: Vec<(String, Json)>) -> Self {
        fields.reverse();
        fields.sort_by(|(one, _), (other, _)| by_length(one, other));
        fields.dedup_by(|(one, _), (other, _)| one == other);
        Json::Object(fields)
    }

    pub fn get(&self, key: &str) -> Option<&Json> {
        match self {
            Json::Object(fields) => fields.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// Counted from the end where it is negative.
    pub fn item(&self, index: i64) -> Option<&Json> {
        let Json::Array(items) = self else { return None };
        let index = if index < 0 { index + i64::try_from(items.len()).ok()? } else { index };
        items.get(usize::try_from(index).ok()?)
    }

    /// `@>`
    pub fn contains(&self, other: &Json) -> bool {
        match (self, other) {
            (Json::Object(fields), Json::Object(wanted)) => wanted
                .iter()
                .all(|(key, value)| fields.iter().any(|(name, field)| name == key && field.contains(value))),
            (Json::Array(items), Json::Array(wanted)) => {
                wanted.iter().all(|value| items.iter().any(|item| item.contains_within(value)))
            }
            (Json::Array(items), scalar) if !matches!(scalar, Json::Object(_)) => items.contains(scalar),
            (one, other) => one == other,
        }
    }

    /// The exception that an array contains a scalar holds at the top only.
    fn contains_within(&self, other: &Json) -> bool {
        match (self, other) {
            (Json::Array(_), Json::Array(_)) | (Json::Object(_), Json::Object(_)) => self.contains(other),
            (one, other) => one == other,
        }
    }

    /// As `->>` gives it: a string without its quotes, `None` for null.
    pub fn as_text(&self) -> Option<String> {
        match self {
            Json::Null => None,
            Json::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    }

    /// `jsonb_typeof`
    pub fn kind(&self) -> &'static str {
        match self {
            Json::Null => "null",
            Json::Bool(_) => "boolean",
            Json::Number(_) => "number",
            Json::String(_) => "string",
            Json::Array(_) => "array",
            Json::Object(_) => "object",
        }
    }

    /// The order of `jsonb`: object, array, boolean, number, string, null, from the largest.
    pub fn order(&self, other: &Json) -> Ordering {
        match (self, other) {
            (Json::Bool(one), Json::Bool(other)) => one.cmp(other),
            (Json::Number(one), Json::Number(other)) => one.cmp(other),
            (Json::String(one), Json::String(other)) => one.cmp(other),
            (Json::Array(one), Json::Array(other)) => {
                let pairs = one.iter().zip(other).map(|(one, other)| one.order(other));
                one.len().cmp(&other.len()).then_with(|| pairs.fold(Ordering::Equal, Ordering::then))
            }
            (Json::Object(one), Json::Object(other)) => {
                let pairs = one
                    .iter()
                    .zip(other)
                    .map(|((key, one), (name, other))| by_length(key, name).then_with(|| one.order(other)));
                one.len().cmp(&other.len()).then_with(|| pairs.fold(Ordering::Equal, Ordering::then))
            }
            _ => self.rank().cmp(&other.rank()),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Json::Null => 0,
            Json::String(_) => 1,
            Json::Number(_) => 2,
            Json::Bool(_) => 3,
            Json::Array(_) => 4,
            Json::Object(_) => 5,
        }
    }
}

fn by_length(one: &str, other: &str) -> Ordering {
    one.len().cmp(&other.len()).then_with(|| one.cmp(other))
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Json::Null => f.write_str("null"),
            Json::Bool(is) => write!(f, "{is}"),
            Json::Number(number) => write!(f, "{number}"),
            Json::String(text) => quote(text, f),
            Json::Array(items) => {
                f.write_str("[")?;
                for (at, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if at == 0 { "" } else { ", " })?;
                }
                f.write_str("]")
            }
            Json::Object(fields) => {
                f.write_str("{")?;
                for (at, (key, value)) in fields.iter().enumerate() {
                    f.write_str(if at == 0 { "" } else { ", " })?;
                    quote(key, f)?;
                    write!(f, ": {value}")?;
                }
                f.write_str("}")
            }
        }
    }
}

pub(crate) fn quote(text: &str, f: &mut impl Write) -> fmt::Result {
    f.write_str("\"")?;
    for character in text.chars() {
        match character {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\u{8}' => f.write_str("\\b")?,
            '\u{c}' => f.write_str("\\f")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            control if u32::from(control) < 0x20 => write!(f, "\\u{:04x}", u32::from(control))?,
            other => f.write_char(other)?,
        }
    }
    f.write_str("\"")
}

/// Reads JSON with exact numbers; `None` where it is none.
struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn blank(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start_matches([' ', '\t', '\n', '\r']).len();
    }

    fn take(&mut self, token: &str) -> bool {
        self.blank();
        let is = self.rest().starts_with(token);
        self.at += if is { token.len() } else { 0 };
        is
    }

    fn value(&mut self, depth: usize) -> Option<Json> {
        if depth > DEEPEST {
            return None;
        }
        self.blank();
        match self.rest().as_bytes().first()? {
            b'{' => self.fields(depth),
            b'[' => self.items(depth),
            b'"' => self.string().map(Json::String),
            b't' => self.take("true").then_some(Json::Bool(true)),
            b'f' => self.take("false").then_some(Json::Bool(false)),
            b'n' => self.take("null").then_some(Json::Null),
            _ => self.number(),
        }
    }

    fn fields(&mut self, depth: usize) -> Option<Json> {
        let mut fields = Vec::new();
        self.take("{");
        if self.take("}") {
            return Some(Json::Object(fields));
        }
        loop {
            self.blank();
            let key = self.string()?;
            if !self.take(":") {
                return None;
            }
            fields.push((key, self.value(depth + 1)?));
            if self.take("}") {
                return Some(Json::object(fields));
            }
            if !self.take(",") {
                return None;
            }
        }
    }

    fn items(&mut self, depth: usize) -> Option<Json> {
        let mut items = Vec::new();
        self.take("[");
        if self.take("]") {
            return Some(Json::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            if self.take("]") {
                return Some(Json::Array(items));
            }
            if !self.take(",") {
                return None;
            }
        }
    }

    /// Strings are read by `serde_json`, whose rules are the same; a NUL, which PostgreSQL cannot keep, is refused.
    fn string(&mut self) -> Option<String> {
        let rest = self.rest();
        let mut escaped = false;
        let end = rest.bytes().enumerate().skip(1).find_map(|(at, byte)| {
            let ends = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            ends.then_some(at)
        })?;
        if !rest.starts_with('"') {
            return None;
        }
        let text: String = serde_json::from_str(&rest[..=end]).ok()?;
        self.at += end + 1;
        (!text.contains('\0')).then_some(text)
    }

    fn number(&mut self) -> Option<Json> {
        let rest = self.rest();
        let end = rest.find(|character: char| !matches!(character, '0'..='9' | '-' | '+' | '.' | 'e' | 'E'));
        let digits = &rest[..end.unwrap_or(rest.len())];
        // The grammar of JSON's numbers, which is narrower than that of `numeric`.
        serde_json::from_str::<serde_json::Number>(digits).ok()?;
        let number = digits.parse().ok()?;
        self.at += digits.len();
        Some(Json::Number(number))
    }
}
