//! What a simulated Redis is made of, as whoever has its keys gives it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::Keyspace;

/// A Redis server, but for the protocol and its commands.
pub trait Server: Send + Sync {
    fn now(&self) -> Timestamp;

    fn started(&self) -> Timestamp;

    /// `7.0.15`
    fn version(&self) -> &str {
        "7.0.15"
    }

    /// What `AUTH` has to say, if anything.
    fn password(&self) -> Option<String> {
        None
    }

    /// It follows another one, and takes no writes.
    fn is_replica(&self) -> bool {
        false
    }

    /// How many follow it.
    fn replicas(&self) -> usize {
        0
    }

    /// Forty hexadecimal digits that stand for this server's history.
    fn replication_id(&self) -> String;

    /// Reads or changes the keys. The other methods are called while `with` runs.
    ///
    /// # Errors
    /// Why nobody can now: what the client is told.
    fn keys(&self, with: &mut dyn FnMut(Timestamp, &mut Keyspace)) -> Result<(), String>;

    /// Keeps an RDB file, as `SAVE` and `BGSAVE` make one.
    fn save(&self, rdb: Vec<u8>);

    /// When one was kept last.
    fn saved(&self) -> Timestamp;
}

/// What a server is told from outside.
pub trait Surroundings: Send + Sync {
    fn now(&self) -> Timestamp;
}

/// Keys under a lock.
pub struct Memory<S> {
    surroundings: S,
    started: Timestamp,
    password: Option<String>,
    replication_id: String,
    keys: Mutex<Keyspace>,
    /// When, and what: apart, as it is looked at and written while the keys are.
    saved: Mutex<(Timestamp, Option<Vec<u8>>)>,
}

impl<S: Surroundings> Memory<S> {
    /// `replication_id` are forty hexadecimal digits.
    pub fn new(surroundings: S, password: Option<&str>, replication_id: &str) -> Self {
        let started = surroundings.now();
        Memory {
            surroundings,
            started,
            password: password.map(str::to_owned),
            replication_id: replication_id.to_owned(),
            keys: Mutex::default(),
            saved: Mutex::new((started, None)),
        }
    }

    /// The keys, with their history.
    pub fn get(&self) -> Keyspace {
        locked(&self.keys).clone()
    }

    /// These keys in the place of those that it has.
    pub fn put(&self, keys: Keyspace) {
        *locked(&self.keys) = keys;
    }

    /// The file that was saved last.
    pub fn rdb(&self) -> Option<Vec<u8>> {
        locked(&self.saved).1.clone()
    }
}

fn locked<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S: Surroundings> Server for Memory<S> {
    fn now(&self) -> Timestamp {
        self.surroundings.now()
    }

    fn started(&self) -> Timestamp {
        self.started
    }

    fn password(&self) -> Option<String> {
        self.password.clone()
    }

    fn replication_id(&self) -> String {
        self.replication_id.clone()
    }

    fn keys(&self, with: &mut dyn FnMut(Timestamp, &mut Keyspace)) -> Result<(), String> {
        let now = self.now();
        with(now, &mut locked(&self.keys));
        Ok(())
    }

    fn save(&self, rdb: Vec<u8>) {
        *locked(&self.saved) = (self.now(), Some(rdb));
    }

    fn saved(&self) -> Timestamp {
        locked(&self.saved).0
    }
}
