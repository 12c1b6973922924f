//! What of a cluster can be kept and brought back: the objects of a namespace, each a file, as one would create it again.
//!
//! Left out is what others make: the objects of controllers, events, what every namespace gets by itself, and jobs that have ended,
//! which would run again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use opsrun_core::{Content, Cx, Error, Item, ItemKind, Items, Named, Result, SourceScheme};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::apply::{self, Change, Conflicts, Undoing};
use crate::client::{Client, Query};
use crate::discovery::{Discovery, Resource};
use crate::manifests::Wave;
use crate::object::Object;
use crate::primitives::MANAGER;
use crate::recreate::fresh;

pub(crate) const SOURCE: SourceScheme = SourceScheme {
    scheme: "namespace",
    form: "namespace:NAME",
    doc: "The objects of a Kubernetes namespace, Secrets among them, as they can be created again.",
    open: |cx, named| Box::pin(async move { open(&cx, named).await }),
    preflight: None,
    restore: |cx, named, items| Box::pin(async move { restore(&cx, &named, items).await }),
    try_out: |cx, named, items| Box::pin(async move { try_out(&cx, &named, items).await }),
};

/// An object's file is for the owner of the backup alone: it may be a Secret.
const MODE: u32 = 0o600;
/// What an object may have, in bytes; an API server takes 1.5 MiB.
const LARGEST: usize = 8 << 20;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct KeepOptions {
    /// Only objects with these labels.
    labels: String,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RestoreOptions {
    /// Take over fields that others manage.
    force: bool,
}

fn options<T: Default + serde::de::DeserializeOwned>(named: &Named) -> Result<T> {
    if named.options.is_null() {
        return Ok(T::default());
    }
    serde_json::from_value(named.options.clone())
        .map_err(|error| Error::invalid(format!("the options of `namespace:{}`: {error}", named.name)))
}

async fn open(cx: &Cx, named: Named) -> Result<Items> {
    let options: KeepOptions = options(&named)?;
    let client = Client::new(cx)?;
    let discovery = client.discovery().await?;
    let namespaces = client.kind_of("v1", "Namespace").await?;
    let namespace = client.get(&client.place(namespaces, None, &named.name)).await?;
    let query = Query { labels: options.labels, ..Query::default() };
    let selecting = with_selector(&client, &named.name).await?;
    let first = file(Wave::Places, "namespaces", &stripped(&namespace), cx);
    let kinds = futures::stream::iter(kept_kinds(&discovery).into_iter().map(Ok::<_, Error>));
    let (cx, name) = (cx.clone(), named.name);
    let rest = kinds.and_then(move |kind| {
        let (client, query, name) = (client.clone(), query.clone(), name.clone());
        let (selecting, cx) = (selecting.clone(), cx.clone());
        async move {
            let found = client.list(&kind, Some(&name), &query).await?;
            let kept = found.iter().filter(|object| is_kept(object, &selecting));
            let called = full_name(&kind);
            let items: Vec<Item> =
                kept.map(|object| file(Wave::of(&kind.kind), &called, &stripped(object), &cx)).collect();
            Ok(futures::stream::iter(items.into_iter().map(Ok)))
        }
    });
    Ok(futures::stream::iter([Ok(first)]).chain(rest.try_flatten()).boxed())
}

/// The kinds whose objects belong to a namespace and can be created, each in the version that the server prefers, in the order in
/// which they are applied.
fn kept_kinds(discovery: &Discovery) -> Vec<Arc<Resource>> {
    let mut seen = BTreeSet::new();
    let mut kinds: Vec<_> = discovery
        .resources()
        .filter(|kind| kind.namespaced && kind.kind != "Event")
        .filter(|kind| ["create", "list"].iter().all(|verb| kind.verbs.iter().any(|has| has == verb)))
        // The group comes with its preferred version first.
        .filter(|kind| seen.insert((kind.group.clone(), kind.plural.clone())))
        .cloned()
        .collect();
    kinds.sort_by_key(|kind| (Wave::of(&kind.kind), kind.group.clone(), kind.plural.clone()));
    kinds
}

fn full_name(kind: &Resource) -> String {
    if kind.group.is_empty() { kind.plural.clone() } else { format!("{}.{}", kind.plural, kind.group) }
}

/// The services of a namespace whose endpoints a controller makes.
async fn with_selector(client: &Client, namespace: &str) -> Result<BTreeSet<String>> {
    let services = client.kind_of("v1", "Service").await?;
    let found = client.list(&services, Some(namespace), &Query::default()).await?;
    let selecting = found.iter().filter(|service| service.pointer("/spec/selector").is_some());
    Ok(selecting.map(|service| service.name().to_owned()).collect())
}

fn is_kept(object: &Value, selecting: &BTreeSet<String>) -> bool {
    if object.controller().is_some() {
        return false;
    }
    let ended = || {
        let mut conditions = object.conditions();
        conditions.any(|it| matches!(it.text("/type"), "Complete" | "Failed") && it.text("/status") == "True")
    };
    match (object.text("/kind"), object.name()) {
        ("ConfigMap", "kube-root-ca.crt") | ("ServiceAccount", "default") => false,
        ("Secret", _) => object.text("/type") != "kubernetes.io/service-account-token",
        ("Endpoints", name) => !selecting.contains(name),
        ("Job", _) => !ended(),
        ("Pod", _) => !matches!(object.text("/status/phase"), "Succeeded" | "Failed"),
        ("Lease", _) => false,
        _ => true,
    }
}

/// The object as it can be created again, without what it was given when it was created.
fn stripped(object: &Value) -> Value {
    let mut fresh = fresh(object);
    // Its owners come back as others, and what has an owner that is not there is collected.
    take(&mut fresh, "/metadata", &["ownerReferences"]);
    match object.text("/kind") {
        "Namespace" => {
            take(&mut fresh, "", &["spec"]);
            take(&mut fresh, "/metadata/labels", &["kubernetes.io/metadata.name"]);
        }
        "Service" if fresh.text("/spec/clusterIP") != "None" => {
            take(&mut fresh, "/spec", &["clusterIP", "clusterIPs", "healthCheckNodePort"]);
        }
        "PersistentVolumeClaim" => {
            take(&mut fresh, "/spec", &["volumeName"]);
            let given = ["pv.kubernetes.io/bind-completed", "pv.kubernetes.io/bound-by-controller"];
            take(&mut fresh, "/metadata/annotations", &given);
            take(
                &mut fresh,
                "/metadata/annotations",
                &[
                    "volume.kubernetes.io/selected-node",
                    "volume.beta.kubernetes.io/storage-provisioner",
                    "volume.kubernetes.io/storage-provisioner",
                ],
            );
        }
        "Pod" => without_token(&mut fresh),
        _ => {}
    }
    fresh
}

/// The volume with a service account's token, which every pod is given.
fn without_token(pod: &mut Value) {
    let is_token = |name: &str| name.starts_with("kube-api-access-");
    if let Some(volumes) = pod.pointer_mut("/spec/volumes").and_then(Value::as_array_mut) {
        volumes.retain(|volume| !is_token(volume.text("/name")));
    }
    for containers in ["/spec/containers", "/spec/initContainers"] {
        for container in pod.pointer_mut(containers).and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(mounts) = container.get_mut("volumeMounts").and_then(Value::as_array_mut) {
                mounts.retain(|mount| !is_token(mount.text("/name")));
            }
        }
    }
}

fn take(object: &mut Value, pointer: &str, fields: &[&str]) {
    if let Some(map) = object.pointer_mut(pointer).and_then(Value::as_object_mut) {
        map.retain(|field, _| !fields.contains(&field.as_str()));
    }
}

/// `3-workloads/deployments.apps/api.json`: in the order of their names, files can be applied one after the other.
fn file(wave: Wave, kind: &str, object: &Value, cx: &Cx) -> Item {
    let (number, called) = match wave {
        Wave::Places => (0, "places"),
        Wave::Rules => (1, "rules"),
        Wave::Needs => (2, "needs"),
        Wave::Workloads => (3, "workloads"),
        Wave::Rest => (4, "rest"),
        Wave::Webhooks => (5, "webhooks"),
    };
    let text = format!("{object:#}\n");
    Item {
        // Names of roles have colons and other characters, but no `/`.
        path: format!("{number}-{called}/{kind}/{}.json", object.name()),
        mode: MODE,
        modified: cx.now(),
        kind: ItemKind::File {
            size: Some(text.len() as u64),
            content: futures::stream::iter([Ok(Bytes::from(text))]).boxed(),
        },
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Assertions {
    /// Objects that have to be there: `Deployment/api`.
    objects: Vec<String>,
}

/// Has the API server look at each object as if it were applied. Nothing is changed: workloads that ran twice would do their work twice.
async fn try_out(cx: &Cx, named: &Named, items: Items) -> Result<BTreeMap<String, u64>> {
    let assertions: Assertions = options(named)?;
    let objects = read_all(items, &named.name).await?;
    let client = Client::new(cx)?;
    let how = apply::Apply {
        manager: MANAGER,
        conflicts: Conflicts::TakeOver,
        dry_run: true,
        namespace: Some(&named.name),
        undo: Undoing::Caller,
    };
    apply::all(&client, &objects, &how).await?;
    let mut counts = BTreeMap::new();
    let mut there = BTreeSet::new();
    for object in &objects {
        let kind = object.text("/kind");
        *counts.entry(format!("objects of {kind}")).or_default() += 1;
        there.insert(format!("{kind}/{}", object.name()));
    }
    match assertions.objects.iter().find(|wanted| !there.contains(*wanted)) {
        Some(wanted) => {
            Err(Error::failed(format!("`{wanted}` of the namespace {} is not in the snapshot", named.name))
                .hint("an object is named by its kind: `Deployment/api`"))
        }
        None => Ok(counts),
    }
}

/// Applies the objects, into the namespace of this name, which they need not come from.
async fn restore(cx: &Cx, named: &Named, items: Items) -> Result<Value> {
    let options: RestoreOptions = options(named)?;
    let objects = read_all(items, &named.name).await?;
    let client = Client::new(cx)?;
    let how = apply::Apply {
        manager: MANAGER,
        conflicts: Conflicts::forced(options.force),
        dry_run: false,
        namespace: Some(&named.name),
        undo: Undoing::Objects,
    };
    let applied = apply::all(&client, &objects, &how).await?;
    let mut counts: BTreeMap<&str, u64> =
        [("created", 0), ("changed", 0), ("unchanged", 0)].into_iter().collect();
    for applied in &applied {
        let called = match applied.change {
            Change::Created => "created",
            Change::Changed | Change::Deleted => "changed",
            Change::Unchanged => "unchanged",
        };
        *counts.entry(called).or_default() += 1;
    }
    Ok(json!(counts))
}

/// The objects, as they are in this namespace.
async fn read_all(mut items: Items, namespace: &str) -> Result<Vec<Value>> {
    let mut objects = Vec::new();
    while let Some(item) = items.try_next().await? {
        if let ItemKind::File { content, .. } = item.kind {
            let mut object = read(&item.path, content).await?;
            move_to(&mut object, namespace);
            objects.push(object);
        }
    }
    Ok(objects)
}

async fn read(path: &str, mut content: Content) -> Result<Value> {
    let mut bytes = Vec::new();
    while let Some(piece) = content.try_next().await? {
        bytes.extend_from_slice(&piece);
        if bytes.len() > LARGEST {
            return Err(Error::invalid(format!("`{path}` is larger than any object of Kubernetes")));
        }
    }
    serde_json::from_slice(&bytes).map_err(|error| {
        Error::invalid(format!("`{path}` of the backup is no object of Kubernetes: {error}"))
    })
}

/// The object in another namespace. A port of the nodes can be had once.
fn move_to(object: &mut Value, namespace: &str) {
    let is_namespace = object.text("/kind") == "Namespace";
    let pointer = if is_namespace { "/metadata/name" } else { "/metadata/namespace" };
    let before = object.text(pointer).to_owned();
    if before == namespace {
        return;
    }
    if let Some(place) = object.pointer_mut(pointer) {
        *place = json!(namespace);
    }
    if object.text("/kind") == "Service" {
        for port in object.pointer_mut("/spec/ports").and_then(Value::as_array_mut).into_iter().flatten() {
            take(port, "", &["nodePort"]);
        }
    }
    for subject in object.pointer_mut("/subjects").and_then(Value::as_array_mut).into_iter().flatten() {
        if subject.text("/namespace") == before
            && let Some(place) = subject.get_mut("namespace")
        {
            *place = json!(namespace);
        }
    }
}
