//! The section `postgres` of an estate file: servers by address, with their users, databases and rows.

use std::collections::BTreeMap;
use std::path::PathBuf;

use opsrun_core::{Error, Result, Span, Value};
use serde::Deserialize;
use serde_json::json;

/// All of it.
#[derive(Debug)]
pub(super) struct Section {
    /// What the section of a target has to say instead of what it says.
    pub(super) target: Value,
    servers: BTreeMap<String, OfServer>,
}

/// A server, by `HOST:PORT`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct OfServer {
    /// With their passwords; `null` takes any. Without users, everybody may sign in.
    pub(super) users: BTreeMap<String, Option<String>>,
    /// `15.7` if left out.
    pub(super) version: Option<String>,
    pub(super) databases: BTreeMap<String, OfDatabase>,
    /// It follows the server of this address.
    replica_of: Option<String>,
    /// How far it is behind.
    lag: Option<Span>,
}

/// A database.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct OfDatabase {
    /// A file of statements that make what is in it.
    pub(super) file: Option<PathBuf>,
    /// Statements that do so, after those of the file.
    pub(super) sql: Option<String>,
    /// Tables, after that.
    pub(super) tables: BTreeMap<String, OfTable>,
}

/// A table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OfTable {
    /// As SQL has them: `id bigint primary key`.
    pub(super) columns: Vec<String>,
    #[serde(default)]
    pub(super) rows: Rows,
}

/// Rows, each an array of all columns' values or a map of some of them.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Rows {
    Inline(Vec<Value>),
    /// A file with such an array, as JSON.
    File(PathBuf),
}

impl Default for Rows {
    fn default() -> Self {
        Rows::Inline(Vec::new())
    }
}

impl Section {
    /// # Errors
    /// `Invalid`, naming the server.
    pub(super) fn read(section: &Value) -> Result<Self> {
        let Value::Object(members) = section else {
            return Err(Error::invalid("it is a map of servers by address, such as `db.example:5432`"));
        };
        let (mut target, mut servers) = (json!({}), BTreeMap::new());
        for (name, member) in members {
            if name == "target" {
                target = member.clone();
                continue;
            }
            if !name.contains(':') {
                return Err(Error::invalid(format!(
                    "`{name}` is no address of a server: write it like `db.example:5432`"
                )));
            }
            let server = OfServer::deserialize(member)
                .map_err(|error| Error::invalid(format!("`{name}`: {error}")))?;
            servers.insert(name.clone(), server);
        }
        Ok(Section { target, servers })
    }

    pub(super) fn primaries(&self) -> impl Iterator<Item = (&String, &OfServer)> {
        self.servers.iter().filter(|(_, server)| server.replica_of.is_none())
    }

    /// Address, source, lag.
    pub(super) fn replicas(&self) -> impl Iterator<Item = (&String, &str, Span)> {
        self.servers.iter().filter_map(|(address, server)| {
            Some((address, server.replica_of.as_deref()?, server.lag.unwrap_or_default()))
        })
    }
}
