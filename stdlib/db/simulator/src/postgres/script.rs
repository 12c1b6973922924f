//! SQL that nobody sends: what a server begins with.

use std::sync::Arc;

use super::session::Session;
use super::sql::parse;
use super::{PgError, Server};

/// Carries out statements in a database, as its owner, one after the other.
///
/// # Errors
/// That of the first that cannot be; those before it have been.
pub fn run(server: &Arc<dyn Server>, database: &str, sql: &str) -> Result<(), PgError> {
    server.read(database)?;
    let mut session = Session::new(server.clone(), database, server.owner());
    for parsed in parse::statements(sql).map_err(|error| error.within(sql))? {
        session.execute(&parsed, Vec::new(), &[])?;
        session.settle()?;
    }
    Ok(())
}
