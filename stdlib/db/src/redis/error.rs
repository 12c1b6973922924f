//! What the server's errors mean, and what to do about them: by their first word.

use std::io;

use http::StatusCode;
use opsrun_core::{Error, ErrorKind};
use serde_json::json;

/// Why a conversation, or a part of it, did not work.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The server said no, in these words.
    Refused(String),
    /// It is ours: what the server did so far is not wanted.
    Ours(Error),
    /// Nothing can be said or heard any more.
    Broken(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Ours(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::InvalidData => ErrorKind::Failed,
            _ => ErrorKind::Unreachable,
        };
        Failure::Broken(Error::new(kind, error.to_string()))
    }
}

impl Failure {
    pub(crate) fn unexpected(what: &str) -> Self {
        Failure::Broken(Error::failed(format!("the server answers otherwise than Redis: {what}")))
    }
}

fn code(said: &str) -> &str {
    said.split(' ').next().unwrap_or_default()
}

pub(crate) fn kind(said: &str) -> ErrorKind {
    match code(said) {
        "NOAUTH" | "WRONGPASS" | "NOPERM" | "READONLY" => ErrorKind::Forbidden,
        "LOADING" | "MASTERDOWN" | "CLUSTERDOWN" | "TRYAGAIN" | "NOMASTERLINK" => ErrorKind::Unreachable,
        "BUSY" | "BUSYKEY" | "EXECABORT" => ErrorKind::Conflict,
        "WRONGTYPE" => ErrorKind::Invalid,
        _ => ErrorKind::Failed,
    }
}

/// In the words of HTTP, for the record.
pub(crate) fn status(said: &str) -> StatusCode {
    match kind(said) {
        ErrorKind::Forbidden if matches!(code(said), "NOAUTH" | "WRONGPASS") => StatusCode::UNAUTHORIZED,
        ErrorKind::Forbidden => StatusCode::FORBIDDEN,
        ErrorKind::Unreachable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::Invalid => StatusCode::BAD_REQUEST,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// What it means for a playbook; `tried` says what for, and where.
pub(crate) fn explain(said: &str, tried: &str) -> Error {
    let error = Error::new(kind(said), format!("{tried}: {said}")).data(json!({ "code": code(said) }));
    match code(said) {
        "NOAUTH" => {
            error.hint("name the password in the target's section `redis`: `password = \"env:NAME\"`")
        }
        "WRONGPASS" => {
            error.hint("look at the user and the password that the target's section `redis` names")
        }
        "NOPERM" => error.hint("the server's rules (`ACL`) do not allow this to the user"),
        "READONLY" => error.hint("this server is a replica: writes go to its primary"),
        "LOADING" => error.hint("the server is reading its data: `retry(…)` asks again"),
        "MISCONF" => error
            .hint("the server cannot write its snapshots, and so takes no writes: look at its disk and log"),
        "OOM" => error.hint("the server's `maxmemory` is used up"),
        "MOVED" | "ASK" => error.hint(
            "this server is one of a cluster, which has the key elsewhere; clusters are not known here",
        ),
        _ => error,
    }
}
