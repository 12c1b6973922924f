//! GET: one object, or a list with selectors, pages and versions.
//! It reads the store and renders; it changes nothing.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::Response;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::Call;
use super::options::{ListOptions, version};
use crate::cluster::Cluster;
use crate::kinds::Subresource;
use crate::media::{Media, View};
use crate::reply::{self, Reply};
use crate::selector::Selector;
use crate::status::{Result, Status};
use crate::table;

/// How long a list waits for a version that has not come yet.
const FUTURE_WAIT: SignedDuration = SignedDuration::from_secs(3);

pub(super) fn get(cluster: &mut Cluster, call: &Call<'_>) -> Result<Response<Bytes>> {
    let media = Media::of(call.request)?;
    let wanted = version(call.request.query.get("resourceVersion").unwrap_or_default());
    let wanted = wanted.map_err(|message| Status::new(500, "", message))?.unwrap_or(0);
    if wanted > cluster.store.revision() {
        return Err(too_large(wanted, cluster.store.revision()));
    }
    let stored = cluster.store.get(&call.served.resource.storage, call.place(), call.name());
    let stored = stored.cloned().ok_or_else(|| call.served.not_found(call.name()))?;
    let object = call.served.view(&stored);
    match call.sub {
        Some(Subresource::Scale) => {
            let scale = super::scale::of(&call.served, &object);
            Ok(reply::object(media, 200, &scale))
        }
        _ => Ok(one(cluster, call, media, 200, object)),
    }
}

/// One object in the form that was asked for.
pub(super) fn one(
    cluster: &Cluster,
    call: &Call<'_>,
    media: Media,
    code: u16,
    object: Value,
) -> Response<Bytes> {
    let body = match media.view {
        View::Whole => object,
        View::Metadata => table::partial(&object),
        View::Table => table::table(
            &call.served,
            std::slice::from_ref(&object),
            &json!({"resourceVersion": object["metadata"]["resourceVersion"]}),
            table::IncludeObject::of(&call.request.query),
            cluster.now,
        ),
    };
    reply::object(media, code, &body)
}

pub(super) fn list(cluster: &mut Cluster, call: &Call<'_>) -> Result<Reply> {
    let media = Media::of(call.request)?;
    let options = ListOptions::of(&call.request.query, false)?;
    let selector = Selector::of(&call.served, options.labels.as_deref(), options.fields.as_deref())?;
    let asked = version(&options.resource_version);
    let asked = asked.map_err(|why| Status::bad_request(format!("invalid resource version: {why}")))?;
    let current = cluster.store.revision();
    if let Some(asked) = asked.filter(|asked| *asked > current) {
        let response = reply::refusal(call.request, &too_large(asked, current));
        return Ok(Reply::Later { until: cluster.now + FUTURE_WAIT, response });
    }
    let from = options.next.as_deref().map(Continue::decode).transpose()?;
    let at = match &from {
        Some(from) => from.revision,
        None if options.exact => asked.unwrap_or(current),
        None => current,
    };
    if at < current && at < cluster.store.compacted() {
        return Err(match from {
            Some(_) => expired_continue(),
            None => Status::new(
                410,
                "Expired",
                format!("The resourceVersion for the provided list is too old: {at}"),
            ),
        });
    }
    let everything = cluster.store.list_at(&call.served.resource.storage, call.namespace.as_deref(), at);
    let mut rest = everything
        .into_iter()
        .filter(|object| from.as_ref().is_none_or(|from| from.is_before(object)))
        .filter(|object| selector.matches(&call.served, &call.served.view(object)));
    let limit = if options.limit == 0 { usize::MAX } else { options.limit };
    let page: Vec<_> = rest.by_ref().take(limit).collect();
    let remaining = rest.count();
    let mut metadata = json!({"resourceVersion": at.to_string()});
    if remaining > 0
        && let Some(last) = page.last()
    {
        metadata["continue"] = Continue::after(last, at).encode().into();
        if selector.is_empty() {
            metadata["remainingItemCount"] = remaining.into();
        }
    }
    let objects: Vec<Value> = page.iter().map(|object| call.served.view(object)).collect();
    Ok(Reply::Response(many(cluster, call, media, objects, &metadata)))
}

/// A list in the form that was asked for.
pub(super) fn many(
    cluster: &Cluster,
    call: &Call<'_>,
    media: Media,
    objects: Vec<Value>,
    metadata: &Value,
) -> Response<Bytes> {
    let resource = &call.served.resource;
    let body = match media.view {
        View::Table => {
            let include = table::IncludeObject::of(&call.request.query);
            table::table(&call.served, &objects, metadata, include, cluster.now)
        }
        View::Metadata => {
            let items: Vec<Value> = objects.iter().map(table::partial).collect();
            json!({
                "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1",
                "metadata": metadata, "items": items,
            })
        }
        View::Whole => {
            let custom = resource.custom;
            let mut metadata = metadata.clone();
            if custom && metadata.get("continue").is_none() {
                metadata["continue"] = "".into();
            }
            let items: Vec<Value> = objects
                .into_iter()
                .map(|mut object| {
                    // Items of built-in lists carry no type; custom ones do.
                    if let (false, Some(map)) = (custom, object.as_object_mut()) {
                        map.remove("kind");
                        map.remove("apiVersion");
                    }
                    object
                })
                .collect();
            json!({
                "kind": resource.list_kind, "apiVersion": resource.api_version(),
                "metadata": metadata, "items": items,
            })
        }
    };
    reply::object(media, 200, &body)
}

/// 504: the version asked for has not been reached.
fn too_large(asked: u64, current: u64) -> Status {
    let message = format!("Timeout: Too large resource version: {asked}, current: {current}");
    Status::new(504, "Timeout", message).with_details(json!({
        "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
        "retryAfterSeconds": 1,
    }))
}

fn expired_continue() -> Status {
    let message = "The provided continue parameter is too old to display a consistent list result. You can start a new \
        list without the continue parameter, or use the continue token in this response to retrieve the remainder of the \
        results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, \
        or deleted between the time the first chunk was returned and now may show up in the list.";
    Status::new(410, "Expired", message)
}

/// Where the next page starts, and of which version.
struct Continue {
    revision: u64,
    /// The last object's place: `namespace/name`.
    start: String,
}

impl Continue {
    fn after(object: &Value, revision: u64) -> Self {
        Self { revision, start: place(object) }
    }

    fn is_before(&self, object: &Value) -> bool {
        // `/` sorts before every character of a name but `-` and `.`: compare by parts.
        let key = |text: &str| text.split_once('/').map(|(a, b)| (a.to_owned(), b.to_owned()));
        key(&self.start) < key(&place(object))
    }

    fn encode(&self) -> String {
        let token =
            json!({"v": "meta.k8s.io/v1", "rv": self.revision, "start": format!("{}\u{0}", self.start)});
        URL_SAFE_NO_PAD.encode(token.to_string())
    }

    fn decode(token: &str) -> Result<Self> {
        let refuse = |why: &str| {
            Status::bad_request(format!("invalid continue token: continue key is not valid: {why}"))
        };
        let bytes =
            URL_SAFE_NO_PAD.decode(token).map_err(|_| refuse("illegal base64 data at input byte 0"))?;
        let value: Value = serde_json::from_slice(&bytes).map_err(|_| {
            let first = bytes.first().map_or(' ', |byte| char::from(*byte));
            refuse(&format!("invalid character '{first}' looking for beginning of value"))
        })?;
        let (revision, start) = (value["rv"].as_u64(), value["start"].as_str());
        match (value["v"].as_str(), revision, start) {
            (Some("meta.k8s.io/v1"), Some(revision), Some(start)) if revision > 0 && !start.is_empty() => {
                Ok(Self { revision, start: start.trim_end_matches('\u{0}').to_owned() })
            }
            (Some("meta.k8s.io/v1"), ..) => {
                Err(refuse("incorrect encoded start resourceVersion (version meta.k8s.io/v1)"))
            }
            _ => Err(refuse("server does not recognize this encoded version \"\"")),
        }
    }
}

fn place(object: &Value) -> String {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
    format!("{}/{}", text("namespace"), text("name"))
}
