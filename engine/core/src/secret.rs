//! Secrets as playbooks hold them: references, which stand in texts as markers that nobody can guess, and the values that
//! take their places where a primitive's arguments are decoded. It reads no secret itself.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::sync::{PoisonError, RwLock};

use serde_json::Value;
use zeroize::Zeroizing;

use crate::{BoxFuture, Cx, Error, Field, Result, TakesSecrets};

/// A way to name secrets, offered by a system: `k8s` of `k8s:NAMESPACE/NAME#KEY`.
#[derive(Debug, Clone, Copy)]
pub struct SecretScheme {
    pub scheme: &'static str,
    /// How a reference is written, in full: `k8s:NAMESPACE/NAME#KEY`.
    pub form: &'static str,
    /// Whether the part behind the colon is written so.
    pub is_whole: fn(&str) -> bool,
    /// Reads what the part behind the colon names. Whether that is granted has been asked.
    pub read: fn(Cx, String) -> BoxFuture<'static, Result<String>>,
}

/// A secret's value; wiped from memory with its last owner.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(Zeroizing<String>);

impl From<String> for SecretText {
    fn from(value: String) -> Self {
        SecretText(Zeroizing::new(value))
    }
}

impl Deref for SecretText {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(…)")
    }
}

const BEGIN: &str = "‹secret:";
const END: char = '›';

/// What stands for a secret in a playbook's texts: `‹secret:env:SLACK_URL:8f3a…›`. It has no blanks, quotes or backslashes, so
/// it comes through JSON, YAML and templates whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker {
    /// `env:SLACK_URL`
    pub reference: String,
    /// Sixteen hexadecimal digits that are this run's alone.
    pub tag: String,
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{BEGIN}{}:{}{END}", encoded(&self.reference), self.tag)
    }
}

/// The reference in letters that no text form takes for its own.
fn encoded(reference: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_./:#@-=?~".contains(byte);
    let mut text = String::with_capacity(reference.len());
    for byte in reference.as_bytes() {
        match plain(byte) {
            true => text.push(char::from(*byte)),
            false => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(|_| *byte == b'%') {
            Some(encoded) => {
                bytes.push(encoded);
                rest = &after[2..];
            }
            None => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The first text between a marker's ends: before it, what stands in it, and behind it.
fn next_marker(text: &str) -> Option<(&str, Marker, &str)> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (inside, behind) = rest.split_once(END)?;
    let (reference, tag) = inside.rsplit_once(':')?;
    Some((before, Marker { reference: decoded(reference), tag: tag.to_owned() }, behind))
}

impl Marker {
    /// The text as people see it: `‹env:SLACK_URL›` for each marker.
    pub fn shortened(text: &str) -> Cow<'_, str> {
        if !text.contains(BEGIN) {
            return Cow::Borrowed(text);
        }
        let (mut out, mut rest) = (String::new(), text);
        while let Some((before, marker, behind)) = next_marker(rest) {
            out.push_str(before);
            out.push_str(&format!("‹{}{END}", marker.reference));
            rest = behind;
        }
        Cow::Owned(out + rest)
    }

    /// Whether the end of this marker, or what is around the border of reference and tag, is in the text.
    fn is_cut_in(&self, text: &str) -> bool {
        let inside = encoded(&self.reference);
        let begun = self.tag.get(..1).is_some_and(|first| text.contains(&format!("{inside}:{first}")));
        // An end without its beginning, behind the last digits of the tag.
        let mut open = 0_i32;
        let ended = text.char_indices().any(|(at, character)| {
            match character {
                '‹' => open += 1,
                END => open -= 1,
                _ => {}
            }
            if character != END || open >= 0 {
                return false;
            }
            let digits =
                text[..at].bytes().rev().take(self.tag.len()).take_while(u8::is_ascii_hexdigit).count();
            digits > 0 && self.tag.ends_with(&text[at - digits..at])
        });
        begun || ended
    }
}

/// What stands in a text for values that were hidden, without its ends: `env:SLACK_URL`, `webhook`.
pub(crate) fn hidden(text: &str) -> impl Iterator<Item = &str> {
    let bracketed = text.split('‹').skip(1).filter_map(|rest| rest.split_once(END));
    bracketed.map(|(inside, _)| inside).filter(|inside| !inside.starts_with("secret:"))
}

/// Whether it names a secret, as far as one can tell without knowing all schemes; other words may stand between such marks, too.
fn is_reference(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let is_name = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    !scheme.is_empty() && is_name(scheme) && !rest.is_empty() && !rest.starts_with(char::is_whitespace)
}

/// The markers of a run.
#[derive(Debug, Default)]
pub struct Markers(RwLock<Vec<Marker>>);

impl Markers {
    pub fn add(&self, marker: Marker) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if !known.contains(&marker) {
            known.push(marker);
        }
    }

    /// The secret in a text, if there is one.
    fn secret_in(&self, text: &str) -> Result<Option<Marker>> {
        Ok(self.parts(text)?.into_iter().find_map(|part| match part {
            Part::Secret(marker) => Some(marker),
            Part::Text(_) => None,
        }))
    }

    /// Takes a text apart: what stands between the markers, and the markers.
    ///
    /// # Errors
    /// `Invalid` for what remains of a marker that was taken apart, for one that is not this run's, and for what stands for a
    /// hidden value.
    fn parts<'t>(&self, text: &'t str) -> Result<Vec<Part<'t>>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if known.is_empty() && !text.contains('‹') {
            return Ok(vec![Part::Text(text)]);
        }
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some((before, marker, behind)) = next_marker(rest) {
            if !known.contains(&marker) {
                return Err(Error::invalid(format!(
                    "what looks like the secret `{}` is none of this run",
                    marker.reference
                ))
                .hint("a secret is named by `secret(\"…\")`; a text from elsewhere cannot name one"));
            }
            parts.extend([Part::Text(before), Part::Secret(marker)]);
            rest = behind;
        }
        parts.push(Part::Text(rest));
        let is_cut = |part: &Part<'_>| match part {
            Part::Text(text) => text.contains(BEGIN) || known.iter().any(|marker| marker.is_cut_in(text)),
            Part::Secret(_) => false,
        };
        if parts.iter().any(is_cut) {
            return Err(Error::invalid("this holds a part of a secret's marker")
                .hint("a secret can be put together with other text, but not be taken apart: a playbook holds no more than its name"));
        }
        let hidden = parts.iter().find_map(|part| match part {
            Part::Text(text) => hidden(text).find(|inside| is_reference(inside)),
            Part::Secret(_) => None,
        });
        match hidden {
            None => Ok(parts),
            Some(found) => Err(Error::invalid(format!("`‹{found}›` stands for a value that was hidden"))
                .hint("name the secret itself with `secret(\"…\")`")),
        }
    }
}

enum Part<'t> {
    Text(&'t str),
    Secret(Marker),
}

/// A secret that stands in a JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The JSON pointer of the text.
    pub pointer: String,
    /// `env:SLACK_URL`
    pub reference: String,
}

/// The secrets in a JSON value.
///
/// # Errors
/// `Invalid`, with the place, for what only looks like a secret, and for one in a key.
pub(crate) fn found(markers: &Markers, value: &Value) -> Result<Vec<Found>> {
    let mut all = Vec::new();
    each_text(value, &mut String::new(), &mut |pointer, text, is_key| {
        let named = |error: Error| match pointer {
            "" => error,
            pointer => error.context(format!("at `{}`", dotted(pointer))),
        };
        let Some(marker) = markers.secret_in(text).map_err(named)? else { return Ok(()) };
        if is_key {
            return Err(named(Error::invalid(format!("the secret `{}` cannot be a key", marker.reference))));
        }
        all.push(Found { pointer: pointer.to_owned(), reference: marker.reference });
        Ok(())
    })?;
    Ok(all)
}

/// Puts the values of secrets into the arguments that take them.
///
/// # Errors
/// `Invalid`, naming argument and secret, where one stands that may not; those of reading a secret.
pub(crate) async fn resolve(path: &str, fields: &[Field], arguments: &mut Value, cx: &Cx) -> Result<()> {
    let Value::Object(map) = arguments else { return Ok(()) };
    for (name, value) in map {
        let field = fields.iter().find(|field| field.name == name);
        let what = if field.is_some_and(|field| field.positional) { "argument" } else { "option" };
        let secrets = found(cx.markers(), value)
            .map_err(|error| error.context(format!("`{path}`: {what} `{name}` cannot be read")))?;
        let Some(first) = secrets.first() else { continue };
        match field.map_or(TakesSecrets::No, |field| field.secrets) {
            TakesSecrets::Value => reveal(value, secrets, cx).await?,
            TakesSecrets::Marker => {}
            TakesSecrets::No => {
                let place = dotted(&format!("{name}{}", first.pointer));
                return Err(Error::invalid(format!(
                    "`{path}`: {what} `{place}` cannot hold the secret `{}`",
                    first.reference
                ))
                .hint(takers(path, fields)));
            }
        }
    }
    Ok(())
}

/// Puts the values of the `secrets` that were found in `value` there.
pub(crate) async fn reveal(value: &mut Value, secrets: Vec<Found>, cx: &Cx) -> Result<()> {
    for Found { pointer, .. } in secrets {
        let Some(Value::String(text)) = value.pointer_mut(&pointer) else { continue };
        let mut whole = Zeroizing::new(String::new());
        for part in cx.markers().parts(text)? {
            match part {
                Part::Text(text) => whole.push_str(text),
                Part::Secret(marker) => whole.push_str(&cx.secret(marker).await?),
            }
        }
        whole.as_str().clone_into(text);
    }
    Ok(())
}

fn takers(path: &str, fields: &[Field]) -> String {
    let takers = fields.iter().filter(|field| field.secrets != TakesSecrets::No);
    let names: Vec<_> = takers.map(|field| format!("`{}`", field.name)).collect();
    match names.is_empty() {
        true => format!("`{path}` takes no secrets"),
        false => format!("of `{path}`, secrets may stand in {}", names.join(", ")),
    }
}

/// Calls `visit` for every text in a JSON value with its pointer, and whether it is a key.
fn each_text(
    value: &Value,
    pointer: &mut String,
    visit: &mut impl FnMut(&str, &str, bool) -> Result<()>,
) -> Result<()> {
    match value {
        Value::String(text) => visit(pointer, text, false),
        Value::Array(items) => items.iter().enumerate().try_for_each(|(index, item)| {
            let length = pointer.len();
            pointer.push_str(&format!("/{index}"));
            each_text(item, pointer, visit)?;
            pointer.truncate(length);
            Ok(())
        }),
        Value::Object(map) => map.iter().try_for_each(|(key, item)| {
            visit(pointer, key, true)?;
            let length = pointer.len();
            pointer.push('/');
            pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
            each_text(item, pointer, visit)?;
            pointer.truncate(length);
            Ok(())
        }),
        _ => Ok(()),
    }
}

/// A JSON pointer as people write places.
fn dotted(pointer: &str) -> String {
    pointer.trim_start_matches('/').replace('/', ".").replace("~1", "/").replace("~0", "~")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marker(reference: &str) -> Marker {
        Marker { reference: reference.to_owned(), tag: "8f3a0c1b2d4e5f60".to_owned() }
    }

    #[test]
    fn a_marker_comes_through_json_yaml_and_templates_whole() {
        for reference in
            ["env:SLACK_URL", "command:pass show prod/db", "file:a & b%20\"'\\.txt", "k8s:a/b#c", "file:ü"]
        {
            let marker = marker(reference);
            let text = marker.to_string();
            assert!(
                !text.contains(|letter: char| letter.is_whitespace() || "\"'\\&<>,{}[]|*!`".contains(letter))
            );
            assert_eq!(serde_json::to_string(&text).expect("a text is JSON"), format!("\"{text}\""));
            let yaml: Value = crate::yaml::from_str("a text", &format!("{{ a: {text}, b: [{text}] }}"))
                .expect("it is YAML");
            assert_eq!(yaml["a"], text.as_str());
            assert_eq!(next_marker(&format!("a{text}b")), Some(("a", marker, "b")));
        }
    }

    #[test]
    fn no_part_of_a_marker_is_a_secret_and_its_ends_are_noticed() {
        let (markers, marker) = (Markers::default(), marker("env:SLACK_URL"));
        markers.add(marker.clone());
        let text = marker.to_string();
        let bounds: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        for (number, from) in bounds.iter().enumerate() {
            for to in &bounds[number + 1..] {
                let part = &text[*from..*to];
                let has_end = part.starts_with(BEGIN) || (part.ends_with(END) && part.chars().count() > 1);
                match markers.secret_in(&format!("before {part} behind")) {
                    Ok(Some(found)) => assert_eq!((part, &found), (text.as_str(), &marker)),
                    Ok(None) => assert!(!has_end, "{part} goes unnoticed"),
                    Err(_) => assert_ne!(part, text),
                }
            }
        }
    }

    #[test]
    fn a_marker_of_another_run_is_none() {
        let markers = Markers::default();
        markers.add(marker("env:A"));
        let other = Marker { tag: "0000000000000000".to_owned(), ..marker("env:A") };
        for text in [other.to_string(), marker("env:B").to_string()] {
            assert!(markers.secret_in(&text).is_err(), "{text}");
        }
        for text in ["‹Zitat›", "a › b", "‹a: b›", "env:A", "8f3a0c1b2d4e5f60"] {
            assert_eq!(markers.secret_in(text).expect(text), None);
        }
        assert!(markers.secret_in("‹env:A›").is_err(), "it stands for what was hidden");
    }
}
