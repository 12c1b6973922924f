//! The section `postgres` of an estate file: servers by address, with their users, databases and rows.

use std::collections::BTreeMap;
use std::path::PathBuf;

use opsrun_core::{Span, Value};
use serde::Deserialize;

use crate::estate::Follows;

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

impl Follows for OfServer {
    fn follows(&self) -> Option<(&str, Span)> {
        Some((self.replica_of.as_deref()?, self.lag.unwrap_or_default()))
    }
}
