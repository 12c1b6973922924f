//! A cluster that is laid over another one: which objects of that one it has, and what has become of them here.
//! Asking the other cluster is the caller's part: everything here is told to it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::context::text;
use crate::custom::serve;
use crate::registry::{Registry, Served};
use crate::store::{Change, GroupResource, ObjectKey, Store};

/// What is known of the cluster below.
#[derive(Clone, Default)]
pub struct Overlay {
    /// Objects that were asked for, whether or not they exist.
    objects: BTreeSet<ObjectKey>,
    /// Collections that were asked for: of a namespace, or (`None`) of all.
    collections: BTreeSet<(GroupResource, Option<String>)>,
    /// Collections that the cluster below does not show.
    hidden: BTreeSet<(GroupResource, Option<String>)>,
    /// Objects that are no longer as they were below.
    touched: BTreeSet<ObjectKey>,
    altered: Vec<Altered>,
}

/// What became of an object since it was asked last.
#[derive(Clone, Debug)]
pub struct Altered {
    pub key: ObjectKey,
    pub before: Option<Arc<Value>>,
    pub after: Option<Arc<Value>>,
}

/// Objects of which nobody asks what became of them.
const PASSING: [(&str, &str); 3] =
    [("", "events"), ("events.k8s.io", "events"), ("coordination.k8s.io", "leases")];

impl Overlay {
    /// Whether the object need not be asked for any more.
    pub fn has(&self, key: &ObjectKey) -> bool {
        self.objects.contains(key) || self.has_all(&key.resource, Some(&key.namespace))
    }

    /// Whether the objects of a namespace, or of all, need not be asked for any more.
    pub fn has_all(&self, resource: &GroupResource, namespace: Option<&str>) -> bool {
        let has = |namespace| self.collections.contains(&(resource.clone(), namespace));
        has(None) || namespace.is_some_and(|namespace| has(Some(namespace.to_owned())))
    }

    /// Whether the object is no longer as it was below.
    pub fn is_touched(&self, key: &ObjectKey) -> bool {
        self.touched.contains(key)
    }

    /// The object has been asked for; if it exists, it was imported.
    pub fn asked(&mut self, key: ObjectKey) {
        self.objects.insert(key);
    }

    /// All these objects have been asked for.
    pub fn asked_all(&mut self, resource: &GroupResource, namespace: Option<&str>) {
        self.collections.insert((resource.clone(), namespace.map(str::to_owned)));
    }

    /// The cluster below does not show these objects to whoever asks.
    pub fn hide(&mut self, resource: &GroupResource, namespace: Option<&str>) {
        self.hidden.insert((resource.clone(), namespace.map(str::to_owned)));
    }

    pub fn is_hidden(&self, resource: &GroupResource, namespace: &str) -> bool {
        let is = |namespace| self.hidden.contains(&(resource.clone(), namespace));
        is(None) || is(Some(namespace.to_owned()))
    }

    /// Puts in an object of the cluster below as that cluster has it, in the version that `served` is of. What is here already
    /// stays as it is here.
    pub fn import(&mut self, store: &mut Store, served: &Served, object: Value) {
        let metadata = &object["metadata"];
        let key =
            ObjectKey::new(&served.resource.storage, text(&metadata["namespace"]), text(&metadata["name"]));
        if !self.has(&key) {
            store.import(&key, served.hub(object));
            self.asked(key);
        }
    }

    /// What has become of objects since this was asked last, by key.
    pub fn take_altered(&mut self) -> Vec<Altered> {
        let mut all: BTreeMap<ObjectKey, Altered> = BTreeMap::new();
        for altered in std::mem::take(&mut self.altered) {
            match all.get_mut(&altered.key) {
                Some(known) => known.after = altered.after,
                None => drop(all.insert(altered.key.clone(), altered)),
            }
        }
        all.into_values().collect()
    }

    pub(crate) fn wrote(&mut self, change: &Change) {
        let resource = &change.key.resource;
        if PASSING.iter().any(|(group, plural)| resource.group == *group && resource.resource == *plural) {
            return;
        }
        self.objects.insert(change.key.clone());
        self.touched.insert(change.key.clone());
        self.altered.push(Altered {
            key: change.key.clone(),
            before: change.old.clone(),
            after: change.new.clone(),
        });
    }
}

/// Serves the kinds of a definition of the cluster below.
pub fn serve_definition(registry: &mut Registry, definition: &Value) {
    serve(registry, definition);
}

/// Serves a kind of which nothing is known but its names: its objects may have any fields.
pub fn serve_unknown(registry: &mut Registry, group: &str, versions: &[&str], names: &Names<'_>) {
    let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    let versions: Vec<Value> = versions
        .iter()
        .enumerate()
        .map(|(number, version)| {
            json!({"name": version, "served": true, "storage": number == 0, "schema": schema,
                "subresources": {"status": {}}})
        })
        .collect();
    let definition = json!({
        "metadata": {"name": format!("{}.{group}", names.plural)},
        "spec": {
            "group": group, "scope": if names.namespaced { "Namespaced" } else { "Cluster" }, "versions": versions,
            "names": {"plural": names.plural, "singular": names.singular, "kind": names.kind,
                "listKind": format!("{}List", names.kind), "shortNames": names.short},
        },
    });
    serve(registry, &definition);
}

/// What a kind is called.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    pub plural: &'a str,
    pub singular: &'a str,
    pub kind: &'a str,
    pub short: &'a [String],
    pub namespaced: bool,
}
