//! The section `redis` of an estate file: servers by address, with their databases and keys.

use std::collections::BTreeMap;
use std::path::PathBuf;

use opsrun_core::{Error, Result, Span, Value};
use opsrun_db_simulator::rdb;
use serde::Deserialize;

use crate::estate::Follows;

/// A server, by `HOST:PORT`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct OfServer {
    /// Of the user `default`; without one, everybody may sign in.
    pub(super) password: Option<String>,
    /// `7.0.15` if left out.
    pub(super) version: Option<String>,
    /// An RDB file with keys.
    pub(super) file: Option<PathBuf>,
    /// Keys by database, besides those of the file; [`value`] reads what one has.
    pub(super) databases: BTreeMap<String, BTreeMap<String, Value>>,
    /// It follows the server of this address.
    replica_of: Option<String>,
    /// How far it is behind.
    lag: Option<Span>,
}

/// A text, or a number, which Redis keeps as its digits.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Value")]
struct Scalar(Vec<u8>);

impl TryFrom<Value> for Scalar {
    type Error = String;

    fn try_from(value: Value) -> std::result::Result<Self, String> {
        match value {
            Value::String(text) => Ok(Scalar(text.into_bytes())),
            Value::Number(number) => Ok(Scalar(number.to_string().into_bytes())),
            other => Err(format!("`{other}` is neither a text nor a number")),
        }
    }
}

/// By the names that `TYPE` has.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    string: Option<Scalar>,
    list: Option<Vec<Scalar>>,
    set: Option<Vec<Scalar>>,
    hash: Option<BTreeMap<String, Scalar>>,
    /// Members with their scores.
    zset: Option<BTreeMap<String, f64>>,
    /// From the estate's start on; for ever if left out.
    ttl: Option<Span>,
}

impl Follows for OfServer {
    fn follows(&self) -> Option<(&str, Span)> {
        Some((self.replica_of.as_deref()?, self.lag.unwrap_or_default()))
    }
}

/// What a key has: a text or a number; or a map that says of what type it is, and how long it lasts.
///
/// # Errors
/// `Invalid` for what is not one of the types, or has nothing in it.
pub(super) fn value(of: &Value) -> Result<(rdb::Value, Option<Span>)> {
    const FORMS: &str = "a key has a text, a number, or a map with one of `string`, `list`, `set`, `hash`, `zset`, and `ttl` beside it";
    if !of.is_object() {
        let text = Scalar::try_from(of.clone()).map_err(|error| Error::invalid(error).hint(FORMS))?;
        return Ok((rdb::Value::String(text.0), None));
    }
    let told = Told::deserialize(of).map_err(|error| Error::invalid(error.to_string()).hint(FORMS))?;
    let all = |items: Vec<Scalar>| items.into_iter().map(|item| item.0);
    let found: Vec<rdb::Value> = [
        told.string.map(|text| rdb::Value::String(text.0)),
        told.list.map(|items| rdb::Value::List(all(items).collect())),
        told.set.map(|items| rdb::Value::Set(all(items).collect())),
        told.hash.map(|fields| {
            rdb::Value::Hash(fields.into_iter().map(|(name, value)| (name.into_bytes(), value.0)).collect())
        }),
        told.zset.map(|members| {
            rdb::Value::SortedSet(
                members.into_iter().map(|(name, score)| (name.into_bytes(), score)).collect(),
            )
        }),
    ]
    .into_iter()
    .flatten()
    .collect();
    match <[rdb::Value; 1]>::try_from(found) {
        Ok([value]) if value.is_empty() => {
            Err(Error::invalid(format!("an empty {} is none in Redis", value.kind())))
        }
        Ok([value]) => Ok((value, told.ttl)),
        Err(found) => Err(Error::invalid(format!("it says {} values", found.len())).hint(FORMS)),
    }
}

/// The number of a database.
///
/// # Errors
/// `Invalid`.
pub(super) fn number(name: &str) -> Result<u64> {
    let number = name.parse().ok().filter(|number| *number < 16);
    number.ok_or_else(|| Error::invalid(format!("`{name}` is no number of a database: they are 0 to 15")))
}

/// What a snapshot of the estate shows of a value: short texts as they are, of everything else how much it is and a checksum.
pub(super) fn shown(value: &rdb::Value) -> Value {
    let size = match value {
        rdb::Value::String(text) => match std::str::from_utf8(text) {
            Ok(text) if text.len() <= 64 => return text.into(),
            _ => text.len(),
        },
        rdb::Value::List(items) => items.len(),
        rdb::Value::Set(items) => items.len(),
        rdb::Value::SortedSet(members) => members.len(),
        rdb::Value::Hash(fields) => fields.len(),
    };
    let payload = rdb::payload(&value.encoded(), rdb::VERSION);
    let checksum: String = payload[payload.len() - 8..].iter().map(|byte| format!("{byte:02x}")).collect();
    serde_json::json!({ "type": value.kind(), "size": size, "checksum": checksum })
}
