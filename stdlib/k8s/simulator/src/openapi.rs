//! `/openapi/v3` and `/openapi/v2`: the index, and the documents that kubectl and helm read.
//! Built-in documents are the schema crate's; those of custom resources are made from their definitions.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use opsrun_k8s_schema::Gvk;
use opsrun_k8s_schema::documents::{
    CustomKind, custom_document_v3, document_names, document_v2, document_v3,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::cluster::Cluster;
use crate::discovery::hex;
use crate::media::Media;
use crate::reply;
use crate::request::Request;

/// The answer, if the path is one of OpenAPI's.
pub(crate) fn answer(cluster: &Cluster, request: &Request, path: &str) -> Option<Response<Bytes>> {
    match path {
        "/openapi/v2" => Some(document(request, Media::JSON.encode(&document_v2()), None)),
        "/openapi/v3" => Some(index(cluster)),
        _ => {
            let name = path.strip_prefix("/openapi/v3/")?;
            let body = Media::JSON.encode(&named(cluster, name)?);
            Some(document(request, body, Some(name)))
        }
    }
}

/// The index is JSON that calls itself text.
fn index(cluster: &Cluster) -> Response<Bytes> {
    let mut paths = serde_json::Map::new();
    let mut names = document_names();
    names.extend(custom_groups(cluster).into_keys());
    for name in names {
        let Some(document) = named(cluster, &name) else { continue };
        let url = format!("/openapi/v3/{name}?hash={}", hash(&Media::JSON.encode(&document)));
        paths.insert(name, json!({"serverRelativeURL": url}));
    }
    reply::text(200, "text/plain; charset=utf-8", Media::JSON.encode(&json!({"paths": paths})))
}

fn named(cluster: &Cluster, name: &str) -> Option<Value> {
    document_v3(name).or_else(|| custom_groups(cluster).get(name).map(|kinds| custom_document_v3(kinds)))
}

fn custom_groups(cluster: &Cluster) -> BTreeMap<String, Vec<CustomKind>> {
    let mut groups: BTreeMap<String, Vec<CustomKind>> = BTreeMap::new();
    for served in cluster.registry.iter() {
        let Some(schema) = served.kind.custom_schema() else { continue };
        let resource = &served.resource;
        let kind = CustomKind {
            gvk: Gvk::new(&resource.group, &resource.version, &resource.kind),
            plural: resource.plural.clone(),
            namespaced: resource.namespaced,
            open_api: schema.open_api().clone(),
        };
        groups.entry(format!("apis/{}/{}", resource.group, resource.version)).or_default().push(kind);
    }
    groups
}

/// A document with its ETag; another hash than its own leads to the right one.
fn document(request: &Request, body: Bytes, name: Option<&str>) -> Response<Bytes> {
    let hash = hash(&body);
    if let (Some(name), Some(wanted)) = (name, request.query.get("hash"))
        && wanted != hash
    {
        let mut response = reply::text(301, "text/html; charset=utf-8", Bytes::new());
        if let Ok(location) = HeaderValue::from_str(&format!("/openapi/v3/{name}?hash={hash}")) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        return response;
    }
    let etag = format!("\"{hash}\"");
    let unchanged = request.header("if-none-match") == Some(etag.as_str());
    let mut response = reply::text(200, "application/json", body);
    if unchanged {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = Bytes::new();
    }
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept"));
    response
}

fn hash(body: &[u8]) -> String {
    hex(&Sha256::digest(body)).to_uppercase()
}
