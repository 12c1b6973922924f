//! Lists.

use super::{
    Call, Command, Reply, Value, WRONG_TYPE, Words, bulk, bulks, count, integer, part, reads, writes,
};

pub(super) const COMMANDS: &[Command] = &[
    writes("rpush", -3, |call, words| push(call, words, false)),
    writes("lpush", -3, |call, words| push(call, words, true)),
    writes("rpop", -2, |call, words| pop(call, words, false)),
    writes("lpop", -2, |call, words| pop(call, words, true)),
    reads("llen", 2, |call, words| Ok(count(call.list(&words[0])?.len()))),
    reads("lrange", 4, |call, words| {
        let list = call.list(&words[0])?;
        Ok(Reply::Array(bulks(&list[part(list.len(), integer(&words[1])?, integer(&words[2])?)])))
    }),
    reads("lindex", 3, |call, words| {
        let list = call.list(&words[0])?;
        Ok(place(&list, integer(&words[1])?).map_or(Reply::Null, |at| bulk(&list[at])))
    }),
    writes("lset", 4, |call, words| {
        let mut list = call.list(&words[0])?;
        if list.is_empty() {
            return Err("ERR no such key".to_owned());
        }
        let at = place(&list, integer(&words[1])?).ok_or("ERR index out of range")?;
        list[at].clone_from(&words[2]);
        call.keep(&words[0], Value::List(list));
        Ok(Reply::Ok)
    }),
    writes("ltrim", 4, |call, words| {
        let list = call.list(&words[0])?;
        let range = part(list.len(), integer(&words[1])?, integer(&words[2])?);
        if !list.is_empty() {
            call.keep(&words[0], Value::List(list[range].to_vec()));
        }
        Ok(Reply::Ok)
    }),
    writes("lrem", 4, |call, words| {
        let list = call.list(&words[0])?;
        let number = integer(&words[1])?;
        let most = usize::try_from(number.unsigned_abs()).unwrap_or(usize::MAX);
        let most = if most == 0 { usize::MAX } else { most };
        let mut gone = 0;
        let mut kept = Vec::new();
        let mut look = |item: Vec<u8>| {
            if item == words[2] && gone < most { gone += 1 } else { kept.push(item) }
        };
        match number < 0 {
            true => list.into_iter().rev().for_each(&mut look),
            false => list.into_iter().for_each(&mut look),
        }
        if number < 0 {
            kept.reverse();
        }
        if gone > 0 {
            call.keep(&words[0], Value::List(kept));
        }
        Ok(count(gone))
    }),
];

impl Call<'_> {
    fn list(&self, key: &[u8]) -> Result<Vec<Vec<u8>>, String> {
        match self.value(key) {
            None => Ok(Vec::new()),
            Some(Value::List(list)) => Ok(list.clone()),
            Some(_) => Err(WRONG_TYPE.to_owned()),
        }
    }
}

fn place(list: &[Vec<u8>], at: i64) -> Option<usize> {
    let at = if at < 0 { at + i64::try_from(list.len()).ok()? } else { at };
    usize::try_from(at).ok().filter(|at| *at < list.len())
}

fn push(call: &mut Call<'_>, words: Words<'_>, front: bool) -> Result<Reply, String> {
    let mut list = call.list(&words[0])?;
    for item in &words[1..] {
        let at = if front { 0 } else { list.len() };
        list.insert(at, item.clone());
    }
    let length = list.len();
    call.keep(&words[0], Value::List(list));
    Ok(count(length))
}

fn pop(call: &mut Call<'_>, words: Words<'_>, front: bool) -> Result<Reply, String> {
    let mut list = call.list(&words[0])?;
    let most = match words.get(1) {
        None => 1,
        Some(most) => {
            usize::try_from(integer(most)?).map_err(|_| "ERR value is out of range, must be positive")?
        }
    };
    if list.is_empty() {
        return Ok(if words.len() > 1 { Reply::NullArray } else { Reply::Null });
    }
    let most = most.min(list.len());
    let taken: Vec<Vec<u8>> = match front {
        true => list.drain(..most).collect(),
        false => list.split_off(list.len() - most).into_iter().rev().collect(),
    };
    if !taken.is_empty() {
        call.keep(&words[0], Value::List(list));
    }
    Ok(match (words.len() > 1, taken.first()) {
        (false, Some(item)) => bulk(item),
        _ => Reply::Array(bulks(&taken)),
    })
}
