//! What of a snapshot is brought back, and what becomes of what is there.

use opsrun_core::{Effect, Error, ErrorKind, Result};
use opsrun_db_simulator::redis::matches;

use crate::redis::access::Asked;
use crate::redis::error::Failure;
use crate::redis::primitives::Cursor;
use crate::redis::resp::Reply;
use crate::redis::server;
use crate::redis::session::Session;

/// What is wanted of a snapshot.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    scope: Scope,
    /// What is there goes first; without it, nothing may be there.
    clean: bool,
}

#[derive(Debug, Clone)]
enum Scope {
    Server,
    Database(u32),
    Keys(u32, Vec<String>),
}

impl Wanted {
    /// All of a server, one database, or keys of one: of the database `own` if none is said.
    pub(crate) fn new(database: Option<u32>, own: u32, keys: Vec<String>, clean: bool) -> Self {
        let scope = match database {
            None if keys.is_empty() => Scope::Server,
            Some(database) if keys.is_empty() => Scope::Database(database),
            database => Scope::Keys(database.unwrap_or(own), keys),
        };
        Wanted { scope, clean }
    }

    pub(crate) fn all() -> Self {
        Wanted { scope: Scope::Server, clean: false }
    }

    pub(crate) fn takes(&self, database: u64, key: &[u8]) -> bool {
        match &self.scope {
            Scope::Server => true,
            Scope::Database(wanted) => u64::from(*wanted) == database,
            Scope::Keys(wanted, patterns) => {
                u64::from(*wanted) == database
                    && patterns.iter().any(|pattern| matches(pattern.as_bytes(), key))
            }
        }
    }

    pub(crate) fn takes_functions(&self) -> bool {
        matches!(self.scope, Scope::Server)
    }

    /// Keys that are there are written over.
    pub(crate) fn clean(&self) -> bool {
        self.clean
    }

    /// Keys are looked for one by one, as others may be there.
    pub(crate) fn is_of_keys(&self) -> bool {
        matches!(self.scope, Scope::Keys(..))
    }

    /// What looking at the place is called.
    pub(crate) fn looking(&self) -> Asked {
        self.asked("scan", Effect::Read)
    }

    /// What writing there is called: `restore` adds, `replace` takes away as well.
    pub(crate) fn writing(&self) -> Asked {
        self.asked(if self.clean { "replace" } else { "restore" }, Effect::Write)
    }

    fn asked(&self, verb: &'static str, effect: Effect) -> Asked {
        let database = match &self.scope {
            Scope::Server => return Asked::of_server(verb, effect),
            Scope::Database(database) | Scope::Keys(database, _) => *database,
        };
        let key = match &self.scope {
            Scope::Keys(_, patterns) if patterns.len() == 1 => patterns.first().cloned(),
            // Of several patterns none says what all of them may match.
            _ => None,
        };
        Asked { verb, database: Some(database), key, effect }
    }

    /// # Errors
    /// `Conflict` if something is there that would be written over, and that is not wanted.
    pub(crate) async fn finds_room(&self, session: &mut Session, place: &str) -> Result<(), Failure> {
        if self.clean || self.is_of_keys() {
            return Ok(());
        }
        let there = match &self.scope {
            Scope::Database(database) => {
                session.go_to(u64::from(*database)).await?;
                match session.ask(&[b"DBSIZE"]).await? {
                    Reply::Integer(keys) => u64::try_from(keys).unwrap_or_default(),
                    other => return Err(Failure::unexpected(&format!("{other:?} instead of a number"))),
                }
            }
            _ => server::keys_by_database(session).await?.values().sum(),
        };
        if there > 0 {
            return Err(there_already(place, &format!("{there} keys")).into());
        }
        if self.takes_functions() && server::has_functions(session).await? == Some(true) {
            return Err(there_already(place, "functions").into());
        }
        Ok(())
    }

    /// Takes away what is there.
    pub(crate) async fn clear(&self, session: &mut Session) -> Result<(), Failure> {
        match &self.scope {
            Scope::Server => {
                session.ask(&[b"FLUSHALL"]).await?;
                if server::has_functions(session).await? == Some(true) {
                    session.ask(&[b"FUNCTION", b"FLUSH"]).await?;
                }
            }
            Scope::Database(database) => {
                session.go_to(u64::from(*database)).await?;
                session.ask(&[b"FLUSHDB"]).await?;
            }
            Scope::Keys(database, patterns) => {
                session.go_to(u64::from(*database)).await?;
                for pattern in patterns {
                    let mut cursor = Cursor::new(Some(pattern.clone()), None);
                    while let Some(keys) = cursor.next(session).await? {
                        let mut gone: Vec<&[u8]> = vec![b"UNLINK"];
                        gone.extend(keys.iter().map(|key| key.as_ref()));
                        if gone.len() > 1 {
                            session.ask(&gone).await?;
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

/// What is said where something would be written over.
pub(crate) fn there_already(place: &str, what: &str) -> Error {
    let message = format!("{place} has {what}, and is not written over");
    Error::new(ErrorKind::Conflict, message).hint(
        "bring it back into another server, only some `keys`, or say `clean: true`: then what is there goes, and what is in the snapshot takes its place",
    )
}
