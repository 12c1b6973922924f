//! What can go wrong: a template that does not parse, one that fails as it runs, and a function that refuses its work.
//! The texts are Go's, so that people and tools who know Helm's find what they expect.

use thiserror::Error;

/// A template that does not parse; the text is Go's `template: NAME:LINE: …`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("template: {name}:{line}: {message}")]
pub struct ParseError {
    /// The name of the template as it was given to the parser.
    pub name: String,
    /// Counted from 1.
    pub line: usize,
    pub message: String,
}

/// A template that failed as it ran; the text is Go's `template: NAME:LINE:COLUMN: executing "NAME" at <EXPR>: …`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("template: {}{message}", self.frame())]
pub struct ExecError {
    /// The template that was running.
    pub template: String,
    /// Where, if a node was at work.
    pub place: Option<Place>,
    /// What happened, including the text of `source`.
    pub message: String,
    /// The error of the function that was called.
    #[source]
    pub source: Option<Box<FnError>>,
}

/// A place in a template's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The name under which the text was parsed: for charts, the file.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// In bytes, counted from 0, as Go counts.
    pub column: usize,
    /// The expression, as Go writes it back.
    pub expression: String,
}

/// Why a function failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FnError {
    #[error("{0}")]
    Message(String),
    /// A text around another error, which it already contains.
    #[error("{text}")]
    Wrapped { text: String, source: Box<FnError> },
    /// A template that the function rendered failed.
    #[error(transparent)]
    Exec(#[from] Box<ExecError>),
    /// A template that the function was to render does not parse.
    #[error(transparent)]
    Parse(#[from] ParseError),
}

impl ExecError {
    fn frame(&self) -> String {
        match &self.place {
            Some(p) => {
                format!(
                    "{}:{}:{}: executing {:?} at <{}>: ",
                    p.file, p.line, p.column, self.template, p.expression
                )
            }
            None if self.template.is_empty() => String::new(),
            None => format!("{}: ", self.template),
        }
    }
}

impl FnError {
    pub fn new(message: impl Into<String>) -> Self {
        FnError::Message(message.into())
    }

    /// `text: error`, keeping the error as the source.
    #[must_use]
    pub fn context(self, text: &str) -> Self {
        FnError::Wrapped { text: format!("{text}: {self}"), source: Box::new(self) }
    }
}

impl From<String> for FnError {
    fn from(message: String) -> Self {
        FnError::Message(message)
    }
}

impl From<&str> for FnError {
    fn from(message: &str) -> Self {
        FnError::Message(message.to_owned())
    }
}
