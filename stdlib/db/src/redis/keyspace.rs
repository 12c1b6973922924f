//! Keys and what is at them: how a value is read, what was there before a write, and what puts it back.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use jiff::Timestamp;
use opsrun_core::{Cx, Error, Inverse, Span, Value};
use serde_json::{Map, json};

use crate::redis::error::Failure;
use crate::redis::resp::Reply;
use crate::redis::session::Session;

/// What is at a key, as `DUMP` gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Former {
    pub(crate) dump: Bytes,
    /// When it ends, by the run's clock; in whole seconds, as nothing else about it is exact.
    pub(crate) expires_at: Option<Timestamp>,
}

/// What a former value may have, in bytes, to be put back: the journal holds it.
pub(crate) const LARGEST_FORMER: usize = 1 << 20;
/// What a playbook may hold.
const MOST_ELEMENTS: i64 = 10_000;
const LARGEST: i64 = 8 << 20;

/// What is at a key now; `None` if nothing is.
pub(crate) async fn former(session: &mut Session, cx: &Cx, key: &str) -> Result<Option<Former>, Failure> {
    let key = key.as_bytes();
    let replies = session.ask_all(&[vec![b"DUMP", key], vec![b"PTTL", key]]).await?;
    Ok(match &replies[..] {
        [Reply::Bytes(dump), Reply::Integer(left)] => {
            let left = u64::try_from(*left).ok().map(Span::from_millis);
            Some(Former { dump: dump.clone(), expires_at: left.map(|left| left.after(cx.now())) })
        }
        _ => None,
    })
}

/// Where a key is, for what takes a write back.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) key: String,
    pub(crate) database: u32,
    pub(crate) server: Option<String>,
}

impl Place {
    /// What makes it as it was. The value is hidden, and sealed in the journal: what is kept in Redis is seldom for everybody.
    pub(crate) fn inverse(&self, cx: &Cx, former: Option<&Former>) -> Inverse {
        if let Some(former) = former.filter(|former| former.dump.len() > LARGEST_FORMER) {
            return Inverse::none(format!(
                "the former value of `{}` has {} bytes, and no more than {LARGEST_FORMER} are kept",
                self.key,
                former.dump.len()
            ));
        }
        let mut arguments = json!({ "key": self.key, "database": self.database, "server": self.server });
        let Some(former) = former else { return Inverse::call(PUT_BACK, arguments) };
        let dump = BASE64_STANDARD.encode(&former.dump);
        cx.hide("former value", &dump);
        arguments["dump"] = dump.into();
        arguments["expires_at"] = json!(former.expires_at);
        Inverse::call(PUT_BACK, arguments).sealed(vec!["/dump".to_owned()])
    }
}

pub(crate) const PUT_BACK: &str = "redis::put_back";

/// The value at a key in a playbook's own terms; `None` if nothing is there.
pub(crate) async fn value(session: &mut Session, key: &str) -> Result<Option<Value>, Failure> {
    let bytes = key.as_bytes();
    let kind = match session.ask(&[b"TYPE", bytes]).await? {
        Reply::Status(kind) => kind,
        other => return Err(Failure::unexpected(&format!("{other:?} instead of a type"))),
    };
    let (size, read): (&[u8], Vec<&[u8]>) = match kind.as_str() {
        "none" => return Ok(None),
        "string" => (b"STRLEN", vec![b"GET", bytes]),
        "hash" => (b"HLEN", vec![b"HGETALL", bytes]),
        "list" => (b"LLEN", vec![b"LRANGE", bytes, b"0", b"-1"]),
        "set" => (b"SCARD", vec![b"SMEMBERS", bytes]),
        "zset" => (b"ZCARD", vec![b"ZRANGE", bytes, b"0", b"-1", b"WITHSCORES"]),
        other => return Err(Error::invalid(format!("`{key}` is a {other}, which is not read here")).into()),
    };
    let most = if kind == "string" { LARGEST } else { MOST_ELEMENTS };
    match session.ask(&[size, bytes]).await? {
        Reply::Integer(size) if size > most => {
            let what = if kind == "string" { "bytes" } else { "elements" };
            let error =
                Error::invalid(format!("`{key}` has {size} {what}, and a playbook takes {most} at most"));
            return Err(error.hint("`redis::snapshot` reads a whole server into a file").into());
        }
        _ => {}
    }
    let value = match (kind.as_str(), session.ask(&read).await?) {
        ("string", Reply::Bytes(bytes)) => text(&bytes),
        ("hash", Reply::Array(items)) => Value::Object(pairs(&items, text)?),
        ("zset", Reply::Array(items)) => Value::Object(pairs(&items, score)?),
        ("list", Reply::Array(items)) => Value::Array(items.iter().map(element).collect()),
        ("set", Reply::Array(items)) => {
            let mut members: Vec<Value> = items.iter().map(element).collect();
            // The server's order is none.
            members.sort_by_key(Value::to_string);
            Value::Array(members)
        }
        // It ended in between.
        (_, Reply::Nil) => return Ok(None),
        (kind, other) => return Err(Failure::unexpected(&format!("{other:?} instead of a {kind}"))),
    };
    Ok(Some(value))
}

/// A text as a text, anything else as `#{ base64: … }`.
pub(crate) fn text(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => json!({ "base64": BASE64_STANDARD.encode(bytes) }),
    }
}

fn score(bytes: &[u8]) -> Value {
    let number = std::str::from_utf8(bytes).ok().and_then(|text| text.parse::<f64>().ok());
    number.and_then(serde_json::Number::from_f64).map_or_else(|| text(bytes), Value::Number)
}

fn element(reply: &Reply) -> Value {
    match reply {
        Reply::Bytes(bytes) => text(bytes),
        _ => Value::Null,
    }
}

fn pairs(items: &[Reply], value: fn(&[u8]) -> Value) -> Result<Map<String, Value>, Failure> {
    let mut map = Map::new();
    for pair in items.chunks(2) {
        let [Reply::Bytes(name), Reply::Bytes(content)] = pair else {
            return Err(Failure::unexpected("a part of a value is missing"));
        };
        let name = std::str::from_utf8(name);
        let name = name
            .map_err(|_| Error::invalid("a name in it is no text, and a map of a playbook has only those"))?;
        map.insert(name.to_owned(), value(content));
    }
    Ok(map)
}
