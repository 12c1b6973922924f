//! AWS tells of what was just made or changed a few seconds later: it is looked for until it is seen.

use opsrun_core::{Error, Result, Span};

use super::look::{instance, needed_instance, needed_snapshot, snapshot};
use super::name::SnapshotRef;
use super::types::{Database, SnapshotOfDatabase};
use crate::client::Client;

const WITHIN: Span = Span::from_secs(60);
const EVERY: Span = Span::from_secs(3);

/// The instance that was just made.
///
/// # Errors
/// `NotFound` if it does not appear.
pub(crate) async fn shown_instance(client: &Client, name: &str) -> Result<Database> {
    match client.cx().wait(WITHIN, EVERY, || instance(client, name)).await? {
        Some(found) => Ok(found),
        None => needed_instance(client, name).await,
    }
}

/// The snapshot that was just made.
///
/// # Errors
/// As [`shown_instance`].
pub(crate) async fn shown_snapshot(client: &Client, named: &SnapshotRef) -> Result<SnapshotOfDatabase> {
    match client.cx().wait(WITHIN, EVERY, || snapshot(client, named)).await? {
        Some(found) => Ok(found),
        None => needed_snapshot(client, named).await,
    }
}

/// Whether AWS refused to make something because it is there, whatever a look said.
pub(crate) fn is_there_already(error: &Error) -> bool {
    matches!(error.data_value()["code"].as_str(), Some("DBInstanceAlreadyExists" | "DBSnapshotAlreadyExists"))
}

/// Codes that say that an instance is not as it was seen.
pub(crate) const OUTDATED: &[&str] =
    &["DBInstanceNotFound", "DBInstanceNotFoundFault", "InvalidDBInstanceState"];
