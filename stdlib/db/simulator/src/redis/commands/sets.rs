//! Sets.

use std::collections::BTreeSet;

use super::{Call, Command, Reply, Value, WRONG_TYPE, Words, bulks, count, reads, truth, writes};

type Set = BTreeSet<Vec<u8>>;

pub(super) const COMMANDS: &[Command] = &[
    writes("sadd", -3, |call, words| {
        let mut set = call.set(&words[0])?;
        let new = words[1..].iter().filter(|item| set.insert((*item).clone())).count();
        if new > 0 {
            call.keep(&words[0], Value::Set(set));
        }
        Ok(count(new))
    }),
    writes("srem", -3, |call, words| {
        let mut set = call.set(&words[0])?;
        let gone = words[1..].iter().filter(|item| set.remove(*item)).count();
        if gone > 0 {
            call.keep(&words[0], Value::Set(set));
        }
        Ok(count(gone))
    }),
    reads("smembers", 2, |call, words| Ok(Reply::Set(bulks(&call.set(&words[0])?)))),
    reads("scard", 2, |call, words| Ok(count(call.set(&words[0])?.len()))),
    reads("sismember", 3, |call, words| Ok(truth(call.set(&words[0])?.contains(&words[1])))),
    reads("smismember", -3, |call, words| {
        let set = call.set(&words[0])?;
        Ok(Reply::Array(words[1..].iter().map(|item| truth(set.contains(item))).collect()))
    }),
    reads("sunion", -2, |call, words| of_all(call, words, |one, other| one.union(other).cloned().collect())),
    reads("sinter", -2, |call, words| {
        of_all(call, words, |one, other| one.intersection(other).cloned().collect())
    }),
    reads("sdiff", -2, |call, words| {
        of_all(call, words, |one, other| one.difference(other).cloned().collect())
    }),
];

impl Call<'_> {
    fn set(&self, key: &[u8]) -> Result<Set, String> {
        match self.value(key) {
            None => Ok(Set::new()),
            Some(Value::Set(set)) => Ok(set.clone()),
            Some(_) => Err(WRONG_TYPE.to_owned()),
        }
    }
}

fn of_all(call: &Call<'_>, keys: Words<'_>, with: fn(&Set, &Set) -> Set) -> Result<Reply, String> {
    let mut all = call.set(&keys[0])?;
    for key in &keys[1..] {
        all = with(&all, &call.set(key)?);
    }
    Ok(Reply::Set(bulks(&all)))
}
