//! What is fetched from the cluster below, and when: each object and each collection once.

use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use opsrun_core::{BoxFuture, Original};
use opsrun_k8s_simulator::Simulator as Server;
use opsrun_k8s_simulator::overlay::{Names, serve_definition, serve_unknown};
use opsrun_k8s_simulator::request::Target;
use opsrun_k8s_simulator::store::{GroupResource, ObjectKey};
use serde_json::Value;
use tokio::sync::Mutex;

use crate::apply::together;
use crate::client::{Client, Query};
use crate::discovery::{Discovery, Resource};
use crate::error::Error;

/// The cluster below.
pub(super) struct Below {
    original: Original,
    client: Client,
    /// One fetches at a time, so that nothing is fetched twice.
    begun: Mutex<Option<Arc<Discovery>>>,
}

/// Something that has to be here before a request is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Need {
    Object { kind: Kind, namespace: Option<String>, name: String },
    Collection { kind: Kind, namespace: Option<String> },
}

/// A resource in the version that it was asked for in; `None`: any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kind {
    group: String,
    version: Option<String>,
    resource: String,
}

impl Kind {
    fn new(group: &str, resource: &str) -> Self {
        Kind { group: group.to_owned(), version: None, resource: resource.to_owned() }
    }

    fn of(target: &Target) -> Self {
        Kind { version: Some(target.version.clone()), ..Kind::new(&target.group, &target.resource) }
    }
}

impl Need {
    pub(super) fn object(target: &Target, name: &str) -> Self {
        Need::Object { kind: Kind::of(target), namespace: target.namespace.clone(), name: name.to_owned() }
    }

    pub(super) fn collection(target: &Target) -> Self {
        Need::Collection { kind: Kind::of(target), namespace: target.namespace.clone() }
    }

    fn kind(&self) -> &Kind {
        match self {
            Need::Object { kind, .. } | Need::Collection { kind, .. } => kind,
        }
    }
}

/// What controllers look at in the namespace of what they act on.
const WORKLOADS: [(&str, &str); 18] = [
    ("", "configmaps"),
    ("", "endpoints"),
    ("", "limitranges"),
    ("", "persistentvolumeclaims"),
    ("", "resourcequotas"),
    ("", "secrets"),
    ("", "serviceaccounts"),
    ("", "services"),
    ("apps", "controllerrevisions"),
    ("apps", "daemonsets"),
    ("apps", "deployments"),
    ("apps", "replicasets"),
    ("apps", "statefulsets"),
    ("autoscaling", "horizontalpodautoscalers"),
    ("batch", "cronjobs"),
    ("batch", "jobs"),
    ("discovery.k8s.io", "endpointslices"),
    ("policy", "poddisruptionbudgets"),
];

/// And beyond it: nodes have room for the pods of all namespaces.
const EVERYWHERE: [(&str, &str); 6] = [
    ("", "nodes"),
    ("", "persistentvolumes"),
    ("", "pods"),
    ("networking.k8s.io", "ingresses"),
    ("scheduling.k8s.io", "priorityclasses"),
    ("storage.k8s.io", "storageclasses"),
];

/// Kinds that no controller acts on: writing them needs nothing else.
const INERT: [&str; 12] = [
    "clusterrolebindings",
    "clusterroles",
    "configmaps",
    "events",
    "ingresses",
    "leases",
    "networkpolicies",
    "priorityclasses",
    "rolebindings",
    "roles",
    "secrets",
    "storageclasses",
];

type Found<T> = Result<T, Error>;

impl Below {
    pub(super) fn new(original: Original, client: Client) -> Self {
        Below { original, client, begun: Mutex::default() }
    }

    /// Learns which kinds there are, the first time.
    pub(super) async fn begin(&self, server: &Server) -> Found<Arc<Discovery>> {
        let mut begun = self.begun.lock().await;
        if let Some(discovery) = &*begun {
            return Ok(discovery.clone());
        }
        let client = self.client.clone();
        let (discovery, definitions) = self
            .ask(async move {
                let discovery = client.discovery().await?;
                let kind = discovery.named("customresourcedefinitions.apiextensions.k8s.io")?.clone();
                let definitions = readable(client.list(&kind, None, &Query::default()).await)?;
                Ok((discovery, definitions))
            })
            .await?;
        server.with(|cluster| {
            let Some((overlay, store, registry)) = cluster.over() else { return };
            registry.retain(|known| {
                discovery.resources().any(|found| found.group == known.group && found.plural == known.plural)
            });
            let kind = GroupResource::new("apiextensions.k8s.io", "customresourcedefinitions");
            let served = registry.hub(&kind).cloned();
            for definition in definitions.unwrap_or_default() {
                serve_definition(registry, &definition);
                if let Some(served) = &served {
                    overlay.import(store, served, definition);
                }
            }
            overlay.asked_all(&kind, None);
            for found in discovery.resources() {
                let known = registry.iter().any(|served| {
                    served.resource.group == found.group && served.resource.plural == found.plural
                });
                if !known && !found.group.is_empty() {
                    let of_kind =
                        |other: &&Arc<Resource>| other.group == found.group && other.plural == found.plural;
                    let versions: Vec<&str> =
                        discovery.resources().filter(of_kind).map(|other| other.version.as_str()).collect();
                    let names = Names {
                        plural: &found.plural,
                        singular: &found.singular,
                        kind: &found.kind,
                        short: &found.short_names,
                        namespaced: found.namespaced,
                    };
                    serve_unknown(registry, &found.group, &versions, &names);
                }
            }
        });
        *begun = Some(discovery.clone());
        Ok(discovery)
    }

    /// What the controllers will look at when this is written.
    pub(super) fn around(&self, server: &Server, target: &Target, method: &Method) -> Vec<Need> {
        let mut needs = Vec::new();
        let collection = |(group, resource): (&str, &str), namespace: Option<&str>| Need::Collection {
            kind: Kind::new(group, resource),
            namespace: namespace.map(str::to_owned),
        };
        let is_namespace = target.group.is_empty() && target.resource == "namespaces";
        if is_namespace && *method == Method::DELETE {
            // Everything in it goes with it.
            needs.extend(
                server
                    .with(|cluster| {
                        let (_, _, registry) = cluster.over()?;
                        let all = registry.iter().filter(|served| served.resource.namespaced);
                        let needs = all.map(|served| {
                            let resource = &served.resource;
                            collection((&resource.group, &resource.plural), target.name.as_deref())
                        });
                        Some(needs.collect::<Vec<_>>())
                    })
                    .into_iter()
                    .flatten(),
            );
        }
        if let Some(namespace) = &target.namespace {
            needs.push(Need::Object {
                kind: Kind::new("", "namespaces"),
                namespace: None,
                name: namespace.clone(),
            });
            match INERT.contains(&target.resource.as_str()) {
                true => needs.push(collection(("", "resourcequotas"), Some(namespace))),
                false => needs.extend(WORKLOADS.map(|kind| collection(kind, Some(namespace)))),
            }
        }
        if target.resource == "nodes"
            || target.namespace.is_some() && !INERT.contains(&target.resource.as_str())
        {
            needs.extend(EVERYWHERE.map(|kind| collection(kind, None)));
        }
        needs
    }

    /// Fetches what of this is not here yet. What may not be listed is taken as absent; what refers to it, as finding it.
    pub(super) async fn fetch(&self, server: &Server, needs: Vec<Need>) -> Found<()> {
        let discovery = self.begin(server).await?;
        // One fetches at a time, so that nothing is fetched twice.
        let _turn = self.begun.lock().await;
        let mut wanted: Vec<(Need, Arc<Resource>, ObjectKey)> = Vec::new();
        for need in needs {
            let Some((resource, storage)) = served(server, &discovery, need.kind()) else { continue };
            let (namespace, name) = match &need {
                Need::Object { namespace, name, .. } => (namespace, name.as_str()),
                Need::Collection { namespace, .. } => (namespace, ""),
            };
            let key = ObjectKey::new(&storage, namespace.as_deref().unwrap_or_default(), name);
            let here = server.with(|cluster| {
                cluster.over().is_some_and(|(overlay, ..)| match &need {
                    Need::Object { .. } => overlay.has(&key),
                    Need::Collection { namespace, .. } => overlay.has_all(&storage, namespace.as_deref()),
                })
            });
            if !here && !wanted.iter().any(|(known, ..)| *known == need) {
                wanted.push((need, resource, key));
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let client = self.client.clone();
        let asked =
            wanted.iter().map(|(need, resource, _)| (need.clone(), resource.clone())).collect::<Vec<_>>();
        let found = self
            .ask(async move {
                let mut work: Vec<BoxFuture<'_, Found<Option<Vec<Value>>>>> = Vec::new();
                for (need, resource) in &asked {
                    let client = &client;
                    work.push(Box::pin(async move {
                        match need {
                            Need::Object { namespace, name, .. } => {
                                let at = client.place(resource.clone(), namespace.as_deref(), name);
                                Ok(Some(client.find(&at).await?.into_iter().collect()))
                            }
                            Need::Collection { namespace, .. } => {
                                readable(client.list(resource, namespace.as_deref(), &Query::default()).await)
                            }
                        }
                    }));
                }
                together(work).await.into_iter().collect::<Found<Vec<_>>>()
            })
            .await?;
        server.with(|cluster| {
            let Some((overlay, store, registry)) = cluster.over() else { return };
            for ((need, resource, key), found) in wanted.into_iter().zip(found) {
                let Some(served) = registry.at(&resource.group, &resource.version, &resource.plural) else {
                    continue;
                };
                let shown = found.is_some();
                for object in found.into_iter().flatten() {
                    overlay.import(store, served, object);
                }
                match need {
                    Need::Object { .. } => overlay.asked(key),
                    Need::Collection { namespace, .. } => {
                        overlay.asked_all(&key.resource, namespace.as_deref());
                        if !shown {
                            overlay.hide(&key.resource, namespace.as_deref());
                        }
                    }
                }
            }
        });
        Ok(())
    }

    /// Why the cluster below would not do this, if it is to be asked and would not.
    pub(super) async fn objection(&self, parts: &http::request::Parts, body: &Bytes) -> Option<String> {
        if !self.original.wants_second_opinion() {
            return None;
        }
        let (client, parts, body) = (self.client.clone(), parts.clone(), body.clone());
        let said = self.ask(async move { client.dry_run(&parts, body).await }).await;
        said.err().map(|error| match error {
            Error::Api { status, .. } => status.message,
            other => other.to_string(),
        })
    }

    /// What the cluster below answers at this path.
    pub(super) async fn text(&self, path: &str) -> Found<String> {
        let (client, path) = (self.client.clone(), path.to_owned());
        self.ask(async move { client.text(&path, &Default::default(), "reading for the plan").await }).await
    }

    async fn ask<T: Send + 'static>(
        &self,
        work: impl Future<Output = Found<T>> + Send + 'static,
    ) -> Found<T> {
        self.original.ask(async move { Ok(work.await) }).await?
    }
}

/// `None` for what may not be listed.
fn readable<T>(found: Found<T>) -> Found<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if matches!(error.code(), Some(403..=405)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The resource as the cluster below serves it and this one knows it, and how it is stored here.
fn served(server: &Server, discovery: &Discovery, kind: &Kind) -> Option<(Arc<Resource>, GroupResource)> {
    let readable = |found: &&Arc<Resource>| {
        found.group == kind.group
            && found.plural == kind.resource
            && kind.version.as_ref().is_none_or(|version| *version == found.version)
            && found.verbs.iter().any(|verb| verb == "get" || verb == "list")
    };
    let found = discovery.resources().find(readable)?.clone();
    let storage = server.with(|cluster| {
        let (_, _, registry) = cluster.over()?;
        Some(registry.at(&found.group, &found.version, &found.plural)?.resource.storage.clone())
    })?;
    Some((found, storage))
}
