//! What tells a table's rows apart.

use std::fmt;

use serde_json::Value;

use crate::value::{Datum, Numeric, Type, to_text};

/// The value of a primary key, or the number of a row in a table without one; numbers come in their order, before texts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    Number(i64),
    Text(String),
    /// Of several columns.
    Many(Vec<Key>),
}

impl Key {
    /// A whole number, a text, or a boolean or a fraction by its text; `None` for what can be no key.
    pub fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Number(number) => {
                Some(number.as_i64().map_or_else(|| Key::Text(number.to_string()), Key::Number))
            }
            Value::String(text) => Some(Key::Text(text.clone())),
            Value::Bool(is) => Some(Key::Text(is.to_string())),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// The same for values that are equal; `None` if there is none.
    pub fn of_datum(datum: &Datum, kind: &Type) -> Option<Self> {
        match datum {
            Datum::Null => None,
            Datum::Int(number) => Some(Key::Number(*number)),
            Datum::Text(text) => Some(Key::Text(text.to_string())),
            // 1.0 and 1.00 are one key.
            Datum::Numeric(number) => Some(Key::Text(Numeric::trimmed(number).to_string())),
            // So are 0 and -0.
            Datum::Float(float) => Some(Key::Text(to_text(&Datum::Float(float + 0.0), kind))),
            Datum::Interval(interval) => Some(Key::Text(interval.span().to_string())),
            other => Some(Key::Text(to_text(other, kind))),
        }
    }

    /// Of several columns, or of one; `None` if one of them has no value.
    pub fn of_columns<'d>(mut values: impl ExactSizeIterator<Item = (&'d Datum, &'d Type)>) -> Option<Self> {
        if values.len() == 1 {
            let (datum, kind) = values.next()?;
            return Key::of_datum(datum, kind);
        }
        values.map(|(datum, kind)| Key::of_datum(datum, kind)).collect::<Option<_>>().map(Key::Many)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Key::Number(number) => write!(f, "{number}"),
            Key::Text(text) => f.write_str(text),
            Key::Many(keys) => {
                for (at, key) in keys.iter().enumerate() {
                    write!(f, "{}{key}", if at == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
        }
    }
}
