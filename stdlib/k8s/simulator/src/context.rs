//! What a controller, the kubelet or a kind's admission has in hand: the cluster, and in whose name it writes.
//! Its writes go the way of every request: defaults, rules, managed fields, versions, watches.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use rand::Rng;
use serde_json::Value;

use crate::cluster::{Cluster, Loop};
use crate::kinds::Subresource;
use crate::session::{Output, SessionId};
use crate::status::{Result, Status};
use crate::store::{GroupResource, ObjectKey};
use crate::write::DeleteOptions;

/// Access to the cluster in someone's name.
pub struct Cx<'a> {
    pub(crate) cluster: &'a mut Cluster,
    pub(crate) author: Author,
    who: Option<Loop>,
}

/// Who writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// The field manager.
    pub manager: String,
    pub user: User,
}

/// An authenticated user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub name: String,
    pub uid: String,
    pub groups: Vec<String>,
}

impl Author {
    /// A part of the control plane; it may do everything.
    pub fn component(manager: &str) -> Self {
        let user = User {
            name: format!("system:{manager}"),
            uid: String::new(),
            groups: vec!["system:masters".to_owned(), "system:authenticated".to_owned()],
        };
        Self { manager: manager.to_owned(), user }
    }
}

impl<'a> Cx<'a> {
    pub(crate) fn new(cluster: &'a mut Cluster, author: Author) -> Self {
        Self { cluster, author, who: None }
    }

    pub(crate) fn of_loop(cluster: &'a mut Cluster, author: Author, who: Loop) -> Self {
        Self { cluster, author, who: Some(who) }
    }

    pub fn now(&self) -> Timestamp {
        self.cluster.now
    }

    /// The time as objects carry it: whole seconds.
    pub fn timestamp(&self) -> Value {
        rfc3339(self.cluster.now).into()
    }

    pub fn rng(&mut self) -> &mut impl Rng {
        &mut self.cluster.rng
    }

    /// `len` letters of the alphabet of generated names.
    pub fn random_suffix(&mut self, len: usize) -> String {
        random_name(&mut self.cluster.rng, len)
    }

    pub fn get(&self, resource: &GroupResource, namespace: &str, name: &str) -> Option<Arc<Value>> {
        self.cluster.store.get(resource, namespace, name).cloned()
    }

    /// By key; `None` when it is gone.
    pub fn at(&self, key: &ObjectKey) -> Option<Arc<Value>> {
        self.get(&key.resource, &key.namespace, &key.name)
    }

    /// Whether this cluster is laid over one that does not show these objects: then what refers to one finds it.
    pub fn is_hidden(&self, resource: &GroupResource, namespace: &str) -> bool {
        self.cluster.is_hidden(resource, namespace)
    }

    /// The objects of a resource, in one namespace or (`None`) everywhere, by namespace and name.
    pub fn list(&self, resource: &GroupResource, namespace: Option<&str>) -> Vec<Arc<Value>> {
        self.cluster.store.list(resource, namespace).cloned().collect()
    }

    /// Resources that are served, as they are stored.
    pub fn resources(&self) -> Vec<GroupResource> {
        let mut all: Vec<GroupResource> =
            self.cluster.registry.iter().map(|served| served.resource.storage.clone()).collect();
        all.sort();
        all.dedup();
        all
    }

    /// The resource that a reference by `apiVersion` and `kind` means, and whether it is namespaced.
    pub fn resource_of(&self, api_version: &str, kind: &str) -> Option<(GroupResource, bool)> {
        let served = self.cluster.registry.kind(api_version, kind)?;
        Some((served.resource.storage.clone(), served.resource.namespaced))
    }

    pub fn create(&mut self, resource: &GroupResource, object: Value) -> Result<Arc<Value>> {
        let served = self.hub(resource)?;
        let namespace = text(&object["metadata"]["namespace"]).to_owned();
        self.cluster.create_object(&served, &namespace, object, &self.author, false)
    }

    /// Replaces the object; a resourceVersion in it is a precondition.
    pub fn update(&mut self, resource: &GroupResource, object: Value) -> Result<Arc<Value>> {
        self.write(resource, None, object)
    }

    /// Writes the status alone.
    pub fn update_status(&mut self, resource: &GroupResource, object: Value) -> Result<Arc<Value>> {
        self.write(resource, Some(Subresource::Status), object)
    }

    /// Changes what is stored now: read, `change`, write; no conflict is possible.
    pub fn modify(
        &mut self,
        key: &ObjectKey,
        sub: Option<Subresource>,
        change: impl FnOnce(&mut Value),
    ) -> Result<Arc<Value>> {
        let Some(object) = self.at(key) else {
            return Err(Status::not_found(&key.resource.group, &key.resource.resource, &key.name));
        };
        let mut object = (*object).clone();
        change(&mut object);
        self.write(&key.resource, sub, object)
    }

    pub fn delete(&mut self, key: &ObjectKey, options: &DeleteOptions) -> Result<()> {
        let served = self.hub(&key.resource)?;
        self.cluster.delete_object(&served, &key.namespace, &key.name, options, &self.author)?;
        Ok(())
    }

    /// Asks for `reconcile(key)` after a while.
    pub fn requeue(&mut self, key: &ObjectKey, after: SignedDuration) {
        if let Some(who) = self.who {
            let at = self.cluster.now + after;
            self.cluster.enqueue(who, key.clone(), at);
        }
    }

    /// Appends a line to a container's log.
    pub fn log(&mut self, pod_uid: &str, container: &str, restart: u32, line: &str) {
        let now = self.cluster.now;
        self.cluster.logs.append(pod_uid, container, restart, now, line);
    }

    /// Says that a container's log is complete: followers end.
    pub fn end_log(&mut self, pod_uid: &str, container: &str, restart: u32) {
        self.cluster.logs.end(pod_uid, container, restart);
    }

    /// Sends to the client of an exec, attach or port-forward session.
    pub fn output(&mut self, session: SessionId, output: Output) {
        self.cluster.session_output(session, output);
    }

    fn write(
        &mut self,
        resource: &GroupResource,
        sub: Option<Subresource>,
        object: Value,
    ) -> Result<Arc<Value>> {
        let served = self.hub(resource)?;
        let namespace = text(&object["metadata"]["namespace"]).to_owned();
        let name = text(&object["metadata"]["name"]).to_owned();
        self.cluster.replace_object(&served, sub, &namespace, &name, object, &self.author, false)
    }

    fn hub(&self, resource: &GroupResource) -> Result<Arc<crate::registry::Served>> {
        self.cluster.registry.hub(resource).cloned().ok_or_else(Status::no_such_resource)
    }
}

/// A text field; absent and other types read as empty.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// `2026-01-02T03:04:05Z`.
pub fn rfc3339(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `2026-01-02T03:04:05.000006Z`, as MicroTime is written.
pub fn rfc3339_micro(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

/// Letters and digits without vowels and look-alikes, as `rand.String` of apimachinery gives.
pub fn random_name(rng: &mut impl Rng, len: usize) -> String {
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    (0..len).map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())])).collect()
}

/// A version 4 UUID.
pub fn random_uid(rng: &mut impl Rng) -> String {
    let mut b: [u8; 16] = rng.random();
    b[6] = (b[6] & 0x0f) | 0x40;
    b[8] = (b[8] & 0x3f) | 0x80;
    let hex: String = b.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
