//! The forms in which a secret value is passed on, and so can come to light: as it is, encoded, escaped, as part of a URL.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use super::Form;

/// A form that is shorter would hide other words, except the value itself.
pub(super) const SHORTEST: usize = 8;
/// Of a larger value, less likely forms are left out: each takes as much memory.
const LARGE: usize = 16 << 10;
/// What is shorter is no password of a web hook, but a path that others have, too.
const SHORTEST_PATH: usize = 20;
/// What is shorter may be a line of anything.
const SHORTEST_LINE: usize = 16;

pub(super) fn of(name: &str, value: &str) -> Vec<Form> {
    let mut texts = BTreeSet::new();
    encoded(value, &mut texts);
    let trimmed = value.trim();
    if trimmed.len() >= super::SHORTEST && trimmed != value {
        encoded(trimmed, &mut texts);
    }
    for part in parts_of_url(trimmed) {
        encoded(part, &mut texts);
    }
    if trimmed.contains('\n') {
        let lines = trimmed.lines().map(str::trim);
        texts.extend(
            lines.filter(|line| line.len() >= SHORTEST_LINE && !line.starts_with("-----")).map(str::to_owned),
        );
    }
    // Folded lines are compared without blanks.
    let squeezed: Vec<String> = texts.iter().filter_map(|text| squeezed(text)).collect();
    texts.extend(squeezed);
    let shown: Arc<str> = format!("‹{name}›").into();
    texts.into_iter().map(|text| Form { text: text.into_bytes().into(), shown: shown.clone() }).collect()
}

/// The text in all forms of its own.
fn encoded(text: &str, into: &mut BTreeSet<String>) {
    into.insert(text.to_owned());
    let bytes = text.as_bytes();
    let mut forms = vec![json(text)];
    forms.extend(base64_forms(bytes, &STANDARD_NO_PAD));
    if bytes.len() <= LARGE {
        let once = json(text);
        forms.extend([json(&once), go_json(&once), format!("{text:?}").trim_matches('"').to_owned()]);
        forms.extend([html(text), text.replace('\'', "''"), text.replace('\'', "'\\''")]);
        forms.extend(base64_forms(bytes, &URL_SAFE_NO_PAD));
        for kept in ["*-._", "-._~", "-._~/", "-._~/:@!$&'()*+,;="] {
            forms.extend(percent(bytes, kept));
        }
        let hex = bytes.iter().fold(String::new(), |mut hex, byte| {
            // Writing to a string cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        forms.extend([hex.to_uppercase(), hex]);
    }
    into.extend(forms.into_iter().filter(|form| form.len() >= SHORTEST));
}

fn json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// Go's JSON escapes what HTML would take for its own.
fn go_json(json: &str) -> String {
    json.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e")
}

fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// What base64 makes of the bytes alone, and of that part of longer bytes which they alone decide, for the three places in a
/// group of three at which they can begin.
fn base64_forms(bytes: &[u8], engine: &impl Engine) -> Vec<String> {
    let alone = engine.encode(bytes);
    let padded = format!("{alone}{}", "=".repeat((4 - alone.len() % 4) % 4));
    let mut forms = vec![alone, padded];
    for before in 0..3 {
        let longer: Vec<u8> = std::iter::repeat_n(0, before).chain(bytes.iter().copied()).collect();
        let text = engine.encode(&longer);
        // Six bits a character: the first ones hold bits of what is before, the last one of what is behind.
        let first = [0, 2, 3][before];
        let last = text.len() - usize::from(!longer.len().is_multiple_of(3));
        forms.extend(text.get(first..last).map(str::to_owned));
    }
    forms
}

/// Percent-encoded, with digits in capitals and not, and a blank also as `+`.
fn percent(bytes: &[u8], kept: &str) -> Vec<String> {
    let (mut upper, mut lower) = (String::new(), String::new());
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || kept.as_bytes().contains(byte) {
            upper.push(char::from(*byte));
            lower.push(char::from(*byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(upper, "%{byte:02X}");
            let _ = write!(lower, "%{byte:02x}");
        }
    }
    let plus = upper.replace("%20", "+");
    vec![upper, lower, plus]
}

/// Of an address: its password, its path with what follows, and the path alone, which is the password of a web hook.
fn parts_of_url(value: &str) -> Vec<&str> {
    let Some((_, rest)) = value.split_once("://").filter(|_| !value.contains(char::is_whitespace)) else {
        return Vec::new();
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let mut parts = Vec::new();
    if let Some((user, _)) = authority.rsplit_once('@') {
        parts.extend(user.split_once(':').map(|(_, password)| password));
    }
    let path = path.trim_start_matches('/');
    let alone = path.split(['?', '#']).next().unwrap_or_default();
    parts.extend([path, alone].into_iter().filter(|path| path.len() >= SHORTEST_PATH));
    parts.retain(|part| part.len() >= super::SHORTEST);
    parts
}

fn squeezed(text: &str) -> Option<String> {
    // Only whole characters were taken out.
    let squeezed = String::from_utf8(super::Squeezed::of(text).text).ok()?;
    (squeezed.len() != text.len() && squeezed.len() >= SHORTEST).then_some(squeezed)
}
