//! Functions of texts and bytes.

use std::sync::Arc;

use base64::Engine;
use sha2::{Digest as _, Sha224, Sha256, Sha384, Sha512};

use super::{Signature, always, set, strict};
use crate::postgres::PgError;
use crate::postgres::sql::expr::{Result, internal};
use crate::value::{Datum, Numeric, Type, to_text};

pub(super) const FUNCTIONS: &[Signature] = &[
    strict("length", "text", "int4", |_, a| Ok(count(text(a, 0)?.chars().count()))),
    strict("length", "bytea", "int4", |_, a| Ok(count(bytes(a, 0)?.len()))),
    strict("char_length", "text", "int4", |_, a| Ok(count(text(a, 0)?.chars().count()))),
    strict("character_length", "text", "int4", |_, a| Ok(count(text(a, 0)?.chars().count()))),
    strict("octet_length", "text", "int4", |_, a| Ok(count(text(a, 0)?.len()))),
    strict("octet_length", "bytea", "int4", |_, a| Ok(count(bytes(a, 0)?.len()))),
    strict("lower", "text", "text", |_, a| Ok(Datum::text(text(a, 0)?.to_ascii_lowercase()))),
    strict("upper", "text", "text", |_, a| Ok(Datum::text(text(a, 0)?.to_ascii_uppercase()))),
    strict("initcap", "text", "text", |_, a| Ok(Datum::text(initials(text(a, 0)?)))),
    strict("md5", "text", "text", |_, a| Ok(Datum::text(md5_of(text(a, 0)?.as_bytes())))),
    strict("md5", "bytea", "text", |_, a| Ok(Datum::text(md5_of(bytes(a, 0)?)))),
    strict("sha224", "bytea", "bytea", |_, a| Ok(Datum::Bytes(Sha224::digest(bytes(a, 0)?).to_vec().into()))),
    strict("sha256", "bytea", "bytea", |_, a| Ok(Datum::Bytes(Sha256::digest(bytes(a, 0)?).to_vec().into()))),
    strict("sha384", "bytea", "bytea", |_, a| Ok(Datum::Bytes(Sha384::digest(bytes(a, 0)?).to_vec().into()))),
    strict("sha512", "bytea", "bytea", |_, a| Ok(Datum::Bytes(Sha512::digest(bytes(a, 0)?).to_vec().into()))),
    strict("substr", "text,int4", "text", |_, a| substring(text(a, 0)?, number(a, 1)?, None)),
    strict("substr", "text,int4,int4", "text", |_, a| {
        substring(text(a, 0)?, number(a, 1)?, Some(number(a, 2)?))
    }),
    strict("substring", "text,int4", "text", |_, a| substring(text(a, 0)?, number(a, 1)?, None)),
    strict("substring", "text,int4,int4", "text", |_, a| {
        substring(text(a, 0)?, number(a, 1)?, Some(number(a, 2)?))
    }),
    strict("substring", "text,text", "text", |_, a| {
        let regex = regex(text(a, 1)?, false)?;
        let found = regex.captures(text(a, 0)?).and_then(|found| found.get(1).or_else(|| found.get(0)));
        Ok(found.map_or(Datum::Null, |found| Datum::text(found.as_str())))
    }),
    strict("left", "text,int4", "text", |_, a| Ok(Datum::text(left(text(a, 0)?, number(a, 1)?)))),
    strict("right", "text,int4", "text", |_, a| Ok(Datum::text(right(text(a, 0)?, number(a, 1)?)))),
    strict("strpos", "text,text", "int4", |_, a| Ok(position(text(a, 0)?, text(a, 1)?))),
    strict("position", "text,text", "int4", |_, a| Ok(position(text(a, 1)?, text(a, 0)?))),
    strict("replace", "text,text,text", "text", |_, a| {
        let (all, from) = (text(a, 0)?, text(a, 1)?);
        Ok(Datum::text(if from.is_empty() { all.to_owned() } else { all.replace(from, text(a, 2)?) }))
    }),
    strict("translate", "text,text,text", "text", |_, a| {
        let (from, to): (Vec<char>, Vec<char>) =
            (text(a, 1)?.chars().collect(), text(a, 2)?.chars().collect());
        let mapped =
            text(a, 0)?.chars().filter_map(|one| match from.iter().position(|other| *other == one) {
                Some(at) => to.get(at).copied(),
                None => Some(one),
            });
        Ok(Datum::text(mapped.collect::<String>()))
    }),
    strict("reverse", "text", "text", |_, a| Ok(Datum::text(text(a, 0)?.chars().rev().collect::<String>()))),
    strict("repeat", "text,int4", "text", |_, a| {
        let times = usize::try_from(number(a, 1)?).unwrap_or(0);
        if text(a, 0)?.len().saturating_mul(times) > 1 << 30 {
            return Err(PgError::new("54000", "requested length too large"));
        }
        Ok(Datum::text(text(a, 0)?.repeat(times)))
    }),
    strict("lpad", "text,int4", "text", |_, a| {
        Ok(Datum::text(padded(text(a, 0)?, number(a, 1)?, " ", true)))
    }),
    strict("lpad", "text,int4,text", "text", |_, a| {
        Ok(Datum::text(padded(text(a, 0)?, number(a, 1)?, text(a, 2)?, true)))
    }),
    strict("rpad", "text,int4", "text", |_, a| {
        Ok(Datum::text(padded(text(a, 0)?, number(a, 1)?, " ", false)))
    }),
    strict("rpad", "text,int4,text", "text", |_, a| {
        Ok(Datum::text(padded(text(a, 0)?, number(a, 1)?, text(a, 2)?, false)))
    }),
    strict("btrim", "text", "text", |_, a| Ok(Datum::text(text(a, 0)?.trim_matches(' ')))),
    strict("btrim", "text,text", "text", |_, a| {
        let set = text(a, 1)?;
        Ok(Datum::text(text(a, 0)?.trim_matches(|one| set.contains(one))))
    }),
    strict("ltrim", "text", "text", |_, a| Ok(Datum::text(text(a, 0)?.trim_start_matches(' ')))),
    strict("ltrim", "text,text", "text", |_, a| {
        let set = text(a, 1)?;
        Ok(Datum::text(text(a, 0)?.trim_start_matches(|one| set.contains(one))))
    }),
    strict("rtrim", "text", "text", |_, a| Ok(Datum::text(text(a, 0)?.trim_end_matches(' ')))),
    strict("rtrim", "text,text", "text", |_, a| {
        let set = text(a, 1)?;
        Ok(Datum::text(text(a, 0)?.trim_end_matches(|one| set.contains(one))))
    }),
    strict("split_part", "text,text,int4", "text", |_, a| {
        split_part(text(a, 0)?, text(a, 1)?, number(a, 2)?)
    }),
    strict("starts_with", "text,text", "bool", |_, a| Ok(Datum::Bool(text(a, 0)?.starts_with(text(a, 1)?)))),
    strict("ascii", "text", "int4", |_, a| {
        Ok(Datum::Int(text(a, 0)?.chars().next().map_or(0, |first| i64::from(u32::from(first)))))
    }),
    strict("chr", "int4", "text", |_, a| {
        let character = u32::try_from(number(a, 0)?).ok().filter(|code| *code != 0).and_then(char::from_u32);
        let character =
            character.ok_or_else(|| PgError::new("54000", "requested character not valid for encoding"))?;
        Ok(Datum::text(character.to_string()))
    }),
    strict("to_hex", "int4", "text", |_, a| {
        Ok(Datum::text(format!("{:x}", i32::try_from(number(a, 0)?).unwrap_or(0))))
    }),
    strict("to_hex", "int8", "text", |_, a| Ok(Datum::text(format!("{:x}", number(a, 0)?)))),
    strict("quote_ident", "text", "text", |_, a| Ok(Datum::text(quote_identifier(text(a, 0)?)))),
    strict("quote_literal", "text", "text", |_, a| Ok(Datum::text(quote_literal(text(a, 0)?)))),
    always("quote_nullable", "text", "text", |_, a| match &a[0] {
        Datum::Null => Ok(Datum::text("NULL")),
        _ => Ok(Datum::text(quote_literal(text(a, 0)?))),
    }),
    always("concat", "any...", "text", |_, a| {
        Ok(Datum::text(a.iter().filter_map(as_text).collect::<String>()))
    }),
    always("concat_ws", "text,any...", "text", |_, a| {
        let Some(Datum::Text(between)) = a.first() else { return Ok(Datum::Null) };
        let parts: Vec<String> = a[1..].iter().filter_map(as_text).collect();
        Ok(Datum::text(parts.join(between)))
    }),
    always("format", "text,any...", "text", |_, a| format(a)),
    always("format", "text", "text", |_, a| format(a)),
    strict("regexp_replace", "text,text,text", "text", |_, a| {
        replaced(text(a, 0)?, text(a, 1)?, text(a, 2)?, "")
    }),
    strict("regexp_replace", "text,text,text,text", "text", |_, a| {
        replaced(text(a, 0)?, text(a, 1)?, text(a, 2)?, text(a, 3)?)
    }),
    strict("regexp_match", "text,text", "text[]", |_, a| {
        let regex = regex(text(a, 1)?, false)?;
        let Some(found) = regex.captures(text(a, 0)?) else { return Ok(Datum::Null) };
        let from = usize::from(found.len() > 1);
        let parts =
            found.iter().skip(from).map(|part| part.map_or(Datum::Null, |part| Datum::text(part.as_str())));
        Ok(Datum::Array(Arc::new(parts.collect())))
    }),
    set("regexp_split_to_table", "text,text", "text", |_, a| {
        let regex = regex(text(a, 1)?, false)?;
        Ok(Datum::Array(Arc::new(regex.split(text(a, 0)?).map(Datum::text).collect())))
    }),
    strict("encode", "bytea,text", "text", |_, a| {
        Ok(Datum::text(match text(a, 1)? {
            "hex" => hex(bytes(a, 0)?),
            "base64" => lines(&base64::prelude::BASE64_STANDARD.encode(bytes(a, 0)?)),
            other => return Err(PgError::new("22023", format!("unrecognized encoding: \"{other}\""))),
        }))
    }),
    strict("decode", "text,text", "bytea", |_, a| match text(a, 1)? {
        "hex" => Ok(crate::value::from_text(&format!("\\x{}", text(a, 0)?), &Type::Bytea)?),
        "base64" => {
            let digits: String = text(a, 0)?.split_whitespace().collect();
            let bytes = base64::prelude::BASE64_STANDARD.decode(digits);
            bytes
                .map(|bytes| Datum::Bytes(bytes.into()))
                .map_err(|_| PgError::new("22023", "invalid base64 end sequence"))
        }
        other => Err(PgError::new("22023", format!("unrecognized encoding: \"{other}\""))),
    }),
    strict("convert_to", "text,text", "bytea", |_, a| match text(a, 1)?.to_ascii_lowercase().as_str() {
        "utf8" | "utf-8" => Ok(Datum::Bytes(text(a, 0)?.as_bytes().into())),
        other => Err(PgError::unsupported(format_args!("the encoding {other}"))),
    }),
    strict("convert_from", "bytea,text", "text", |_, a| match text(a, 1)?.to_ascii_lowercase().as_str() {
        "utf8" | "utf-8" => std::str::from_utf8(bytes(a, 0)?)
            .map(Datum::text)
            .map_err(|_| PgError::new("22021", "invalid byte sequence for encoding \"UTF8\"")),
        other => Err(PgError::unsupported(format_args!("the encoding {other}"))),
    }),
];

pub(super) fn text(arguments: &[Datum], at: usize) -> Result<&str> {
    match arguments.get(at) {
        Some(Datum::Text(text) | Datum::Bits(text)) => Ok(text),
        _ => Err(internal("an argument is no text")),
    }
}

pub(super) fn bytes(arguments: &[Datum], at: usize) -> Result<&[u8]> {
    match arguments.get(at) {
        Some(Datum::Bytes(bytes)) => Ok(bytes),
        _ => Err(internal("an argument is no bytea")),
    }
}

pub(super) fn number(arguments: &[Datum], at: usize) -> Result<i64> {
    match arguments.get(at) {
        Some(Datum::Int(number) | Datum::Timestamp(number)) => Ok(*number),
        _ => Err(internal("an argument is no whole number")),
    }
}

pub(super) fn numeric(arguments: &[Datum], at: usize) -> Result<&Numeric> {
    match arguments.get(at) {
        Some(Datum::Numeric(number)) => Ok(number),
        _ => Err(internal("an argument is no decimal")),
    }
}

pub(super) fn count(count: usize) -> Datum {
    Datum::Int(i64::try_from(count).unwrap_or(i64::MAX))
}

fn md5_of(bytes: &[u8]) -> String {
    use md5::Digest as _;
    hex(&md5::Md5::digest(bytes))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The text of an argument that comes with its type.
pub(super) fn as_text(datum: &Datum) -> Option<String> {
    let (kind, datum) = typed(datum)?;
    (!datum.is_null()).then(|| to_text(datum, kind))
}

/// An argument of any type, which comes as a record of one field.
pub(super) fn typed(datum: &Datum) -> Option<(&Type, &Datum)> {
    match datum {
        Datum::Record(fields) => fields.first().map(|(kind, datum)| (kind, datum)),
        _ => None,
    }
}

/// Base64 in lines of 76 characters.
fn lines(text: &str) -> String {
    let lines: Vec<&str> =
        text.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap_or_default()).collect();
    lines.join("\n")
}

fn initials(text: &str) -> String {
    let mut before = false;
    text.chars()
        .map(|character| {
            let shown = if before { character.to_ascii_lowercase() } else { character.to_ascii_uppercase() };
            before = character.is_alphanumeric();
            shown
        })
        .collect()
}

/// From a place that counts from 1 and may lie before it.
fn substring(text: &str, from: i64, length: Option<i64>) -> Result<Datum> {
    let end = match length {
        Some(..0) => return Err(PgError::new("22011", "negative substring length not allowed")),
        Some(length) => from.saturating_add(length),
        None => i64::MAX,
    };
    let begin = from.max(1);
    let skipped = usize::try_from(begin - 1).unwrap_or(usize::MAX);
    let taken = usize::try_from(end.saturating_sub(begin)).unwrap_or(0);
    Ok(Datum::text(text.chars().skip(skipped).take(taken).collect::<String>()))
}

/// All but so many at the end where the number is negative.
fn left(text: &str, number: i64) -> String {
    let length = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
    let taken = if number < 0 { length + number } else { number };
    text.chars().take(usize::try_from(taken).unwrap_or(0)).collect()
}

fn right(text: &str, number: i64) -> String {
    let length = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
    let skipped = if number < 0 { -number } else { length - number };
    text.chars().skip(usize::try_from(skipped).unwrap_or(0)).collect()
}

fn position(text: &str, part: &str) -> Datum {
    count(text.find(part).map_or(0, |at| text[..at].chars().count() + 1))
}

fn padded(text: &str, length: i64, filling: &str, before: bool) -> String {
    let length = usize::try_from(length).unwrap_or(0).min(1 << 28);
    let own = text.chars().count();
    if own >= length || filling.is_empty() {
        return text.chars().take(length).collect();
    }
    let filling: String = filling.chars().cycle().take(length - own).collect();
    if before { filling + text } else { text.to_owned() + &filling }
}

fn split_part(text: &str, separator: &str, number: i64) -> Result<Datum> {
    let parts: Vec<&str> = if separator.is_empty() { vec![text] } else { text.split(separator).collect() };
    let place = match number {
        0 => return Err(PgError::new("22023", "field position must not be zero")),
        1.. => usize::try_from(number - 1).ok(),
        _ => usize::try_from(i64::try_from(parts.len()).unwrap_or(i64::MAX) + number).ok(),
    };
    Ok(Datum::text(place.and_then(|place| parts.get(place)).unwrap_or(&"")))
}

/// In double quotes where it needs them.
pub(crate) fn quote_identifier(name: &str) -> String {
    let plain = name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
        && name.chars().all(|one| one.is_ascii_lowercase() || one.is_ascii_digit() || one == '_');
    if plain && !super::super::names::is_reserved(name) {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

fn quote_literal(text: &str) -> String {
    let escaped = text.replace('\'', "''");
    if escaped.contains('\\') {
        format!(" E'{}'", escaped.replace('\\', "\\\\")).trim_start().to_owned()
    } else {
        format!("'{escaped}'")
    }
}

/// `%s`, `%I`, `%L` and `%%`.
fn format(arguments: &[Datum]) -> Result<Datum> {
    if arguments.first().is_none_or(Datum::is_null) {
        return Ok(Datum::Null);
    }
    let pattern = text(arguments, 0)?;
    let mut rest = arguments[1..].iter();
    let mut out = String::new();
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            out.push(character);
            continue;
        }
        let kind =
            characters.next().ok_or_else(|| PgError::new("22023", "unterminated format() type specifier"))?;
        if kind == '%' {
            out.push('%');
            continue;
        }
        if !matches!(kind, 's' | 'I' | 'L') {
            return match kind {
                '0'..='9' | '-' => Err(PgError::unsupported("a place or width in format()")),
                _ => Err(PgError::new("22023", format!("unrecognized format() type specifier \"{kind}\""))),
            };
        }
        let argument = rest.next().ok_or_else(|| PgError::new("22023", "too few arguments for format()"))?;
        match (kind, as_text(argument)) {
            ('s', text) => out.push_str(&text.unwrap_or_default()),
            ('I', Some(text)) => out.push_str(&quote_identifier(&text)),
            ('I', None) => {
                return Err(PgError::new("22004", "null values cannot be formatted as an SQL identifier"));
            }
            (_, Some(text)) => out.push_str(&quote_literal(&text)),
            (_, None) => out.push_str("NULL"),
        }
    }
    Ok(Datum::text(out))
}

/// PostgreSQL's advanced regular expressions, as far as they are those of `regex`; what is not is refused.
pub(crate) fn regex(pattern: &str, ignore_case: bool) -> Result<regex::Regex> {
    let differs = ["\\m", "\\M", "\\y", "\\Y", "(?=", "(?!", "(?<", "\\1", "***", "[[.", "[[="];
    if let Some(what) = differs.iter().find(|what| pattern.contains(**what)) {
        return Err(PgError::unsupported(format_args!("`{what}` in a regular expression")));
    }
    let built =
        regex::RegexBuilder::new(pattern).case_insensitive(ignore_case).dot_matches_new_line(true).build();
    built.map_err(|error| PgError::new("2201B", format!("invalid regular expression: {error}")))
}

/// `&` and `\1` of PostgreSQL are `$0` and `$1` here.
fn replaced(all: &str, pattern: &str, by: &str, flags: &str) -> Result<Datum> {
    if let Some(flag) = flags.chars().find(|flag| !matches!(flag, 'g' | 'i')) {
        return Err(PgError::unsupported(format_args!("the flag `{flag}` of a regular expression")));
    }
    let regex = regex(pattern, flags.contains('i'))?;
    let mut replacement = String::new();
    let mut characters = by.chars();
    while let Some(character) = characters.next() {
        match character {
            '$' => replacement.push_str("$$"),
            '\\' => match characters.next() {
                Some('&') => replacement.push_str("${0}"),
                Some(digit @ '1'..='9') => replacement.push_str(&format!("${{{digit}}}")),
                Some(other) => replacement.push(other),
                None => replacement.push('\\'),
            },
            other => replacement.push(other),
        }
    }
    let most = usize::from(!flags.contains('g'));
    Ok(Datum::text(regex.replacen(all, most, replacement.as_str())))
}

/// `LIKE`: `%` is any text, `_` any character, and what follows `escape` is itself.
pub(crate) fn matches_like(
    text: &str,
    pattern: &str,
    escape: Option<char>,
    ignore_case: bool,
) -> Result<bool> {
    let mut regex = String::from("^");
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        if Some(character) == escape {
            let next = characters
                .next()
                .ok_or_else(|| PgError::new("22025", "LIKE pattern must not end with escape character"))?;
            regex.push_str(&regex::escape(&next.to_string()));
            continue;
        }
        match character {
            '%' => regex.push_str(".*"),
            '_' => regex.push('.'),
            other => regex.push_str(&regex::escape(&other.to_string())),
        }
    }
    regex.push('$');
    let built =
        regex::RegexBuilder::new(&regex).case_insensitive(ignore_case).dot_matches_new_line(true).build();
    Ok(built.map_err(|_| internal("a LIKE pattern is no regular expression"))?.is_match(text))
}
