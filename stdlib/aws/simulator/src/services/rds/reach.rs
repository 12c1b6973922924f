//! The rows of databases, for whoever plays their engines: found by the address under which a client connects.

use std::fmt;

use jiff::Timestamp;

use super::{Place, rows, settle};
use crate::world::Aws;
use opsrun_db_simulator::rows::Database;

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

/// Account, region and name.
struct At {
    account: String,
    region: String,
    name: String,
}

impl Aws {
    /// What is in the database that is reached at this address, with or without a port; a copy, for reading. A replica has what has
    /// arrived of its source.
    ///
    /// # Errors
    /// [`NoDatabase`], but not `ReadOnly`.
    pub fn database(&mut self, address: &str, now: Timestamp) -> Result<Database, NoDatabase> {
        let at = self.reached(address, now)?;
        let place = Place { account: &at.account, region: &at.region };
        rows(self, place, &at.name, now).ok_or(NoDatabase::Unknown)
    }

    /// The same for writing. What is written bears the time that it is written with.
    ///
    /// # Errors
    /// [`NoDatabase`].
    pub fn database_mut(&mut self, address: &str, now: Timestamp) -> Result<&mut Database, NoDatabase> {
        let at = self.reached(address, now)?;
        let region =
            self.accounts.get_mut(&at.account).and_then(|account| account.regions.get_mut(&at.region));
        let instance = region.and_then(|region| region.rds.instances.get_mut(&at.name));
        let instance = instance.ok_or(NoDatabase::Unknown)?;
        match instance.replica {
            Some(_) => Err(NoDatabase::ReadOnly),
            None => Ok(&mut instance.rows),
        }
    }

    fn reached(&mut self, address: &str, now: Timestamp) -> Result<At, NoDatabase> {
        let host = address.split(':').next().unwrap_or(address);
        let (name, domain) = host.split_once('.').ok_or(NoDatabase::Unknown)?;
        let places = self
            .accounts
            .iter()
            .flat_map(|(account, content)| content.regions.keys().map(move |region| (account, region)));
        let mut places =
            places.filter(|(account, region)| super::domain(Place { account, region }) == domain);
        let (account, region) = places.next().ok_or(NoDatabase::Unknown)?;
        let at = At { account: account.clone(), region: region.clone(), name: name.to_owned() };
        settle(self, &at.account, &at.region, now);
        let place = Place { account: &at.account, region: &at.region };
        let instance = super::instance(self, place, name).ok_or(NoDatabase::Unknown)?;
        if self.is_down(&at.region, Some(&instance.zone), now) {
            return Err(NoDatabase::Down("in a zone that is down"));
        }
        if !instance.is_up() {
            return Err(NoDatabase::Down(instance.status));
        }
        Ok(at)
    }
}
