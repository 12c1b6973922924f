//! Waiting for databases and snapshots, on the run's clock. Who would wait for ever is told at once.

use opsrun_core::{Error, ErrorKind, Result, Span};

use super::look::{instance, snapshot};
use super::name::{SnapshotName, SnapshotRef};
use super::types::{Database, SnapshotOfDatabase};
use crate::client::Client;

/// How often is asked.
const EVERY: Span = Span::from_secs(15);

/// States of instances that do not end by themselves.
const STUCK: &[&str] = &[
    "failed",
    "inaccessible-encryption-credentials",
    "inaccessible-encryption-credentials-recoverable",
    "insufficient-capacity",
    "restore-error",
    "stopped",
    "storage-full",
];

/// Waits until a snapshot is available.
///
/// # Errors
/// `Failed` if it has failed, `NotFound` if it is gone, `Timeout` with how far it got.
pub(crate) async fn ready_snapshot(
    client: &Client,
    named: &SnapshotRef,
    within: Span,
) -> Result<SnapshotOfDatabase> {
    let found = settled_snapshot(client, named, within).await?;
    let Some(found) = found else {
        return Err(Error::not_found(format!("the snapshot {named} is gone: somebody has deleted it")));
    };
    if found.is_available() {
        return Ok(found);
    }
    let place = client.place();
    let message = format!(
        "the snapshot {named} of {} is {} at {} %, in {}, {}",
        found.instance, found.status, found.progress, place.region, place.account
    );
    Err(Error::failed(message).hint(format!(
        "it holds nothing and can be deleted: `rds::delete_snapshot(\"{named}\")`; the instance's events say why"
    )))
}

/// Waits as long as a snapshot is being made, and gives what has become of it.
///
/// # Errors
/// `Timeout` with how far it got.
pub(crate) async fn settled_snapshot(
    client: &Client,
    named: &SnapshotRef,
    within: Span,
) -> Result<Option<SnapshotOfDatabase>> {
    let mut last = None;
    let settled = client.cx().wait(within, EVERY, async || {
        let found = snapshot(client, named).await?;
        match found {
            Some(found)
                if matches!(found.status.as_str(), "creating" | "copying" | "pending" | "deleting") =>
            {
                client.cx().progress(format!("snapshot {named}: {}, {} %", found.status, found.progress));
                Ok(None)
            }
            found => Ok(Some(found)),
        }
    });
    match settled.await? {
        Some(found) => Ok(found),
        None => {
            last = snapshot(client, named).await?.or(last);
            let state = last.map_or_else(
                || "it does not exist".to_owned(),
                |found: SnapshotOfDatabase| format!("it is {}, {} % done", found.status, found.progress),
            );
            Err(Error::new(
                ErrorKind::Timeout,
                format!("the snapshot {named} is not ready after {within}: {state}"),
            )
            .hint("it goes on by itself; wait longer with the option `wait`"))
        }
    }
}

/// Waits until an instance is available.
///
/// # Errors
/// `Conflict` if it is in a state that does not end by itself, `NotFound` if it is gone, `Timeout` with its state.
pub(crate) async fn ready_instance(client: &Client, name: &str, within: Span) -> Result<Database> {
    let found = settled_instance(client, name, within).await?;
    let Some(found) = found else {
        return Err(Error::not_found(format!("the database {name} is gone: somebody has deleted it")));
    };
    if is_stuck(&found.status) {
        let message = format!("the database {name} is {}, which does not end by itself", found.status);
        return Err(Error::new(ErrorKind::Conflict, message));
    }
    Ok(found)
}

/// Waits until an instance is in a state that lasts, and gives it; `None` if there is none.
///
/// # Errors
/// `Timeout` with its state.
pub(crate) async fn settled_instance(client: &Client, name: &str, within: Span) -> Result<Option<Database>> {
    while_waiting(client, name, within, |found| match found {
        Some(found) => lasts(&found.status),
        None => true,
    })
    .await
}

/// Waits until an instance is deleted.
///
/// # Errors
/// `Timeout` with its state.
pub(crate) async fn gone_instance(client: &Client, name: &str, within: Span) -> Result<()> {
    while_waiting(client, name, within, |found| found.is_none()).await.map(drop)
}

/// Asks for an instance until it is as wanted.
///
/// # Errors
/// `Timeout` with its state.
pub(crate) async fn while_waiting(
    client: &Client,
    name: &str,
    within: Span,
    is_wanted: impl Fn(Option<&Database>) -> bool,
) -> Result<Option<Database>> {
    let settled = client.cx().wait(within, EVERY, async || {
        let found = instance(client, name).await?;
        if is_wanted(found.as_ref()) {
            return Ok(Some(found));
        }
        let state = found.map_or_else(|| "not there".to_owned(), |found| found.status);
        client.cx().progress(format!("database {name}: {state}"));
        Ok(None)
    });
    if let Some(found) = settled.await? {
        return Ok(found);
    }
    let state = instance(client, name).await?.map_or_else(|| "gone".to_owned(), |found| found.status);
    let message = format!("the database {name} is still {state} after {within}");
    Err(Error::new(ErrorKind::Timeout, message)
        .hint("it goes on by itself; wait longer with the option `wait`"))
}

fn is_stuck(status: &str) -> bool {
    STUCK.contains(&status) || status.starts_with("incompatible-")
}

/// It can be worked with, or somebody has to do something.
fn lasts(status: &str) -> bool {
    matches!(status, "available" | "storage-optimization") || is_stuck(status)
}

impl From<SnapshotName> for SnapshotRef {
    fn from(name: SnapshotName) -> Self {
        SnapshotRef::Named(name)
    }
}
