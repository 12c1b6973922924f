//! What a conversation is for, in the words of grants: `redis set 0/session:7 in cache.example:6379`.

use http::request::Parts;
use opsrun_core::{Access, Effect};

use crate::redis::SYSTEM;

/// Everything that is asked of a server.
pub(crate) const VERBS: &[&str] =
    &["info", "scan", "get", "sync", "save", "set", "del", "restore", "replace", "flush"];

/// Noted with a request, as its path has the database alone.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// One of [`VERBS`].
    pub(crate) verb: &'static str,
    /// `None` is all of a server's: `*`.
    pub(crate) database: Option<u32>,
    /// A key, or a pattern of keys; of the whole database or server, none.
    pub(crate) key: Option<String>,
    pub(crate) effect: Effect,
}

impl Asked {
    pub(crate) fn read(verb: &'static str, database: u32, key: Option<&str>) -> Self {
        Asked { verb, database: Some(database), key: key.map(str::to_owned), effect: Effect::Read }
    }

    pub(crate) fn write(verb: &'static str, database: u32, key: Option<&str>) -> Self {
        Asked { effect: Effect::Write, ..Asked::read(verb, database, key) }
    }

    /// Of all databases of a server.
    pub(crate) fn of_server(verb: &'static str, effect: Effect) -> Self {
        Asked { verb, database: None, key: None, effect }
    }

    /// The path of the request that stands for it.
    pub(crate) fn path(&self) -> String {
        self.database.map_or_else(|| "/*".to_owned(), |database| format!("/{database}"))
    }
}

pub(crate) fn of(request: &Parts) -> Access {
    let asked = request.extensions.get::<Asked>();
    // Nothing that this crate sends is without; what were so would be the strongest thing there is.
    let (verb, effect) = asked.map_or(("flush", Effect::Write), |asked| (asked.verb, asked.effect));
    Access {
        system: SYSTEM.into(),
        verb: verb.into(),
        resource: request.uri.path().trim_start_matches('/').into(),
        name: asked.and_then(|asked| asked.key.clone()),
        namespace: request.uri.authority().map(ToString::to_string),
        effect,
    }
}
