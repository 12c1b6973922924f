//! The keys of caches, for whoever plays their engine: found by the address under which a client connects.

use std::fmt;

use jiff::Timestamp;

use super::{Place, settle};
use crate::world::Aws;
use opsrun_db_simulator::rows::Database;

/// Why nobody can be connected to a cache now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoCache {
    /// The name is not known: there is none of this address.
    Unknown,
    /// It does not answer, and is in this state.
    Down(&'static str),
}

impl fmt::Display for NoCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoCache::Unknown => f.write_str("could not translate host name to address"),
            NoCache::Down(state) => write!(f, "connection refused: the cache is {state}"),
        }
    }
}

impl std::error::Error for NoCache {}

impl Aws {
    /// The keys of the group that is reached at this address, its primary's, with or without a port: rows of the table `keys` with
    /// `key` and `value`. What is written bears the time that it is written with.
    ///
    /// # Errors
    /// [`NoCache`].
    pub fn cache_mut(&mut self, address: &str, now: Timestamp) -> Result<&mut Database, NoCache> {
        let host = address.split(':').next().unwrap_or(address);
        let (name, domain) = host.split_once('.').ok_or(NoCache::Unknown)?;
        let places = self
            .accounts
            .iter()
            .flat_map(|(account, content)| content.regions.keys().map(move |region| (account, region)));
        let mut places =
            places.filter(|(account, region)| super::domain(Place { account, region }) == domain);
        let place = places.next().map(|(account, region)| (account.clone(), region.clone()));
        let (account, region) = place.ok_or(NoCache::Unknown)?;
        settle(self, &account, &region, now);
        let content = self.accounts.get(&account).and_then(|account| account.regions.get(&region));
        let group =
            content.and_then(|content| content.elasticache.groups.get(name)).ok_or(NoCache::Unknown)?;
        if !group.is_up() {
            return Err(NoCache::Down(group.status));
        }
        let zone = group.zone(group.primary, &region);
        if self.is_down(&region, Some(&zone), now) {
            return Err(NoCache::Down("in a zone that is down"));
        }
        let content = self.accounts.get_mut(&account).and_then(|account| account.regions.get_mut(&region));
        let group = content.and_then(|content| content.elasticache.groups.get_mut(name));
        group.map(|group| &mut group.keys).ok_or(NoCache::Unknown)
    }
}
