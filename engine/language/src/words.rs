//! Near misses.

/// The candidate that is most likely meant by `word`, if one is near enough to be asked about.
pub(crate) fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let most = match word.chars().count() {
        0..=3 => 1,
        4..=6 => 2,
        _ => 3,
    };
    candidates
        .into_iter()
        .map(|candidate| {
            (strsim::damerau_levenshtein(&word.to_lowercase(), &candidate.to_lowercase()), candidate)
        })
        .filter(|(distance, candidate)| *distance <= most && *distance < candidate.chars().count())
        .min()
        .map(|(_, candidate)| candidate)
}

/// `1 argument`, `2 or 3 arguments`
pub(crate) fn arguments(counts: impl IntoIterator<Item = usize>) -> String {
    let mut counts: Vec<usize> = counts.into_iter().collect();
    counts.sort_unstable();
    counts.dedup();
    match counts.as_slice() {
        [0] => "no arguments".to_owned(),
        [1] => "1 argument".to_owned(),
        counts => {
            format!("{} arguments", counts.iter().map(usize::to_string).collect::<Vec<_>>().join(" or "))
        }
    }
}

/// `` `a`, `b` `` for a message.
pub(crate) fn quoted<'w>(words: impl IntoIterator<Item = &'w str>) -> String {
    words.into_iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// ``did you mean `scale`?``, or else what there is, if that is not too much to read.
pub(crate) fn suggestion(word: &str, candidates: &[&str], of: &str) -> Option<String> {
    const READABLE: usize = 30;
    match nearest(word, candidates.iter().copied()) {
        Some(name) => Some(format!("did you mean `{name}`?")),
        None if candidates.is_empty() || candidates.len() > READABLE => None,
        None => Some(format!("{of} {}", quoted(candidates.iter().copied()))),
    }
}
