//! Strings: Sprig's functions over Go's `strings`, goutils and xstrings.

use gotemplate::format::quote;
use gotemplate::limits::check_text;
use gotemplate::{FnError, Function, Functions, Map, Str, Type, Value};

use super::args::{Result, cut, display, int, string_of, strings, strings_of, text, utf8};
use super::{bytes, casing};
use crate::letters;

pub(super) fn add(functions: &mut Functions) {
    use Type::{Any, Int, String as Text};
    let mut set = |name: &str, function| {
        functions.set(name, function);
    };
    set("hello", Function::new(&[], |_, _| Ok("Hello!".into())));
    set("upper", Function::new(&[Text], |_, a| Ok(map_chars(&utf8(a, 0), letters::to_upper))));
    set("lower", Function::new(&[Text], |_, a| Ok(map_chars(&utf8(a, 0), letters::to_lower))));
    set("title", Function::new(&[Text], |_, a| Ok(title(&utf8(a, 0)).into())));
    set("untitle", Function::new(&[Text], |_, a| Ok(untitle(&utf8(a, 0)).into())));
    set("swapcase", Function::new(&[Text], |_, a| Ok(casing::swap(&utf8(a, 0)).into())));
    set("camelcase", Function::new(&[Text], |_, a| Ok(casing::pascal(&utf8(a, 0)).into())));
    set("snakecase", Function::new(&[Text], |_, a| Ok(casing::lower(&utf8(a, 0), '_').into())));
    set("kebabcase", Function::new(&[Text], |_, a| Ok(casing::lower(&utf8(a, 0), '-').into())));
    set("trim", Function::new(&[Text], |_, a| Ok(trim(text(a, 0), &letters::is_space))));
    for name in ["trimall", "trimAll"] {
        set(
            name,
            Function::new(&[Text, Text], |_, a| {
                let cutset = utf8(a, 0);
                Ok(trim(text(a, 1), &|c| cutset.contains(c)))
            }),
        );
    }
    set(
        "trimSuffix",
        Function::new(&[Text, Text], |_, a| {
            let whole = text(a, 1);
            Ok(Value::str(whole.strip_suffix(text(a, 0).as_bytes()).unwrap_or(whole)))
        }),
    );
    set(
        "trimPrefix",
        Function::new(&[Text, Text], |_, a| {
            let whole = text(a, 1);
            Ok(Value::str(whole.strip_prefix(text(a, 0).as_bytes()).unwrap_or(whole)))
        }),
    );
    set(
        "contains",
        Function::new(&[Text, Text], |_, a| Ok(bytes::find(text(a, 1), text(a, 0)).is_some().into())),
    );
    set("hasPrefix", Function::new(&[Text, Text], |_, a| Ok(text(a, 1).starts_with(text(a, 0)).into())));
    set("hasSuffix", Function::new(&[Text, Text], |_, a| Ok(text(a, 1).ends_with(text(a, 0)).into())));
    set(
        "replace",
        Function::new(&[Text, Text, Text], |_, a| {
            Ok(bytes::replace(text(a, 2), text(a, 0), text(a, 1))?.into())
        }),
    );
    set("repeat", Function::new(&[Int, Text], |_, a| repeat(text(a, 1), int(a, 0)).map(Value::str)));
    set("indent", Function::new(&[Int, Text], |_, a| indent(int(a, 0), text(a, 1), b"")));
    set("nindent", Function::new(&[Int, Text], |_, a| indent(int(a, 0), text(a, 1), b"\n")));
    set("trunc", Function::new(&[Int, Text], |_, a| Ok(Value::str(trunc(int(a, 0), text(a, 1))))));
    set("substr", Function::new(&[Int, Int, Text], |_, a| substr(int(a, 0), int(a, 1), text(a, 2))));
    set("abbrev", Function::new(&[Int, Text], |_, a| Ok(Value::str(abbrev(text(a, 1), 0, int(a, 0))))));
    set(
        "abbrevboth",
        Function::new(&[Int, Int, Text], |_, a| Ok(Value::str(abbrev(text(a, 2), int(a, 0), int(a, 1))))),
    );
    set("initials", Function::new(&[Text], |_, a| Ok(initials(text(a, 0)).into())));
    set("nospace", Function::new(&[Text], |_, a| Ok(without_space(text(a, 0)))));
    set("wrap", Function::new(&[Int, Text], |_, a| wrap(text(a, 1), int(a, 0), b"", false)));
    set("wrapWith", Function::new(&[Int, Text, Text], |_, a| wrap(text(a, 2), int(a, 0), text(a, 1), true)));
    set("plural", Function::new(&[Text, Text, Int], |_, a| Ok(a[usize::from(int(a, 2) != 1)].clone())));
    set(
        "quote",
        Function::variadic(&[Any], |_, a| Ok(spaced(a, |value| quote(&string_of(value)).into_bytes()))),
    );
    set(
        "squote",
        Function::variadic(&[Any], |_, a| {
            Ok(spaced(a, |value| [b"'", display(value).as_slice(), b"'"].concat()))
        }),
    );
    set("cat", Function::variadic(&[Any], |_, a| Ok(spaced(a, display))));
    set("toString", Function::new(&[Any], |_, a| Ok(string_of(&a[0]).into())));
    set("toStrings", Function::new(&[Any], |_, a| Ok(strings(strings_of(&a[0])))));
    set("join", Function::new(&[Text, Any], |_, a| Ok(bytes::join(&strings_of(&a[1]), text(a, 0))?.into())));
    set(
        "split",
        Function::new(&[Text, Text], |_, a| Ok(numbered(bytes::split(text(a, 1), text(a, 0), -1)?))),
    );
    set(
        "splitn",
        Function::new(&[Text, Int, Text], |_, a| {
            Ok(numbered(bytes::split(text(a, 2), text(a, 0), int(a, 1))?))
        }),
    );
    set(
        "splitList",
        Function::new(&[Text, Text], |_, a| Ok(strings(bytes::split(text(a, 1), text(a, 0), -1)?))),
    );
}

fn map_chars(text: &str, map: fn(char) -> char) -> Value {
    text.chars().map(map).collect::<String>().into()
}

/// Go's `strings.Title`: a word begins after what is no letter, digit or underscore.
fn title(text: &str) -> String {
    let mut previous = ' ';
    text.chars()
        .map(|c| {
            let starts = is_separator(previous);
            previous = c;
            if starts { letters::to_title(c) } else { c }
        })
        .collect()
}

fn is_separator(c: char) -> bool {
    if c.is_ascii() {
        return !(c.is_ascii_alphanumeric() || c == '_');
    }
    !(letters::is_letter(c) || letters::is_decimal_digit(c)) && letters::is_space(c)
}

fn untitle(text: &str) -> String {
    let mut starts = true;
    text.chars()
        .map(|c| {
            if letters::is_space(c) {
                starts = true;
                return c;
            }
            if std::mem::take(&mut starts) { letters::to_lower(c) } else { c }
        })
        .collect()
}

fn trim(text: &[u8], cut: &dyn Fn(char) -> bool) -> Value {
    match std::str::from_utf8(text) {
        Ok(text) => text.trim_matches(cut).into(),
        // Bytes that are not UTF-8 count as U+FFFD, one by one.
        Err(_) => {
            let keep = |i: &usize| !text[*i].is_ascii() || !cut(char::from(text[*i]));
            let start = (0..text.len()).find(keep).unwrap_or(text.len());
            let end = (start..text.len()).rev().find(keep).map_or(start, |i| i + 1);
            Value::str(&text[start..end])
        }
    }
}

pub(super) fn repeat(text: &[u8], count: i64) -> Result<Vec<u8>> {
    let count = usize::try_from(count).map_err(|_| FnError::new("strings: negative Repeat count"))?;
    match text.len().checked_mul(count) {
        Some(size) if isize::try_from(size).is_ok() => {
            check_text(size)?;
            Ok(text.repeat(count))
        }
        _ => Err(FnError::new("strings: Repeat output length overflow")),
    }
}

fn indent(spaces: i64, text: &[u8], before: &[u8]) -> Result {
    let pad = repeat(b" ", spaces)?;
    let lines = text.iter().filter(|b| **b == b'\n').count() + 1;
    let size = lines.saturating_mul(pad.len()).saturating_add(before.len() + text.len());
    check_text(size)?;
    let mut out = Vec::with_capacity(size);
    out.extend_from_slice(before);
    out.extend_from_slice(&pad);
    for line in text.split_inclusive(|b| *b == b'\n') {
        out.extend_from_slice(line);
        if line.ends_with(b"\n") {
            out.extend_from_slice(&pad);
        }
    }
    Ok(Value::str(out))
}

fn trunc(count: i64, text: &[u8]) -> &[u8] {
    let length = text.len() as i64;
    if count < 0 && length + count > 0 {
        &text[(length + count) as usize..]
    } else if count >= 0 && length > count {
        &text[..count as usize]
    } else {
        text
    }
}

fn substr(start: i64, end: i64, text: &[u8]) -> Result {
    let part = if start < 0 {
        cut(text, None, Some(end))?
    } else if end < 0 || end > text.len() as i64 {
        cut(text, Some(start), None)?
    } else {
        cut(text, Some(start), Some(end))?
    };
    Ok(Value::str(part))
}

/// goutils' `AbbreviateFull`, behind Sprig's checks of the width.
fn abbrev(text: &[u8], offset: i64, width: i64) -> Vec<u8> {
    if width < 4 || (offset > 0 && width < 7) {
        return text.to_vec();
    }
    let (length, width) = (text.len(), width as usize);
    if length <= width {
        return text.to_vec();
    }
    let mut offset = usize::try_from(offset).unwrap_or(0).min(length);
    if length - offset < width - 3 {
        offset = length - (width - 3);
    }
    if offset <= 4 {
        return [&text[..width - 3], b"..."].concat();
    }
    if width < 7 {
        return Vec::new();
    }
    if offset + width - 3 < length {
        let rest = abbrev_right(&text[offset..], width - 3);
        return [b"...", rest.as_slice()].concat();
    }
    [b"...", &text[length - (width - 3)..]].concat()
}

fn abbrev_right(text: &[u8], width: usize) -> Vec<u8> {
    if width < 4 {
        Vec::new()
    } else if text.len() <= width {
        text.to_vec()
    } else {
        [&text[..width - 3], b"..."].concat()
    }
}

/// goutils takes each byte for a character.
fn initials(text: &[u8]) -> String {
    let mut starts = true;
    let initial = |b: &u8| {
        let c = char::from(*b);
        if letters::is_space(c) {
            starts = true;
            return None;
        }
        std::mem::take(&mut starts).then_some(c)
    };
    text.iter().filter_map(initial).collect()
}

fn without_space(text: &[u8]) -> Value {
    let is_space = |b: &u8| letters::is_space(char::from(*b));
    if !text.iter().any(is_space) {
        return Value::str(text);
    }
    text.iter().filter(|b| !is_space(b)).map(|b| char::from(*b)).collect::<String>().into()
}

/// goutils' `WrapCustom`.
fn wrap(text: &[u8], width: i64, line_break: &[u8], cut_words: bool) -> Result {
    let line_break = if line_break.is_empty() { b"\n" } else { line_break };
    let width = usize::try_from(width).unwrap_or(1).max(1);
    let mut out = Vec::new();
    let mut rest = text;
    while rest.len() > width {
        check_text(out.len())?;
        if rest[0] == b' ' {
            rest = &rest[1..];
            continue;
        }
        let space = rest[..=width].iter().rposition(|b| *b == b' ');
        let space = space.or_else(|| {
            let beyond = rest[width..].iter().position(|b| *b == b' ');
            if cut_words { None } else { beyond.map(|at| at + width) }
        });
        match space {
            Some(at) => {
                out.extend_from_slice(&rest[..at]);
                out.extend_from_slice(line_break);
                rest = &rest[at + 1..];
            }
            None if cut_words => {
                out.extend_from_slice(&rest[..width]);
                out.extend_from_slice(line_break);
                rest = &rest[width..];
            }
            None => {
                out.extend_from_slice(rest);
                rest = &[];
            }
        }
    }
    out.extend_from_slice(rest);
    Ok(Value::str(out))
}

/// What is not nil, with spaces between.
fn spaced(values: &[Value], show: impl Fn(&Value) -> Vec<u8>) -> Value {
    let shown: Vec<Vec<u8>> = values.iter().filter(|value| !value.is_nil()).map(show).collect();
    Value::str(shown.join(b" ".as_slice()))
}

/// `map[string]string` with the keys `_0`, `_1`, …
fn numbered(parts: Vec<Str>) -> Value {
    let map = Map::of(Type::String);
    for (i, part) in parts.into_iter().enumerate() {
        map.insert(format!("_{i}"), part.into());
    }
    map.into()
}
