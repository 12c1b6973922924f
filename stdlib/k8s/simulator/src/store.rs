//! The cluster's memory: objects by resource, namespace and name, one counter of versions, and the log watches replay.
//! It assumes that what it is given is valid; it knows no kind and no rule, only identity and order.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::Value;

/// How many changes are kept for watches; older versions are answered `410 Gone`.
const LOG_LENGTH: usize = 20_000;

/// Objects, the version counter and the log of changes.
pub struct Store {
    collections: BTreeMap<GroupResource, Collection>,
    revision: u64,
    log: VecDeque<Change>,
    /// Watches and lists from a version before this one have expired.
    compacted: u64,
}

/// Versions start here: a server that is used has been used before.
const FIRST_REVISION: u64 = 1000;

impl Default for Store {
    fn default() -> Self {
        Self {
            collections: BTreeMap::new(),
            revision: FIRST_REVISION,
            log: VecDeque::new(),
            compacted: FIRST_REVISION,
        }
    }
}

/// The objects of one resource, by namespace (empty for cluster scope) and name.
pub type Collection = BTreeMap<(String, String), Arc<Value>>;

/// A resource as it is stored: `("apps", "deployments")`, whatever version it is served in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupResource {
    pub group: Cow<'static, str>,
    pub resource: Cow<'static, str>,
}

impl GroupResource {
    pub const fn new(group: &'static str, resource: &'static str) -> Self {
        Self { group: Cow::Borrowed(group), resource: Cow::Borrowed(resource) }
    }
}

/// One object's place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    pub resource: GroupResource,
    /// Empty for cluster scope.
    pub namespace: String,
    pub name: String,
}

impl ObjectKey {
    pub fn new(resource: &GroupResource, namespace: &str, name: &str) -> Self {
        Self { resource: resource.clone(), namespace: namespace.to_owned(), name: name.to_owned() }
    }
}

/// One write: created (`old` is absent), changed, or deleted (`new` is absent).
#[derive(Clone, Debug)]
pub struct Change {
    pub revision: u64,
    pub key: ObjectKey,
    pub old: Option<Arc<Value>>,
    /// After a deletion: absent; the last state, with the deletion's version, is `deleted`.
    pub new: Option<Arc<Value>>,
    pub deleted: Option<Arc<Value>>,
}

impl Change {
    /// The object after the change, or its last state.
    pub fn object(&self) -> &Value {
        // One of the two is set by `Store::put` and `Store::remove`, the only makers.
        self.new.as_ref().or(self.deleted.as_ref()).expect("a change has a state after it")
    }
}

impl Store {
    /// The same objects at the same version. What led there is history, as after a compaction.
    pub(crate) fn fork(&self) -> Self {
        Store {
            collections: self.collections.clone(),
            revision: self.revision,
            log: VecDeque::new(),
            compacted: self.revision,
        }
    }

    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The version at or before which history is gone.
    pub fn compacted(&self) -> u64 {
        self.compacted
    }

    /// Forgets history up to `revision`, as a compaction does.
    pub fn compact(&mut self, revision: u64) {
        self.compacted = self.compacted.max(revision.min(self.revision));
        while self.log.front().is_some_and(|change| change.revision <= self.compacted) {
            self.log.pop_front();
        }
    }

    pub fn get(&self, resource: &GroupResource, namespace: &str, name: &str) -> Option<&Arc<Value>> {
        // Tuple keys cannot be borrowed in parts; keys are short.
        self.collections.get(resource)?.get(&(namespace.to_owned(), name.to_owned()))
    }

    /// The objects of a resource, ordered by namespace and name; of one namespace if it is given.
    pub fn list<'a>(
        &'a self,
        resource: &GroupResource,
        namespace: Option<&str>,
    ) -> Box<dyn Iterator<Item = &'a Arc<Value>> + 'a> {
        let Some(collection) = self.collections.get(resource) else { return Box::new(std::iter::empty()) };
        match namespace {
            None => Box::new(collection.values()),
            Some(namespace) => {
                let namespace = namespace.to_owned();
                Box::new(
                    collection
                        .range((namespace.clone(), String::new())..)
                        .take_while(move |((ns, _), _)| *ns == namespace)
                        .map(|(_, object)| object),
                )
            }
        }
    }

    /// The objects as they were at an earlier version, in the same order; what has changed since is undone.
    pub fn list_at(
        &self,
        resource: &GroupResource,
        namespace: Option<&str>,
        revision: u64,
    ) -> Vec<Arc<Value>> {
        if revision >= self.revision {
            return self.list(resource, namespace).cloned().collect();
        }
        let mut objects = self.collections.get(resource).cloned().unwrap_or_default();
        let since: Vec<&Change> = self.changes_since(resource, revision).collect();
        for change in since.into_iter().rev() {
            let place = (change.key.namespace.clone(), change.key.name.clone());
            match &change.old {
                Some(old) => objects.insert(place, Arc::clone(old)),
                None => objects.remove(&place),
            };
        }
        objects
            .into_iter()
            .filter(|((ns, _), _)| namespace.is_none_or(|n| n == ns))
            .map(|(_, object)| object)
            .collect()
    }

    pub fn collections(&self) -> impl Iterator<Item = (&GroupResource, &Collection)> {
        self.collections.iter()
    }

    /// The version the next write will get.
    pub fn next_revision(&self) -> u64 {
        self.revision + 1
    }

    /// Stores an object; `metadata.resourceVersion` becomes the new version.
    pub fn put(&mut self, key: &ObjectKey, mut object: Value) -> Change {
        self.revision += 1;
        object["metadata"]["resourceVersion"] = self.revision.to_string().into();
        let object = Arc::new(object);
        let place = (key.namespace.clone(), key.name.clone());
        let old =
            self.collections.entry(key.resource.clone()).or_default().insert(place, Arc::clone(&object));
        self.record(Change {
            revision: self.revision,
            key: key.clone(),
            old,
            new: Some(object),
            deleted: None,
        })
    }

    /// Puts in an object of another server, as it is and with its version. No watch hears of it: it was always there.
    pub fn import(&mut self, key: &ObjectKey, object: Value) {
        let version = object["metadata"]["resourceVersion"].as_str().and_then(|version| version.parse().ok());
        self.revision = self.revision.max(version.unwrap_or(0));
        let place = (key.namespace.clone(), key.name.clone());
        self.collections.entry(key.resource.clone()).or_default().insert(place, Arc::new(object));
    }

    /// Removes an object, if it is there; its last state gets the version of the removal.
    pub fn remove(&mut self, key: &ObjectKey) -> Option<Change> {
        let collection = self.collections.get_mut(&key.resource)?;
        let old = collection.remove(&(key.namespace.clone(), key.name.clone()))?;
        self.revision += 1;
        let mut last = (*old).clone();
        last["metadata"]["resourceVersion"] = self.revision.to_string().into();
        let deleted = Some(Arc::new(last));
        Some(self.record(Change {
            revision: self.revision,
            key: key.clone(),
            old: Some(old),
            new: None,
            deleted,
        }))
    }

    /// The changes of a resource after `revision`, oldest first.
    pub fn changes_since<'a>(
        &'a self,
        resource: &'a GroupResource,
        revision: u64,
    ) -> impl Iterator<Item = &'a Change> {
        let start = self.log.partition_point(|change| change.revision <= revision);
        self.log.range(start..).filter(move |change| change.key.resource == *resource)
    }

    fn record(&mut self, change: Change) -> Change {
        self.log.push_back(change.clone());
        if self.log.len() > LOG_LENGTH
            && let Some(oldest) = self.log.pop_front()
        {
            self.compacted = self.compacted.max(oldest.revision);
        }
        change
    }
}
