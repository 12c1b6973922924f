//! Regular expressions: RE2's syntax and Go's results, on Rust's engine.

use std::sync::{Arc, Mutex, PoisonError};

use gotemplate::limits::{MAX_ITEMS, check_items, check_text};
use gotemplate::{FnError, Function, Functions, List, Str, Type, Value};
use regex::{Captures, Regex};

use super::args::{Result, int, utf8};
use super::re2;

pub(super) fn add(functions: &mut Functions) {
    use Type::{Int, String as Text};
    let cache = Arc::new(Cache::default());
    let mut set = |names: [&'static str; 2], params: &[Type], body: fn(&Regex, &[Value]) -> Result| {
        for name in names {
            let cache = cache.clone();
            functions.set(
                name,
                Function::new(params, move |_, a| {
                    // `regexMatch` is the one that hides a bad expression; the others without `must` panic with other words.
                    match cache.get(&utf8(a, 0)) {
                        Ok(regex) => body(&regex, a),
                        Err(_) if name == "regexMatch" => Ok(false.into()),
                        Err(e) if name.starts_with("must") => Err(FnError::new(e)),
                        Err(e) => {
                            let pattern = quoted(&utf8(a, 0));
                            Err(FnError::new(format!("regexp: Compile({pattern}): {e}")))
                        }
                    }
                }),
            );
        }
    };
    set(["regexMatch", "mustRegexMatch"], &[Text, Text], |regex, a| Ok(regex.is_match(&utf8(a, 1)).into()));
    set(["regexFind", "mustRegexFind"], &[Text, Text], |regex, a| {
        Ok(regex.find(&utf8(a, 1)).map_or("", |found| found.as_str()).into())
    });
    set(["regexFindAll", "mustRegexFindAll"], &[Text, Text, Int], |regex, a| {
        let subject = utf8(a, 1);
        let found: Vec<Str> = regex
            .find_iter(&subject)
            .take(most(int(a, 2)))
            .map(|m| m.as_str().into())
            .take(MAX_ITEMS + 1)
            .collect();
        check_items(found.len())?;
        Ok(if found.is_empty() { List::nil(Type::String).into() } else { Value::strings(found) })
    });
    set(["regexReplaceAll", "mustRegexReplaceAll"], &[Text, Text, Text], |regex, a| {
        let template = utf8(a, 2);
        replace_all(regex, &utf8(a, 1), |found, out| found.expand(&template, out))
    });
    set(["regexReplaceAllLiteral", "mustRegexReplaceAllLiteral"], &[Text, Text, Text], |regex, a| {
        let literal = utf8(a, 2);
        replace_all(regex, &utf8(a, 1), |_, out| out.push_str(&literal))
    });
    set(["regexSplit", "mustRegexSplit"], &[Text, Text, Int], |regex, a| {
        let parts = split(regex, &utf8(a, 1), int(a, 2))?;
        check_items(parts.as_ref().map_or(0, Vec::len))?;
        Ok(parts.map_or_else(|| List::nil(Type::String).into(), Value::strings))
    });
    functions.set("regexQuoteMeta", Function::new(&[Text], |_, a| Ok(quote_meta(&utf8(a, 0)).into())));
}

/// In back quotes where Go can write it so.
fn quoted(pattern: &str) -> String {
    let is_plain = |c: char| c == '\t' || !(c.is_ascii_control() || matches!(c, '`' | '\u{FEFF}'));
    if pattern.chars().all(is_plain) {
        format!("`{pattern}`")
    } else {
        gotemplate::format::quote(pattern.as_bytes())
    }
}

/// Charts use the same few expressions over and over.
#[derive(Default)]
struct Cache(Mutex<std::collections::BTreeMap<String, Regex>>);

impl Cache {
    const ENTRIES: usize = 256;

    fn get(&self, pattern: &str) -> std::result::Result<Regex, String> {
        let mut compiled = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(regex) = compiled.get(pattern) {
            return Ok(regex.clone());
        }
        let regex = re2::compile(pattern)?;
        if compiled.len() >= Self::ENTRIES {
            compiled.clear();
        }
        compiled.insert(pattern.to_owned(), regex.clone());
        Ok(regex)
    }
}

/// Go's limit of matches: negative means all.
fn most(n: i64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

/// Go's `Regexp.Split`.
fn split(regex: &Regex, subject: &str, n: i64) -> Result<Option<Vec<Str>>> {
    if n == 0 {
        return Ok(None);
    }
    if !regex.as_str().is_empty() && subject.is_empty() {
        return Ok(Some(vec!["".into()]));
    }
    let mut parts: Vec<Str> = Vec::new();
    let (mut begin, mut end) = (0, 0);
    for found in regex.find_iter(subject).take(most(n)) {
        if parts.len() + 1 == most(n) {
            break;
        }
        end = found.start();
        check_items(parts.len())?;
        if found.end() != 0 {
            parts.push(subject[begin..end].into());
        }
        begin = found.end();
    }
    if end != subject.len() {
        parts.push(subject[begin..].into());
    }
    Ok(Some(parts))
}

/// What Rust's engine replaces with, cut off where it grows too long.
fn replace_all(regex: &Regex, subject: &str, write: impl Fn(&Captures<'_>, &mut String)) -> Result {
    let mut out = String::with_capacity(subject.len());
    let mut from = 0;
    for found in regex.captures_iter(subject) {
        let Some(whole) = found.get(0) else { continue };
        out.push_str(&subject[from..whole.start()]);
        write(&found, &mut out);
        from = whole.end();
        check_text(out.len())?;
    }
    out.push_str(&subject[from..]);
    Ok(out.into())
}

fn quote_meta(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    for c in text.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted
}
