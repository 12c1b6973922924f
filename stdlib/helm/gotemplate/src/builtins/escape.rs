//! `html`, `js` and `urlquery`: the text of the arguments, escaped.

use std::fmt::Write;

use crate::format;
use crate::quote::{first_char, is_printable};
use crate::value::Value;

pub(super) fn html(args: &[Value]) -> Vec<u8> {
    let mut out = Vec::new();
    for byte in text(args) {
        match byte {
            0 => out.extend_from_slice("\u{fffd}".as_bytes()),
            b'"' => out.extend_from_slice(b"&#34;"),
            b'\'' => out.extend_from_slice(b"&#39;"),
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            other => out.push(other),
        }
    }
    out
}

pub(super) fn js(args: &[Value]) -> String {
    let text = text(args);
    let mut rest = &text[..];
    let mut out = String::new();
    while !rest.is_empty() {
        let (c, len) = first_char(rest);
        rest = &rest[len..];
        match c.unwrap_or('\u{fffd}') {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '"' => out.push_str("\\\""),
            c if matches!(c, '<' | '>' | '&' | '=') || !(c >= ' ' && (c == '\x7f' || is_printable(c))) => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

pub(super) fn url_query(args: &[Value]) -> String {
    let mut out = String::new();
    for byte in text(args) {
        match byte {
            b' ' => out.push('+'),
            b'-' | b'_' | b'.' | b'~' => out.push(byte.into()),
            _ if byte.is_ascii_alphanumeric() => out.push(byte.into()),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

fn text(args: &[Value]) -> Vec<u8> {
    let shown: Vec<Value> = args
        .iter()
        .map(|arg| match arg {
            Value::Nil | Value::NoValue => Value::str("<no value>"),
            other => other.clone(),
        })
        .collect();
    format::sprint(&shown)
}
