//! `/api`, `/apis` and what lies below them: which groups, versions and resources are served.
//! Everything is read from the registry; it knows both the aggregated form and the old one.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::cluster::Cluster;
use crate::kinds::{Resource, Subresource, Verbs};
use crate::media::{Media, clauses};
use crate::registry::{Registry, Served};
use crate::reply;
use crate::request::Request;
use crate::status::{Result, Status};

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// The answer, if the path is discovery's.
pub(crate) fn answer(cluster: &Cluster, request: &Request, path: &str) -> Result<Option<Response<Bytes>>> {
    let registry = &cluster.registry;
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let body = match parts.as_slice() {
        ["api"] if wants_aggregated(request) => return Ok(Some(aggregated(request, registry, true))),
        ["apis"] if wants_aggregated(request) => return Ok(Some(aggregated(request, registry, false))),
        ["api"] => json!({
            "kind": "APIVersions", "versions": ["v1"],
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": "10.0.0.1:6443"}],
        }),
        ["apis"] => json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups(registry)}),
        ["api", "v1"] => resource_list(registry, "", "v1"),
        ["api", _] => return Err(Status::no_such_resource()),
        ["apis", group] => match groups(registry).into_iter().find(|entry| entry["name"] == *group) {
            None => return Ok(None),
            Some(mut entry) => {
                entry["kind"] = "APIGroup".into();
                entry["apiVersion"] = "v1".into();
                entry
            }
        },
        ["apis", group, version] if registry.version_is_served(group, version) => {
            resource_list(registry, group, version)
        }
        ["apis", group, _] if registry.group_is_served(group) => return Err(Status::no_such_resource()),
        _ => return Ok(None),
    };
    Ok(Some(reply::object(Media::of(request)?, 200, &body)))
}

fn wants_aggregated(request: &Request) -> bool {
    clauses(request.header("accept").unwrap_or_default()).iter().any(|clause| {
        clause.media == "application/json"
            && clause.parameter("g") == Some("apidiscovery.k8s.io")
            && clause.parameter("v") == Some("v2")
            && clause.parameter("as") == Some("APIGroupDiscoveryList")
    })
}

/// A group's versions, each with its resources.
type Versions<'a> = Vec<(&'a str, Vec<&'a Arc<Served>>)>;

/// Groups in the order of discovery, each with its versions, the preferred one first.
fn by_group(registry: &Registry) -> Vec<(&str, Versions<'_>)> {
    let mut all: Vec<(&str, Versions<'_>)> = Vec::new();
    for served in registry.iter() {
        let (group, version) = (served.resource.group.as_str(), served.resource.version.as_str());
        let at = all.iter().position(|(name, _)| *name == group).unwrap_or_else(|| {
            all.push((group, Vec::new()));
            all.len() - 1
        });
        let versions = &mut all[at].1;
        match versions.iter_mut().find(|(name, _)| *name == version) {
            Some((_, resources)) => resources.push(served),
            None => versions.push((version, vec![served])),
        }
    }
    for (_, versions) in &mut all {
        versions.sort_by_key(|(version, _)| std::cmp::Reverse(priority(version)));
        for (_, resources) in versions {
            resources.sort_by(|a, b| a.resource.plural.cmp(&b.resource.plural));
        }
    }
    all
}

/// Kube-like version order: `v2` before `v1` before `v1beta2` before `v1alpha1`.
pub(crate) fn priority(version: &str) -> (u8, u64, u64) {
    let parse = || {
        let rest = version.strip_prefix('v')?;
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let major: u64 = rest[..digits].parse().ok()?;
        let stage = &rest[digits..];
        Some(match (stage.strip_prefix("beta"), stage.strip_prefix("alpha")) {
            (Some(minor), _) => (2, major, minor.parse().ok()?),
            (_, Some(minor)) => (1, major, minor.parse().ok()?),
            _ if stage.is_empty() => (3, major, 0),
            _ => return None,
        })
    };
    parse().unwrap_or((0, 0, 0))
}

fn groups(registry: &Registry) -> Vec<Value> {
    let named = by_group(registry).into_iter().filter(|(group, _)| !group.is_empty());
    named
        .map(|(group, versions)| {
            let versions: Vec<Value> = versions
                .iter()
                .map(|(version, _)| json!({"groupVersion": format!("{group}/{version}"), "version": version}))
                .collect();
            json!({"name": group, "versions": versions, "preferredVersion": versions[0]})
        })
        .collect()
}

fn resource_list(registry: &Registry, group: &str, version: &str) -> Value {
    let mut resources: BTreeMap<String, Value> = BTreeMap::new();
    for served in registry.iter().filter(|s| s.resource.group == group && s.resource.version == version) {
        let resource = &served.resource;
        let mut entry = json!({
            "name": resource.plural, "singularName": resource.singular, "namespaced": resource.namespaced,
            "kind": resource.kind, "verbs": listed_verbs(resource),
        });
        if !resource.short_names.is_empty() {
            entry["shortNames"] = json!(resource.short_names);
        }
        if !resource.categories.is_empty() {
            entry["categories"] = json!(resource.categories);
        }
        if resource.verbs != Verbs::Create {
            entry["storageVersionHash"] = storage_hash(resource).into();
        }
        resources.insert(resource.plural.clone(), entry);
        for sub in &resource.subresources {
            let name = format!("{}/{}", resource.plural, sub.name());
            let mut entry = json!({
                "name": name, "singularName": "", "namespaced": resource.namespaced,
                "kind": resource.kind, "verbs": sub.verbs(),
            });
            if let Some((group, version, kind)) = sub.kind().map(|kind| own_kind(*sub, resource, kind)) {
                entry["kind"] = kind.into();
                if !group.is_empty() {
                    entry["group"] = group.into();
                    entry["version"] = version.into();
                }
            }
            resources.insert(name, entry);
        }
    }
    let group_version = crate::kinds::api_version(group, version);
    let resources: Vec<Value> = resources.into_values().collect();
    // The core list has no apiVersion of its own; the others have.
    let mut list = json!({"kind": "APIResourceList", "groupVersion": group_version, "resources": resources});
    if !group.is_empty() {
        list["apiVersion"] = "v1".into();
    }
    list
}

/// Custom resources have their verbs in another order.
fn listed_verbs(resource: &Resource) -> &'static [&'static str] {
    if resource.custom {
        return &["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];
    }
    resource.verbs.names()
}

/// Node and Service proxies have option kinds of their own.
fn own_kind<'a>(
    sub: Subresource,
    resource: &Resource,
    kind: (&'a str, &'a str, &'a str),
) -> (&'a str, &'a str, &'a str) {
    match (sub, resource.plural.as_str()) {
        (Subresource::Proxy, "nodes") => ("", "v1", "NodeProxyOptions"),
        (Subresource::Proxy, "services") => ("", "v1", "ServiceProxyOptions"),
        _ => kind,
    }
}

/// A short hash of where a resource is stored.
fn storage_hash(resource: &Resource) -> String {
    use base64::Engine;
    // Definitions are still stored in their second version.
    let version = if resource.kind == "CustomResourceDefinition" { "v1beta1" } else { &resource.hub_version };
    let key = format!("{}/{version}/{}", resource.storage.group, resource.kind);
    base64::engine::general_purpose::STANDARD.encode(&Sha256::digest(key)[..8])
}

fn aggregated(request: &Request, registry: &Registry, core: bool) -> Response<Bytes> {
    let items: Vec<Value> = by_group(registry)
        .into_iter()
        .filter(|(group, _)| group.is_empty() == core)
        .map(|(group, versions)| {
            let metadata = if core { json!({}) } else { json!({"name": group}) };
            let versions: Vec<Value> = versions
                .into_iter()
                .map(|(version, resources)| {
                    let resources: Vec<Value> =
                        resources.iter().map(|served| entry(&served.resource)).collect();
                    json!({"version": version, "resources": resources, "freshness": "Current"})
                })
                .collect();
            json!({"metadata": metadata, "versions": versions})
        })
        .collect();
    let body = json!({
        "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items,
    });
    let text = Media::JSON.encode(&body);
    let etag = format!("\"{}\"", hex(&Sha256::digest(&text)).to_uppercase());
    let unchanged = request.header("if-none-match") == Some(etag.as_str());
    let mut response = if unchanged {
        reply::text(304, AGGREGATED, Bytes::new())
    } else {
        reply::text(200, AGGREGATED, text)
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public"));
    headers.insert(header::VARY, HeaderValue::from_static("Accept"));
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(header::ETAG, etag);
    }
    response
}

fn entry(resource: &Resource) -> Value {
    let mut entry = json!({
        "resource": resource.plural,
        "responseKind": response_kind(resource, "", "", &resource.kind),
        "scope": if resource.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": resource.singular,
        "verbs": resource.verbs.names(),
    });
    if !resource.short_names.is_empty() {
        entry["shortNames"] = json!(resource.short_names);
    }
    if !resource.categories.is_empty() {
        entry["categories"] = json!(resource.categories);
    }
    if !resource.subresources.is_empty() {
        entry["subresources"] = resource
            .subresources
            .iter()
            .map(|sub| {
                let kind = match sub.kind().map(|kind| own_kind(*sub, resource, kind)) {
                    Some((group, version, kind)) if !group.is_empty() => {
                        json!({"group": group, "version": version, "kind": kind})
                    }
                    Some((_, _, kind)) => response_kind(resource, "", "", kind),
                    None => response_kind(resource, "", "", &resource.kind),
                };
                json!({"subresource": sub.name(), "responseKind": kind, "verbs": sub.verbs()})
            })
            .collect();
    }
    entry
}

/// Group and version are empty where they are the enclosing ones; custom resources state them.
fn response_kind(resource: &Resource, group: &str, version: &str, kind: &str) -> Value {
    if resource.custom {
        return json!({"group": resource.group, "version": resource.version, "kind": kind});
    }
    json!({"group": group, "version": version, "kind": kind})
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
