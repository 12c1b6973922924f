//! JSON lines: each has `event`, and `at` and `steps` where it belongs to a moment of the run.

use opsrun_core::{Error, Note, Span, Value};
use opsrun_runtime::{Change, Event, Happening, Outcome, Watcher};
use serde_json::json;

use super::{Show, Stream};

/// Shows events as JSON.
pub(crate) struct JsonLines {
    stream: Stream,
}

impl JsonLines {
    pub(crate) fn new(stream: Stream) -> Self {
        JsonLines { stream }
    }

    fn object(&self, event: &str, mut fields: Value) {
        if let Some(map) = fields.as_object_mut() {
            map.insert("event".into(), event.into());
        }
        // Before JSON escapes anything, so that values of several lines are found.
        self.stream.redactor().show_value(&mut fields);
        self.stream.line(&fields.to_string());
    }
}

impl Watcher for JsonLines {
    fn event(&self, event: &Event) {
        let (name, mut fields) = match &event.what {
            Happening::StepBegun => ("step-begun", json!({})),
            Happening::StepKept => ("step-kept", json!({})),
            Happening::CallKept { path } => ("call-kept", json!({ "primitive": path })),
            Happening::StepEnded { took, error } => {
                ("step-ended", json!({ "took": took, "error": error.as_ref().map(Error::to_value) }))
            }
            Happening::Note { path, note } => {
                let (kind, text) = match note {
                    Note::Progress(text) => ("progress", text),
                    Note::Info(text) => ("info", text),
                    Note::Warning(text) => ("warning", text),
                };
                (kind, json!({ "primitive": path, "text": text }))
            }
            Happening::Wrote { path, access, status } => {
                ("wrote", json!({ "primitive": path, "access": access, "status": status }))
            }
            Happening::Log { level, text, fields } => {
                ("log", json!({ "level": level, "text": text, "fields": fields }))
            }
            Happening::Retry { attempt, of, error, wait } => {
                ("retry", json!({ "attempt": attempt, "of": of, "error": error.to_value(), "wait": wait }))
            }
            Happening::UndoBegun { because, entries } => {
                ("undo-begun", json!({ "because": because.to_value(), "entries": entries }))
            }
            Happening::Undone { what } => ("undone", json!({ "what": what })),
            Happening::Left { what, why } => ("left", json!({ "what": what, "why": why })),
            Happening::UndoFailed { what, error } => {
                ("undo-failed", json!({ "what": what, "error": error.to_value() }))
            }
        };
        if let Some(map) = fields.as_object_mut() {
            map.insert("at".into(), event.at.to_string().into());
            map.insert("steps".into(), event.steps.clone().into());
        }
        self.object(name, fields);
    }
}

impl Show for JsonLines {
    fn ended(&self, outcome: &Outcome, report: &str, took: Span) {
        let value = match outcome {
            Outcome::Done(value) => value.clone(),
            _ => Value::Null,
        };
        let (left, errors) = match outcome {
            Outcome::Undone { left, .. } | Outcome::TakenBack { left, .. } => (left.clone(), Vec::new()),
            Outcome::UndoFailed { left, errors, .. } => {
                let errors =
                    errors.iter().map(|(what, error)| json!({ "what": what, "error": error.to_value() }));
                (left.clone(), errors.collect())
            }
            _ => (Vec::new(), Vec::new()),
        };
        self.object(
            "ended",
            json!({
                "outcome": outcome.word(),
                "exit_code": outcome.exit_code(),
                "took": took,
                "value": value,
                "error": outcome.error().map(Error::to_value),
                "report": report,
                "left": left,
                "undo_errors": errors,
            }),
        );
    }

    fn changed(&self, changes: &[Change]) {
        for change in changes {
            self.object("changed", json!({ "name": change.name, "path": change.path, "before": change.before, "after": change.after }));
        }
    }

    fn remark(&self, text: &str, mut fields: Value) {
        match fields.as_object_mut() {
            Some(map) => {
                map.insert("text".into(), text.into());
                self.object("remark", fields);
            }
            None => self.object("remark", json!({ "text": text })),
        }
    }
}
