//! What the checker says about a playbook, and how a place in a source is shown.

use std::fmt;

use serde::Serialize;

/// One finding, at one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    pub severity: Severity,
    pub at: Place,
    /// One sentence, lower case.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It cannot run.
    Error,
    /// It runs, but hardly as it was meant.
    Warning,
}

/// A place in a file; line and column count from 1, in characters. Line 0: the file as a whole.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    pub file: String,
    pub line: usize,
    pub column: usize,
}

impl Diagnostic {
    pub(crate) fn error(at: Place, message: impl Into<String>) -> Self {
        Diagnostic { severity: Severity::Error, at, message: message.into(), hint: None }
    }

    pub(crate) fn warning(at: Place, message: impl Into<String>) -> Self {
        Diagnostic { severity: Severity::Warning, at, message: message.into(), hint: None }
    }

    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The finding with its line of the source, a caret below it, and the hint.
    pub fn render(&self, source: &str) -> String {
        let mut text = format!("{}: {}\n{}", self.severity, self.message, excerpt(&self.at, source));
        if let Some(hint) = &self.hint {
            text.push_str(&format!("  hint: {hint}\n"));
        }
        text
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        })
    }
}

impl Place {
    pub(crate) fn new(file: &str, position: rhai::Position) -> Self {
        Place {
            file: file.to_owned(),
            line: position.line().unwrap_or(0),
            column: position.position().unwrap_or(if position.is_none() { 0 } else { 1 }),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.file),
            line => write!(f, "{}:{line}:{}", self.file, self.column),
        }
    }
}

/// The place, its line, and a caret below it. Ends with a line break.
pub(crate) fn excerpt(at: &Place, source: &str) -> String {
    let line = at.line.checked_sub(1).and_then(|index| source.lines().nth(index));
    let Some(line) = line else { return format!("  --> {at}\n") };
    let number = at.line.to_string();
    let gutter = " ".repeat(number.len());
    let before: String = line
        .chars()
        .take(at.column.saturating_sub(1))
        .map(|character| if character == '\t' { '\t' } else { ' ' })
        .collect();
    format!("  --> {at}\n{gutter} |\n{number} | {}\n{gutter} | {before}^\n", line.trim_end())
}
