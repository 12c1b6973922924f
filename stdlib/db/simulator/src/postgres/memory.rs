//! A server of its own in memory, for whoever has no better place for its databases.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::server::Write;
use super::{Login, PgError, Replica, Server, Sessions};
use crate::rows::{Database, Databases};

/// What a server is told from outside: the time, and what chance is.
pub trait Surroundings: Send + Sync {
    fn now(&self) -> Timestamp;

    fn random(&self, bytes: &mut [u8]);

    /// Waits so long, by the time that [`Surroundings::now`] tells.
    fn wait(&self, span: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// Databases of one user, under a lock.
pub struct Memory<S> {
    surroundings: S,
    owner: String,
    login: Login,
    started: Timestamp,
    sessions: Sessions,
    state: Mutex<State>,
}

#[derive(Clone, Default)]
struct State {
    databases: Databases,
    replayed: Option<Timestamp>,
    replicas: Vec<Replica>,
}

/// There is always one of this name.
const FIRST: &str = "postgres";

impl<S: Surroundings> Memory<S> {
    /// With an empty database `postgres`.
    pub fn new(surroundings: S, owner: &str, login: Login) -> Self {
        let databases = Databases::of(FIRST, Database::default());
        let state = State { databases, ..State::default() };
        Memory {
            started: surroundings.now(),
            surroundings,
            owner: owner.to_owned(),
            login,
            sessions: Sessions::default(),
            state: Mutex::new(state),
        }
    }

    /// It follows another server, and has what that had written until then; or it does not any more.
    pub fn set_replayed(&self, replayed: Option<Timestamp>) {
        self.state().replayed = replayed;
    }

    pub fn set_replicas(&self, replicas: Vec<Replica>) {
        self.state().replicas = replicas;
    }

    /// The content of a database, in place of what it has.
    pub fn put(&self, name: &str, content: Database) {
        self.state().databases.put(name, content);
    }

    /// All of them, with their history.
    pub fn all(&self) -> Databases {
        self.state().databases.clone()
    }

    /// Puts these in the place of all that it has, which it gives.
    pub fn replace_all(&self, databases: Databases) -> Databases {
        std::mem::replace(&mut self.state().databases, databases)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn writable(&self) -> Result<MutexGuard<'_, State>, PgError> {
        let state = self.state();
        match state.replayed {
            Some(_) => Err(PgError::read_only()),
            None => Ok(state),
        }
    }
}

impl<S: Surroundings> Server for Memory<S> {
    fn now(&self) -> Timestamp {
        self.surroundings.now()
    }

    fn started(&self) -> Timestamp {
        self.started
    }

    fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    fn owner(&self) -> &str {
        &self.owner
    }

    fn login(&self, user: &str) -> Result<Login, PgError> {
        match (user == self.owner, &self.login) {
            (true, login) => Ok(login.clone()),
            (false, Login::Trust) => Err(PgError::fatal("28000", format!("role \"{user}\" does not exist"))),
            (false, _) => Err(PgError::sign_in_failed(user)),
        }
    }

    fn databases(&self) -> Vec<String> {
        self.state().databases.iter().map(|(name, _)| name.to_owned()).collect()
    }

    fn read(&self, database: &str) -> Result<Database, PgError> {
        self.state().databases.get(database).cloned().ok_or_else(|| PgError::no_database(database))
    }

    fn write(&self, database: &str, write: Write<'_>) -> Result<(), PgError> {
        let now = self.now();
        let mut state = self.writable()?;
        write(now, state.databases.get_mut(database).ok_or_else(|| PgError::no_database(database))?)
    }

    fn create_database(&self, name: &str, content: Database) -> Result<(), PgError> {
        let now = self.now();
        match self.writable()?.databases.create(now, name, content) {
            true => Ok(()),
            false => Err(PgError::database_exists(name)),
        }
    }

    fn drop_database(&self, name: &str) -> Result<(), PgError> {
        let now = self.now();
        match self.writable()?.databases.drop(now, name) {
            true => Ok(()),
            false => Err(PgError::no_database(name)),
        }
    }

    fn replayed(&self) -> Option<Timestamp> {
        self.state().replayed
    }

    fn replicas(&self) -> Vec<Replica> {
        self.state().replicas.clone()
    }

    fn random(&self, bytes: &mut [u8]) {
        self.surroundings.random(bytes);
    }

    fn wait(&self, span: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.surroundings.wait(span)
    }
}
