//! Values as text: `to_text` is what PostgreSQL sends, `from_text` reads what it takes.

use std::sync::Arc;

use super::{Datum, Interval, Json, Numeric, Type, ValueError, datetime};

/// The text of a value that there is.
///
/// The names of relations (`regclass`) are the caller's matter: here they are numbers.
pub fn to_text(datum: &Datum, kind: &Type) -> String {
    match datum {
        Datum::Null => String::new(),
        Datum::Bool(is) => if *is { "t" } else { "f" }.to_owned(),
        Datum::Int(number) => number.to_string(),
        Datum::Float(float) => float_text(*float, *kind == Type::Float4),
        Datum::Numeric(number) => number.to_string(),
        Datum::Text(text) | Datum::Bits(text) => text.to_string(),
        Datum::Bytes(bytes) => {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("\\x{hex}")
        }
        Datum::Date(day) => datetime::date_text(*day),
        Datum::Time(micros) => datetime::time_text(*micros),
        Datum::Timestamp(micros) => datetime::timestamp_text(*micros, *kind == Type::Timestamptz),
        Datum::Interval(interval) => interval.to_string(),
        Datum::Uuid(bytes) => uuid_text(bytes),
        Datum::Json(json) => json.to_string(),
        Datum::Array(items) => {
            let element = match kind {
                Type::Array(element) => element,
                other => other,
            };
            let items: Vec<String> = items.iter().map(|item| array_item(item, element)).collect();
            format!("{{{}}}", items.join(","))
        }
        Datum::Record(fields) => composite_text(fields.iter().map(|(kind, datum)| (kind, datum))),
    }
}

/// The same where intervals are told as ISO 8601 has them.
pub fn to_iso_text(datum: &Datum, kind: &Type) -> String {
    to_text(&with_iso_intervals(datum), kind)
}

fn with_iso_intervals(datum: &Datum) -> Datum {
    match datum {
        Datum::Interval(interval) => Datum::Text(interval.to_iso().into()),
        Datum::Array(items) => Datum::Array(Arc::new(items.iter().map(with_iso_intervals).collect())),
        Datum::Record(fields) => {
            let told = fields.iter().map(|(kind, datum)| (kind.clone(), with_iso_intervals(datum)));
            Datum::Record(Arc::new(told.collect()))
        }
        other => other.clone(),
    }
}

fn array_item(item: &Datum, kind: &Type) -> String {
    if item.is_null() {
        return "NULL".to_owned();
    }
    let text = to_text(item, kind);
    let plain = !text.is_empty()
        && !text.eq_ignore_ascii_case("null")
        && !text.contains(['"', '\\', '{', '}', ','])
        && !text.contains(char::is_whitespace);
    if plain { text } else { format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")) }
}

/// A row as text: `(1,"a b",)`.
pub fn composite_text<'d>(fields: impl Iterator<Item = (&'d Type, &'d Datum)>) -> String {
    let fields: Vec<String> = fields
        .map(|(kind, datum)| {
            if datum.is_null() {
                return String::new();
            }
            let text = to_text(datum, kind);
            let plain = !text.is_empty()
                && !text.contains(['"', '\\', '(', ')', ','])
                && !text.contains(|character: char| character.is_ascii_whitespace() || character == '\u{b}');
            if plain { text } else { format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\"\"")) }
        })
        .collect();
    format!("({})", fields.join(","))
}

fn uuid_text(bytes: &[u8; 16]) -> String {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// The shortest text that gives the same number, in PostgreSQL's form.
fn float_text(float: f64, single: bool) -> String {
    if float.is_nan() {
        return "NaN".to_owned();
    }
    if float.is_infinite() {
        return if float > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    #[allow(clippy::cast_possible_truncation)] // it was rounded to one before
    let (scientific, plain, digits) = if single {
        (format!("{:e}", float as f32), format!("{}", float as f32), 6)
    } else {
        (format!("{float:e}"), format!("{float}"), 15)
    };
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if exponent >= -4 && exponent < digits {
        return plain;
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
}

/// Reads a value.
///
/// # Errors
/// 22P02, 22003, 22007, 22008, as PostgreSQL has them; of arrays 22P02 too.
pub fn from_text(text: &str, kind: &Type) -> Result<Datum, ValueError> {
    match kind {
        Type::Bool => boolean(text),
        Type::Int2 => integer(text, "smallint", i64::from(i16::MIN), i64::from(i16::MAX)),
        Type::Int4 => integer(text, "integer", i64::from(i32::MIN), i64::from(i32::MAX)),
        Type::Int8 => integer(text, "bigint", i64::MIN, i64::MAX),
        Type::Oid | Type::Regclass => integer(text, "oid", 0, i64::from(u32::MAX)),
        Type::Float4 => float(text, "real").and_then(|float| single(float, text)),
        Type::Float8 => float(text, "double precision").map(Datum::Float),
        Type::Numeric(modifier) => {
            let number: Numeric = text.trim().parse().map_err(|()| ValueError::syntax("numeric", text))?;
            let number = match modifier {
                Some((precision, scale)) => number.within(*precision, *scale)?,
                None => number,
            };
            Ok(Datum::Numeric(number))
        }
        Type::Text | Type::Unknown | Type::Varchar(None) => Ok(Datum::text(text)),
        Type::Varchar(Some(length)) => varchar(text, *length),
        Type::Name => Ok(Datum::text(&text[..text.floor_char_boundary(63)])),
        Type::Char => Ok(Datum::text(text.get(..1).unwrap_or(text))),
        Type::Bytea => bytea(text),
        Type::Bit(length) => bits(text, *length),
        Type::Date => datetime::date_of(text).map(Datum::Date),
        Type::Time => datetime::time_of(text).map(Datum::Time),
        Type::Timestamp => datetime::timestamp_of(text, false).map(Datum::Timestamp),
        Type::Timestamptz => datetime::timestamp_of(text, true).map(Datum::Timestamp),
        Type::Interval => Interval::parse(text).map(Datum::Interval),
        Type::Uuid => uuid(text),
        Type::Json => Json::parse(text).map(|_| Datum::text(text)),
        Type::Jsonb => Json::parse(text).map(|json| Datum::Json(Arc::new(json))),
        Type::Array(element) => array(text, element),
        Type::Void => Ok(Datum::text("")),
        Type::Record => {
            Err(ValueError::new("0A000", "input of anonymous composite types is not implemented"))
        }
    }
}

fn boolean(text: &str) -> Result<Datum, ValueError> {
    let word = text.trim().to_ascii_lowercase();
    let begins = |whole: &str, least: usize| word.len() >= least && whole.starts_with(&word);
    if begins("true", 1) || begins("yes", 1) || begins("on", 2) || word == "1" {
        return Ok(Datum::Bool(true));
    }
    if begins("false", 1) || begins("no", 1) || begins("off", 2) || word == "0" {
        return Ok(Datum::Bool(false));
    }
    Err(ValueError::syntax("boolean", text))
}

fn integer(text: &str, kind: &str, least: i64, most: i64) -> Result<Datum, ValueError> {
    let word = text.trim();
    let digits = word.strip_prefix(['-', '+']).unwrap_or(word);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ValueError::syntax(kind, text));
    }
    let number = word.parse::<i64>().ok().filter(|number| (least..=most).contains(number));
    number.map(Datum::Int).ok_or_else(|| ValueError::text_range(text, kind))
}

fn float(text: &str, kind: &str) -> Result<f64, ValueError> {
    let word = text.trim();
    let lower = word.to_ascii_lowercase();
    match lower.as_str() {
        "nan" => return Ok(f64::NAN),
        "infinity" | "inf" | "+infinity" => return Ok(f64::INFINITY),
        "-infinity" | "-inf" => return Ok(f64::NEG_INFINITY),
        _ => {}
    }
    let number = word.parse::<f64>().ok().filter(|_| !lower.contains(['i', 'n']));
    let number = number.ok_or_else(|| ValueError::syntax(kind, text))?;
    if number.is_infinite() {
        return Err(ValueError::new("22003", format!("\"{text}\" is out of range for type {kind}")));
    }
    Ok(number)
}

#[allow(clippy::cast_possible_truncation)] // that is what `real` is
fn single(float: f64, text: &str) -> Result<Datum, ValueError> {
    let narrow = float as f32;
    if narrow.is_infinite() && !float.is_infinite() {
        return Err(ValueError::new("22003", format!("\"{text}\" is out of range for type real")));
    }
    Ok(Datum::Float(f64::from(narrow)))
}

/// Spaces beyond the length are left out, anything else is too long.
pub(crate) fn varchar(text: &str, length: u32) -> Result<Datum, ValueError> {
    let length = length as usize;
    let Some((at, _)) = text.char_indices().nth(length) else { return Ok(Datum::text(text)) };
    if text[at..].chars().all(|character| character == ' ') {
        return Ok(Datum::text(&text[..at]));
    }
    Err(ValueError::new("22001", format!("value too long for type character varying({length})")))
}

fn bytea(text: &str) -> Result<Datum, ValueError> {
    if let Some(hex) = text.strip_prefix("\\x") {
        let digits: Vec<u8> = hex.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let odd = || ValueError::new("22023", "invalid hexadecimal data: odd number of digits");
        let bytes: Result<Vec<u8>, ValueError> = digits
            .chunks(2)
            .map(|pair| {
                let pair = std::str::from_utf8(pair).unwrap_or("");
                if pair.len() < 2 {
                    return Err(odd());
                }
                u8::from_str_radix(pair, 16).map_err(|_| {
                    let wrong = pair.chars().find(|digit| !digit.is_ascii_hexdigit()).unwrap_or('?');
                    ValueError::new("22023", format!("invalid hexadecimal digit: \"{wrong}\""))
                })
            })
            .collect();
        return bytes.map(|bytes| Datum::Bytes(bytes.into()));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        let octal = |digit: &u8| (b'0'..=b'7').contains(digit);
        match rest {
            [b'\\', tail @ ..] => {
                bytes.push(b'\\');
                rest = tail;
            }
            [one @ b'0'..=b'3', two, three, tail @ ..] if octal(two) && octal(three) => {
                bytes.push((one - b'0') * 64 + (two - b'0') * 8 + (three - b'0'));
                rest = tail;
            }
            _ => return Err(ValueError::new("22P02", "invalid input syntax for type bytea")),
        }
    }
    Ok(Datum::Bytes(bytes.into()))
}

/// Digits, or `x` and hexadecimal ones.
pub(crate) fn bits(text: &str, length: Option<u32>) -> Result<Datum, ValueError> {
    let digits = if let Some(hex) = text.strip_prefix(['x', 'X']) {
        let nibbles: Result<String, ValueError> = hex
            .chars()
            .map(|digit| {
                let value = digit.to_digit(16);
                value.map(|value| format!("{value:04b}")).ok_or_else(|| {
                    ValueError::new("22P02", format!("\"{digit}\" is not a valid hexadecimal digit"))
                })
            })
            .collect();
        nibbles?
    } else {
        let digits = text.strip_prefix(['b', 'B']).unwrap_or(text);
        if let Some(wrong) = digits.chars().find(|digit| !matches!(digit, '0' | '1')) {
            return Err(ValueError::new("22P02", format!("\"{wrong}\" is not a valid binary digit")));
        }
        digits.to_owned()
    };
    match length {
        Some(length) if digits.len() != length as usize => Err(ValueError::new(
            "22026",
            format!("bit string length {} does not match type bit({length})", digits.len()),
        )),
        _ => Ok(Datum::Bits(digits.into())),
    }
}

fn uuid(text: &str) -> Result<Datum, ValueError> {
    let malformed = || ValueError::syntax("uuid", text);
    let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or(text);
    let hex: String = inner.chars().filter(|character| *character != '-').collect();
    if hex.len() != 32 || !hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(malformed());
    }
    let mut bytes = [0; 16];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[at * 2..at * 2 + 2], 16).map_err(|_| malformed())?;
    }
    Ok(Datum::Uuid(bytes))
}

/// One dimension: `{a,"b c",NULL}`.
fn array(text: &str, element: &Type) -> Result<Datum, ValueError> {
    let malformed = || ValueError::new("22P02", format!("malformed array literal: \"{text}\""));
    let inner =
        text.trim().strip_prefix('{').and_then(|text| text.strip_suffix('}')).ok_or_else(malformed)?;
    let mut items = Vec::new();
    let mut characters = inner.trim().chars().peekable();
    if characters.peek().is_none() {
        return Ok(Datum::Array(Arc::new(items)));
    }
    loop {
        let (mut item, mut quoted) = (String::new(), false);
        while let Some(character) = characters.next_if(|character| *character != ',') {
            match character {
                '"' => {
                    quoted = true;
                    loop {
                        match characters.next().ok_or_else(malformed)? {
                            '"' => break,
                            '\\' => item.push(characters.next().ok_or_else(malformed)?),
                            other => item.push(other),
                        }
                    }
                }
                '\\' => item.push(characters.next().ok_or_else(malformed)?),
                '{' | '}' => {
                    return Err(ValueError::new("0A000", "arrays of several dimensions are not simulated"));
                }
                other => item.push(other),
            }
        }
        let item = if quoted { item } else { item.trim().to_owned() };
        if item.is_empty() && !quoted {
            return Err(malformed());
        }
        let absent = !quoted && item.eq_ignore_ascii_case("null");
        items.push(if absent { Datum::Null } else { from_text(&item, element)? });
        if characters.next().is_none() {
            return Ok(Datum::Array(Arc::new(items)));
        }
    }
}
