//! Keys, whatever they have.

use std::sync::Arc;

use super::{
    Call, Command, Held, Reply, SYNTAX, Words, bulk, count, integer, is, matches, reads, truth, writes,
};
use crate::rdb;

pub(super) const COMMANDS: &[Command] = &[
    writes("del", -2, |call, words| Ok(delete(call, words))),
    writes("unlink", -2, |call, words| Ok(delete(call, words))),
    reads("exists", -2, |call, words| Ok(count(words.iter().filter(|key| call.held(key).is_some()).count()))),
    reads("type", 2, |call, words| Ok(Reply::Simple(call.value(&words[0]).map_or("none", rdb::Value::kind)))),
    reads("keys", 2, |call, words| {
        let keys = call.keys.keys(call.now, call.session.database);
        Ok(Reply::Array(keys.filter(|(key, _)| matches(&words[0], key)).map(|(key, _)| bulk(key)).collect()))
    }),
    reads("scan", -2, scan),
    reads("randomkey", 1, |call, _| {
        Ok(call.keys.keys(call.now, call.session.database).next().map_or(Reply::Null, |(key, _)| bulk(key)))
    }),
    reads("ttl", 2, |call, words| {
        Ok(left(call, &words[0]).map_or_else(Reply::Number, |left| Reply::Number((left + 500) / 1000)))
    }),
    reads("pttl", 2, |call, words| Ok(left(call, &words[0]).map_or_else(Reply::Number, Reply::Number))),
    reads("expiretime", 2, |call, words| {
        Ok(expiry(call, &words[0]).map_or_else(Reply::Number, |at| Reply::Number(at / 1000)))
    }),
    reads("pexpiretime", 2, |call, words| {
        Ok(expiry(call, &words[0]).map_or_else(Reply::Number, Reply::Number))
    }),
    writes("expire", -3, |call, words| expire(call, words, 1000, true, "expire")),
    writes("pexpire", -3, |call, words| expire(call, words, 1, true, "pexpire")),
    writes("expireat", -3, |call, words| expire(call, words, 1000, false, "expireat")),
    writes("pexpireat", -3, |call, words| expire(call, words, 1, false, "pexpireat")),
    writes("persist", 2, |call, words| {
        let Some(held) = call.held(&words[0]).filter(|held| held.expires.is_some()).cloned() else {
            return Ok(truth(false));
        };
        call.put(&words[0], Some(Held { expires: None, ..held }));
        Ok(truth(true))
    }),
    writes("rename", 3, |call, words| {
        let held = call.held(&words[0]).cloned().ok_or("ERR no such key")?;
        call.put(&words[0], None);
        call.put(&words[1], Some(held));
        Ok(Reply::Ok)
    }),
    reads("dbsize", 1, |call, _| Ok(count(call.keys.keys(call.now, call.session.database).count()))),
    writes("flushdb", -1, |call, _| {
        let database = call.session.database;
        flush(call, database);
        Ok(Reply::Ok)
    }),
    writes("flushall", -1, |call, _| {
        let databases: Vec<u64> = call.keys.databases().collect();
        databases.into_iter().for_each(|database| flush(call, database));
        Ok(Reply::Ok)
    }),
    reads("dump", 2, |call, words| {
        Ok(call
            .value(&words[0])
            .map_or(Reply::Null, |value| Reply::Bulk(rdb::payload(&value.encoded(), rdb::VERSION))))
    }),
    writes("restore", -4, restore),
];

fn delete(call: &mut Call<'_>, keys: Words<'_>) -> Reply {
    let mut gone = 0;
    for key in keys {
        if call.held(key).is_some() {
            call.put(key, None);
            gone += 1;
        }
    }
    count(gone)
}

fn flush(call: &mut Call<'_>, database: u64) {
    let keys: Vec<Vec<u8>> = call.keys.keys(call.now, database).map(|(key, _)| key.to_vec()).collect();
    for key in keys {
        call.keys.set(call.now, database, &key, None);
    }
}

/// When it goes; -1 for never, -2 for a key that there is not.
fn expiry(call: &Call<'_>, key: &[u8]) -> Result<i64, i64> {
    call.held(key).map_or(Err(-2), |held| held.expires.ok_or(-1))
}

fn left(call: &Call<'_>, key: &[u8]) -> Result<i64, i64> {
    expiry(call, key).map(|at| at - call.now.as_millisecond())
}

fn expire(
    call: &mut Call<'_>,
    words: Words<'_>,
    unit: i64,
    relative: bool,
    name: &str,
) -> Result<Reply, String> {
    let from = if relative { call.now.as_millisecond() } else { 0 };
    let at = integer(&words[1])?.checked_mul(unit).and_then(|span| span.checked_add(from));
    let at = at.ok_or_else(|| format!("ERR invalid expire time in '{name}' command"))?;
    let Some(held) = call.held(&words[0]).cloned() else { return Ok(truth(false)) };
    for option in &words[2..] {
        let refused = match option.to_ascii_lowercase().as_slice() {
            b"nx" => held.expires.is_some(),
            b"xx" => held.expires.is_none(),
            b"gt" => held.expires.is_none_or(|before| at <= before),
            b"lt" => held.expires.is_some_and(|before| at >= before),
            _ => return Err(format!("ERR Unsupported option {}", String::from_utf8_lossy(option))),
        };
        if refused {
            return Ok(truth(false));
        }
    }
    let held = (at > call.now.as_millisecond()).then_some(Held { expires: Some(at), ..held });
    call.put(&words[0], held);
    Ok(truth(true))
}

/// `SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]`: the cursor is how many keys have been passed.
fn scan(call: &mut Call<'_>, words: Words<'_>) -> Result<Reply, String> {
    let invalid = "ERR invalid cursor";
    let cursor = std::str::from_utf8(&words[0]).ok().and_then(|digits| digits.parse::<usize>().ok());
    let cursor = cursor.ok_or(invalid)?;
    let (mut pattern, mut most, mut kind) = (None, 10, None);
    for option in words[1..].chunks(2) {
        let value = option.get(1).ok_or(SYNTAX)?;
        if is(&option[0], "match") {
            pattern = Some(value);
        } else if is(&option[0], "count") {
            most = usize::try_from(integer(value)?).ok().filter(|most| *most > 0).ok_or(SYNTAX)?;
        } else if is(&option[0], "type") {
            kind = Some(super::lower(value));
        } else {
            return Err(SYNTAX.to_owned());
        }
    }
    let mut passed = call.keys.keys(call.now, call.session.database).skip(cursor);
    let found: Vec<Reply> = passed
        .by_ref()
        .take(most)
        .filter(|(key, _)| pattern.is_none_or(|pattern| matches(pattern, key)))
        .filter(|(_, held)| kind.as_ref().is_none_or(|kind| held.value.kind() == kind))
        .map(|(key, _)| bulk(key))
        .collect();
    let next = if passed.next().is_some() { cursor + most } else { 0 };
    Ok(Reply::Array(vec![Reply::Text(next.to_string()), Reply::Array(found)]))
}

/// `RESTORE key ttl payload [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]`
fn restore(call: &mut Call<'_>, words: Words<'_>) -> Result<Reply, String> {
    let (mut replace, mut absolute) = (false, false);
    let mut options = words[3..].iter();
    while let Some(option) = options.next() {
        match option.to_ascii_lowercase().as_slice() {
            b"replace" => replace = true,
            b"absttl" => absolute = true,
            b"idletime" | b"freq" => drop(options.next().ok_or(SYNTAX)?),
            _ => return Err(SYNTAX.to_owned()),
        }
    }
    let span = integer(&words[1])?;
    if span < 0 {
        return Err("ERR Invalid TTL value, must be >= 0".to_owned());
    }
    if !replace && call.held(&words[0]).is_some() {
        return Err("BUSYKEY Target key name already exists.".to_owned());
    }
    let wrong = "ERR DUMP payload version or checksum are wrong";
    let version = words[2].len().checked_sub(rdb::ENDING).map(|at| [words[2][at], words[2][at + 1]]);
    if version.is_none_or(|version| u16::from_le_bytes(version) > rdb::VERSION) {
        return Err(wrong.to_owned());
    }
    let value = rdb::of_payload(&words[2]).map_err(|error| match error {
        rdb::RdbError::Unsupported(what) => format!("ERR {what} is not simulated"),
        rdb::RdbError::Newer(_) | rdb::RdbError::Checksum { .. } => wrong.to_owned(),
        _ => "ERR Bad data format".to_owned(),
    })?;
    let now = call.now.as_millisecond();
    let expires = (span > 0).then(|| if absolute { span } else { now.saturating_add(span) });
    let held = Held { value: Arc::new(value), expires };
    call.put(&words[0], Some(held));
    Ok(Reply::Ok)
}
