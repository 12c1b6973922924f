//! The one error that crosses crate boundaries: what was tried, on what, what came back, and what to do.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure this is: what a playbook's `catch` can tell apart, and what decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// The input is wrong: nothing was tried.
    Invalid,
    /// A grant is missing, or a bound forbids it: nothing was sent.
    Denied,
    /// The other side refused the credentials or the verb.
    Forbidden,
    /// What was named does not exist.
    NotFound,
    /// Somebody else has it, or changed it in between.
    Conflict,
    /// The other side cannot be reached.
    Unreachable,
    /// It did not come about in time.
    Timeout,
    /// Whoever watches the run stopped it.
    Interrupted,
    /// The script went over a limit, or cannot be evaluated.
    Script,
    /// Everything else: it was tried and did not work.
    Failed,
}

/// An error with its facts. `Display` gives the message alone; the report is made of [`Error::chain`].
#[derive(Debug, Clone)]
pub struct Error(Box<Facts>);

#[derive(Debug, Clone)]
struct Facts {
    kind: ErrorKind,
    message: String,
    details: Vec<String>,
    hint: Option<String>,
    data: Value,
    cause: Option<Error>,
}

impl Error {
    /// `message`: one sentence, lower case, that names the thing.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error(Box::new(Facts {
            kind,
            message: message.into(),
            details: Vec::new(),
            hint: None,
            data: Value::Null,
            cause: None,
        }))
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Invalid, message)
    }

    pub fn failed(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Failed, message)
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::NotFound, message)
    }

    pub fn interrupted() -> Self {
        Error::new(ErrorKind::Interrupted, "interrupted")
    }

    /// A further line of facts: a pod's state, a log line, an event.
    #[must_use]
    pub fn detail(mut self, line: impl Into<String>) -> Self {
        self.0.details.push(line.into());
        self
    }

    /// What to do next; printed on a line of its own.
    #[must_use]
    pub fn hint(mut self, text: impl Into<String>) -> Self {
        self.0.hint = Some(text.into());
        self
    }

    /// Facts for a playbook's `catch` and for `--output json`.
    #[must_use]
    pub fn data(mut self, data: Value) -> Self {
        self.0.data = data;
        self
    }

    /// What led to this error.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Error>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// The same failure told from further out: keeps the kind, becomes the cause.
    #[must_use]
    pub fn context(self, message: impl Into<String>) -> Self {
        Error::new(self.0.kind, message).because(self)
    }

    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    pub fn message(&self) -> &str {
        &self.0.message
    }

    pub fn details(&self) -> &[String] {
        &self.0.details
    }

    pub fn hint_text(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    pub fn data_value(&self) -> &Value {
        &self.0.data
    }

    pub fn cause(&self) -> Option<&Error> {
        self.0.cause.as_ref()
    }

    /// This error, its cause, the cause's cause, and so on.
    pub fn chain(&self) -> impl Iterator<Item = &Error> {
        std::iter::successors(Some(self), |error| error.cause())
    }

    /// The report in lines: the message, `caused by:` lines, details, hints.
    pub fn report(&self) -> String {
        let mut out = String::new();
        for (depth, error) in self.chain().enumerate() {
            if depth > 0 {
                out.push_str("\n  caused by: ");
            }
            out.push_str(&error.0.message.replace('\n', "\n    "));
            for line in &error.0.details {
                out.push_str("\n    ");
                out.push_str(&line.replace('\n', "\n    "));
            }
        }
        for hint in self.chain().filter_map(Error::hint_text) {
            out.push_str("\n  hint: ");
            out.push_str(hint);
        }
        out
    }

    /// The error that [`Error::to_value`] made this of; of anything else, as much of one as it has.
    pub fn from_value(value: &Value) -> Self {
        let Value::Object(fields) = value else {
            return Error::failed(value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        };
        let text = |key: &str| fields.get(key).and_then(Value::as_str);
        let kind = fields.get("kind").and_then(|kind| serde_json::from_value(kind.clone()).ok());
        let message = text("message").map_or_else(|| value.to_string(), str::to_owned);
        let mut error = Error::new(kind.unwrap_or(ErrorKind::Failed), message);
        for detail in fields.get("details").and_then(Value::as_array).into_iter().flatten() {
            error = error.detail(detail.as_str().map_or_else(|| detail.to_string(), str::to_owned));
        }
        if let Some(hint) = text("hint") {
            error = error.hint(hint);
        }
        if let Some(data) = fields.get("data").filter(|data| !data.is_null()) {
            error = error.data(data.clone());
        }
        match fields.get("cause").filter(|cause| !cause.is_null()) {
            Some(cause) => error.because(Error::from_value(cause)),
            None => error,
        }
    }

    /// The whole as JSON: `kind`, `message`, and where present `details`, `hint`, `data`, `cause`.
    pub fn to_value(&self) -> Value {
        let mut map = serde_json::Map::new();
        map.insert("kind".into(), serde_json::to_value(self.0.kind).unwrap_or_default());
        map.insert("message".into(), self.0.message.clone().into());
        if !self.0.details.is_empty() {
            map.insert("details".into(), self.0.details.clone().into());
        }
        if let Some(hint) = &self.0.hint {
            map.insert("hint".into(), hint.clone().into());
        }
        if !self.0.data.is_null() {
            map.insert("data".into(), self.0.data.clone());
        }
        if let Some(cause) = &self.0.cause {
            map.insert("cause".into(), cause.to_value());
        }
        Value::Object(map)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.cause.as_ref().map(|cause| cause as _)
    }
}
