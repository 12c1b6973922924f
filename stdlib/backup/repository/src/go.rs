//! Texts as Go writes them: what restic names by the hash of its JSON has to be the same JSON, byte for byte.

use std::fmt::Write as _;
use std::io;

use serde::Serialize;

/// JSON as `encoding/json` has it: `<`, `>`, `&` and two line separators are escaped.
pub(crate) fn to_json(value: &impl Serialize) -> Vec<u8> {
    let mut json = Vec::new();
    value
        .serialize(&mut serde_json::Serializer::with_formatter(&mut json, Escaping))
        .expect("nothing in it has no JSON form, and memory takes all");
    json
}

struct Escaping;

impl serde_json::ser::Formatter for Escaping {
    fn write_string_fragment<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(['<', '>', '&', '\u{2028}', '\u{2029}']) {
            let (before, from) = rest.split_at(at);
            let special = from.chars().next().expect("one was found there");
            write!(writer, "{before}\\u{:04x}", u32::from(special))?;
            rest = &from[special.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }
}

/// The inside of what `strconv.Quote` gives.
pub(crate) fn quoted(name: &[u8]) -> String {
    let mut text = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for character in chunk.valid().chars() {
            quote(&mut text, character);
        }
        for byte in chunk.invalid() {
            // Writing to a text does not fail; so everywhere below.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

fn quote(text: &mut String, character: char) {
    match character {
        '"' | '\\' => text.extend(['\\', character]),
        ' '..='~' => text.push(character),
        '\x07' => text.push_str("\\a"),
        '\x08' => text.push_str("\\b"),
        '\x0c' => text.push_str("\\f"),
        '\n' => text.push_str("\\n"),
        '\r' => text.push_str("\\r"),
        '\t' => text.push_str("\\t"),
        '\x0b' => text.push_str("\\v"),
        '\0'..='\x7f' => drop(write!(text, "\\x{:02x}", u32::from(character))),
        _ if is_printable(character) => text.push(character),
        ..='\u{ffff}' => drop(write!(text, "\\u{:04x}", u32::from(character))),
        _ => drop(write!(text, "\\U{:08x}", u32::from(character))),
    }
}

/// Letters, marks, numbers, punctuation and symbols. Rust tells so by what it escapes, but marks only behind something.
fn is_printable(character: char) -> bool {
    let behind: String = ['a', character].iter().collect();
    behind.escape_debug().eq(['a', character])
}

/// What `strconv.Unquote` gives for the text between two quotes; `None` if it is not of that form.
pub(crate) fn unquoted(text: &str) -> Option<Vec<u8>> {
    if !text.contains('\\') {
        return (!text.contains(['"', '\n'])).then(|| text.as_bytes().to_vec());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        rest = &rest[character.len_utf8()..];
        match character {
            '"' | '\n' => return None,
            '\\' => rest = unescape(rest, &mut bytes)?,
            _ => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Some(bytes)
}

/// Takes what stands behind a backslash; gives the rest.
fn unescape<'a>(text: &'a str, bytes: &mut Vec<u8>) -> Option<&'a str> {
    let kind = text.chars().next().filter(char::is_ascii)?;
    let after = &text[1..];
    let byte = match kind {
        'a' => 0x07,
        'b' => 0x08,
        'f' => 0x0c,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 0x0b,
        '\\' | '"' => kind as u8,
        'x' => {
            bytes.push(u8::from_str_radix(after.get(..2)?, 16).ok()?);
            return after.get(2..);
        }
        '0'..='7' => {
            bytes.push(u8::from_str_radix(text.get(..3)?, 8).ok()?);
            return text.get(3..);
        }
        'u' | 'U' => {
            let digits = if kind == 'u' { 4 } else { 8 };
            let character = char::from_u32(u32::from_str_radix(after.get(..digits)?, 16).ok()?)?;
            bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            return after.get(digits..);
        }
        _ => return None,
    };
    bytes.push(byte);
    Some(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_as_go_quotes_them_and_come_back() {
        // What Go's strconv.Quote gives for these, without the quotes.
        let names: [(&[u8], &str); 7] = [
            (b"plain name.txt", "plain name.txt"),
            (br#"a"b\c"#, r#"a\"b\\c"#),
            (b"\x07\x08\t\n\x0b\x0c\r\x01\x7f", r"\a\b\t\n\v\f\r\x01\x7f"),
            ("größe ☺ 日本".as_bytes(), "größe ☺ 日本"),
            (b"\xff\xc3(", r"\xff\xc3("),
            ("\u{a0}\u{200b}\u{feff}\u{e000}".as_bytes(), r"\u00a0\u200b\ufeff\ue000"),
            ("e\u{301}\u{10ffff}".as_bytes(), "e\u{301}\\U0010ffff"),
        ];
        for (name, text) in names {
            assert_eq!(quoted(name), text);
            assert_eq!(unquoted(text).as_deref(), Some(name));
        }
        for invalid in ["\\", "\\q", "\\x1", "\\u12", "\\400", "\"", "\\ud800"] {
            assert_eq!(unquoted(invalid), None, "{invalid}");
        }
    }

    #[test]
    fn json_is_escaped_as_go_escapes_it() {
        let json = to_json(&"<a href=\"x\">&\u{2028}é</a>");
        assert_eq!(
            String::from_utf8_lossy(&json),
            "\"\\u003ca href=\\\"x\\\"\\u003e\\u0026\\u2028é\\u003c/a\\u003e\""
        );
    }
}
