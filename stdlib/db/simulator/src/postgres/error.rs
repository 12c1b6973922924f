//! An error as PostgreSQL tells it: an SQLSTATE, a message, and where it can, detail, hint and place.

use std::fmt;

use sqlparser::tokenizer::Location;

use crate::rows::RowError;
use crate::value::ValueError;

/// What a client gets as `ErrorResponse`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PgError {
    pub code: &'static str,
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
    /// The connection ends with it.
    pub fatal: bool,
    /// In characters from 1, in the text of the query.
    pub position: Option<usize>,
    pub(crate) location: Option<Location>,
}

impl PgError {
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        PgError {
            code,
            message: message.into(),
            detail: None,
            hint: None,
            fatal: false,
            position: None,
            location: None,
        }
    }

    /// The connection ends with it.
    pub fn fatal(code: &'static str, message: impl Into<String>) -> Self {
        PgError { fatal: true, ..PgError::new(code, message) }
    }

    /// 3D000
    pub fn no_database(name: &str) -> Self {
        PgError::new("3D000", format!("database \"{name}\" does not exist"))
    }

    /// 42P04
    pub fn database_exists(name: &str) -> Self {
        PgError::new("42P04", format!("database \"{name}\" already exists"))
    }

    /// 25006: what a replica says to whoever writes.
    pub fn read_only() -> Self {
        PgError::new("25006", "cannot execute this statement during recovery")
    }

    /// 28P01: there is no such user, or it has another password.
    pub fn sign_in_failed(user: &str) -> Self {
        PgError::fatal("28P01", format!("password authentication failed for user \"{user}\""))
    }

    /// 0A000: what PostgreSQL can and the simulated one cannot.
    pub(crate) fn unsupported(what: impl fmt::Display) -> Self {
        PgError::new("0A000", format!("{what} is not simulated"))
    }

    pub(crate) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Where in the text it is; a place that is known already stays.
    pub(crate) fn at(mut self, location: Location) -> Self {
        if self.location.is_none() && location.line > 0 {
            self.location = Some(location);
        }
        self
    }

    /// With its place counted in characters of this text.
    pub(crate) fn within(mut self, text: &str) -> Self {
        if let (None, Some(location)) = (self.position, self.location) {
            let line = usize::try_from(location.line).unwrap_or(1).saturating_sub(1);
            let before: usize = text.split('\n').take(line).map(|line| line.chars().count() + 1).sum();
            self.position = Some(before + usize::try_from(location.column).unwrap_or(1));
        }
        self
    }
}

impl fmt::Display for PgError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for PgError {}

impl From<ValueError> for PgError {
    fn from(error: ValueError) -> Self {
        PgError { detail: error.detail, ..PgError::new(error.code, error.message) }
    }
}

impl From<RowError> for PgError {
    fn from(error: RowError) -> Self {
        match error {
            RowError::NoTable(table) => PgError::new("42P01", format!("relation \"{table}\" does not exist")),
            RowError::TableExists(table) => {
                PgError::new("42P07", format!("relation \"{table}\" already exists"))
            }
            RowError::NoKey { table, key } => PgError::new(
                "23502",
                format!(
                    "null value in column \"{key}\" of relation \"{table}\" violates not-null constraint"
                ),
            ),
            RowError::Duplicate { index, columns, values, .. } => {
                PgError::new("23505", format!("duplicate key value violates unique constraint \"{index}\""))
                    .detail(format!("Key ({columns})=({values}) already exists."))
            }
            RowError::Changed { .. } => {
                PgError::new("40001", "could not serialize access due to concurrent update")
            }
            RowError::NoColumn { table, column } => {
                PgError::new("42703", format!("column \"{column}\" of relation \"{table}\" does not exist"))
            }
            RowError::NotOfType { why, .. } => PgError::new("22P02", why),
        }
    }
}
