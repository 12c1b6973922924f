//! Waits for the state of objects by watching them: a change is noticed when it happens, on a live cluster as in simulation.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;

use futures::StreamExt;
use jiff::Timestamp;
use opsrun_core::{Result, Span};
use serde_json::Value;

use crate::client::{Client, Query, Watched};
use crate::discovery::Resource;
use crate::error::Error;
use crate::object::Object;

/// Objects of one kind, by namespace and name.
pub(crate) type Seen = BTreeMap<(String, String), Value>;

/// What to look at.
#[derive(Debug, Clone)]
pub(crate) struct Watch {
    pub resource: Arc<Resource>,
    /// `None`: all namespaces.
    pub namespace: Option<String>,
    pub query: Query,
}

/// A server that restarts is waited for; one that stays away is reported.
const FAILURES: usize = 5;
const PAUSE: Span = Span::from_secs(1);

/// Asks `check` for each state of the objects until it gives an answer: `None` if it gave none before `deadline`.
///
/// # Errors
/// Those of `check`, `Interrupted`, and those of the cluster once it has failed several times in a row.
pub(crate) async fn until<T>(
    client: &Client,
    watch: &Watch,
    deadline: Timestamp,
    mut check: impl FnMut(&Seen) -> Result<Option<T>>,
) -> Result<Option<T>> {
    let work = async {
        let mut failures = 0;
        loop {
            match follow(client, watch, &mut check, &mut failures).await {
                Ok(Some(found)) => return Ok(found),
                Ok(None) => {}
                Err(error) if may_pass(&error) && failures < FAILURES => {
                    failures += 1;
                    client.cx().sleep(PAUSE).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    };
    client.cx().until(deadline, work).await
}

/// One list and the watch after it; `None` if the watch ended.
async fn follow<T>(
    client: &Client,
    watch: &Watch,
    check: &mut impl FnMut(&Seen) -> Result<Option<T>>,
    failures: &mut usize,
) -> Result<Option<T>, Error> {
    let mut seen = Seen::new();
    let namespace = watch.namespace.as_deref();
    let version = client
        .list_each(&watch.resource, namespace, &watch.query, |item| {
            seen.insert(key(&item), item);
        })
        .await?;
    if let Some(found) = check(&seen)? {
        return Ok(Some(found));
    }
    *failures = 0;
    let mut events = match client.watch(&watch.resource, namespace, &watch.query, &version).await {
        Ok(events) => pin!(events),
        // Who may list but not watch asks again.
        Err(error) if error.code() == Some(403) => {
            client.cx().sleep(PAUSE).await?;
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    while let Some(event) = events.next().await {
        match event? {
            Watched::Now(object) => seen.insert(key(&object), object),
            Watched::Gone(object) => seen.remove(&key(&object)),
            Watched::Nothing => continue,
            Watched::TooOld => return Ok(None),
        };
        if let Some(found) = check(&seen)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn key(object: &Value) -> (String, String) {
    (object.text("/metadata/namespace").to_owned(), object.name().to_owned())
}

fn may_pass(error: &Error) -> bool {
    match error {
        Error::Unreachable { .. } | Error::Answer { .. } => true,
        Error::Api { status, .. } => status.code == 429 || status.code >= 500,
        _ => false,
    }
}
