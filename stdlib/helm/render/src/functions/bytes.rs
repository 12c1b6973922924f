//! Searching and replacing in Go strings, which are bytes.

use gotemplate::Str;

pub(super) fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    if part.is_empty() {
        return Some(0);
    }
    text.windows(part.len()).position(|window| window == part)
}

/// `strings.ReplaceAll`; an empty `old` stands before each character and at the end.
pub(super) fn replace(text: &[u8], old: &[u8], new: &[u8]) -> Str {
    let mut out = Vec::with_capacity(text.len());
    if old.is_empty() {
        for character in characters(text) {
            out.extend_from_slice(new);
            out.extend_from_slice(character);
        }
        out.extend_from_slice(new);
        return out.into();
    }
    let mut rest = text;
    while let Some(at) = find(rest, old) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(new);
        rest = &rest[at + old.len()..];
    }
    out.extend_from_slice(rest);
    out.into()
}

/// `strings.SplitN`: at most `n` parts if `n` is positive, nothing if it is 0; an empty separator splits into characters.
pub(super) fn split(text: &[u8], separator: &[u8], n: i64) -> Vec<Str> {
    if n == 0 {
        return Vec::new();
    }
    let most = usize::try_from(n).unwrap_or(usize::MAX);
    let mut parts = Vec::new();
    let mut rest = text;
    if separator.is_empty() {
        for character in characters(text) {
            if parts.len() + 1 == most {
                break;
            }
            parts.push(Str::from(character));
            rest = &rest[character.len()..];
        }
        if !rest.is_empty() {
            parts.push(rest.into());
        }
        return parts;
    }
    while parts.len() + 1 < most {
        let Some(at) = find(rest, separator) else { break };
        parts.push(rest[..at].into());
        rest = &rest[at + separator.len()..];
    }
    parts.push(rest.into());
    parts
}

/// The characters; each byte that is not UTF-8 by itself.
fn characters(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.utf8_chunks().flat_map(|chunk| {
        let valid = chunk.valid();
        let valid = valid.char_indices().map(|(i, c)| &valid.as_bytes()[i..i + c.len_utf8()]);
        valid.chain(chunk.invalid().chunks(1))
    })
}

pub(super) fn join(parts: &[Str], separator: &[u8]) -> Str {
    let parts: Vec<&[u8]> = parts.iter().map(Str::as_bytes).collect();
    parts.join(separator).into()
}
