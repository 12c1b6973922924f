//! One server of an estate.

use std::sync::Arc;

use jiff::Timestamp;
use opsrun_core::{Clock, Error, Result, Span};
use opsrun_db_simulator::redis::{self, Held, Keyspace, Memory, Server};

use super::section::{OfServer, number, value};
use crate::estate;

/// A server with its keys, or a replica that has those of another one.
pub(super) struct Simulated {
    memory: Arc<Memory<Surroundings>>,
    password: Option<String>,
    version: String,
    /// Of a replica: how far it is behind.
    lag: Option<Span>,
}

const VERSION: &str = "7.0.15";

impl Simulated {
    pub(super) fn start(section: &OfServer, surroundings: &opsrun_core::Surroundings) -> Result<Self> {
        let now = surroundings.clock.now();
        let mut keys = match &section.file {
            None => Keyspace::default(),
            Some(file) => Keyspace::of_rdb(now, surroundings.files.read(file)?.as_slice())
                .map_err(|error| Error::invalid(format!("`{}`: {error}", file.display())))?,
        };
        for (name, content) in &section.databases {
            let database = number(name)?;
            for (key, told) in content {
                let (value, ttl) = value(told)
                    .map_err(|error| error.context(format!("the key `{key}` of the database {name}")))?;
                let expires = ttl.map(|ttl| ttl.after(now).as_millisecond());
                keys.set(now, database, key.as_bytes(), Some(Held { value: Arc::new(value), expires }));
            }
        }
        let password = section.password.clone();
        let version = section.version.clone().unwrap_or_else(|| VERSION.to_owned());
        Ok(Self::with(keys, password, version, surroundings))
    }

    fn with(
        keys: Keyspace,
        password: Option<String>,
        version: String,
        surroundings: &opsrun_core::Surroundings,
    ) -> Self {
        let id = format!("{:040x}", surroundings.seed);
        let memory = Memory::new(Surroundings(surroundings.clock.clone()), password.as_deref(), &id);
        memory.put(keys);
        Simulated { memory: Arc::new(memory), password, version, lag: None }
    }

    /// The keys that it has now.
    pub(super) fn content(&self) -> Keyspace {
        self.memory.get()
    }
}

impl estate::Simulated for Simulated {
    fn fork(&self, surroundings: &opsrun_core::Surroundings) -> Self {
        Self::with(self.memory.get(), self.password.clone(), self.version.clone(), surroundings)
    }

    fn replica(&self, lag: Span) -> Self {
        Simulated {
            memory: self.memory.clone(),
            password: self.password.clone(),
            version: self.version.clone(),
            lag: Some(lag),
        }
    }

    fn lag(&self) -> Option<Span> {
        self.lag
    }

    fn shares_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.memory, &other.memory)
    }
}

impl Server for Simulated {
    fn now(&self) -> Timestamp {
        self.memory.now()
    }

    fn started(&self) -> Timestamp {
        self.memory.started()
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn password(&self) -> Option<String> {
        self.password.clone()
    }

    fn is_replica(&self) -> bool {
        self.lag.is_some()
    }

    fn replication_id(&self) -> String {
        self.memory.replication_id()
    }

    fn keys(&self, with: &mut dyn FnMut(Timestamp, &mut Keyspace)) -> std::result::Result<(), String> {
        let Some(lag) = self.lag else { return self.memory.keys(with) };
        let now = self.now();
        let then = now.checked_sub(lag.duration()).map_err(|error| format!("ERR {error}"))?;
        with(now, &mut self.memory.get().at(then));
        Ok(())
    }

    fn save(&self, rdb: Vec<u8>) {
        self.memory.save(rdb);
    }

    fn saved(&self) -> Timestamp {
        self.memory.saved()
    }
}

/// Time of an estate.
struct Surroundings(Arc<dyn Clock>);

impl redis::Surroundings for Surroundings {
    fn now(&self) -> Timestamp {
        self.0.now()
    }
}
