//! What the server's refusals mean, and what to do about them: by SQLSTATE, as the appendix "PostgreSQL Error Codes" has them.

use std::fmt::Write as _;
use std::io;

use fallible_iterator::FallibleIterator;
use http::StatusCode;
use opsrun_core::{Error, ErrorKind};
use postgres_protocol::message::backend::ErrorFields;
use serde_json::json;

/// Why a conversation, or a part of it, did not work.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The server said no.
    Refused(Box<Refused>),
    /// It is ours: what the server did so far is not wanted.
    Ours(Error),
    /// Nothing can be said or heard any more.
    Broken(Error),
}

/// An error as the server tells it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Refused {
    severity: String,
    /// The SQLSTATE.
    pub(crate) code: String,
    message: String,
    detail: Option<String>,
    hint: Option<String>,
    /// In characters, from 1, in `statement`.
    position: Option<usize>,
    place: Option<String>,
    constraint: Option<String>,
    /// What was being carried out.
    statement: Option<String>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Ours(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::Broken(Error::new(ErrorKind::Unreachable, error.to_string()))
    }
}

impl Failure {
    /// The server did something else than the protocol has next.
    pub(crate) fn unexpected(what: &str) -> Self {
        Failure::Broken(Error::failed(format!("the server does not speak PostgreSQL's protocol: {what}")))
    }

    /// The same, said of this statement.
    pub(crate) fn of(self, statement: &str) -> Self {
        match self {
            Failure::Refused(refused) => {
                Failure::Refused(Box::new(Refused { statement: Some(statement.to_owned()), ..*refused }))
            }
            other => other,
        }
    }
}

impl Refused {
    pub(crate) fn read(mut fields: ErrorFields<'_>) -> io::Result<Self> {
        let mut refused = Refused::default();
        while let Some(field) = fields.next()? {
            let text = String::from_utf8_lossy(field.value_bytes()).into_owned();
            match field.type_() {
                b'S' if refused.severity.is_empty() => refused.severity = text,
                // Not translated, of servers since 9.6.
                b'V' => refused.severity = text,
                b'C' => refused.code = text,
                b'M' => refused.message = text,
                b'D' => refused.detail = Some(text),
                b'H' => refused.hint = Some(text),
                b'P' => refused.position = text.parse().ok(),
                b'W' => refused.place = Some(text),
                b'n' => refused.constraint = Some(text),
                _ => {}
            }
        }
        Ok(refused)
    }

    /// The server ends the session with it.
    pub(crate) fn is_fatal(&self) -> bool {
        matches!(self.severity.as_str(), "FATAL" | "PANIC")
    }

    pub(crate) fn is_warning(&self) -> bool {
        self.severity == "WARNING"
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// In the words of HTTP, for the record.
    pub(crate) fn status(&self) -> StatusCode {
        match self.kind() {
            ErrorKind::Forbidden if self.code.starts_with("28") => StatusCode::UNAUTHORIZED,
            ErrorKind::Forbidden => StatusCode::FORBIDDEN,
            ErrorKind::NotFound => StatusCode::NOT_FOUND,
            ErrorKind::Conflict => StatusCode::CONFLICT,
            ErrorKind::Timeout => StatusCode::REQUEST_TIMEOUT,
            ErrorKind::Unreachable => StatusCode::SERVICE_UNAVAILABLE,
            ErrorKind::Failed => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    pub(crate) fn kind(&self) -> ErrorKind {
        match self.code.as_str() {
            "42501" | "25006" => ErrorKind::Forbidden,
            "3D000" | "42P01" | "42704" | "42883" | "3F000" => ErrorKind::NotFound,
            "40001" | "40P01" | "55P03" | "55006" | "42P04" | "42P07" | "42710" => ErrorKind::Conflict,
            "57014" => ErrorKind::Timeout,
            "57P01" | "57P02" | "57P03" | "53300" => ErrorKind::Unreachable,
            code => match code.get(..2) {
                Some("28") => ErrorKind::Forbidden,
                Some("23") => ErrorKind::Conflict,
                Some("22" | "42") => ErrorKind::Invalid,
                _ => ErrorKind::Failed,
            },
        }
    }

    fn advice(&self) -> Option<&'static str> {
        Some(match self.code.as_str() {
            "28P01" => "look at the password that the target's section `postgres` names, and at its user",
            "28000" => "the server's `pg_hba.conf` does not let this user in from here, or not without TLS",
            "25006" => {
                "`postgres::query` only reads: what writes goes to `postgres::exec`; a replica takes no writes at all"
            }
            "55P03" => {
                "another session holds a lock on it; `postgres::connections` shows who, and `lock_timeout` how long to wait"
            }
            "57014" => "raise `timeout`, or look with `postgres::query(\"explain …\")` why it takes so long",
            "57P03" => "the server is starting or shutting down; `postgres::wait_ready` waits for it",
            "53300" => "all connections are taken; `postgres::connections` shows by whom",
            "55006" => "it is in use; `postgres::terminate` ends sessions",
            "40001" | "40P01" => "nothing was changed: it may be tried again, `retry(…)` does so",
            "25001" if self.message.contains("cannot run inside") => {
                "what cannot stand in a transaction takes `transaction: false`"
            }
            _ => return None,
        })
    }

    /// What it means for a playbook; `tried` says what for, and where.
    pub(crate) fn explain(&self, tried: &str) -> Error {
        let mut error = Error::new(self.kind(), format!("{tried}: {} ({})", self.message, self.code));
        if let (Some(position), Some(statement)) = (self.position, &self.statement)
            && let Some(pointed) = pointed(statement, position)
        {
            error = error.detail(pointed);
        }
        error = self.detail.iter().chain(&self.place).fold(error, |error, line| error.detail(line.clone()));
        error = match (&self.hint, self.advice()) {
            (Some(hint), _) => error.hint(hint.clone()),
            (None, Some(advice)) => error.hint(advice),
            (None, None) => error,
        };
        error.data(json!({ "sqlstate": self.code, "constraint": self.constraint }))
    }
}

/// The line of a statement that an error points at, with a caret below.
fn pointed(statement: &str, position: usize) -> Option<String> {
    let mut before = position.checked_sub(1)?;
    for (number, line) in statement.split('\n').enumerate() {
        let length = line.chars().count();
        if before <= length {
            let mut text = String::new();
            let begin = format!("line {}: ", number + 1);
            // A long line is cut around the place.
            let skipped = before.saturating_sub(60);
            let shown: String = line.chars().skip(skipped).take(120).collect();
            let column = before - skipped + begin.chars().count();
            write!(text, "{begin}{}\n{}^", shown.replace('\t', " "), " ".repeat(column)).ok()?;
            return Some(text);
        }
        before -= length + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::pointed;

    #[test]
    fn an_error_points_at_its_place_in_the_statement() {
        assert_eq!(
            pointed("select\n  öre from t", 11).expect("it is there"),
            "line 2:   öre from t\n           ^"
        );
        assert_eq!(pointed("select", 7).expect("its end"), "line 1: select\n              ^");
        assert_eq!(pointed("select", 9), None);
    }
}
