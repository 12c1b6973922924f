//! A failure of a script: the host's error with its facts, and the places of the playbook that led there.
//! As a script's `catch` sees it, it is a map; thrown again, it is the same failure.

use opsrun_core::{Error, ErrorKind, Value};
use rhai::{Dynamic, EvalAltResult, Map, NativeCallContext, Position};
use serde::{Deserialize, Serialize};

use crate::check::{calls_of_itself, endless_loops};
use crate::diagnostic::{Place, excerpt};
use crate::explain::explain;
use crate::host::Host;
use crate::value::{from_json, printed, to_json};

/// What a playbook's evaluation ended with.
#[derive(Debug, Clone)]
pub struct Failure {
    pub error: Error,
    /// Where it happened, and from where that was called: innermost first.
    pub trace: Vec<Frame>,
}

/// A place in a playbook that was being evaluated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    pub file: String,
    pub line: usize,
    pub column: usize,
    /// What was called there: ``step `migrate` ``, ``function `deploy` ``. Empty where it happened.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub called: String,
}

impl Failure {
    /// The report for a person: the error, the line with a caret, the way there, causes and hints.
    /// `source` gives the text of a file of the playbook.
    pub fn report<'s>(&self, source: impl Fn(&str) -> Option<&'s str>) -> String {
        let report = self.error.report();
        let (message, rest) = match report.find("\n    ").into_iter().chain(report.find("\n  ")).min() {
            Some(end) => report.split_at(end),
            None => (report.as_str(), ""),
        };
        let mut text = format!("error: {message}\n");
        let mut frames = self.trace.iter();
        if let Some(frame) = frames.next() {
            text.push_str(&excerpt(&frame.place(), source(&frame.file).unwrap_or_default()));
            if !frame.called.is_empty() {
                text.push_str(&format!("  in {}\n", frame.called));
            }
        }
        text.push_str(&way(frames.filter(|frame| !frame.called.is_empty())));
        text.push_str(rest.trim_start_matches('\n'));
        if !text.ends_with('\n') {
            text.push('\n');
        }
        text
    }

    /// Where it happened.
    pub fn place(&self) -> Option<Place> {
        self.trace.first().map(Frame::place)
    }

    pub(crate) fn new(error: Error) -> Self {
        Failure { error, trace: Vec::new() }
    }

    /// Reads an error of the evaluation of `file`.
    pub(crate) fn read(error: &EvalAltResult, file: &str, host: &Host) -> Self {
        let mut frames = Vec::new();
        let mut file = file.to_owned();
        let mut inner = error;
        while let EvalAltResult::ErrorInFunctionCall(name, source, cause, at) = inner {
            let closure = name.starts_with("anon$");
            let called = if closure { String::new() } else { format!("function `{name}`") };
            frames.push(Frame::at(&file, *at, called));
            if !source.is_empty() {
                source.clone_into(&mut file);
            }
            inner = cause;
        }
        let mut failure: Failure = match inner {
            EvalAltResult::ErrorRuntime(thrown, _) | EvalAltResult::ErrorTerminated(thrown, _) => {
                thrown_as(thrown)
            }
            other => Failure::new(explain(other, host).unwrap_or_else(|| plain(other))),
        };
        // What the interpreter broke off itself has the place of the outermost call.
        let lost = match inner {
            EvalAltResult::ErrorTerminated(..) if failure.error.kind() == ErrorKind::Script => {
                host.only_place(endless_loops)
            }
            EvalAltResult::ErrorStackOverflow(_) => host.only_place(calls_of_itself),
            _ => None,
        };
        failure.trace.extend(lost.filter(|_| failure.trace.is_empty()));
        // A host function has already said where it was called.
        if failure.trace.is_empty() && !inner.position().is_none() {
            failure.trace.push(Frame::at(&file, inner.position(), String::new()));
        }
        frames.retain(|frame| !frame.called.is_empty() || failure.trace.is_empty());
        failure.trace.extend(frames.into_iter().rev());
        failure
    }

    /// The failure as the interpreter carries it. An interruption cannot be caught by a script; what uses up too much can, but
    /// fails again wherever the script goes on.
    pub(crate) fn raise(self) -> Box<EvalAltResult> {
        let position = Position::NONE;
        let fatal = self.error.kind() == ErrorKind::Interrupted;
        let thrown = Dynamic::from_map(self.into_map());
        Box::new(match fatal {
            true => EvalAltResult::ErrorTerminated(thrown, position),
            false => EvalAltResult::ErrorRuntime(thrown, position),
        })
    }

    pub(crate) fn into_map(self) -> Map {
        let mut map: Map = match self.error.to_value() {
            Value::Object(fields) => {
                fields.iter().map(|(key, value)| (key.as_str().into(), from_json(value))).collect()
            }
            _ => Map::new(),
        };
        // So that `e.hint` is no error where there is none.
        map.entry("details".into()).or_insert_with(|| Dynamic::from_array(Vec::new()));
        for key in ["hint", "data", "cause"] {
            map.entry(key.into()).or_insert(Dynamic::UNIT);
        }
        let at = serde_json::to_value(&self.trace).unwrap_or_default();
        map.insert("at".into(), from_json(&at));
        map
    }
}

impl Frame {
    pub(crate) fn at(file: &str, position: Position, called: impl Into<String>) -> Self {
        let Place { file, line, column } = Place::new(file, position);
        Frame { file, line, column, called: called.into() }
    }

    /// The place of the call that `ctx` is of.
    pub(crate) fn of(ctx: &NativeCallContext, called: impl Into<String>) -> Self {
        Frame::at(ctx.call_source().unwrap_or_default(), ctx.call_position(), called)
    }

    pub fn place(&self) -> Place {
        Place { file: self.file.clone(), line: self.line, column: self.column }
    }
}

/// So many lines of the way to a failure are read by nobody.
const LONG: usize = 12;

/// The way to a failure, a line for each call; what a recursion repeats is told once.
fn way<'f>(frames: impl Iterator<Item = &'f Frame>) -> String {
    let mut lines: Vec<(String, usize)> = Vec::new();
    for frame in frames {
        let line = format!("  in {} at {}", frame.called, frame.place());
        match lines.last_mut() {
            Some((last, times)) if *last == line => *times += 1,
            _ => lines.push((line, 1)),
        }
    }
    let told = |(line, times): &(String, usize)| match times {
        1 => format!("{line}\n"),
        times => format!("{line} ({times} times)\n"),
    };
    if lines.len() <= LONG {
        return lines.iter().map(told).collect();
    }
    let (inner, rest) = lines.split_at(LONG / 2);
    let (between, outer) = rest.split_at(rest.len() - LONG / 2);
    let left_out: usize = between.iter().map(|(_, times)| times).sum();
    let (inner, outer): (String, String) =
        (inner.iter().map(told).collect(), outer.iter().map(told).collect());
    format!("{inner}  … {left_out} more …\n{outer}")
}

/// Fails the call that `ctx` is of.
pub(crate) fn fail(ctx: &NativeCallContext, error: Error) -> Box<EvalAltResult> {
    Failure { error, trace: vec![Frame::of(ctx, "")] }.raise()
}

/// What was thrown by a script, or by a host function.
fn thrown_as(thrown: &Dynamic) -> Failure {
    let value = to_json(thrown).unwrap_or_else(|_| Value::String(printed(thrown)));
    let trace = value
        .get("at")
        .and_then(|at| serde_json::from_value::<Vec<Frame>>(at.clone()).ok())
        .unwrap_or_default();
    Failure { error: Error::from_value(&value), trace }
}

/// The interpreter's own words, without the place that it appends.
fn plain(error: &EvalAltResult) -> Error {
    let text = error.to_string();
    let text = text.rsplit_once(" (line ").map_or(text.as_str(), |(text, _)| text);
    Error::new(ErrorKind::Script, lower(text))
}

/// Messages are sentences in lower case.
pub(crate) fn lower(text: &str) -> String {
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some(first), Some(second)) if first.is_uppercase() && !second.is_uppercase() => {
            first.to_lowercase().chain([second]).chain(characters).collect()
        }
        _ => text.to_owned(),
    }
}
