//! Waits until objects are ready, gone, or as a playbook says; what does not come about is diagnosed.

use std::collections::BTreeMap;

use opsrun_core::{Error, ErrorKind, Result, Span};
use serde_json::Value;

use crate::client::{Client, Query};
use crate::diagnosis;
use crate::object::{Address, Object};
use crate::readiness::{self, Readiness};
use crate::watch::{self, Watch};

/// How readiness is judged.
pub type Judge = fn(&Value) -> Readiness;

/// Waits until all objects are ready.
///
/// # Errors
/// `Timeout` or `Failed`, with a diagnosis of each object that is not.
pub async fn ready(client: &Client, objects: &[Address], within: Span) -> Result<()> {
    ready_by(client, objects, within, readiness::of).await
}

/// As [`ready`], by another rule.
///
/// # Errors
/// As [`ready`].
pub async fn ready_by(client: &Client, objects: &[Address], within: Span, judge: Judge) -> Result<()> {
    let deadline = within.after(client.cx().now());
    let mut groups: BTreeMap<_, Vec<&Address>> = BTreeMap::new();
    for at in objects {
        groups.entry((&at.resource, &at.namespace)).or_default().push(at);
    }
    let waits = groups.into_values().map(|group| group_ready(client, group, deadline, judge));
    let unready: Vec<(Address, Readiness)> =
        futures::future::try_join_all(waits).await?.into_iter().flatten().collect();
    if unready.is_empty() {
        return Ok(());
    }
    Err(not_ready(client, &unready, within).await)
}

/// Waits until none of the objects exists.
///
/// # Errors
/// `Timeout`, naming those that still do.
pub async fn gone(client: &Client, objects: &[Address], within: Span) -> Result<()> {
    let deadline = within.after(client.cx().now());
    let waits = objects.iter().map(|at| async move {
        let mut last = Value::Null;
        let gone = watch::until(client, &watch_one(at), deadline, |seen| {
            last = seen.values().next().cloned().unwrap_or_default();
            Ok(seen.is_empty().then_some(()))
        })
        .await?;
        Ok::<_, Error>(gone.is_none().then_some((at, last)))
    });
    let still: Vec<_> = futures::future::try_join_all(waits).await?.into_iter().flatten().collect();
    let Some((first, _)) = still.first() else { return Ok(()) };
    let mut error = Error::new(ErrorKind::Timeout, format!("{first} is still there after {within}"));
    for (at, object) in &still {
        let finalizers: Vec<&str> =
            object.items("/metadata/finalizers").iter().filter_map(Value::as_str).collect();
        error = error.detail(match finalizers.as_slice() {
            [] => format!("{at}: waits for what it owns, or for its grace period"),
            names => format!("{at}: held by the finalizers `{}`", names.join("`, `")),
        });
    }
    Err(error)
}

/// Waits until `check` says so of one object (`None`: it does not exist).
///
/// # Errors
/// Those of `check` and of the cluster; `Ok(None)` if it did not come about in time.
pub async fn object<T>(
    client: &Client,
    at: &Address,
    within: Span,
    mut check: impl FnMut(Option<&Value>) -> Result<Option<T>>,
) -> Result<Option<T>> {
    let deadline = within.after(client.cx().now());
    watch::until(client, &watch_one(at), deadline, |seen| check(seen.values().next())).await
}

/// The error for objects that did not become ready, each with what its pods have to say.
pub async fn not_ready(client: &Client, unready: &[(Address, Readiness)], within: Span) -> Error {
    let why = |state: &Readiness| match state {
        Readiness::Ready => "ready".to_owned(),
        Readiness::Waiting(why) | Readiness::Failed(why) => why.clone(),
    };
    let failed = unready.iter().find(|(_, state)| matches!(state, Readiness::Failed(_)));
    let (kind, message) = match (failed, unready.first()) {
        (Some((at, state)), _) => (ErrorKind::Failed, format!("{at} failed: {}", why(state))),
        (None, Some((at, state))) => {
            (ErrorKind::Timeout, format!("{at} is not ready after {within}: {}", why(state)))
        }
        (None, None) => (ErrorKind::Timeout, format!("not ready after {within}")),
    };
    let mut error = Error::new(kind, message);
    if unready.len() > 1 {
        for (at, state) in unready {
            error = error.detail(format!("{at}: {}", why(state)));
        }
    }
    let places: Vec<Address> = unready.iter().map(|(at, _)| at.clone()).collect();
    diagnosis::of(client, &places).await.explain(error)
}

async fn group_ready(
    client: &Client,
    group: Vec<&Address>,
    deadline: jiff::Timestamp,
    judge: Judge,
) -> Result<Vec<(Address, Readiness)>> {
    let Some(first) = group.first() else { return Ok(Vec::new()) };
    let watch = match group.as_slice() {
        [one] => watch_one(one),
        _ => Watch {
            resource: first.resource.clone(),
            namespace: first.namespace.clone(),
            query: Query::default(),
        },
    };
    let mut unready = Vec::new();
    let settled = watch::until(client, &watch, deadline, |seen| {
        unready = group
            .iter()
            .map(|at| {
                let key = (at.namespace.clone().unwrap_or_default(), at.name.clone());
                let state = seen.get(&key).map_or(Readiness::Waiting("it does not exist".to_owned()), judge);
                ((*at).clone(), state)
            })
            .filter(|(_, state)| *state != Readiness::Ready)
            .collect();
        if let Some((at, Readiness::Waiting(why))) = unready.first() {
            client.cx().progress(format!("{}: {why}", at.short()));
        }
        let failed = unready.iter().any(|(_, state)| matches!(state, Readiness::Failed(_)));
        Ok((unready.is_empty() || failed).then_some(()))
    })
    .await?;
    if settled.is_none() && unready.is_empty() {
        // The deadline passed before the first answer.
        return Ok(group
            .into_iter()
            .map(|at| (at.clone(), Readiness::Waiting("its state could not be read".to_owned())))
            .collect());
    }
    Ok(unready)
}

fn watch_one(at: &Address) -> Watch {
    Watch { resource: at.resource.clone(), namespace: at.namespace.clone(), query: Query::named(&at.name) }
}
