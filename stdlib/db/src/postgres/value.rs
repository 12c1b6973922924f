//! Values: from PostgreSQL's text form to JSON and back, by the type's number.
//!
//! Numbers are numbers where they can be read as such without loss, times with a zone are RFC 3339 in UTC, `bytea` is base64, JSON and
//! arrays are what they say; everything else is PostgreSQL's own text.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use opsrun_core::Value;
use serde_json::Number;

pub(crate) use postgres_protocol::Oid;

const BOOL: Oid = 16;
const BYTEA: Oid = 17;
const INT8: Oid = 20;
const INT2: Oid = 21;
const INT4: Oid = 23;
const OID: Oid = 26;
const JSON: Oid = 114;
const FLOAT4: Oid = 700;
const FLOAT8: Oid = 701;
const TIMESTAMP: Oid = 1114;
const TIMESTAMPTZ: Oid = 1184;
const NUMERIC: Oid = 1700;
const JSONB: Oid = 3802;

/// Types of arrays, and of what is in them.
const ARRAYS: &[(Oid, Oid)] = &[
    (1000, BOOL),
    (1001, BYTEA),
    (1016, INT8),
    (1005, INT2),
    (1007, INT4),
    (1028, OID),
    (199, JSON),
    (1021, FLOAT4),
    (1022, FLOAT8),
    (1115, TIMESTAMP),
    (1185, TIMESTAMPTZ),
    (1231, NUMERIC),
    (3807, JSONB),
    // Of what is text: `name`, `char(n)`, `varchar`, `text`, `date`, `time`, `interval`, `inet`, `uuid`.
    (1003, 19),
    (1014, 1042),
    (1015, 1043),
    (1009, 25),
    (1182, 1082),
    (1183, 1083),
    (1187, 1186),
    (1041, 869),
    (2951, 2950),
];

/// The value of a text that the server sent.
pub(crate) fn of_text(oid: Oid, bytes: &[u8]) -> Value {
    let text = String::from_utf8_lossy(bytes);
    let read = match oid {
        BOOL => Some(Value::Bool(text == "t")),
        INT2 | INT4 | INT8 | OID => text.parse::<i64>().ok().map(Value::from),
        FLOAT4 | FLOAT8 => text.parse::<f64>().ok().and_then(Number::from_f64).map(Value::Number),
        NUMERIC => numeric(&text),
        JSON | JSONB => serde_json::from_str(&text).ok(),
        TIMESTAMP | TIMESTAMPTZ => time(&text).map(Value::String),
        BYTEA => bytea(&text).map(|bytes| BASE64_STANDARD.encode(bytes).into()),
        _ => element(oid).and_then(|element| array(&text, element)),
    };
    read.unwrap_or_else(|| Value::String(text.into_owned()))
}

/// The text of an argument for a parameter of this type; `None` is NULL. A text is passed on as it is.
pub(crate) fn to_text(oid: Oid, argument: &Value) -> Option<String> {
    let is_json = oid == JSON || oid == JSONB;
    match argument {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => Some(argument.to_string()),
        Value::Array(_) if is_json => Some(argument.to_string()),
        Value::Array(items) => Some(array_text(items, element(oid).unwrap_or_default())),
    }
}

fn element(oid: Oid) -> Option<Oid> {
    ARRAYS.iter().find(|(array, _)| *array == oid).map(|(_, element)| *element)
}

fn array_text(items: &[Value], element: Oid) -> String {
    let items: Vec<String> = items
        .iter()
        .map(|item| match item {
            Value::Array(items) if element != JSON && element != JSONB => array_text(items, element),
            item => to_text(element, item).map_or_else(
                || "NULL".to_owned(),
                |text| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
            ),
        })
        .collect();
    format!("{{{}}}", items.join(","))
}

/// Up to fifteen digits come through a floating-point number unchanged.
fn numeric(text: &str) -> Option<Value> {
    if !text.contains('.') {
        return text.parse::<i64>().ok().map(Value::from);
    }
    let digits = text.trim_start_matches(['-', '0', '.']).bytes().filter(u8::is_ascii_digit).count();
    let number = text.parse::<f64>().ok().filter(|_| digits <= 15);
    number.and_then(Number::from_f64).map(Value::Number)
}

/// `2026-03-02 03:00:00.5+00` as RFC 3339; `None` for what it has no words for: infinity, years before Christ and after 9999.
fn time(text: &str) -> Option<String> {
    let (date, clock) = text.split_once(' ')?;
    if date.len() != 10 || clock.contains(' ') {
        return None;
    }
    Some(match clock.strip_suffix("+00") {
        Some(clock) => format!("{date}T{clock}Z"),
        None => format!("{date}T{clock}"),
    })
}

/// `\x01ff`
fn bytea(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("\\x")?.as_bytes();
    let digit = |byte: u8| char::from(byte).to_digit(16);
    digits.chunks(2).map(|pair| u8::try_from(digit(pair[0])? << 4 | digit(*pair.get(1)?)?).ok()).collect()
}

/// `{1,NULL,"a \"b\""}`, also in several dimensions; `None` for bounds of its own, `[0:1]={…}`.
fn array(text: &str, element: Oid) -> Option<Value> {
    let mut rest = text.chars().peekable();
    let value = items(&mut rest, element)?;
    rest.peek().is_none().then_some(value)
}

fn items(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, element: Oid) -> Option<Value> {
    rest.next_if_eq(&'{')?;
    let mut found = Vec::new();
    if rest.next_if_eq(&'}').is_some() {
        return Some(Value::Array(found));
    }
    loop {
        found.push(match rest.peek()? {
            '{' => items(rest, element)?,
            '"' => {
                rest.next();
                let mut text = String::new();
                loop {
                    match rest.next()? {
                        '"' => break,
                        '\\' => text.push(rest.next()?),
                        letter => text.push(letter),
                    }
                }
                of_text(element, text.as_bytes())
            }
            _ => {
                let mut text = String::new();
                while let Some(letter) = rest.next_if(|letter| !matches!(letter, ',' | '}')) {
                    text.push(letter);
                }
                if text == "NULL" { Value::Null } else { of_text(element, text.as_bytes()) }
            }
        });
        match rest.next()? {
            ',' => {}
            '}' => return Some(Value::Array(found)),
            _ => return None,
        }
    }
}
