//! Patterns of keys.

/// `*`, `?`, `[a-c]` and `\`, as `KEYS` and `SCAN` have them.
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let Some((first, rest)) = pattern.split_first() else { return text.is_empty() };
    match first {
        b'*' => (0..=text.len()).any(|at| matches(rest, &text[at..])),
        b'?' => text.split_first().is_some_and(|(_, text)| matches(rest, text)),
        b'[' => {
            let (Some((one, text)), Some(end)) =
                (text.split_first(), rest.iter().position(|byte| *byte == b']'))
            else {
                return false;
            };
            let (set, rest) = (&rest[..end], &rest[end + 1..]);
            let (negated, set) = match set.split_first() {
                Some((b'^', set)) => (true, set),
                _ => (false, set),
            };
            let mut at = 0;
            let mut found = false;
            while at < set.len() {
                if at + 2 < set.len() && set[at + 1] == b'-' {
                    found |= (set[at]..=set[at + 2]).contains(one);
                    at += 3;
                } else {
                    found |= set[at] == *one;
                    at += 1;
                }
            }
            found != negated && matches(rest, text)
        }
        b'\\' if !rest.is_empty() => {
            text.first() == rest.first() && !text.is_empty() && matches(&rest[1..], &text[1..])
        }
        byte => text.first() == Some(byte) && matches(rest, &text[1..]),
    }
}
