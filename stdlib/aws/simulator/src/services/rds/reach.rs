//! The databases of instances, for whoever plays their engine: found by the name under which a client connects.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use opsrun_core::Span;
use opsrun_db_simulator::rows::Databases;

use super::{Place, settle, to_read};
use crate::world::Aws;

/// Why nobody can be connected to a database now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoDatabase {
    /// The name is not known: there is none of this address.
    Unknown,
    /// It does not answer, and is in this state.
    Down(&'static str),
    /// It is a replica, and takes no writes.
    ReadOnly,
}

impl fmt::Display for NoDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoDatabase::Unknown => f.write_str("could not translate host name to address"),
            NoDatabase::Down(state) => write!(f, "connection refused: the database is {state}"),
            NoDatabase::ReadOnly => f.write_str("cannot execute in a read-only transaction"),
        }
    }
}

impl std::error::Error for NoDatabase {}

/// An instance of PostgreSQL, whatever its name is by now.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DatabaseServer {
    account: String,
    region: String,
    resource: String,
}

/// What an instance's engine says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseFacts {
    pub version: String,
    pub created: Timestamp,
    /// Its administrator.
    pub user: String,
    /// Who may sign in, with their passwords; `None` takes any. Without users, everybody may.
    pub users: BTreeMap<String, Option<String>>,
    /// Of a replica: up to when it has what its source has written.
    pub replayed: Option<Timestamp>,
    /// Those that follow it in its region, and how far they are behind.
    pub replicas: Vec<(String, Span)>,
}

impl Aws {
    /// The instance that is reached at this host and port: its own address, or a name that records of Route 53 lead from to it.
    ///
    /// # Errors
    /// [`NoDatabase`], but not `ReadOnly`.
    pub fn database_server(
        &mut self,
        host: &str,
        port: u16,
        now: Timestamp,
    ) -> Result<DatabaseServer, NoDatabase> {
        let host = self.canonical(host);
        let (name, domain) = host.split_once('.').ok_or(NoDatabase::Unknown)?;
        let mut places = self
            .accounts
            .iter()
            .flat_map(|(account, content)| content.regions.keys().map(move |region| (account, region)));
        let place = places.find(|(account, region)| super::domain(Place { account, region }) == domain);
        let (account, region) = place.ok_or(NoDatabase::Unknown)?;
        let (account, region) = (account.clone(), region.clone());
        settle(self, &account, &region, now);
        let place = Place { account: &account, region: &region };
        let instance = super::instance(self, place, name).ok_or(NoDatabase::Unknown)?;
        if instance.engine != "postgres" || instance.port != port {
            return Err(NoDatabase::Unknown);
        }
        let server = DatabaseServer { resource: instance.resource.clone(), account, region };
        self.named(&server, now)?;
        Ok(server)
    }

    /// What is in it now, as whoever reads there sees it; a copy. A replica has what has arrived of its source.
    ///
    /// # Errors
    /// [`NoDatabase`], but not `ReadOnly`.
    pub fn databases(&mut self, of: &DatabaseServer, now: Timestamp) -> Result<Databases, NoDatabase> {
        let name = self.named(of, now)?;
        to_read(self, of.place(), &name, now).ok_or(NoDatabase::Unknown)
    }

    /// The same for writing. What is written bears the time that it is written with.
    ///
    /// # Errors
    /// [`NoDatabase`].
    pub fn databases_mut(
        &mut self,
        of: &DatabaseServer,
        now: Timestamp,
    ) -> Result<&mut Databases, NoDatabase> {
        let name = self.named(of, now)?;
        let account = self.accounts.get_mut(&of.account);
        let region = account.and_then(|account| account.regions.get_mut(&of.region));
        let instance = region.and_then(|region| region.rds.instances.get_mut(&name));
        let instance = instance.ok_or(NoDatabase::Unknown)?;
        match instance.replica {
            Some(_) => Err(NoDatabase::ReadOnly),
            None => Ok(&mut instance.databases),
        }
    }

    /// # Errors
    /// [`NoDatabase`], but not `ReadOnly`.
    pub fn database_facts(
        &mut self,
        of: &DatabaseServer,
        now: Timestamp,
    ) -> Result<DatabaseFacts, NoDatabase> {
        let name = self.named(of, now)?;
        let replayed = super::arrived(self, of.place(), &name, now);
        let instance = super::instance(self, of.place(), &name).ok_or(NoDatabase::Unknown)?;
        let region = self.accounts.get(&of.account).and_then(|account| account.regions.get(&of.region));
        let others = region.into_iter().flat_map(|region| region.rds.instances.values());
        let replicas = others.filter_map(|other| {
            let replica = other.replica.as_ref()?;
            let follows = replica.source == name && replica.region == of.region && other.is_up();
            follows.then(|| (other.name.clone(), replica.lag))
        });
        Ok(DatabaseFacts {
            version: instance.version.clone(),
            created: instance.created,
            user: instance.user.clone(),
            users: instance.users.clone(),
            replayed,
            replicas: replicas.collect(),
        })
    }

    /// Its name now, if it can be connected to.
    fn named(&mut self, of: &DatabaseServer, now: Timestamp) -> Result<String, NoDatabase> {
        settle(self, &of.account, &of.region, now);
        let region = self.accounts.get(&of.account).and_then(|account| account.regions.get(&of.region));
        let mut instances = region.into_iter().flat_map(|region| region.rds.instances.values());
        let instance = instances.find(|instance| instance.resource == of.resource);
        let instance = instance.ok_or(NoDatabase::Unknown)?;
        if self.is_down(&of.region, Some(&instance.zone), now) {
            return Err(NoDatabase::Down("in a zone that is down"));
        }
        if !instance.is_up() {
            return Err(NoDatabase::Down(instance.status));
        }
        Ok(instance.name.clone())
    }
}

impl DatabaseServer {
    fn place(&self) -> Place<'_> {
        Place { account: &self.account, region: &self.region }
    }
}
