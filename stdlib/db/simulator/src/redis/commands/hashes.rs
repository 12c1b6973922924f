//! Hashes.

use std::collections::BTreeMap;

use super::{Call, Command, Reply, Value, WRONG_TYPE, bulk, bulks, count, integer, reads, truth, writes};

type Hash = BTreeMap<Vec<u8>, Vec<u8>>;

pub(super) const COMMANDS: &[Command] = &[
    writes("hset", -4, |call, words| {
        if words.len() % 2 == 0 {
            return Err("ERR wrong number of arguments for 'hset' command".to_owned());
        }
        let mut hash = call.hash(&words[0])?;
        let new = words[1..]
            .chunks(2)
            .filter(|pair| hash.insert(pair[0].clone(), pair[1].clone()).is_none())
            .count();
        call.keep(&words[0], Value::Hash(hash));
        Ok(count(new))
    }),
    writes("hsetnx", 4, |call, words| {
        let mut hash = call.hash(&words[0])?;
        let free = !hash.contains_key(&words[1]);
        if free {
            hash.insert(words[1].clone(), words[2].clone());
            call.keep(&words[0], Value::Hash(hash));
        }
        Ok(truth(free))
    }),
    reads("hget", 3, |call, words| {
        Ok(call.hash(&words[0])?.get(&words[1]).map_or(Reply::Null, |text| bulk(text)))
    }),
    reads("hmget", -3, |call, words| {
        let hash = call.hash(&words[0])?;
        Ok(Reply::Array(
            words[1..].iter().map(|field| hash.get(field).map_or(Reply::Null, |text| bulk(text))).collect(),
        ))
    }),
    reads("hgetall", 2, |call, words| {
        Ok(Reply::Map(
            call.hash(&words[0])?.iter().map(|(field, value)| (bulk(field), bulk(value))).collect(),
        ))
    }),
    reads("hkeys", 2, |call, words| Ok(Reply::Array(bulks(call.hash(&words[0])?.keys())))),
    reads("hvals", 2, |call, words| Ok(Reply::Array(bulks(call.hash(&words[0])?.values())))),
    reads("hlen", 2, |call, words| Ok(count(call.hash(&words[0])?.len()))),
    reads("hexists", 3, |call, words| Ok(truth(call.hash(&words[0])?.contains_key(&words[1])))),
    writes("hdel", -3, |call, words| {
        let mut hash = call.hash(&words[0])?;
        let gone = words[1..].iter().filter(|field| hash.remove(*field).is_some()).count();
        if gone > 0 {
            call.keep(&words[0], Value::Hash(hash));
        }
        Ok(count(gone))
    }),
    writes("hincrby", 4, |call, words| {
        let mut hash = call.hash(&words[0])?;
        let by = integer(&words[2])?;
        let before = hash.get(&words[1]).map_or(Ok(0), |text| integer(text));
        let before = before.map_err(|_| "ERR hash value is not an integer")?;
        let sum = before.checked_add(by).ok_or("ERR increment or decrement would overflow")?;
        hash.insert(words[1].clone(), sum.to_string().into_bytes());
        call.keep(&words[0], Value::Hash(hash));
        Ok(Reply::Number(sum))
    }),
];

impl Call<'_> {
    fn hash(&self, key: &[u8]) -> Result<Hash, String> {
        match self.value(key) {
            None => Ok(Hash::new()),
            Some(Value::Hash(hash)) => Ok(hash.clone()),
            Some(_) => Err(WRONG_TYPE.to_owned()),
        }
    }
}
