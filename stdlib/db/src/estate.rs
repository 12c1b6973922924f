//! What the sections `postgres` and `redis` of an estate file have in common: servers by address, and which of them follow others.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::Uri;
use opsrun_core::{Error, Result, Span, Surroundings, Value};
use serde::de::DeserializeOwned;
use serde_json::json;

/// Servers of an estate.
pub(crate) struct Servers<S> {
    /// What the section of a target has to say instead of what it says.
    pub(crate) target: Value,
    by_address: BTreeMap<String, Arc<S>>,
}

/// A server of an estate, or a replica that has what its source had some time ago.
pub(crate) trait Simulated: Sized {
    /// The same content in other surroundings.
    fn fork(&self, surroundings: &Surroundings) -> Self;

    /// One that follows this server.
    fn replica(&self, lag: Span) -> Self;

    /// Of a replica: how far it is behind.
    fn lag(&self) -> Option<Span>;

    /// Whether both have the same content, as a replica and its source.
    fn shares_with(&self, other: &Self) -> bool;
}

/// A server that may follow another one.
pub(crate) trait Follows {
    /// The address of the one that it follows, and how far it is behind.
    fn follows(&self) -> Option<(&str, Span)>;
}

impl<S: Simulated> Servers<S> {
    /// Those of a section, as `start` makes each that follows none. `example` is how an address is written.
    ///
    /// # Errors
    /// `Invalid`, naming the server, also for one that follows none; those of `start`.
    pub(crate) fn start<O: Follows + DeserializeOwned>(
        section: &Value,
        example: &str,
        start: impl Fn(&O) -> Result<S>,
    ) -> Result<Self> {
        let Value::Object(members) = section else {
            return Err(Error::invalid(format!("it is a map of servers by address, such as `{example}`")));
        };
        let (mut target, mut sections) = (json!({}), BTreeMap::new());
        for (name, member) in members {
            if name == "target" {
                target = member.clone();
                continue;
            }
            if !name.contains(':') {
                return Err(Error::invalid(format!(
                    "`{name}` is no address of a server: write it like `{example}`"
                )));
            }
            let section =
                O::deserialize(member).map_err(|error| Error::invalid(format!("`{name}`: {error}")))?;
            sections.insert(name, section);
        }
        let mut started = BTreeMap::new();
        for (address, section) in sections.iter().filter(|(_, section)| section.follows().is_none()) {
            let made = start(section).map_err(|error| error.context(format!("`{address}`")))?;
            started.insert((*address).clone(), Arc::new(made));
        }
        let mut replicas = Vec::new();
        for (address, (source, lag)) in
            sections.iter().filter_map(|(address, section)| Some((*address, section.follows()?)))
        {
            let source = started.get(source).ok_or_else(|| {
                Error::invalid(format!(
                    "`{address}`: there is no server `{source}` that is no replica itself"
                ))
            })?;
            replicas.push((address.clone(), Arc::new(source.replica(lag))));
        }
        started.extend(replicas);
        Ok(Servers { target, by_address: started })
    }

    /// The one at `HOST:PORT`.
    pub(crate) fn get(&self, address: &str) -> Option<&Arc<S>> {
        self.by_address.get(address)
    }

    /// The one that an address leads to; `port` if it names none.
    pub(crate) fn at(&self, to: &Uri, port: u16) -> Option<&Arc<S>> {
        self.get(&format!("{}:{}", to.host()?, to.port_u16().unwrap_or(port)))
    }

    /// Those that follow none, by their addresses.
    pub(crate) fn primaries(&self) -> impl Iterator<Item = (&String, &Arc<S>)> {
        self.by_address.iter().filter(|(_, server)| server.lag().is_none())
    }

    pub(crate) fn fork(&self, surroundings: &Surroundings) -> Self {
        let mut forked: BTreeMap<String, Arc<S>> = BTreeMap::new();
        for (address, server) in self.primaries() {
            let fork = server.fork(surroundings);
            let replicas = self.by_address.iter().filter(|(_, other)| other.shares_with(server));
            let replicas = replicas.filter_map(|(address, other)| Some((address, other.lag()?)));
            forked.extend(replicas.map(|(address, lag)| (address.clone(), Arc::new(fork.replica(lag)))));
            forked.insert(address.clone(), Arc::new(fork));
        }
        Servers { target: self.target.clone(), by_address: forked }
    }
}
