//! Which kinds are served where: the built-in ones, and those that CRDs add and take away.
//! It assumes that plural names are unique within a group, as the server does.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

use crate::kinds::{KINDS, Kind, Resource};
use crate::store::GroupResource;

/// Served kinds by group, version and plural name.
#[derive(Clone)]
pub struct Registry {
    served: BTreeMap<(String, String, String), Arc<Served>>,
    /// Discovery's order.
    order: Vec<Arc<Served>>,
    /// The stored version of each resource.
    hubs: BTreeMap<GroupResource, Arc<Served>>,
    /// Which generation of its definition a custom resource, by group and plural name, is served from.
    custom: BTreeMap<(String, String), u64>,
}

/// A kind and its place.
pub struct Served {
    pub resource: Resource,
    pub kind: KindRef,
}

/// A built-in kind, or one made from a CRD.
#[derive(Clone)]
pub enum KindRef {
    BuiltIn(&'static dyn Kind),
    Custom(Arc<dyn Kind>),
}

impl Deref for KindRef {
    type Target = dyn Kind;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::BuiltIn(kind) => *kind,
            Self::Custom(kind) => kind.as_ref(),
        }
    }
}

impl Registry {
    fn empty() -> Self {
        Self { served: BTreeMap::new(), order: Vec::new(), hubs: BTreeMap::new(), custom: BTreeMap::new() }
    }

    /// All built-in kinds.
    pub fn new() -> Self {
        let mut registry = Self::empty();
        for kind in KINDS {
            registry.add(KindRef::BuiltIn(*kind));
        }
        registry
    }

    pub fn add(&mut self, kind: KindRef) {
        let served = Arc::new(Served { resource: kind.resource(), kind });
        let resource = &served.resource;
        let key = (resource.group.clone(), resource.version.clone(), resource.plural.clone());
        if self.served.insert(key, Arc::clone(&served)).is_some() {
            self.order.retain(|other| !same_place(&other.resource, resource));
        }
        self.order.push(served);
        self.find_hubs();
    }

    /// Goes on serving only what `wanted` says.
    pub fn retain(&mut self, wanted: impl Fn(&Resource) -> bool) {
        self.served.retain(|_, served| wanted(&served.resource));
        self.order.retain(|served| wanted(&served.resource));
    }

    /// Stops serving every version of a custom resource.
    pub fn remove_custom(&mut self, group: &str, plural: &str) {
        let goes =
            |resource: &Resource| resource.custom && resource.group == group && resource.plural == plural;
        self.served.retain(|_, served| !goes(&served.resource));
        self.order.retain(|served| !goes(&served.resource));
        self.custom.remove(&(group.to_owned(), plural.to_owned()));
        self.find_hubs();
    }

    fn find_hubs(&mut self) {
        self.hubs.clear();
        for served in &self.order {
            let r = &served.resource;
            if r.storage.group == r.group && r.version == r.hub_version {
                self.hubs.entry(r.storage.clone()).or_insert_with(|| Arc::clone(served));
            }
        }
    }

    pub(crate) fn custom_generation(&self, group: &str, plural: &str) -> Option<u64> {
        self.custom.get(&(group.to_owned(), plural.to_owned())).copied()
    }

    pub(crate) fn set_custom_generation(&mut self, group: &str, plural: &str, generation: u64) {
        self.custom.insert((group.to_owned(), plural.to_owned()), generation);
    }

    pub fn at(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Served>> {
        self.served.get(&(group.to_owned(), version.to_owned(), plural.to_owned()))
    }

    /// The stored version of a resource.
    pub fn hub(&self, resource: &GroupResource) -> Option<&Arc<Served>> {
        self.hubs.get(resource)
    }

    /// By `apiVersion` and kind, as owner references and scale targets name things.
    pub fn kind(&self, api_version: &str, kind: &str) -> Option<&Arc<Served>> {
        self.order
            .iter()
            .find(|served| served.resource.kind == kind && served.resource.api_version() == api_version)
    }

    pub fn group_is_served(&self, group: &str) -> bool {
        self.order.iter().any(|served| served.resource.group == group)
    }

    pub fn version_is_served(&self, group: &str, version: &str) -> bool {
        self.order.iter().any(|served| served.resource.group == group && served.resource.version == version)
    }

    /// All, in the order of discovery.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Served>> {
        self.order.iter()
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self::new()
    }
}

fn same_place(a: &Resource, b: &Resource) -> bool {
    (&a.group, &a.version, &a.plural) == (&b.group, &b.version, &b.plural)
}
