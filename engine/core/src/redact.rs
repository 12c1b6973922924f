//! Hides the values that must not be written out: every text that leaves a run for a person or a file passes here.
//! A value is known in the forms in which it is passed on; it may assume nothing about where in a text one stands.

mod forms;

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use aho_corasick::AhoCorasick;
use serde_json::Value;

use crate::{Marker, secret};

/// Knows a run's secret values, and what is made of them by base64, URLs, JSON, hexadecimal digits and line breaks.
/// Values of fewer than four characters are not hidden: they would hide everything else.
#[derive(Default)]
pub struct Redactor {
    known: RwLock<Known>,
    /// A run without secrets pays for this alone.
    any: AtomicBool,
}

const SHORTEST: usize = 4;

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor").finish_non_exhaustive()
    }
}

impl Redactor {
    /// From now on `value` is shown as `‹name›`.
    pub fn hide(&self, name: &str, value: &str) {
        if value.len() < SHORTEST {
            return;
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.values.insert(value.to_owned()) {
            known.add(forms::of(name, value));
            self.any.store(true, Ordering::Release);
        }
    }

    /// Whether it knows nothing to hide.
    pub fn is_empty(&self) -> bool {
        !self.any.load(Ordering::Acquire)
    }

    /// Whether something in `text` was hidden.
    pub fn has_hidden(text: &str) -> bool {
        secret::hidden(text).next().is_some()
    }

    /// The text without hidden values. Markers stay whole: a journal needs them.
    pub fn apply<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.is_empty() || text.len() < SHORTEST {
            return Cow::Borrowed(text);
        }
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let mut spans = Vec::new();
        known.find(text.as_bytes(), |start, end, shown| spans.push(Span { start, end, shown }));
        if text.contains('\n') || text.contains("\\n") {
            let squeezed = Squeezed::of(text);
            known.find(&squeezed.text, |start, end, shown| {
                if end - start >= forms::SHORTEST {
                    spans.push(Span { start: squeezed.at[start], end: squeezed.at[end - 1] + 1, shown });
                }
            });
        }
        if spans.is_empty() { Cow::Borrowed(text) } else { Cow::Owned(replaced(text, spans)) }
    }

    /// The text as people see it: without hidden values, and with `‹env:NAME›` for a marker.
    pub fn show<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match self.apply(text) {
            Cow::Borrowed(text) => Marker::shortened(text),
            Cow::Owned(text) => Cow::Owned(Marker::shortened(&text).into_owned()),
        }
    }

    /// [`Redactor::apply`] for every string in a JSON value, keys included.
    pub fn apply_value(&self, value: &mut Value) {
        if !self.is_empty() {
            every_text(value, &|text| self.apply(text));
        }
    }

    /// [`Redactor::show`] for every string in a JSON value, keys included.
    pub fn show_value(&self, value: &mut Value) {
        every_text(value, &|text| self.show(text));
    }

    /// Whether a string in a JSON value would be hidden.
    pub fn finds(&self, text: &str) -> bool {
        matches!(self.apply(text), Cow::Owned(_))
    }
}

fn every_text(value: &mut Value, change: &impl Fn(&str) -> Cow<'_, str>) {
    match value {
        Value::String(text) => {
            if let Cow::Owned(changed) = change(text) {
                *text = changed;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| every_text(item, change)),
        Value::Object(map) => {
            if map.keys().any(|key| matches!(change(key), Cow::Owned(_))) {
                let entries = std::mem::take(map).into_iter();
                *map = entries.map(|(key, value)| (change(&key).into_owned(), value)).collect();
            }
            map.values_mut().for_each(|item| every_text(item, change));
        }
        _ => {}
    }
}

/// A part of a text to be hidden, in bytes.
struct Span<'k> {
    start: usize,
    end: usize,
    shown: &'k str,
}

/// What overlaps is one thing, shown as the longest of it.
fn replaced(text: &str, mut spans: Vec<Span<'_>>) -> String {
    spans.sort_by_key(|span| (span.start, Reverse(span.end), span.shown));
    let mut out = String::with_capacity(text.len());
    let mut written = 0;
    let mut spans = spans.into_iter().peekable();
    while let Some(mut span) = spans.next() {
        let mut longest = span.end - span.start;
        while let Some(next) = spans.next_if(|next| next.start < span.end) {
            if next.end - next.start > longest {
                longest = next.end - next.start;
                span.shown = next.shown;
            }
            span.end = span.end.max(next.end);
        }
        // A value that was cut may have been cut within a character.
        while !text.is_char_boundary(span.end) {
            span.end += 1;
        }
        out.push_str(&text[written..span.start]);
        out.push_str(span.shown);
        written = span.end;
    }
    out.push_str(&text[written..]);
    out
}

/// A text without blanks and line breaks, for what was wrapped or folded.
struct Squeezed {
    text: Vec<u8>,
    /// Where each byte stood.
    at: Vec<usize>,
}

impl Squeezed {
    fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let (mut text, mut at) = (Vec::with_capacity(bytes.len()), Vec::with_capacity(bytes.len()));
        let mut index = 0;
        while let Some(byte) = bytes.get(index) {
            let next = bytes.get(index + 1);
            match byte {
                // A break as JSON writes it, or one that a backslash takes away.
                b'\\' if next.is_some_and(|next| matches!(next, b'n' | b'r' | b't' | b'\n')) => index += 2,
                byte if byte.is_ascii_whitespace() => index += 1,
                byte => {
                    text.push(*byte);
                    at.push(index);
                    index += 1;
                }
            }
        }
        Squeezed { text, at }
    }
}

/// A value in one form, and how it is shown.
struct Form {
    text: Box<[u8]>,
    shown: Arc<str>,
}

/// What is searched for. Values come one by one: equal shares are put together, so that adding the next one does not mean
/// building everything anew, and searching asks few shares.
#[derive(Default)]
struct Known {
    values: BTreeSet<String>,
    shares: Vec<Share>,
}

struct Share {
    forms: Vec<Form>,
    /// For each pattern of the automaton, the forms that begin so.
    begins: Vec<Vec<usize>>,
    automaton: Option<AhoCorasick>,
}

/// A form is looked for by its beginning, of at most so many bytes; where that stands, it is hidden as far as it goes on: a
/// value that was cut off is hidden, too.
const BEGINNING: usize = 64;

impl Known {
    fn add(&mut self, forms: Vec<Form>) {
        let mut forms = forms;
        while let Some(last) = self.shares.pop_if(|last| last.forms.len() <= 2 * forms.len()) {
            forms.extend(last.forms);
        }
        self.shares.push(Share::of(forms));
    }

    fn find<'k>(&'k self, text: &[u8], mut found: impl FnMut(usize, usize, &'k str)) {
        for share in &self.shares {
            let Some(automaton) = &share.automaton else { continue };
            for begun in automaton.find_overlapping_iter(text) {
                let at = &text[begun.start()..];
                for form in &share.begins[begun.pattern().as_usize()] {
                    let form = &share.forms[*form];
                    let length = at.iter().zip(&form.text).take_while(|(one, other)| one == other).count();
                    found(begun.start(), begun.start() + length, &form.shown);
                }
            }
        }
    }
}

impl Share {
    fn of(forms: Vec<Form>) -> Self {
        let mut beginnings: Vec<&[u8]> = Vec::new();
        let mut begins: Vec<Vec<usize>> = Vec::new();
        let mut order: Vec<usize> = (0..forms.len()).collect();
        let beginning = |index: usize| {
            let text: &[u8] = &forms[index].text;
            &text[..text.len().min(BEGINNING)]
        };
        order.sort_by_key(|index| beginning(*index));
        for index in order {
            match (beginnings.last(), begins.last_mut()) {
                (Some(last), Some(group)) if *last == beginning(index) => group.push(index),
                _ => {
                    beginnings.push(beginning(index));
                    begins.push(vec![index]);
                }
            }
        }
        // It can only be too large for an index of 31 bits, which no memory holds.
        let automaton = AhoCorasick::new(&beginnings).ok();
        Share { forms, begins, automaton }
    }
}
