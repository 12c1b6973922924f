//! A resource as discovery tells it: names, scope, verbs, subresources.
//! Built once per kind when a cluster starts (and when a CRD is established).

use crate::store::GroupResource;

/// Where and how a kind is served, in one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    pub group: String,
    pub version: String,
    pub plural: String,
    pub singular: String,
    pub kind: String,
    pub list_kind: String,
    pub namespaced: bool,
    pub short_names: Vec<String>,
    pub categories: Vec<String>,
    pub verbs: Verbs,
    /// Sorted by name.
    pub subresources: Vec<Subresource>,
    /// What it is stored as: differs from group and plural for `events.k8s.io`.
    pub storage: GroupResource,
    /// The version objects are stored in.
    pub hub_version: String,
    /// A custom resource.
    pub custom: bool,
}

/// What can be done with the collection and its objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verbs {
    All,
    /// Everything but `deletecollection` (namespaces).
    NoCollectionDelete,
    /// Reviews and bindings: nothing is stored.
    Create,
    /// `get` and `list`.
    Read,
}

impl Verbs {
    pub fn names(self) -> &'static [&'static str] {
        match self {
            Self::All => &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
            Self::NoCollectionDelete => &["create", "delete", "get", "list", "patch", "update", "watch"],
            Self::Create => &["create"],
            Self::Read => &["get", "list"],
        }
    }
}

/// A path below an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subresource {
    Approval,
    Attach,
    Binding,
    EphemeralContainers,
    Eviction,
    Exec,
    Finalize,
    Log,
    PortForward,
    Proxy,
    Resize,
    Scale,
    Status,
    Token,
}

impl Subresource {
    pub const ALL: &[Self] = &[
        Self::Approval,
        Self::Attach,
        Self::Binding,
        Self::EphemeralContainers,
        Self::Eviction,
        Self::Exec,
        Self::Finalize,
        Self::Log,
        Self::PortForward,
        Self::Proxy,
        Self::Resize,
        Self::Scale,
        Self::Status,
        Self::Token,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Approval => "approval",
            Self::Attach => "attach",
            Self::Binding => "binding",
            Self::EphemeralContainers => "ephemeralcontainers",
            Self::Eviction => "eviction",
            Self::Exec => "exec",
            Self::Finalize => "finalize",
            Self::Log => "log",
            Self::PortForward => "portforward",
            Self::Proxy => "proxy",
            Self::Resize => "resize",
            Self::Scale => "scale",
            Self::Status => "status",
            Self::Token => "token",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|sub| sub.name() == name)
    }

    /// The group, version and kind of its objects, where they are not the parent's.
    pub fn kind(self) -> Option<(&'static str, &'static str, &'static str)> {
        match self {
            Self::Attach => Some(("", "v1", "PodAttachOptions")),
            Self::Binding => Some(("", "v1", "Binding")),
            Self::Eviction => Some(("policy", "v1", "Eviction")),
            Self::Exec => Some(("", "v1", "PodExecOptions")),
            Self::PortForward => Some(("", "v1", "PodPortForwardOptions")),
            Self::Proxy => Some(("", "v1", "PodProxyOptions")),
            Self::Scale => Some(("autoscaling", "v1", "Scale")),
            Self::Token => Some(("authentication.k8s.io", "v1", "TokenRequest")),
            _ => None,
        }
    }

    pub fn verbs(self) -> &'static [&'static str] {
        match self {
            Self::Attach | Self::Exec | Self::PortForward => &["create", "get"],
            Self::Proxy => &["create", "delete", "get", "patch", "update"],
            Self::Binding | Self::Eviction | Self::Token => &["create"],
            Self::Finalize => &["update"],
            Self::Log => &["get"],
            _ => &["get", "patch", "update"],
        }
    }
}

impl Resource {
    pub fn namespaced(group: &str, version: &str, plural: &str, kind: &str) -> Self {
        Self { namespaced: true, ..Self::cluster(group, version, plural, kind) }
    }

    pub fn cluster(group: &str, version: &str, plural: &str, kind: &str) -> Self {
        Self {
            group: group.to_owned(),
            version: version.to_owned(),
            plural: plural.to_owned(),
            singular: kind.to_lowercase(),
            kind: kind.to_owned(),
            list_kind: format!("{kind}List"),
            namespaced: false,
            short_names: Vec::new(),
            categories: Vec::new(),
            verbs: Verbs::All,
            subresources: Vec::new(),
            storage: GroupResource { group: group.to_owned().into(), resource: plural.to_owned().into() },
            hub_version: version.to_owned(),
            custom: false,
        }
    }

    #[must_use]
    pub fn singular(mut self, name: &str) -> Self {
        self.singular = name.to_owned();
        self
    }

    #[must_use]
    pub fn short(mut self, name: &str) -> Self {
        self.short_names.push(name.to_owned());
        self
    }

    #[must_use]
    pub fn category(mut self, name: &str) -> Self {
        self.categories.push(name.to_owned());
        self
    }

    #[must_use]
    pub fn status(self) -> Self {
        self.with(Subresource::Status)
    }

    #[must_use]
    pub fn scale(self) -> Self {
        self.with(Subresource::Scale)
    }

    #[must_use]
    pub fn with(self, sub: Subresource) -> Self {
        self.subs(&[sub])
    }

    #[must_use]
    pub fn subs(mut self, subs: &[Subresource]) -> Self {
        self.subresources.extend_from_slice(subs);
        self.subresources.sort();
        self
    }

    #[must_use]
    pub fn only_create(mut self) -> Self {
        self.verbs = Verbs::Create;
        self
    }

    #[must_use]
    pub fn only_read(mut self) -> Self {
        self.verbs = Verbs::Read;
        self
    }

    #[must_use]
    pub fn no_collection_delete(mut self) -> Self {
        self.verbs = Verbs::NoCollectionDelete;
        self
    }

    /// Shares the store of another resource, in that one's version.
    #[must_use]
    pub fn stored_as(mut self, group: &'static str, resource: &'static str, version: &str) -> Self {
        self.storage = GroupResource::new(group, resource);
        self.hub_version = version.to_owned();
        self
    }

    /// `apps/v1`, and for the core group `v1`.
    pub fn api_version(&self) -> String {
        api_version(&self.group, &self.version)
    }

    /// The apiVersion of what is stored.
    pub fn hub_api_version(&self) -> String {
        api_version(&self.storage.group, &self.hub_version)
    }

    pub fn has(&self, sub: Subresource) -> bool {
        self.subresources.contains(&sub)
    }
}

/// `group/version`, or the version alone for the core group.
pub(crate) fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}
