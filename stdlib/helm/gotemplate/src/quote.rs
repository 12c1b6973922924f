//! Go's string literals: how `strconv.Quote` writes one and `strconv.Unquote` reads one. Works on bytes, as Go's strings
//! need not be UTF-8.

use std::fmt::Write;

/// The string between double quotes, with what is not printable escaped.
pub fn quote(text: &[u8]) -> String {
    quote_with(text, '"', false)
}

/// As [`quote`], with everything beyond ASCII escaped.
pub fn quote_ascii(text: &[u8]) -> String {
    quote_with(text, '"', true)
}

/// A character between single quotes.
pub(crate) fn quote_char(c: char, ascii_only: bool) -> String {
    let mut bytes = [0; 4];
    quote_with(c.encode_utf8(&mut bytes).as_bytes(), '\'', ascii_only)
}

/// What stands in a literal between double quotes or backquotes; `None` if it is no literal.
pub fn unquote(literal: &str) -> Option<Vec<u8>> {
    let mark = literal.bytes().next()?;
    if literal.len() < 2 || !literal.ends_with(char::from(mark)) {
        return None;
    }
    let mut rest = &literal[1..literal.len() - 1];
    match mark {
        b'`' | b'"' if !rest.bytes().any(|b| matches!(b, b'`' | b'"' | b'\\' | b'\n' | b'\r')) => {
            Some(rest.into())
        }
        b'`' if !rest.contains('`') => Some(rest.bytes().filter(|b| *b != b'\r').collect()),
        b'"' if !rest.contains('\n') => {
            let mut out = Vec::with_capacity(rest.len());
            while !rest.is_empty() {
                if rest.starts_with('"') {
                    return None;
                }
                rest = unquote_one(rest, '"', &mut out)?.1;
            }
            Some(out)
        }
        _ => None,
    }
}

/// Reads one character or escape of a literal into `out`: its code and what follows it.
pub(crate) fn unquote_one<'a>(text: &'a str, mark: char, out: &mut Vec<u8>) -> Option<(u32, &'a str)> {
    let mut chars = text.chars();
    let first = chars.next()?;
    if first != '\\' {
        push_char(out, first);
        return Some((first.into(), chars.as_str()));
    }
    let escape = chars.next()?;
    let simple = match escape {
        'a' => Some('\x07'),
        'b' => Some('\x08'),
        'f' => Some('\x0c'),
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        'v' => Some('\x0b'),
        '\\' => Some('\\'),
        c @ ('\'' | '"') if c == mark => Some(c),
        _ => None,
    };
    if let Some(c) = simple {
        push_char(out, c);
        return Some((c.into(), chars.as_str()));
    }
    let (digits, radix, skip) = match escape {
        'x' => (2, 16, 0),
        'u' => (4, 16, 0),
        'U' => (8, 16, 0),
        '0'..='7' => (3, 8, 1),
        _ => return None,
    };
    // An octal escape has no letter of its own: its first digit was taken for one.
    let start = text.len() - chars.as_str().len() - skip;
    let digits = text.get(start..start + digits)?;
    if !digits.bytes().all(|b| char::from(b).is_digit(radix)) {
        return None;
    }
    let code = u32::from_str_radix(digits, radix).ok()?;
    match escape {
        'u' | 'U' => push_char(out, char::from_u32(code)?),
        _ => out.push(u8::try_from(code).ok()?),
    }
    Some((code, &text[start + digits.len()..]))
}

/// Whether Go prints the character as it is: letters, marks, numbers, punctuation, symbols and the space.
pub fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        return (' '..='~').contains(&c);
    }
    // After another character, `escape_debug` leaves combining marks alone, as Go does.
    let mut pair = ['a', c].iter().collect::<String>();
    let written = pair.escape_debug().count();
    pair.clear();
    written == 2
}

/// The first character of the bytes, or `None` and the length 1 if they do not start with UTF-8.
pub(crate) fn first_char(bytes: &[u8]) -> (Option<char>, usize) {
    let head = &bytes[..bytes.len().min(4)];
    let valid = match std::str::from_utf8(head) {
        Ok(text) => text,
        // The prefix up to the fault is UTF-8.
        Err(e) => std::str::from_utf8(&head[..e.valid_up_to()]).unwrap_or(""),
    };
    match valid.chars().next() {
        Some(c) => (Some(c), c.len_utf8()),
        None => (None, 1),
    }
}

fn push_char(out: &mut Vec<u8>, c: char) {
    let mut buffer = [0; 4];
    out.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
}

fn quote_with(mut text: &[u8], mark: char, ascii_only: bool) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push(mark);
    while !text.is_empty() {
        let (c, len) = first_char(text);
        match c {
            None => escape(&mut out, format_args!("\\x{:02x}", text[0])),
            Some(c) if c == mark || c == '\\' => {
                out.push('\\');
                out.push(c);
            }
            Some(c) if is_printable(c) && (c.is_ascii() || !ascii_only) => out.push(c),
            Some(c) => match c {
                '\x07' => out.push_str("\\a"),
                '\x08' => out.push_str("\\b"),
                '\x0c' => out.push_str("\\f"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\x0b' => out.push_str("\\v"),
                c if c < ' ' || c == '\x7f' => escape(&mut out, format_args!("\\x{:02x}", u32::from(c))),
                c if u32::from(c) < 0x10000 => escape(&mut out, format_args!("\\u{:04x}", u32::from(c))),
                c => escape(&mut out, format_args!("\\U{:08x}", u32::from(c))),
            },
        }
        text = &text[len..];
    }
    out.push(mark);
    out
}

fn escape(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = out.write_fmt(text);
}
