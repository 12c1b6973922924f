//! What a run tells whoever watches it, as it happens.

use jiff::Timestamp;
use opsrun_core::{Access, Error, Note, Span, Value};

/// Something that happened, at a time of the run's clock.
#[derive(Debug, Clone)]
pub struct Event {
    pub at: Timestamp,
    /// The steps around it, outermost first.
    pub steps: Vec<String>,
    pub what: Happening,
}

#[derive(Debug, Clone)]
pub enum Happening {
    StepBegun,
    StepEnded {
        took: Span,
        error: Option<Error>,
    },
    /// The step was finished before the run broke off: it is not done again.
    StepKept,
    /// So was the call.
    CallKept {
        path: &'static str,
    },
    /// A call's progress, remark or warning.
    Note {
        path: &'static str,
        note: Note,
    },
    /// A write that was answered.
    Wrote {
        path: &'static str,
        access: Access,
        status: u16,
    },
    /// A line of the playbook's own.
    Log {
        level: Level,
        text: String,
        fields: Value,
    },
    Retry {
        attempt: u32,
        of: u32,
        error: Error,
        wait: Span,
    },
    UndoBegun {
        because: Error,
        entries: usize,
    },
    Undone {
        what: String,
    },
    /// Something stays as it is, and why.
    Left {
        what: String,
        why: String,
    },
    UndoFailed {
        what: String,
        error: Error,
    },
}

/// How loud a playbook's line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Debug,
    Info,
    Warning,
    Error,
}

/// Watches a run. Called from any branch, one event at a time in a simulated world.
pub trait Watcher: Send + Sync {
    fn event(&self, event: &Event);
}

/// Watches nothing.
#[derive(Debug)]
pub struct Unwatched;

impl Watcher for Unwatched {
    fn event(&self, _: &Event) {}
}
