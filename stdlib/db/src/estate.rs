//! What the sections `postgres` and `redis` of an estate file have in common: servers by address, and which of them follow others.

use std::collections::BTreeMap;

use opsrun_core::{Error, Result, Span, Value};
use serde::de::DeserializeOwned;
use serde_json::json;

/// All of it.
#[derive(Debug)]
pub(crate) struct Section<S> {
    /// What the section of a target has to say instead of what it says.
    pub(crate) target: Value,
    servers: BTreeMap<String, S>,
}

/// A server that may follow another one.
pub(crate) trait Follows {
    /// The address of the one that it follows, and how far it is behind.
    fn follows(&self) -> Option<(&str, Span)>;
}

impl<S: Follows + DeserializeOwned> Section<S> {
    /// `example` is how an address is written.
    ///
    /// # Errors
    /// `Invalid`, naming the server.
    pub(crate) fn read(section: &Value, example: &str) -> Result<Self> {
        let Value::Object(members) = section else {
            return Err(Error::invalid(format!("it is a map of servers by address, such as `{example}`")));
        };
        let (mut target, mut servers) = (json!({}), BTreeMap::new());
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
            let server =
                S::deserialize(member).map_err(|error| Error::invalid(format!("`{name}`: {error}")))?;
            servers.insert(name.clone(), server);
        }
        Ok(Section { target, servers })
    }

    /// The servers by address, as `start` makes them, and those that follow them, as `follow` does.
    ///
    /// # Errors
    /// `Invalid`, naming the server, for one that follows none; those of `start`.
    pub(crate) fn started<T>(
        &self,
        start: impl Fn(&S) -> Result<T>,
        follow: impl Fn(&T, Span) -> T,
    ) -> Result<BTreeMap<String, T>> {
        let mut started = BTreeMap::new();
        for (address, server) in self.servers.iter().filter(|(_, server)| server.follows().is_none()) {
            let made = start(server).map_err(|error| error.context(format!("`{address}`")))?;
            started.insert(address.clone(), made);
        }
        let following =
            self.servers.iter().filter_map(|(address, server)| Some((address, server.follows()?)));
        let mut followers = Vec::new();
        for (address, (source, lag)) in following {
            let source = started.get(source).ok_or_else(|| {
                Error::invalid(format!(
                    "`{address}`: there is no server `{source}` that is no replica itself"
                ))
            })?;
            followers.push((address.clone(), follow(source, lag)));
        }
        started.extend(followers);
        Ok(started)
    }
}
