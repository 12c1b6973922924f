//! Databases of a server: what they are called, and by which number they are known whatever they are called.

use opsrun_core::{Error, Result};
use serde::Deserialize;
use serde_json::json;

use crate::postgres::client::Client;

/// Where databases are made, renamed and dropped from, as one cannot do that from inside of them.
pub(crate) const MAINTENANCE: &str = "postgres";

/// A database.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Database {
    /// Its number, which it keeps when it is renamed.
    pub(crate) oid: i64,
}

/// The database of this name.
pub(crate) async fn find(client: &Client, name: &str) -> Result<Option<Database>> {
    let found =
        client.rows("select oid::bigint as oid from pg_database where datname = $1", vec![json!(name)]);
    Ok(found.await?.into_iter().next())
}

/// The database of this name.
///
/// # Errors
/// `NotFound`.
pub(crate) async fn needed(client: &Client, name: &str) -> Result<Database> {
    find(client, name)
        .await?
        .ok_or_else(|| Error::not_found(format!("{} has no database `{name}` beside it", client.place())))
}

/// What is no name of a database, or is cut by the server: it takes 63 bytes.
///
/// # Errors
/// `Invalid`.
pub(crate) fn check_name(name: &str) -> Result<()> {
    if name.is_empty() || name.len() > 63 || name.contains('\0') {
        return Err(Error::invalid(format!("`{name}` is no name of a database: it has 1 to 63 bytes")));
    }
    Ok(())
}
