//! Creating, replacing and deleting: what the server's generic registry does around a kind's own rules.
//! Objects come in decoded, in the served version; it knows no HTTP and no patch formats.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::context::{Author, Cx, random_name, random_uid, rfc3339, text};
use crate::kinds::Subresource;
use crate::meta;
use crate::registry::Served;
use crate::shape::{self, Owner};
use crate::status::{Invalid, Result, Status};
use crate::store::ObjectKey;

/// The base of a generated name is cut to leave room for five letters in 63.
const GENERATED_BASE: usize = 58;

/// `DeleteOptions`, decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    pub grace_period: Option<i64>,
    pub propagation: Option<Propagation>,
    pub uid: Option<String>,
    pub resource_version: Option<String>,
    pub dry_run: bool,
}

/// What becomes of dependents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    Orphan,
    Background,
    Foreground,
}

/// What a deletion led to.
#[derive(Clone, Debug)]
pub enum Deletion {
    /// It is gone; the last state.
    Gone(Arc<Value>),
    /// It stays for now: finalizers, dependents, a grace period.
    Pending(Arc<Value>),
}

/// What an update led to.
#[derive(Clone, Debug)]
pub struct Updated {
    /// In the served version.
    pub object: Value,
    pub created: bool,
}

impl Served {
    pub(crate) fn key(&self, namespace: &str, name: &str) -> ObjectKey {
        ObjectKey::new(&self.resource.storage, namespace, name)
    }

    pub(crate) fn not_found(&self, name: &str) -> Status {
        Status::not_found(&self.resource.group, &self.resource.plural, name)
    }

    pub(crate) fn invalid(&self, name: &str, fields: &[Invalid]) -> Status {
        Status::invalid(&self.resource.group, &self.resource.kind, name, fields)
    }

    /// The stored object as this version shows it.
    pub(crate) fn view(&self, stored: &Value) -> Value {
        let mut object = stored.clone();
        if self.resource.api_version() != self.resource.hub_api_version() {
            self.kind.served_shape(&mut object);
        }
        object["apiVersion"] = self.resource.api_version().into();
        object["kind"] = self.resource.kind.clone().into();
        object
    }

    /// An object of this version as it is stored.
    pub(crate) fn hub(&self, mut object: Value) -> Value {
        if self.resource.api_version() != self.resource.hub_api_version() {
            self.kind.stored_shape(&mut object);
        }
        object["apiVersion"] = self.resource.hub_api_version().into();
        object["kind"] = self.resource.kind.clone().into();
        object
    }
}

impl Cluster {
    /// Creates as a control plane component does: defaulted, with managed fields.
    pub(crate) fn create_object(
        &mut self,
        served: &Arc<Served>,
        namespace: &str,
        mut object: Value,
        author: &Author,
        dry_run: bool,
    ) -> Result<Arc<Value>> {
        object["apiVersion"] = served.resource.api_version().into();
        object["kind"] = served.resource.kind.clone().into();
        served.kind.default(&mut object);
        let owner = Owner { manager: &author.manager, sub: None, now: self.now };
        shape::own(&self.registry, served, None, &mut object, owner);
        self.insert(served, namespace, object, author, dry_run)
    }

    /// Stores a new object, whose defaults and managed fields are in place. Answers the stored one.
    pub(crate) fn insert(
        &mut self,
        served: &Arc<Served>,
        namespace: &str,
        object: Value,
        author: &Author,
        dry_run: bool,
    ) -> Result<Arc<Value>> {
        let (resource, kind) = (&served.resource, &served.kind);
        let mut object = served.hub(object);
        self.fill_metadata(served, namespace, &mut object);
        let mut cx = Cx::new(self, author.clone());
        kind.admit_create(&mut cx, &mut object)?;
        crate::admission::namespace_accepts(&cx, served, namespace, &object)?;
        if resource.has(Subresource::Status) && !resource.custom {
            object["status"] = json!({});
        }
        kind.fold(&mut object);
        kind.prepare_create(&mut cx, &mut object)?;
        if kind.has_generation() {
            object["metadata"]["generation"] = 1.into();
        }
        shape::normalise(served, &mut object);
        let name = text(&object["metadata"]["name"]).to_owned();
        let mut wrong = meta::validate(&object, kind.name_rule(), resource.namespaced);
        wrong.extend(kind.validate_create(&object));
        if !wrong.is_empty() {
            return Err(served.invalid(&name, &wrong));
        }
        let key = served.key(namespace, &name);
        if let Some(existing) = self.store.get(&key.resource, namespace, &name) {
            let mut refusal = Status::already_exists(&resource.group, &resource.plural, &name);
            if meta::is_deleting(existing) {
                refusal.message = format!("object is being deleted: {}", refusal.message);
            }
            return Err(refusal);
        }
        if dry_run {
            return Ok(Arc::new(object));
        }
        let change = self.store.put(&key, object);
        // `put` always leaves a new state.
        let stored = change.new.clone().expect("a stored object");
        self.wrote(change);
        Ok(stored)
    }

    /// Replaces as a control plane component does; a resourceVersion in `object` is a precondition.
    #[allow(clippy::too_many_arguments)] // the words of one request: where, what, by whom
    pub(crate) fn replace_object(
        &mut self,
        served: &Arc<Served>,
        sub: Option<Subresource>,
        namespace: &str,
        name: &str,
        object: Value,
        author: &Author,
        dry_run: bool,
    ) -> Result<Arc<Value>> {
        let mut object = Some(object);
        let place = Place { served, sub, namespace, name };
        let updated = self.update(&place, author, dry_run, &mut |cluster, old| {
            let mut new = object.take().expect("called once");
            new["apiVersion"] = served.resource.api_version().into();
            new["kind"] = served.resource.kind.clone().into();
            served.kind.default(&mut new);
            shape::prepare_owned(served, sub, old, &mut new);
            let owner = Owner { manager: &author.manager, sub, now: cluster.now };
            shape::own(&cluster.registry, served, Some(old), &mut new, owner);
            Ok(new)
        })?;
        Ok(Arc::new(updated.object))
    }

    /// Reads, lets `change` make the new object of the old (both in the served version), checks and stores it.
    ///
    /// `change` is called once. A write that changes nothing stores nothing.
    pub(crate) fn update(
        &mut self,
        place: &Place<'_>,
        author: &Author,
        dry_run: bool,
        change: &mut dyn FnMut(&mut Self, &Value) -> Result<Value>,
    ) -> Result<Updated> {
        let Place { served, sub, namespace, name } = *place;
        let (resource, kind) = (&served.resource, &served.kind);
        let Some(stored) = self.store.get(&resource.storage, namespace, name).cloned() else {
            return Err(served.not_found(name));
        };
        let old = served.view(&stored);
        let new = change(self, &old)?;
        self.check_version(served, name, &stored, &new)?;
        let mut new = served.hub(new);
        meta::carry_over(&stored, &mut new);
        let mut cx = Cx::new(self, author.clone());
        match sub {
            None => {
                kind.admit_update(&mut cx, &stored, &mut new)?;
                if resource.has(Subresource::Status) {
                    crate::kinds::keep(&stored, &mut new, &["status"]);
                }
                kind.fold(&mut new);
                kind.prepare_update(&mut cx, &stored, &mut new)?;
            }
            Some(Subresource::Status) => kind.prepare_status(&stored, &mut new),
            Some(Subresource::Scale | Subresource::Binding) => {}
            Some(sub) => {
                let wrong = kind.prepare_subresource(sub, &stored, &mut new);
                if !wrong.is_empty() {
                    return Err(served.invalid(name, &wrong));
                }
            }
        }
        shape::normalise_changed(served, &stored, &mut new);
        if sub != Some(Subresource::Status) && kind.has_generation() && kind.is_new_generation(&stored, &new)
        {
            let generation = stored["metadata"]["generation"].as_i64().unwrap_or(0) + 1;
            new["metadata"]["generation"] = generation.into();
        }
        let mut wrong = meta::validate(&new, kind.name_rule(), resource.namespaced);
        // The registry checks metadata, and the kind's own rules check it again: every mistake is told twice.
        let again = meta::validate_update(&stored, &new);
        wrong.extend(again.iter().cloned());
        wrong.extend(again);
        wrong.extend(match sub {
            None => kind.validate_update(&stored, &new),
            Some(_) => kind.validate_status(&stored, &new),
        });
        if !wrong.is_empty() {
            return Err(served.invalid(name, &wrong));
        }
        let stored_now = self.store_update(served, &served.key(namespace, name), &stored, new, dry_run);
        Ok(Updated { object: served.view(&stored_now), created: false })
    }

    /// Deletes, or starts to.
    pub(crate) fn delete_object(
        &mut self,
        served: &Arc<Served>,
        namespace: &str,
        name: &str,
        options: &DeleteOptions,
        author: &Author,
    ) -> Result<Deletion> {
        let (resource, kind) = (&served.resource, &served.kind);
        let Some(stored) = self.store.get(&resource.storage, namespace, name).cloned() else {
            return Err(served.not_found(name));
        };
        check_preconditions(served, name, &stored, options)?;
        kind.admit_delete(&mut Cx::new(self, author.clone()), &stored)?;
        let key = served.key(namespace, name);
        let mut object = (*stored).clone();
        let grace = match grace(served, &stored, options) {
            Grace::Waiting => return Ok(Deletion::Pending(stored)),
            Grace::None => None,
            Grace::Seconds(seconds) => Some(seconds),
        };
        if let Some(seconds) = grace {
            mark_graceful(&mut object, self.now, seconds);
        }
        let finalizers_changed = set_collection_finalizers(&mut object, options, kind.orphans_by_default());
        let pending = kind.holds_deletion(&object);
        if !pending && grace.is_none() {
            return Ok(Deletion::Gone(self.remove(&key, &stored, options.dry_run)));
        }
        if grace.is_none() {
            kind.mark_deleting(&mut object, &rfc3339(self.now));
        }
        let _ = finalizers_changed;
        let now_stored = if *stored == object {
            Arc::clone(&stored)
        } else if options.dry_run {
            Arc::new(object)
        } else {
            let change = self.store.put(&key, object);
            let new = change.new.clone().expect("a stored object");
            self.wrote(change);
            new
        };
        if pending || grace.is_some_and(|seconds| seconds > 0) {
            return Ok(Deletion::Pending(now_stored));
        }
        Ok(Deletion::Gone(self.remove(&key, &now_stored, options.dry_run)))
    }

    fn store_update(
        &mut self,
        served: &Arc<Served>,
        key: &ObjectKey,
        stored: &Arc<Value>,
        new: Value,
        dry_run: bool,
    ) -> Arc<Value> {
        if meta::is_released(&new) && !served.kind.holds_deletion(&new) {
            let mut last = new;
            if !dry_run && let Some(change) = self.store.remove(key) {
                last["metadata"]["resourceVersion"] = change.revision.to_string().into();
                self.wrote(change);
            }
            return Arc::new(last);
        }
        if new == **stored {
            return Arc::clone(stored);
        }
        if dry_run {
            return Arc::new(new);
        }
        let change = self.store.put(key, new);
        let stored = change.new.clone().expect("a stored object");
        self.wrote(change);
        stored
    }

    fn remove(&mut self, key: &ObjectKey, stored: &Arc<Value>, dry_run: bool) -> Arc<Value> {
        if dry_run {
            return Arc::clone(stored);
        }
        match self.store.remove(key) {
            None => Arc::clone(stored),
            Some(change) => {
                let last = change.deleted.clone().expect("a removed object has a last state");
                self.wrote(change);
                last
            }
        }
    }

    fn check_version(&self, served: &Served, name: &str, stored: &Value, new: &Value) -> Result<()> {
        let resource = &served.resource;
        let given = text(&new["metadata"]["resourceVersion"]);
        if given.is_empty() {
            if served.kind.needs_version_on_update() {
                let wrong = Invalid::value("metadata.resourceVersion", 0, "must be specified for an update");
                return Err(Status::invalid(&resource.group, &resource.plural, name, &[wrong]));
            }
            return Ok(());
        }
        if given != text(&stored["metadata"]["resourceVersion"]) {
            return Err(Status::modified(&resource.group, &resource.plural, name));
        }
        Ok(())
    }

    /// Identity, time, a generated name: `rest.FillObjectMetaSystemFields` and what goes with it.
    pub(crate) fn fill_metadata(&mut self, served: &Served, namespace: &str, object: &mut Value) {
        let uid = random_uid(&mut self.rng);
        let created = rfc3339(self.now);
        let metadata = meta::of(object);
        for field in ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "resourceVersion"] {
            metadata.remove(field);
        }
        metadata.insert("uid".to_owned(), uid.into());
        metadata.insert("creationTimestamp".to_owned(), created.into());
        if served.resource.namespaced {
            metadata.insert("namespace".to_owned(), namespace.into());
        } else {
            metadata.remove("namespace");
        }
        let named = metadata.get("name").is_some_and(|name| !text(name).is_empty());
        let base = metadata.get("generateName").map(|base| text(base).to_owned()).unwrap_or_default();
        if !named && !base.is_empty() {
            let cut =
                (0..=GENERATED_BASE.min(base.len())).rev().find(|at| base.is_char_boundary(*at)).unwrap_or(0);
            let name = format!("{}{}", &base[..cut], random_name(&mut self.rng, 5));
            metadata.insert("name".to_owned(), name.into());
        }
    }
}

/// What an update is aimed at.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) served: &'a Arc<Served>,
    pub(crate) sub: Option<Subresource>,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
}

/// What the grace period comes to.
enum Grace {
    /// The kind knows none, or it has run out.
    None,
    /// A deletion is under way already and is not shortened.
    Waiting,
    Seconds(i64),
}

/// `rest.BeforeDelete`.
fn grace(served: &Served, stored: &Value, options: &DeleteOptions) -> Grace {
    let Some(seconds) = served.kind.grace_period(stored, options.grace_period) else { return Grace::None };
    if !meta::is_deleting(stored) {
        return Grace::Seconds(seconds);
    }
    let current = stored["metadata"]["deletionGracePeriodSeconds"].as_i64().unwrap_or(0);
    match options.grace_period {
        _ if current == 0 => Grace::None,
        Some(requested) if requested < current => Grace::Seconds(requested),
        _ => Grace::Waiting,
    }
}

fn mark_graceful(object: &mut Value, now: Timestamp, seconds: i64) {
    let metadata = &object["metadata"];
    let asked =
        metadata["deletionTimestamp"].as_str().and_then(|at| at.parse::<Timestamp>().ok()).map(|at| {
            at - SignedDuration::from_secs(metadata["deletionGracePeriodSeconds"].as_i64().unwrap_or(0))
        });
    if asked.is_none()
        && let Some(generation) = metadata["generation"].as_i64()
    {
        object["metadata"]["generation"] = (generation + 1).into();
    }
    let at = asked.unwrap_or(now) + SignedDuration::from_secs(seconds);
    object["metadata"]["deletionTimestamp"] = rfc3339(at).into();
    object["metadata"]["deletionGracePeriodSeconds"] = seconds.into();
}

/// Puts or removes the finalizers that the garbage collector works by; says whether anything changed.
fn set_collection_finalizers(object: &mut Value, options: &DeleteOptions, orphans_by_default: bool) -> bool {
    let old: Vec<String> = meta::finalizers(object).map(str::to_owned).collect();
    let has = |name: &str| old.iter().any(|finalizer| finalizer == name);
    let policy = options.propagation.unwrap_or_else(|| {
        if has("orphan") {
            Propagation::Orphan
        } else if has("foregroundDeletion") {
            Propagation::Foreground
        } else if orphans_by_default {
            Propagation::Orphan
        } else {
            Propagation::Background
        }
    });
    let mut new: Vec<String> = old
        .iter()
        .filter(|name| !matches!(name.as_str(), "orphan" | "foregroundDeletion"))
        .cloned()
        .collect();
    match policy {
        Propagation::Orphan => new.push("orphan".to_owned()),
        Propagation::Foreground => new.push("foregroundDeletion".to_owned()),
        Propagation::Background => {}
    }
    let (mut a, mut b) = (old.clone(), new.clone());
    a.sort();
    b.sort();
    if a == b {
        return false;
    }
    if new.is_empty() {
        meta::of(object).remove("finalizers");
    } else {
        object["metadata"]["finalizers"] = json!(new);
    }
    true
}

/// Whether a deletion is meant for the object that is there.
pub(crate) fn check_preconditions(
    served: &Served,
    name: &str,
    stored: &Value,
    options: &DeleteOptions,
) -> Result<()> {
    let resource = &served.resource;
    let refuse = |why: &str| Err(Status::conflict(&resource.group, &resource.kind, name, why));
    let uid = text(&stored["metadata"]["uid"]);
    if let Some(wanted) = options.uid.as_deref().filter(|wanted| *wanted != uid) {
        return refuse(&format!(
            "the UID in the precondition ({wanted}) does not match the UID in record ({uid}). The object might have been \
             deleted and then recreated"
        ));
    }
    let version = text(&stored["metadata"]["resourceVersion"]);
    if let Some(wanted) = options.resource_version.as_deref().filter(|wanted| *wanted != version) {
        return refuse(&format!(
            "the ResourceVersion in the precondition ({wanted}) does not match the ResourceVersion in record ({version}). \
             The object might have been modified"
        ));
    }
    Ok(())
}
