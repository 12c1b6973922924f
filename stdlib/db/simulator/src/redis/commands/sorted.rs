//! Sorted sets.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::{
    Call, Command, Reply, SYNTAX, Value, WRONG_TYPE, Words, bulk, count, float, integer, is, part, reads,
    writes,
};

type Scores = BTreeMap<Vec<u8>, f64>;

pub(super) const COMMANDS: &[Command] = &[
    writes("zadd", -4, add),
    writes("zrem", -3, |call, words| {
        let mut scores = call.scores(&words[0])?;
        let gone = words[1..].iter().filter(|member| scores.remove(*member).is_some()).count();
        if gone > 0 {
            call.keep(&words[0], Value::SortedSet(scores));
        }
        Ok(count(gone))
    }),
    writes("zincrby", 4, |call, words| {
        let mut scores = call.scores(&words[0])?;
        let by = float(&words[1])?;
        let score = scores.get(&words[2]).copied().unwrap_or(0.0) + by;
        if score.is_nan() {
            return Err("ERR resulting score is not a number (NaN)".to_owned());
        }
        scores.insert(words[2].clone(), score);
        call.keep(&words[0], Value::SortedSet(scores));
        Ok(Reply::Double(score))
    }),
    reads("zscore", 3, |call, words| {
        Ok(call.scores(&words[0])?.get(&words[1]).map_or(Reply::Null, |score| Reply::Double(*score)))
    }),
    reads("zcard", 2, |call, words| Ok(count(call.scores(&words[0])?.len()))),
    reads("zrank", 3, |call, words| rank(call, words, false)),
    reads("zrevrank", 3, |call, words| rank(call, words, true)),
    reads("zcount", 4, |call, words| {
        let (from, to) = (bound(&words[1])?, bound(&words[2])?);
        Ok(count(call.scores(&words[0])?.values().filter(|score| within(**score, from, to)).count()))
    }),
    reads("zrange", -4, |call, words| {
        let reversed = words[3..].iter().any(|word| is(word, "rev"));
        if let Some(other) = words[3..].iter().find(|word| !is(word, "rev") && !is(word, "withscores")) {
            let known = ["byscore", "bylex", "limit"].iter().any(|name| is(other, name));
            return Err(
                if known { "ERR ZRANGE by score or name is not simulated" } else { SYNTAX }.to_owned()
            );
        }
        range(call, words, reversed)
    }),
    reads("zrevrange", -4, |call, words| range(call, words, true)),
    reads("zrangebyscore", -4, by_score),
];

impl Call<'_> {
    fn scores(&self, key: &[u8]) -> Result<Scores, String> {
        match self.value(key) {
            None => Ok(Scores::new()),
            Some(Value::SortedSet(scores)) => Ok(scores.clone()),
            Some(_) => Err(WRONG_TYPE.to_owned()),
        }
    }
}

/// By their scores, and by their bytes where these are equal.
fn ordered(scores: Scores, reversed: bool) -> Vec<(Vec<u8>, f64)> {
    let mut all: Vec<(Vec<u8>, f64)> = scores.into_iter().collect();
    all.sort_by(|(one, score), (other, than)| score.total_cmp(than).then_with(|| one.cmp(other)));
    if reversed {
        all.reverse();
    }
    all
}

fn shown(call: &Call<'_>, members: &[(Vec<u8>, f64)], with_scores: bool) -> Reply {
    let one = |(member, score): &(Vec<u8>, f64)| [bulk(member), Reply::Double(*score)];
    Reply::Array(match (with_scores, call.session.version) {
        (false, _) => members.iter().map(|(member, _)| bulk(member)).collect(),
        (true, 2) => members.iter().flat_map(one).collect(),
        (true, _) => members.iter().map(|pair| Reply::Array(one(pair).to_vec())).collect(),
    })
}

fn range(call: &mut Call<'_>, words: Words<'_>, reversed: bool) -> Result<Reply, String> {
    let all = ordered(call.scores(&words[0])?, reversed);
    let range = part(all.len(), integer(&words[1])?, integer(&words[2])?);
    let with_scores = words[3..].iter().any(|word| is(word, "withscores"));
    Ok(shown(call, &all[range], with_scores))
}

fn rank(call: &mut Call<'_>, words: Words<'_>, reversed: bool) -> Result<Reply, String> {
    let all = ordered(call.scores(&words[0])?, reversed);
    Ok(all.iter().position(|(member, _)| *member == words[1]).map_or(Reply::Null, count))
}

/// `5`, `(5`, `-inf`
fn bound(word: &[u8]) -> Result<Bound<f64>, String> {
    let wrong = |_| "ERR min or max is not a float".to_owned();
    match word.strip_prefix(b"(") {
        Some(rest) => float(rest).map(Bound::Excluded).map_err(wrong),
        None => float(word).map(Bound::Included).map_err(wrong),
    }
}

fn within(score: f64, from: Bound<f64>, to: Bound<f64>) -> bool {
    let above = match from {
        Bound::Excluded(from) => score > from,
        Bound::Included(from) => score >= from,
        Bound::Unbounded => true,
    };
    above
        && match to {
            Bound::Excluded(to) => score < to,
            Bound::Included(to) => score <= to,
            Bound::Unbounded => true,
        }
}

fn by_score(call: &mut Call<'_>, words: Words<'_>) -> Result<Reply, String> {
    let (from, to) = (bound(&words[1])?, bound(&words[2])?);
    let (mut with_scores, mut skipped, mut most) = (false, 0, usize::MAX);
    let mut options = words[3..].iter();
    while let Some(option) = options.next() {
        if is(option, "withscores") {
            with_scores = true;
        } else if is(option, "limit") {
            let mut number = || integer(options.next().ok_or(SYNTAX)?);
            skipped = usize::try_from(number()?).unwrap_or(usize::MAX);
            most = usize::try_from(number()?).unwrap_or(usize::MAX);
        } else {
            return Err(SYNTAX.to_owned());
        }
    }
    let all =
        ordered(call.scores(&words[0])?, false).into_iter().filter(|(_, score)| within(*score, from, to));
    let found: Vec<_> = all.skip(skipped).take(most).collect();
    Ok(shown(call, &found, with_scores))
}

/// `ZADD key [NX|XX] [GT|LT] [CH] [INCR] score member …`
fn add(call: &mut Call<'_>, words: Words<'_>) -> Result<Reply, String> {
    let options = words[1..].iter().take_while(|word| float(word).is_err());
    let options: Vec<String> = options.map(|word| super::lower(word)).collect();
    let has = |name: &str| options.iter().any(|option| option == name);
    if let Some(unknown) =
        options.iter().find(|option| !["nx", "xx", "gt", "lt", "ch"].contains(&option.as_str()))
    {
        return Err(
            if unknown == "incr" { "ERR ZADD INCR is not simulated" } else { super::NO_FLOAT }.to_owned()
        );
    }
    let pairs = &words[1 + options.len()..];
    if pairs.is_empty() || !pairs.len().is_multiple_of(2) {
        return Err(SYNTAX.to_owned());
    }
    let mut scores = call.scores(&words[0])?;
    let (mut new, mut changed) = (0, 0);
    let parsed = pairs.chunks(2).map(|pair| Ok((float(&pair[0])?, &pair[1])));
    for (score, member) in parsed.collect::<Result<Vec<_>, String>>()? {
        match scores.get(member) {
            Some(_) if has("nx") => {}
            Some(before) if (has("gt") && score <= *before) || (has("lt") && score >= *before) => {}
            Some(before) => {
                changed += usize::from(score.total_cmp(before).is_ne());
                scores.insert(member.clone(), score);
            }
            None if has("xx") => {}
            None => {
                new += 1;
                scores.insert(member.clone(), score);
            }
        }
    }
    if new + changed > 0 {
        call.keep(&words[0], Value::SortedSet(scores));
    }
    Ok(count(if has("ch") { new + changed } else { new }))
}
