//! A value of a key, and the bytes that stand for it.

use std::collections::{BTreeMap, BTreeSet};

use super::compact::{broken, intset, listpack, ziplist, zipmap};
use super::skip::Cursor;
use super::{RdbError, crc64, kind};

/// What a key has.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    String(Vec<u8>),
    List(Vec<Vec<u8>>),
    Set(BTreeSet<Vec<u8>>),
    /// Members with their scores.
    SortedSet(BTreeMap<Vec<u8>, f64>),
    Hash(BTreeMap<Vec<u8>, Vec<u8>>),
}

impl Value {
    /// As `TYPE` calls it.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::String(_) => "string",
            Value::List(_) => "list",
            Value::Set(_) => "set",
            Value::SortedSet(_) => "zset",
            Value::Hash(_) => "hash",
        }
    }

    /// Whether it has nothing in it: but for a text, that is none.
    pub fn is_empty(&self) -> bool {
        match self {
            Value::String(_) => false,
            Value::List(items) => items.is_empty(),
            Value::Set(items) => items.is_empty(),
            Value::SortedSet(members) => members.is_empty(),
            Value::Hash(fields) => fields.is_empty(),
        }
    }

    /// Its type's byte and its value, in the plain forms that every Redis reads.
    pub fn encoded(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Value::String(text) => {
                out.push(kind::STRING);
                string(text, &mut out);
            }
            Value::List(items) => {
                out.push(kind::LIST);
                length(items.len(), &mut out);
                items.iter().for_each(|item| string(item, &mut out));
            }
            Value::Set(items) => {
                out.push(kind::SET);
                length(items.len(), &mut out);
                items.iter().for_each(|item| string(item, &mut out));
            }
            Value::SortedSet(members) => {
                out.push(kind::ZSET_2);
                length(members.len(), &mut out);
                for (member, score) in members {
                    string(member, &mut out);
                    out.extend_from_slice(&score.to_le_bytes());
                }
            }
            Value::Hash(fields) => {
                out.push(kind::HASH);
                length(fields.len(), &mut out);
                for (field, value) in fields {
                    string(field, &mut out);
                    string(value, &mut out);
                }
            }
        }
        out
    }
}

pub(super) fn length(length: usize, out: &mut Vec<u8>) {
    match length {
        // Each fits by its own arm.
        0..=0x3f => out.push(u8::try_from(length).unwrap_or(0)),
        0x40..=0x3fff => out.extend_from_slice(&(u16::try_from(length).unwrap_or(0) | 0x4000).to_be_bytes()),
        _ => match u32::try_from(length) {
            Ok(length) => {
                out.push(0x80);
                out.extend_from_slice(&length.to_be_bytes());
            }
            Err(_) => {
                out.push(0x81);
                out.extend_from_slice(&(length as u64).to_be_bytes());
            }
        },
    }
}

pub(super) fn string(text: &[u8], out: &mut Vec<u8>) {
    length(text.len(), out);
    out.extend_from_slice(text);
}

/// What `DUMP` gives and `RESTORE` takes: a value as [`Value::encoded`] or [`super::Entry::value`] has it, with the version of the file that it
/// is from and the checksum behind it. What `FUNCTION RESTORE` takes is the same of functions.
pub fn payload(encoded: &[u8], version: u16) -> Vec<u8> {
    let mut out = Vec::with_capacity(encoded.len() + ENDING);
    out.extend_from_slice(encoded);
    out.extend_from_slice(&version.to_le_bytes());
    let sum = crc64(&out);
    out.extend_from_slice(&sum.to_le_bytes());
    out
}

/// Of a payload: its version and its checksum.
pub const ENDING: usize = 10;

/// The value of a payload as `DUMP` gives it.
///
/// # Errors
/// `Newer`, `Checksum`, `Malformed`, `Unsupported`.
pub fn of_payload(payload: &[u8]) -> Result<Value, RdbError> {
    let ends = payload.len().checked_sub(ENDING).ok_or_else(|| broken("a payload is too short"))?;
    let (version, sum) = (&payload[ends..ends + 2], &payload[ends + 2..]);
    let version = u16::from_le_bytes([version[0], version[1]]);
    if version > super::NEWEST {
        return Err(RdbError::Newer(version));
    }
    let expected = u64::from_le_bytes(sum.try_into().unwrap_or_default());
    let found = crc64(&payload[..ends + 2]);
    if expected != found {
        return Err(RdbError::Checksum { expected, found });
    }
    value(&payload[..ends])
}

type Pair = (Vec<u8>, Vec<u8>);

fn pairs(items: Vec<Vec<u8>>) -> Result<Vec<Pair>, RdbError> {
    if !items.len().is_multiple_of(2) {
        return Err(broken("a value of pairs has an item too many"));
    }
    let mut items = items.into_iter();
    let mut pairs = Vec::new();
    while let (Some(one), Some(other)) = (items.next(), items.next()) {
        pairs.push((one, other));
    }
    Ok(pairs)
}

fn scored(items: Vec<Vec<u8>>) -> Result<Value, RdbError> {
    let scored = pairs(items)?.into_iter().map(|(member, score)| {
        let score = std::str::from_utf8(&score).ok().and_then(|score| score.parse().ok());
        score.map(|score| (member, score)).ok_or_else(|| broken("a score that is no number"))
    });
    scored.collect::<Result<_, _>>().map(Value::SortedSet)
}

/// The value of a type's byte and what follows it.
///
/// # Errors
/// `Malformed`, `Read`; `Unsupported` for streams and what modules have kept.
pub fn value(encoded: &[u8]) -> Result<Value, RdbError> {
    let (of, rest) = encoded.split_first().ok_or_else(|| broken("a value without a type"))?;
    let mut cursor = Cursor::new(rest, 1);
    let value = decoded(*of, &mut cursor).map_err(|error| match error {
        RdbError::Short { .. } => broken("a value ends too early"),
        error => error,
    })?;
    if cursor.at() == rest.len() { Ok(value) } else { Err(broken("there is something behind a value")) }
}

fn decoded(of: u8, cursor: &mut Cursor<'_>) -> Result<Value, RdbError> {
    let strings = |cursor: &mut Cursor<'_>, count: u64| {
        (0..count).map(|_| cursor.string()).collect::<Result<Vec<_>, _>>()
    };
    Ok(match of {
        kind::STRING => Value::String(cursor.string()?),
        kind::LIST => {
            let count = cursor.plain()?;
            Value::List(strings(cursor, count)?)
        }
        kind::SET => {
            let count = cursor.plain()?;
            Value::Set(strings(cursor, count)?.into_iter().collect())
        }
        kind::HASH => {
            let count = cursor.plain()?;
            Value::Hash(pairs(strings(cursor, count.saturating_mul(2))?)?.into_iter().collect())
        }
        of @ (kind::ZSET | kind::ZSET_2) => {
            let count = cursor.plain()?;
            let mut members = BTreeMap::new();
            for _ in 0..count {
                let member = cursor.string()?;
                let score = if of == kind::ZSET { cursor.old_score()? } else { cursor.score()? };
                members.insert(member, score);
            }
            Value::SortedSet(members)
        }
        kind::HASH_ZIPMAP => Value::Hash(pairs(zipmap(&cursor.string()?)?)?.into_iter().collect()),
        kind::LIST_ZIPLIST => Value::List(ziplist(&cursor.string()?)?),
        kind::SET_INTSET => Value::Set(intset(&cursor.string()?)?.into_iter().collect()),
        kind::ZSET_ZIPLIST => scored(ziplist(&cursor.string()?)?)?,
        kind::HASH_ZIPLIST => Value::Hash(pairs(ziplist(&cursor.string()?)?)?.into_iter().collect()),
        kind::HASH_LISTPACK => Value::Hash(pairs(listpack(&cursor.string()?)?)?.into_iter().collect()),
        kind::ZSET_LISTPACK => scored(listpack(&cursor.string()?)?)?,
        kind::SET_LISTPACK => Value::Set(listpack(&cursor.string()?)?.into_iter().collect()),
        kind::LIST_QUICKLIST => {
            let mut items = Vec::new();
            for _ in 0..cursor.plain()? {
                items.extend(ziplist(&cursor.string()?)?);
            }
            Value::List(items)
        }
        kind::LIST_QUICKLIST_2 => {
            const PLAIN: u64 = 1;
            let mut items = Vec::new();
            for _ in 0..cursor.plain()? {
                let container = cursor.plain()?;
                let content = cursor.string()?;
                if container == PLAIN {
                    items.push(content);
                } else {
                    items.extend(listpack(&content)?);
                }
            }
            Value::List(items)
        }
        kind::STREAM | kind::STREAM_2 | kind::STREAM_3 => {
            return Err(RdbError::Unsupported("a stream".to_owned()));
        }
        other => {
            let what =
                kind::unsupported(other).map_or_else(|| format!("a value of type {other}"), str::to_owned);
            return Err(RdbError::Unsupported(what));
        }
    })
}
