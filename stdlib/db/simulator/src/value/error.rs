//! Why something is no value of a type.

use std::fmt;

/// An SQLSTATE and PostgreSQL's message, and its detail where it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueError {
    pub code: &'static str,
    pub message: String,
    pub detail: Option<String>,
}

impl ValueError {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        ValueError { code, message: message.into(), detail: None }
    }

    /// 22P02
    pub(crate) fn syntax(kind: &str, text: &str) -> Self {
        ValueError::new("22P02", format!("invalid input syntax for type {kind}: \"{text}\""))
    }

    /// 22003
    pub(crate) fn range(kind: &str) -> Self {
        ValueError::new("22003", format!("{kind} out of range"))
    }

    /// 22003, of a text.
    pub(crate) fn text_range(text: &str, kind: &str) -> Self {
        ValueError::new("22003", format!("value \"{text}\" is out of range for type {kind}"))
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ValueError {}
