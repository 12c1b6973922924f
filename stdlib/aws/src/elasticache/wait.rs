//! Waiting for caches and snapshots, on the run's clock. Who would wait for ever is told at once.

use opsrun_core::{Error, ErrorKind, Result, Span};

use super::look::{cache, snapshot};
use super::types::{Cache, SnapshotOfCache};
use crate::client::Client;

/// How often is asked.
const EVERY: Span = Span::from_secs(15);

/// Waits until a snapshot is available.
///
/// # Errors
/// `Failed` if it has failed, `NotFound` if it is gone, `Timeout`.
pub(crate) async fn ready_snapshot(client: &Client, name: &str, within: Span) -> Result<SnapshotOfCache> {
    let found = settled_snapshot(client, name, within).await?;
    let gone = || Error::not_found(format!("the snapshot {name} is gone: somebody has deleted it"));
    let found = found.ok_or_else(gone)?;
    if found.status == "available" {
        return Ok(found);
    }
    let place = client.place();
    let message = format!(
        "the snapshot {name} of {} is {}, in {}, {}",
        found.cache, found.status, place.region, place.account
    );
    Err(Error::failed(message).hint(format!(
        "it holds nothing and can be deleted: `elasticache::delete_snapshot(\"{name}\")`; the cache's events say why"
    )))
}

/// Waits as long as a snapshot is being made, and gives what has become of it.
///
/// # Errors
/// `Timeout`.
pub(crate) async fn settled_snapshot(
    client: &Client,
    name: &str,
    within: Span,
) -> Result<Option<SnapshotOfCache>> {
    let settled = client.cx().wait(within, EVERY, async || {
        let found = snapshot(client, name).await?;
        match found {
            Some(found)
                if matches!(found.status.as_str(), "creating" | "copying" | "exporting" | "deleting") =>
            {
                client.cx().progress(format!("snapshot {name}: {}", found.status));
                Ok(None)
            }
            found => Ok(Some(found)),
        }
    });
    if let Some(found) = settled.await? {
        return Ok(found);
    }
    let state = snapshot(client, name).await?.map_or_else(|| "gone".to_owned(), |found| found.status);
    let message = format!("the snapshot {name} is still {state} after {within}");
    Err(Error::new(ErrorKind::Timeout, message)
        .hint("it goes on by itself; wait longer with the option `wait`"))
}

/// Waits until a cache is available.
///
/// # Errors
/// `Conflict` if it is in a state that does not end by itself, `NotFound` if it is gone, `Timeout` with its state.
pub(crate) async fn ready_cache(client: &Client, name: &str, within: Span) -> Result<Cache> {
    let found = while_waiting(client, name, within, |found| found.is_none_or(Cache::is_settled)).await?;
    let gone = || Error::not_found(format!("the cache {name} is gone: somebody has deleted it"));
    let found = found.ok_or_else(gone)?;
    if found.status == "available" {
        return Ok(found);
    }
    let message = format!("the cache {name} is {}, which does not end by itself", found.status);
    Err(Error::new(ErrorKind::Conflict, message))
}

/// Waits until a cache is deleted.
///
/// # Errors
/// `Timeout` with its state.
pub(crate) async fn gone_cache(client: &Client, name: &str, within: Span) -> Result<()> {
    while_waiting(client, name, within, |found| found.is_none()).await.map(drop)
}

/// Asks for a cache until it is as wanted.
///
/// # Errors
/// `Timeout` with its state.
pub(crate) async fn while_waiting(
    client: &Client,
    name: &str,
    within: Span,
    is_wanted: impl Fn(Option<&Cache>) -> bool,
) -> Result<Option<Cache>> {
    let settled = client.cx().wait(within, EVERY, async || {
        let found = cache(client, name).await?;
        if is_wanted(found.as_ref()) {
            return Ok(Some(found));
        }
        let state = found.map_or_else(|| "not there".to_owned(), |found| found.status);
        client.cx().progress(format!("cache {name}: {state}"));
        Ok(None)
    });
    if let Some(found) = settled.await? {
        return Ok(found);
    }
    let state = cache(client, name).await?.map_or_else(|| "gone".to_owned(), |found| found.status);
    let message = format!("the cache {name} is still {state} after {within}");
    Err(Error::new(ErrorKind::Timeout, message)
        .hint("it goes on by itself; wait longer with the option `wait`"))
}
