//! What a conversation is for, in the words of grants: `postgres update orders/items in db.example:5432`.

use http::request::Parts;
use opsrun_core::{Access, Effect};

use crate::postgres::SYSTEM;
use crate::postgres::statement::Command;

/// Everything that is asked of a server: to read by `query`; to write by the command's own word, where it is one of these, or `exec`.
pub(crate) const VERBS: &[&str] = &[
    "query",
    "exec",
    "insert",
    "update",
    "delete",
    "merge",
    "truncate",
    "create",
    "alter",
    "drop",
    "grant",
    "revoke",
    "comment",
    "refresh",
    "reindex",
    "vacuum",
    "analyze",
    "terminate",
];

/// Noted with a request, as its path has the database alone.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) verb: &'static str,
    pub(crate) database: String,
    /// The table, where one statement names one.
    pub(crate) table: Option<String>,
    pub(crate) effect: Effect,
}

impl Asked {
    pub(crate) fn query(database: &str) -> Self {
        Asked { verb: "query", database: database.to_owned(), table: None, effect: Effect::Read }
    }

    /// `verb` is one of [`VERBS`].
    pub(crate) fn write(verb: &'static str, database: &str) -> Self {
        Asked { verb, database: database.to_owned(), table: None, effect: Effect::Write }
    }

    /// The same, only looking.
    pub(crate) fn reading(&self) -> Self {
        Asked { effect: Effect::Read, ..self.clone() }
    }

    /// What these statements do.
    pub(crate) fn statement(database: &str, sql: &str) -> Self {
        let command = Command::of(sql);
        let verb = VERBS.iter().find(|verb| command.word == **verb).copied().unwrap_or("exec");
        Asked { table: command.table, ..Asked::write(verb, database) }
    }
}

pub(crate) fn of(request: &Parts) -> Access {
    let asked = request.extensions.get::<Asked>().cloned();
    // Nothing that this crate sends is without; what were so would be the strongest thing there is.
    let asked = asked.unwrap_or_else(|| Asked::write("exec", request.uri.path().trim_start_matches('/')));
    Access {
        system: SYSTEM.into(),
        verb: asked.verb.into(),
        resource: asked.database,
        name: asked.table,
        namespace: request.uri.authority().map(ToString::to_string),
        effect: asked.effect,
    }
}
