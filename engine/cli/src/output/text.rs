//! Lines for people: the time since the start, the steps as indentation, one thing a line.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use opsrun_core::{Note, Span, Value};
use opsrun_runtime::{Change, Event, Happening, Level, Outcome, Watcher};

use super::{Show, Stream};

/// Shows events as lines of text.
pub(crate) struct TextLines {
    start: Timestamp,
    stream: Stream,
    /// The last progress of each call site: a wait that says the same again says nothing.
    progress: Mutex<BTreeMap<(Vec<String>, &'static str), String>>,
}

impl TextLines {
    pub(crate) fn new(start: Timestamp, stream: Stream) -> Self {
        TextLines { start, stream, progress: Mutex::default() }
    }

    fn line(&self, at: Timestamp, depth: usize, text: &str) {
        // As a whole, so that values of several lines are found.
        let text = self.stream.redactor().show(text);
        let margin = format!("{:>9}  {}", elapsed(self.start, at), "  ".repeat(depth));
        let mut lines = text.lines();
        self.stream.line(format!("{margin}{}", lines.next().unwrap_or_default()).trim_end());
        for line in lines {
            self.stream.line(format!("{}{line}", " ".repeat(margin.chars().count())).trim_end());
        }
    }
}

impl Watcher for TextLines {
    fn event(&self, event: &Event) {
        let depth = event.steps.len();
        let step = event.steps.last().map_or("", String::as_str);
        let (depth, text) = match &event.what {
            Happening::StepBegun => (depth.saturating_sub(1), format!("> {step}")),
            Happening::StepKept => (depth.saturating_sub(1), format!("= {step}: done before")),
            Happening::CallKept { path } => (depth, format!("= {path}: done before")),
            Happening::StepEnded { took, error: None } => {
                (depth.saturating_sub(1), format!("✓ {step} ({took})"))
            }
            Happening::StepEnded { took, error: Some(error) } => {
                (depth.saturating_sub(1), format!("✗ {step} ({took}): {error}"))
            }
            Happening::Note { note: Note::Progress(text), path } => {
                let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
                if progress.insert((event.steps.clone(), path), text.clone()).as_ref() == Some(text) {
                    return;
                }
                (depth, format!("… {text}"))
            }
            Happening::Note { note: Note::Info(text), .. } => (depth, format!("- {text}")),
            Happening::Note { note: Note::Warning(text), .. } => (depth, format!("! {text}")),
            Happening::Wrote { access, status, .. } if *status < 400 => (depth, format!("* {access}")),
            Happening::Wrote { access, status, .. } => (depth, format!("! {access}: refused with {status}")),
            Happening::Log { level, text, fields } => {
                (depth, format!("{}{text}{}", sign(*level), fields_text(fields)))
            }
            Happening::Retry { attempt, of, error, wait } => {
                (depth, format!("! attempt {attempt} of {of} failed, again in {wait}: {error}"))
            }
            Happening::UndoBegun { because, entries } => {
                (0, format!("< taking back {entries} thing{}: {because}", plural(*entries)))
            }
            Happening::Undone { what } => (1, format!("✓ took back {what}")),
            Happening::Left { what, why } => (1, format!("! {what} stays: {why}")),
            Happening::UndoFailed { what, error } => {
                (1, format!("✗ could not take back {what}: {}", error.report()))
            }
        };
        self.line(event.at, depth, &text);
    }
}

impl Show for TextLines {
    fn ended(&self, outcome: &Outcome, report: &str, took: Span) {
        let report = report.trim_end();
        self.stream.line("");
        match outcome {
            Outcome::Done(Value::Null) => self.stream.line(&format!("done in {took}")),
            Outcome::Done(value) => self.stream.line(&format!("done in {took}: {value}")),
            Outcome::Failed(_) => {
                self.stream.line(&format!("failed after {took}; nothing had been changed\n{report}"));
            }
            Outcome::Undone { left, .. } => {
                self.stream
                    .line(&format!("failed after {took}; what was done has been taken back\n{report}"));
                for left in left {
                    self.stream.line(&format!("stays: {left}"));
                }
            }
            Outcome::TakenBack { count: 0, .. } => self.stream.line("there was nothing to take back"),
            Outcome::TakenBack { count, left } => {
                self.stream.line(&format!("took back {count} thing{} in {took}", plural(*count)));
                for left in left {
                    self.stream.line(&format!("stays: {left}"));
                }
            }
            Outcome::BrokenOff { left, .. } => {
                self.stream.line(&format!(
                    "stopped at once after {took}; {left} thing{} may still be taken back: `opsrun undo` goes on\n{report}",
                    plural(*left)
                ));
            }
            Outcome::UndoFailed { left, errors, .. } => {
                self.stream
                    .line(&format!("failed after {took}, and NOT everything could be taken back\n{report}"));
                for left in left {
                    self.stream.line(&format!("stays: {left}"));
                }
                for (what, error) in errors {
                    self.stream
                        .line(&format!("not taken back: {what}\n  {}", error.report().replace('\n', "\n  ")));
                }
            }
        }
    }

    fn changed(&self, changes: &[Change]) {
        self.stream.line("");
        match changes.is_empty() {
            true => self.stream.line("the estate is as it was"),
            false => {
                self.stream.line("what changed in the estate:");
                for change in changes {
                    self.stream.line(&format!("  {change}"));
                }
            }
        }
    }

    fn remark(&self, text: &str, _: Value) {
        self.stream.line(text);
    }
}

fn sign(level: Level) -> &'static str {
    match level {
        Level::Debug | Level::Info => "",
        Level::Warning => "! ",
        Level::Error => "✗ ",
    }
}

fn fields_text(fields: &Value) -> String {
    let Some(map) = fields.as_object() else { return String::new() };
    map.iter().map(|(name, value)| format!(" {name}={value}")).collect()
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

fn elapsed(start: Timestamp, at: Timestamp) -> String {
    let millis = u64::try_from(at.duration_since(start).as_millis()).unwrap_or_default();
    let (seconds, tenths) = (millis / 1000, millis % 1000 / 100);
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s}.{tenths}s"),
        (0, m, s) => format!("{m}m{s:02}.{tenths}s"),
        (h, m, s) => format!("{h}h{m:02}m{s:02}s"),
    }
}
