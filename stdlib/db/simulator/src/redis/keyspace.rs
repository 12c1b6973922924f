//! Keys with their values, and what became of them.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use jiff::Timestamp;
use rpds::RedBlackTreeMapSync;

use crate::rdb::{RdbError, Reader, Value, Writer, value};

/// The value of a key, and when it goes.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    pub value: Arc<Value>,
    /// In milliseconds since 1970.
    pub expires: Option<i64>,
}

type Keys = RedBlackTreeMapSync<Vec<u8>, Held>;

/// Databases by their numbers. A clone is cheap, and is another one.
#[derive(Debug, Clone, Default)]
pub struct Keyspace {
    databases: BTreeMap<u64, Keys>,
    /// In the order of their times.
    changes: Arc<Vec<Change>>,
}

#[derive(Debug, Clone)]
struct Change {
    at: Timestamp,
    database: u64,
    key: Vec<u8>,
    was: Option<Held>,
}

fn lives(held: &Held, now: Timestamp) -> bool {
    held.expires.is_none_or(|expires| expires > now.as_millisecond())
}

impl Keyspace {
    /// A key that there is at this time.
    pub fn get(&self, now: Timestamp, database: u64, key: &[u8]) -> Option<&Held> {
        self.databases.get(&database)?.get(key).filter(|held| lives(held, now))
    }

    /// The keys that there are at this time, in order.
    pub fn keys(&self, now: Timestamp, database: u64) -> impl Iterator<Item = (&[u8], &Held)> {
        let keys = self.databases.get(&database).into_iter().flat_map(RedBlackTreeMapSync::iter);
        keys.filter(move |(_, held)| lives(held, now)).map(|(key, held)| (key.as_slice(), held))
    }

    /// The numbers of databases that have had keys.
    pub fn databases(&self) -> impl Iterator<Item = u64> {
        self.databases.keys().copied()
    }

    /// What a key has from now on; nothing takes it away. Gives what it had.
    pub fn set(&mut self, at: Timestamp, database: u64, key: &[u8], held: Option<Held>) -> Option<Held> {
        let was = self.put(database, key, held);
        // Times do not go back: what comes late is as of the last change.
        let at = self.changes.last().map_or(at, |last| last.at.max(at));
        let change = Change { at, database, key: key.to_vec(), was: was.clone() };
        Arc::make_mut(&mut self.changes).push(change);
        was
    }

    fn put(&mut self, database: u64, key: &[u8], held: Option<Held>) -> Option<Held> {
        let keys = self.databases.entry(database).or_default();
        let was = keys.get(key).cloned();
        match held {
            Some(held) => keys.insert_mut(key.to_vec(), held),
            None => drop(keys.remove_mut(key)),
        }
        was
    }

    /// The keys as they were at this moment, with what was written then. They are of their own, and their history begins there.
    #[must_use]
    pub fn at(&self, moment: Timestamp) -> Self {
        let mut then = Keyspace { databases: self.databases.clone(), changes: Arc::default() };
        for change in self.changes.iter().rev().take_while(|change| change.at > moment) {
            then.put(change.database, &change.key, change.was.clone());
        }
        then
    }

    /// How much has become of them since their history began.
    pub fn changes(&self) -> usize {
        self.changes.len()
    }

    /// Whether something has become of a key since there were so many changes.
    pub fn has_changed(&self, since: usize, database: u64, key: &[u8]) -> bool {
        let later = self.changes.iter().skip(since);
        later.into_iter().any(|change| change.database == database && change.key == key)
    }

    /// All keys that there are at this time, as an RDB file.
    ///
    /// # Errors
    /// Those of writing into memory, which there are none of.
    pub fn to_rdb(&self, now: Timestamp, version: &str) -> io::Result<Vec<u8>> {
        let time = now.as_second().to_string();
        let mut writer =
            Writer::new(Vec::new(), &[("redis-ver", version), ("redis-bits", "64"), ("ctime", &time)])?;
        for database in self.databases() {
            for (key, held) in self.keys(now, database) {
                let expires = held.expires.and_then(|expires| u64::try_from(expires).ok());
                writer.key(database, key, expires, &held.value.encoded())?;
            }
        }
        writer.finish()
    }

    /// The keys of an RDB file that there are at this time.
    ///
    /// # Errors
    /// Those of the file, and of values that are not supported.
    pub fn of_rdb(now: Timestamp, rdb: impl io::Read) -> Result<Self, RdbError> {
        let mut keys = Keyspace::default();
        for entry in Reader::new(rdb) {
            let entry = entry?;
            let expires = entry.expires.and_then(|expires| i64::try_from(expires).ok());
            let held = Held { value: Arc::new(value(&entry.value)?), expires };
            if lives(&held, now) {
                keys.put(entry.database, &entry.key, Some(held));
            }
        }
        Ok(keys)
    }
}
