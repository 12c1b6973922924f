//! Searching and replacing in Go strings, which are bytes.

use gotemplate::Str;
use gotemplate::limits::{check_items, check_text};

use super::args::Result;

pub(super) fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    if part.is_empty() {
        return Some(0);
    }
    positions(text, part).next()
}

/// Where the part is found, one place after the other. Texts that are UTF-8 are searched in linear time.
fn positions<'a>(text: &'a [u8], part: &'a [u8]) -> Box<dyn Iterator<Item = usize> + 'a> {
    if let (Ok(text), Ok(part)) = (std::str::from_utf8(text), std::str::from_utf8(part)) {
        return Box::new(text.match_indices(part).map(|(at, _)| at));
    }
    let mut from = 0;
    Box::new(std::iter::from_fn(move || {
        let at = from + text.get(from..)?.windows(part.len()).position(|window| window == part)?;
        from = at + part.len();
        Some(at)
    }))
}

/// `strings.ReplaceAll`; an empty `old` stands before each character and at the end.
pub(super) fn replace(text: &[u8], old: &[u8], new: &[u8]) -> Result<Str> {
    let mut out = Vec::with_capacity(text.len());
    if old.is_empty() {
        for character in characters(text) {
            out.extend_from_slice(new);
            out.extend_from_slice(character);
            check_text(out.len())?;
        }
        out.extend_from_slice(new);
        return Ok(out.into());
    }
    let mut from = 0;
    for at in positions(text, old) {
        out.extend_from_slice(&text[from..at]);
        out.extend_from_slice(new);
        from = at + old.len();
        check_text(out.len())?;
    }
    out.extend_from_slice(&text[from..]);
    Ok(out.into())
}

/// `strings.SplitN`: at most `n` parts if `n` is positive, nothing if it is 0; an empty separator splits into characters.
pub(super) fn split(text: &[u8], separator: &[u8], n: i64) -> Result<Vec<Str>> {
    if n == 0 {
        return Ok(Vec::new());
    }
    let most = usize::try_from(n).unwrap_or(usize::MAX);
    let mut parts = Vec::new();
    let mut rest = text;
    if separator.is_empty() {
        for character in characters(text) {
            if parts.len() + 1 == most {
                break;
            }
            check_items(parts.len())?;
            parts.push(Str::from(character));
            rest = &rest[character.len()..];
        }
        if !rest.is_empty() {
            parts.push(rest.into());
        }
        return Ok(parts);
    }
    let mut from = 0;
    for at in positions(text, separator).take(most - 1) {
        check_items(parts.len())?;
        parts.push(text[from..at].into());
        from = at + separator.len();
    }
    parts.push(text[from..].into());
    Ok(parts)
}

/// The characters; each byte that is not UTF-8 by itself.
fn characters(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.utf8_chunks().flat_map(|chunk| {
        let valid = chunk.valid();
        let valid = valid.char_indices().map(|(i, c)| &valid.as_bytes()[i..i + c.len_utf8()]);
        valid.chain(chunk.invalid().chunks(1))
    })
}

pub(super) fn join(parts: &[Str], separator: &[u8]) -> Result<Str> {
    check_text(parts.len().saturating_mul(separator.len()))?;
    let parts: Vec<&[u8]> = parts.iter().map(Str::as_bytes).collect();
    Ok(parts.join(separator).into())
}
