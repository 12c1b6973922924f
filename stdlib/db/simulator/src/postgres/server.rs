//! What a simulated server is made of, as whoever has its databases gives it: an instance of RDS, a pod, a test.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use jiff::Timestamp;

use super::{PgError, Sessions};
use crate::rows::Database;

/// How somebody proves to be who they say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// Not at all.
    Trust,
    /// The password, as it is.
    Cleartext(String),
    /// SCRAM-SHA-256 of the password, as PostgreSQL does it by itself.
    Scram(String),
}

impl Login {
    /// As a user of these, with their passwords, does; one with none takes any. Without users, everybody may sign in.
    ///
    /// # Errors
    /// 28P01
    pub fn of(users: &BTreeMap<String, Option<String>>, user: &str) -> Result<Self, PgError> {
        match users.get(user) {
            None if users.is_empty() => Ok(Login::Trust),
            Some(None) => Ok(Login::Trust),
            Some(Some(password)) => Ok(Login::Scram(password.clone())),
            None => Err(PgError::sign_in_failed(user)),
        }
    }
}

/// A standby that follows this server, for `pg_stat_replication`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replica {
    pub name: String,
    pub lag: Duration,
}

/// What is changed in a database, at the time of the change.
pub type Write<'w> = &'w mut dyn FnMut(Timestamp, &mut Database) -> Result<(), PgError>;

/// A PostgreSQL server, but for the protocol and SQL. Its methods are short, as no lock of the caller's may be held between two.
pub trait Server: Send + Sync {
    fn now(&self) -> Timestamp;

    /// When it came up.
    fn started(&self) -> Timestamp;

    /// Who is connected. All connections to one server share it.
    fn sessions(&self) -> &Sessions;

    /// `15.7`
    fn version(&self) -> &str {
        "15.7"
    }

    /// The user that owns everything.
    fn owner(&self) -> &str;

    /// How this user signs in.
    ///
    /// # Errors
    /// Whoever may not, with a fatal error, as 28P01.
    fn login(&self, user: &str) -> Result<Login, PgError>;

    /// What is answered to a client that asks for TLS: with `true` the connection goes on as it is, without any.
    fn tls(&self) -> bool {
        false
    }

    /// The names of its databases, in order.
    fn databases(&self) -> Vec<String>;

    /// A database as it is now.
    ///
    /// # Errors
    /// 3D000 if there is none, 57P03 and others if it cannot be read now.
    fn read(&self, database: &str) -> Result<Database, PgError>;

    /// Changes a database. If `write` fails, it has changed nothing.
    ///
    /// # Errors
    /// Those of [`Server::read`], those of `write`, and 25006 on a replica.
    fn write(&self, database: &str, write: Write<'_>) -> Result<(), PgError>;

    /// # Errors
    /// 42P04 if there is one of this name, 25006 on a replica, 0A000 where there can be no other.
    fn create_database(&self, name: &str, content: Database) -> Result<(), PgError>;

    /// # Errors
    /// 3D000, 25006
    fn drop_database(&self, name: &str) -> Result<(), PgError>;

    /// Of a replica: up to when it has what its source has written. Such a server takes no writes.
    fn replayed(&self) -> Option<Timestamp> {
        None
    }

    fn replicas(&self) -> Vec<Replica> {
        Vec::new()
    }

    /// Random bytes.
    fn random(&self, bytes: &mut [u8]);

    /// Waits so long, by the time that [`Server::now`] tells.
    fn wait(&self, span: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}
