//! Server-side apply of many objects: in waves, many at a time, with a record of how everything was.
//! What is surely so already, in values and in ownership, is not sent; everything else is the server's to decide.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::StreamExt;
use opsrun_core::{BoxFuture, Result, Span};
use opsrun_k8s_schema::managed;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::client::{Client, IN_FLIGHT, Parameters, PatchKind, Query};
use crate::discovery::Resource;
use crate::error::{Error, FieldConflict};
use crate::inverse::{Memory, Outcome, difference, formerly, without_state};
use crate::manifests::Wave;
use crate::object::{Address, Object};
use crate::wait;

/// How to apply.
#[derive(Debug, Clone, Copy)]
pub struct Apply<'a> {
    /// The field manager.
    pub manager: &'a str,
    pub conflicts: Conflicts,
    /// Ask the server what it would do.
    pub dry_run: bool,
    /// The namespace of objects that name none; the target's if `None`.
    pub namespace: Option<&'a str>,
    pub undo: Undoing,
}

/// What becomes of fields that others manage, and that the apply would change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conflicts {
    /// The object is refused.
    Refuse,
    /// The fields are taken over.
    TakeOver,
    /// The fields stay as they are, which is warned of, and the rest is applied.
    Leave,
}

impl Conflicts {
    /// As an option `force` says it.
    pub fn forced(force: bool) -> Self {
        if force { Conflicts::TakeOver } else { Conflicts::Refuse }
    }
}

/// Who records what takes the writes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undoing {
    /// Each object is put back as it was; so each is read before it is written.
    Objects,
    /// The caller has recorded an inverse of its own.
    Caller,
}

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    Created,
    Changed,
    Unchanged,
    Deleted,
}

/// An applied object.
#[derive(Debug, Clone)]
pub struct Applied {
    pub at: Address,
    pub change: Change,
    /// How it was; not known if nobody asked (see [`Undoing::Caller`]).
    pub before: Option<Value>,
    pub after: Value,
}

const DEFINITION: &str = "CustomResourceDefinition";
/// A new kind is served within a second or two.
const ESTABLISHED_WITHIN: Span = Span::from_secs(60);
/// As many objects of one kind and namespace are read with one list rather than one by one.
const LIST_FROM: usize = 16;

/// Applies the objects, wave by wave, and returns them in the order given.
///
/// # Errors
/// The first failure in that order; what was begun is finished, and nothing further is begun.
pub async fn all(client: &Client, objects: &[Value], how: &Apply<'_>) -> Result<Vec<Applied>> {
    let mut waves: BTreeMap<Wave, Vec<(usize, &Value)>> = BTreeMap::new();
    for (index, object) in objects.iter().enumerate() {
        waves.entry(Wave::of(object.text("/kind"))).or_default().push((index, object));
    }
    let mut applied: Vec<(usize, Applied)> = Vec::with_capacity(objects.len());
    for wave in waves.into_values() {
        let (indexes, objects): (Vec<usize>, Vec<&Value>) = wave.into_iter().unzip();
        let done = one_wave(client, &objects, how).await?;
        if !how.dry_run {
            await_definitions(client, &done).await?;
        }
        applied.extend(indexes.into_iter().zip(done));
    }
    applied.sort_by_key(|(index, _)| *index);
    Ok(applied.into_iter().map(|(_, applied)| applied).collect())
}

async fn one_wave(client: &Client, objects: &[&Value], how: &Apply<'_>) -> Result<Vec<Applied>> {
    let mut places = Vec::with_capacity(objects.len());
    for object in objects {
        places.push(client.address_of(object, how.namespace).await?);
    }
    let placed: Vec<Value> = objects.iter().zip(&places).map(|(object, at)| placed(object, at)).collect();
    let reads = how.dry_run || how.undo == Undoing::Objects;
    let befores = if reads { read_all(client, &places).await? } else { vec![None; places.len()] };
    let mut all: Vec<Write> = Vec::with_capacity(places.len());
    for ((at, object), before) in places.into_iter().zip(placed).zip(befores) {
        let is_so = !how.dry_run
            && before.as_ref().is_some_and(|before| managed::is_applied(before, &object, how.manager));
        all.push(Write { at, object, before, is_so });
    }
    let writes: Vec<&Write> = all.iter().filter(|write| !write.is_so).collect();
    let mut memory = match how.undo {
        Undoing::Objects if !how.dry_run && !writes.is_empty() => {
            let formers = writes.iter().map(|write| (write.at.clone(), write.before.clone())).collect();
            Some(Memory::of(client, formers).await?)
        }
        _ => None,
    };
    let results = write_all(client, &writes, how).await;
    let mut failure = None;
    let mut changes = Vec::with_capacity(results.len());
    for (index, result) in results.into_iter().enumerate() {
        let (outcome, change) = match result {
            None => (Outcome::Untouched, None),
            Some(Ok((created, after))) => {
                let change = change(created, writes[index].before.as_ref(), &after, how);
                (Outcome::Now(after.clone()), Some((change, after)))
            }
            Some(Err(error)) => {
                let outcome = Outcome::of_failure(&error);
                failure.get_or_insert(error);
                (outcome, None)
            }
        };
        changes.push(change);
        if let Some(memory) = &mut memory {
            memory.note(index, outcome);
        }
    }
    if let Some(memory) = memory {
        memory.settle().await?;
    }
    if let Some(error) = failure {
        return Err(error.into());
    }
    let mut changes = changes.into_iter().flatten();
    let applied = all.into_iter().filter_map(|write| {
        let (change, after) = match (write.is_so, &write.before) {
            (true, Some(before)) => (Change::Unchanged, before.clone()),
            _ => changes.next()?,
        };
        // The run broke off here: what the call did then counts.
        let (change, before) = match formerly(client.cx(), &write.at, Some(&after)) {
            Some(former) => (since(former.as_ref(), &after), former),
            None => (change, write.before),
        };
        Some(Applied { at: write.at, change, before, after })
    });
    Ok(applied.collect())
}

/// An object on its way to the server.
struct Write {
    at: Address,
    /// What is sent.
    object: Value,
    before: Option<Value>,
    /// Nothing would be changed by it.
    is_so: bool,
}

type Written = Option<Result<(bool, Value), Error>>;

/// `None` for those that were not begun because another one failed.
async fn write_all(client: &Client, writes: &[&Write], how: &Apply<'_>) -> Vec<Written> {
    let failed = &AtomicBool::new(false);
    let parameters = &Parameters::default()
        .with("fieldManager", how.manager)
        .with("force", (how.conflicts == Conflicts::TakeOver).to_string())
        .with_if(how.dry_run, "dryRun", "All");
    let mut work: Vec<BoxFuture<'_, Written>> = Vec::with_capacity(writes.len());
    for write in writes {
        work.push(Box::pin(async move {
            if failed.load(Ordering::Relaxed) {
                return None;
            }
            let apply = |object| client.patch(&write.at, None, PatchKind::Apply, object, parameters);
            let mut result = apply(&write.object).await;
            if how.conflicts == Conflicts::Leave
                && let Err(Error::FieldConflict { object, conflicts }) = &result
                && let Some(rest) =
                    managed::without(&write.object, conflicts.iter().map(|it| it.field.as_str()))
            {
                for FieldConflict { manager, field } in conflicts {
                    client.cx().warn(format!("`{field}` of {object} stays as `{manager}` has set it"));
                }
                result = apply(&rest).await;
            }
            if result.is_err() {
                failed.store(true, Ordering::Relaxed);
            }
            Some(result)
        }));
    }
    together(work).await
}

/// Does the work, some of it at a time, begun in order; the results are in order. What takes long holds nothing else back.
pub(crate) async fn together<'a, T: Send + 'a>(work: Vec<BoxFuture<'a, T>>) -> Vec<T> {
    let mut numbered: Vec<BoxFuture<'a, (usize, T)>> = Vec::with_capacity(work.len());
    for (number, work) in work.into_iter().enumerate() {
        numbered.push(Box::pin(async move { (number, work.await) }));
    }
    let mut done: Vec<(usize, T)> =
        futures::stream::iter(numbered).buffer_unordered(IN_FLIGHT).collect().await;
    done.sort_unstable_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, done)| done).collect()
}

/// The object with its namespace written in, and without what an apply must not bear.
fn placed(object: &Value, at: &Address) -> Value {
    let mut object = object.clone();
    if let Some(map) = object.as_object_mut() {
        map.remove("status");
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        for field in ["managedFields", "resourceVersion", "uid", "creationTimestamp", "generation"] {
            metadata.remove(field);
        }
        if let Some(namespace) = &at.namespace {
            metadata.insert("namespace".to_owned(), namespace.clone().into());
        }
    }
    object
}

fn since(former: Option<&Value>, after: &Value) -> Change {
    match former {
        None => Change::Created,
        Some(former) if difference(&without_state(former), &without_state(after)).is_none() => {
            Change::Unchanged
        }
        Some(_) => Change::Changed,
    }
}

fn change(created: bool, before: Option<&Value>, after: &Value, how: &Apply<'_>) -> Change {
    match before {
        _ if created => Change::Created,
        None if how.undo == Undoing::Caller && !how.dry_run => Change::Changed,
        None => Change::Created,
        Some(before) if before.resource_version() == after.resource_version() && !how.dry_run => {
            Change::Unchanged
        }
        Some(before) if difference(&without_state(before), &without_state(after)).is_none() => {
            Change::Unchanged
        }
        Some(_) => Change::Changed,
    }
}

/// A kind and a namespace.
type Place<'a> = (&'a Arc<Resource>, Option<&'a str>);

/// The objects as they are, `None` for those that do not exist, in the order of `places`.
///
/// # Errors
/// As any request's.
pub async fn read_all(client: &Client, places: &[Address]) -> Result<Vec<Option<Value>>> {
    let mut groups: BTreeMap<Place<'_>, usize> = BTreeMap::new();
    for at in places {
        *groups.entry((&at.resource, at.namespace.as_deref())).or_default() += 1;
    }
    let large: Vec<Place<'_>> =
        groups.into_iter().filter(|(_, count)| *count >= LIST_FROM).map(|(group, _)| group).collect();
    let mut lists: Vec<BoxFuture<'_, Result<Listed>>> = Vec::with_capacity(large.len());
    for group in &large {
        lists.push(Box::pin(list_named(client, *group, places)));
    }
    let lists = together(lists).await.into_iter().collect::<Result<Vec<_>>>()?;
    let listed: BTreeMap<Place<'_>, Listed> = large.into_iter().zip(lists).collect();
    let mut reads: Vec<BoxFuture<'_, Result<Option<Value>, Error>>> = Vec::with_capacity(places.len());
    for at in places {
        reads.push(match listed.get(&(&at.resource, at.namespace.as_deref())) {
            Some(Some(found)) => Box::pin(std::future::ready(Ok(found.get(&at.name).cloned()))),
            _ => Box::pin(client.find(at)),
        });
    }
    together(reads).await.into_iter().map(|result| result.map_err(Into::into)).collect()
}

/// Objects by name; `None` if listing is not allowed.
type Listed = Option<BTreeMap<String, Value>>;

/// Those of `places` that are in the group.
async fn list_named(client: &Client, (resource, namespace): Place<'_>, places: &[Address]) -> Result<Listed> {
    let mut wanted: BTreeMap<&str, Option<Value>> = places
        .iter()
        .filter(|at| at.resource == *resource && at.namespace.as_deref() == namespace)
        .map(|at| (at.name.as_str(), None))
        .collect();
    let listed = client
        .list_each(resource, namespace, &Query::default(), |item| {
            if let Some(place) = wanted.get_mut(item.name()) {
                *place = Some(item);
            }
        })
        .await;
    match listed {
        Ok(_) => {}
        Err(error) if error.code() == Some(403) => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    Ok(Some(
        wanted.into_iter().filter_map(|(name, found)| found.map(|found| (name.to_owned(), found))).collect(),
    ))
}

async fn await_definitions(client: &Client, applied: &[Applied]) -> Result<()> {
    let definitions: Vec<Address> = applied
        .iter()
        .filter(|applied| applied.after.text("/kind") == DEFINITION)
        .map(|applied| applied.at.clone())
        .collect();
    if definitions.is_empty() {
        return Ok(());
    }
    client.forget_kinds().await;
    wait::ready(client, &definitions, ESTABLISHED_WITHIN).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_slow_request_holds_no_other_back() {
        let (last_begun, released) = tokio::sync::oneshot::channel();
        // The first ends only when the last begins, which is far beyond those that are begun at once.
        let mut work: Vec<BoxFuture<'_, usize>> = vec![Box::pin(async { released.await.expect("a number") })];
        work.extend(
            (1..3 * IN_FLIGHT).map(|number| -> BoxFuture<'_, usize> { Box::pin(async move { number }) }),
        );
        work.push(Box::pin(async { last_begun.send(0).map_or(0, |()| 3 * IN_FLIGHT) }));
        let patience = async {
            for _ in 0..10_000 {
                tokio::task::yield_now().await;
            }
        };
        let done = futures::future::select(Box::pin(together(work)), Box::pin(patience)).await;
        let futures::future::Either::Left((done, _)) = done else {
            panic!("the slow one held the others back")
        };
        assert_eq!(done, (0..=3 * IN_FLIGHT).collect::<Vec<_>>());
    }
}
