//! Garbage collection: what becomes of dependents when their owners go.
//! It follows ownerReferences of every kind; owners in another namespace do not count.

use serde_json::Value;

use super::Controller;
use super::object::{is_going, list, namespace, uid};
use super::owned::{drop_finalizer, release};
use crate::cluster::Cluster;
use crate::context::{Cx, text};
use crate::status::{Result, Status};
use crate::store::{Change, GroupResource, ObjectKey};
use crate::write::{DeleteOptions, Propagation};

/// The garbage collector.
#[derive(Clone)]
pub(crate) struct GarbageCollector;

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";

impl Controller for GarbageCollector {
    fn name(&self) -> &'static str {
        "garbage-collector"
    }

    fn watches(&self) -> &'static [GroupResource] {
        &[]
    }

    fn watches_everything(&self) -> bool {
        true
    }

    /// What was deleted or starts to be; dependents whose owners may be gone; owners that wait for a dependent.
    fn keys(&self, cluster: &Cluster, change: &Change) -> Vec<ObjectKey> {
        let object = change.object();
        let owners = list(object, "/metadata/ownerReferences");
        let mut keys = Vec::new();
        let held =
            list(object, "/metadata/finalizers").iter().any(|held| held == FOREGROUND || held == ORPHAN);
        if is_going(object) && held {
            keys.push(change.key.clone());
        }
        if change.new.is_none() {
            keys.extend(dependents(cluster, object).into_iter().map(|(key, _)| key));
            keys.extend(owners.iter().filter_map(|owner| owner_key(cluster, object, owner)));
        } else if change.old.is_none() && !owners.is_empty() {
            keys.push(change.key.clone());
        }
        keys
    }

    fn reconcile(&mut self, cx: &mut Cx<'_>, key: &ObjectKey) -> Result<()> {
        let Some(object) = cx.at(key) else { return Ok(()) };
        let finalizers = list(&object, "/metadata/finalizers");
        if is_going(&object) && finalizers.iter().any(|held| held == ORPHAN) {
            return orphan(cx, key, &object);
        }
        if is_going(&object) && finalizers.iter().any(|held| held == FOREGROUND) {
            return foreground(cx, key, &object);
        }
        collect(cx, key, &object)
    }
}

/// Deletes an object none of whose owners is left; references to owners that are gone are dropped otherwise.
fn collect(cx: &mut Cx<'_>, key: &ObjectKey, object: &Value) -> Result<()> {
    let owners = list(object, "/metadata/ownerReferences");
    if owners.is_empty() || is_going(object) {
        return Ok(());
    }
    let gone: Vec<String> = owners
        .iter()
        .filter(|owner| !owner_lives(cx, object, owner))
        .map(|owner| text(&owner["uid"]).to_owned())
        .collect();
    if gone.len() == owners.len() {
        return delete(cx, key, object, None);
    }
    if gone.is_empty() {
        return Ok(());
    }
    cx.modify(key, None, |object| gone.iter().for_each(|uid| release(object, uid))).map(drop)
}

fn orphan(cx: &mut Cx<'_>, key: &ObjectKey, owner: &Value) -> Result<()> {
    let owner_uid = uid(owner).to_owned();
    for (dependent, _) in dependents(cx.cluster, owner) {
        cx.modify(&dependent, None, |object| release(object, &owner_uid))?;
    }
    drop_finalizer(cx, key, ORPHAN)
}

fn foreground(cx: &mut Cx<'_>, key: &ObjectKey, owner: &Value) -> Result<()> {
    let mut blocked = false;
    for (dependent, blocks) in dependents(cx.cluster, owner) {
        blocked |= blocks;
        if let Some(object) = cx.at(&dependent).filter(|object| !is_going(object)) {
            // One that has dependents of its own waits for them in turn.
            let waits = !dependents(cx.cluster, &object).is_empty();
            delete(cx, &dependent, &object, waits.then_some(Propagation::Foreground))?;
        }
    }
    if blocked { Ok(()) } else { drop_finalizer(cx, key, FOREGROUND) }
}

/// Deletes in the background, unless it is said otherwise or the object's finalizers do.
fn delete(cx: &mut Cx<'_>, key: &ObjectKey, object: &Value, said: Option<Propagation>) -> Result<()> {
    let has = |name: &str| list(object, "/metadata/finalizers").iter().any(|held| held == name);
    let propagation = said.unwrap_or(match (has(ORPHAN), has(FOREGROUND)) {
        (true, _) => Propagation::Orphan,
        (_, true) => Propagation::Foreground,
        _ => Propagation::Background,
    });
    let options = DeleteOptions {
        uid: Some(uid(object).to_owned()),
        propagation: Some(propagation),
        ..DeleteOptions::default()
    };
    match cx.delete(key, &options) {
        Ok(()) | Err(Status { code: 404, .. }) => Ok(()),
        Err(status) => Err(status),
    }
}

/// The objects that name `owner` as an owner, and whether they hold up its deletion.
fn dependents(cluster: &Cluster, owner: &Value) -> Vec<(ObjectKey, bool)> {
    let mut found = Vec::new();
    for (resource, objects) in cluster.store.collections() {
        for ((space, name), object) in objects {
            if !namespace(owner).is_empty() && space != namespace(owner) {
                continue;
            }
            let owners = list(object, "/metadata/ownerReferences").iter();
            if let Some(reference) =
                owners.into_iter().find(|reference| text(&reference["uid"]) == uid(owner))
            {
                found.push((ObjectKey::new(resource, space, name), reference["blockOwnerDeletion"] == true));
            }
        }
    }
    found
}

fn owner_key(cluster: &Cluster, object: &Value, owner: &Value) -> Option<ObjectKey> {
    let served = cluster.registry.kind(text(&owner["apiVersion"]), text(&owner["kind"]))?;
    let space = if served.resource.namespaced { namespace(object) } else { "" };
    Some(ObjectKey::new(&served.resource.storage, space, text(&owner["name"])))
}

/// An owner of an unknown kind counts as living: nothing is deleted on a guess.
fn owner_lives(cx: &Cx<'_>, object: &Value, owner: &Value) -> bool {
    let Some(key) = owner_key(cx.cluster, object, owner) else { return true };
    cx.at(&key).is_some_and(|found| uid(&found) == text(&owner["uid"]))
}
