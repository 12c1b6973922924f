//! Strings.

use std::sync::Arc;

use super::{
    Call, Command, Held, Reply, SYNTAX, Value, WRONG_TYPE, Words, bulk, count, float, integer, is, part,
    reads, truth, writes,
};

pub(super) const COMMANDS: &[Command] = &[
    reads("get", 2, |call, words| Ok(call.string(&words[0])?.map_or(Reply::Null, |text| bulk(text)))),
    writes("set", -3, set),
    writes("setnx", 3, |call, words| {
        let free = call.held(&words[0]).is_none();
        if free {
            call.keep(&words[0], Value::String(words[1].clone()));
        }
        Ok(truth(free))
    }),
    writes("setex", 4, |call, words| expiring(call, words, 1000, "setex")),
    writes("psetex", 4, |call, words| expiring(call, words, 1, "psetex")),
    writes("getset", 3, |call, words| {
        let before = call.string(&words[0])?.map_or(Reply::Null, |text| bulk(text));
        call.put(&words[0], Some(plain(&words[1])));
        Ok(before)
    }),
    writes("getdel", 2, |call, words| {
        let before = call.string(&words[0])?.map_or(Reply::Null, |text| bulk(text));
        if before != Reply::Null {
            call.put(&words[0], None);
        }
        Ok(before)
    }),
    reads("mget", -2, |call, words| {
        let one = |key: &Vec<u8>| call.string(key).ok().flatten().map_or(Reply::Null, |text| bulk(text));
        Ok(Reply::Array(words.iter().map(one).collect()))
    }),
    writes("mset", -3, |call, words| {
        if words.len() % 2 != 0 {
            return Err("ERR wrong number of arguments for 'mset' command".to_owned());
        }
        for pair in words.chunks(2) {
            call.put(&pair[0], Some(plain(&pair[1])));
        }
        Ok(Reply::Ok)
    }),
    reads("strlen", 2, |call, words| Ok(count(call.string(&words[0])?.map_or(0, Vec::len)))),
    writes("append", 3, |call, words| {
        let mut text = call.string(&words[0])?.cloned().unwrap_or_default();
        text.extend_from_slice(&words[1]);
        let length = text.len();
        call.keep(&words[0], Value::String(text));
        Ok(count(length))
    }),
    reads("getrange", 4, |call, words| {
        let text = call.string(&words[0])?.cloned().unwrap_or_default();
        Ok(bulk(&text[part(text.len(), integer(&words[1])?, integer(&words[2])?)]))
    }),
    writes("incr", 2, |call, words| add(call, &words[0], 1)),
    writes("decr", 2, |call, words| add(call, &words[0], -1)),
    writes("incrby", 3, |call, words| add(call, &words[0], integer(&words[1])?)),
    writes("decrby", 3, |call, words| {
        let by = integer(&words[1])?.checked_neg().ok_or("ERR decrement would overflow")?;
        add(call, &words[0], by)
    }),
    writes("incrbyfloat", 3, |call, words| {
        let before = call.string(&words[0])?.map_or(Ok(0.0), |text| float(text))?;
        let sum = before + float(&words[1])?;
        if !sum.is_finite() {
            return Err("ERR increment would produce NaN or Infinity".to_owned());
        }
        let text = super::super::resp::number(sum);
        call.keep(&words[0], Value::String(text.clone().into_bytes()));
        Ok(Reply::Text(text))
    }),
];

pub(super) fn plain(text: &[u8]) -> Held {
    Held { value: Arc::new(Value::String(text.to_vec())), expires: None }
}

impl Call<'_> {
    pub(super) fn string(&self, key: &[u8]) -> Result<Option<&Vec<u8>>, String> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(WRONG_TYPE.to_owned()),
        }
    }
}

fn add(call: &mut Call<'_>, key: &[u8], by: i64) -> Result<Reply, String> {
    let before = call.string(key)?.map_or(Ok(0), |text| integer(text))?;
    let sum = before.checked_add(by).ok_or("ERR increment or decrement would overflow")?;
    call.keep(key, Value::String(sum.to_string().into_bytes()));
    Ok(Reply::Number(sum))
}

fn expiring(call: &mut Call<'_>, words: Words<'_>, unit: i64, name: &str) -> Result<Reply, String> {
    let span = integer(&words[1])?;
    let expires = span.checked_mul(unit).filter(|span| *span > 0);
    let expires = expires.ok_or_else(|| format!("ERR invalid expire time in '{name}' command"))?;
    let expires = call.now.as_millisecond().saturating_add(expires);
    call.put(&words[0], Some(Held { expires: Some(expires), ..plain(&words[2]) }));
    Ok(Reply::Ok)
}

/// `SET key value [NX|XX] [GET] [EX|PX|EXAT|PXAT time|KEEPTTL]`
fn set(call: &mut Call<'_>, words: Words<'_>) -> Result<Reply, String> {
    let (key, mut held) = (&words[0], plain(&words[1]));
    let (mut only_new, mut only_there, mut get, mut timed) = (false, false, false, false);
    let mut rest = words[2..].iter();
    while let Some(option) = rest.next() {
        let now = call.now.as_millisecond();
        let unit = [("ex", 1000, now), ("px", 1, now), ("exat", 1000, 0), ("pxat", 1, 0)];
        if let Some((_, unit, from)) = unit.iter().find(|(name, ..)| is(option, name)) {
            let span = integer(rest.next().ok_or(SYNTAX)?)?;
            let at = span.checked_mul(*unit).filter(|_| span > 0).and_then(|span| span.checked_add(*from));
            held.expires = Some(at.ok_or("ERR invalid expire time in 'set' command")?);
            if std::mem::replace(&mut timed, true) {
                return Err(SYNTAX.to_owned());
            }
        } else if is(option, "keepttl") && !timed {
            timed = true;
            held.expires = call.held(key).and_then(|before| before.expires);
        } else if is(option, "nx") {
            only_new = true;
        } else if is(option, "xx") {
            only_there = true;
        } else if is(option, "get") {
            get = true;
        } else {
            return Err(SYNTAX.to_owned());
        }
    }
    if only_new && only_there {
        return Err(SYNTAX.to_owned());
    }
    let before = match get {
        true => call.string(key)?.map_or(Reply::Null, |text| bulk(text)),
        false => Reply::Null,
    };
    let there = call.held(key).is_some();
    if (only_new && there) || (only_there && !there) {
        return Ok(before);
    }
    call.put(key, Some(held));
    Ok(if get { before } else { Reply::Ok })
}
