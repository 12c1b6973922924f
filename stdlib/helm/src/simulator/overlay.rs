//! Repositories and registries in a plan: what is read is read for real, what would be brought stays in a registry of the plan's own,
//! where the plan finds it again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use opsrun_core::{Alteration, Alterations, How, Original, Simulator, body, serve};
use serde_json::{Value, json};
use tokio::io::DuplexStream;

use super::locked;
use super::registry::{Registry, empty};
use crate::repository::{OF_NOTHING, authority, endpoint};
use crate::section::Section;

/// Who asked has bounds of its own, which are narrower.
const LARGEST: usize = 128 << 20;

/// Lays an overlay over all hosts.
pub(crate) fn lay(original: Original) -> Arc<dyn Simulator> {
    Arc::new(Laid { original, state: Arc::default() })
}

struct Laid {
    original: Original,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// By host.
    registries: BTreeMap<String, Registry>,
    /// What was brought or taken out and has not been told yet.
    altered: BTreeMap<String, How>,
    /// Paths of manifests that were taken out.
    deleted: BTreeSet<(String, String)>,
}

impl Simulator for Laid {
    fn connect(&self, system: &str, to: &Uri) -> Option<DuplexStream> {
        if system != crate::SYSTEM {
            return None;
        }
        let (original, state, to) = (self.original.clone(), self.state.clone(), to.clone());
        Some(serve(move |request| {
            let (original, state, to) = (original.clone(), state.clone(), to.clone());
            async move { answer(&original, &state, &to, request).await }
        }))
    }

    /// Where charts are kept and who signs in is the target's.
    fn section(&self) -> Value {
        json!({})
    }

    fn alterations(&self) -> Alterations {
        let altered = std::mem::take(&mut locked(&self.state).altered);
        let things = altered.into_iter().map(|(what, how)| Alteration { what, how, fields: Vec::new() });
        Alterations { things: things.collect(), consequences: Vec::new() }
    }
}

async fn answer(
    original: &Original,
    state: &Mutex<State>,
    to: &Uri,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let (parts, sent) = request.into_parts();
    // A body that broke off is received as far as it came, and has another digest.
    let sent = sent.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let at = (authority(to), parts.uri.path().to_owned());
    let own =
        locked(state).registries.entry(at.0.clone()).or_default().answer(&parts.method, &parts.uri, sent);
    if !parts.method.is_safe() {
        return locked(state).written(&parts.method, at, own);
    }
    let own = own.filter(|own| own.status() != StatusCode::NOT_FOUND);
    if at.1.ends_with("/tags/list") {
        let own = match own {
            Some(own) => tags(own.into_body()).await,
            None => Vec::new(),
        };
        return with_tags(ask(original, to, parts).await, own).await;
    }
    if let Some(own) = own {
        return own;
    }
    if locked(state).deleted.contains(&at) {
        return empty(StatusCode::NOT_FOUND);
    }
    ask(original, to, parts).await
}

impl State {
    /// What is answered to a write, and what is told of it.
    fn written(
        &mut self,
        method: &Method,
        (host, path): (String, String),
        own: Option<Response<Full<Bytes>>>,
    ) -> Response<Full<Bytes>> {
        let what = path.trim_start_matches("/v2/");
        if let (&Method::PUT, Some((name, tag))) = (method, what.split_once("/manifests/")) {
            self.altered.insert(format!("oci://{host}/{name}:{tag}"), How::Created);
            self.deleted.remove(&(host, path));
        } else if let (&Method::DELETE, Some((name, digest))) = (method, what.split_once("/manifests/")) {
            // Nothing has that one: it only asks whether deleting is possible, which is known at the registry alone.
            if digest != OF_NOTHING {
                self.altered.insert(format!("oci://{host}/{name}@{digest}"), How::Deleted);
                self.deleted.insert((host, path));
            }
            return empty(StatusCode::ACCEPTED);
        }
        own.unwrap_or_else(|| empty(StatusCode::NOT_FOUND))
    }
}

/// What the real one answers.
async fn ask(original: &Original, to: &Uri, parts: Parts) -> Response<Full<Bytes>> {
    let (cx, place) = (original.cx().clone(), to.clone());
    let asked = original.ask(async move {
        let endpoint = Arc::new(endpoint(&cx, &Section::of(&cx)?, &place)?);
        let request = Request::from_parts(parts, body(Full::<Bytes>::default()));
        let (parts, body) = cx.send(crate::SYSTEM, &endpoint, request).await?.into_parts();
        let body = Limited::new(body, LARGEST).collect().await;
        let body = body.map_err(|error| opsrun_core::Error::failed(error.to_string()))?;
        Ok(Response::from_parts(parts, Full::new(body.to_bytes())))
    });
    asked.await.unwrap_or_else(|error| {
        // As a proxy says that it got no answer.
        let mut response = Response::new(Full::new(Bytes::from(format!("{}\n", error.report()))));
        *response.status_mut() = StatusCode::BAD_GATEWAY;
        response
    })
}

async fn tags(list: Full<Bytes>) -> Vec<Value> {
    let content = list.collect().await.map(|list| list.to_bytes()).unwrap_or_default();
    let list: Value = serde_json::from_slice(&content).unwrap_or_default();
    list["tags"].as_array().cloned().unwrap_or_default()
}

/// A page of tags with the plan's own; of several pages each has them.
async fn with_tags(real: Response<Full<Bytes>>, own: Vec<Value>) -> Response<Full<Bytes>> {
    let is_list = real.status().is_success() || real.status() == StatusCode::NOT_FOUND;
    if own.is_empty() || !is_list {
        return real;
    }
    let (mut parts, list) = real.into_parts();
    let mut all = if parts.status.is_success() { tags(list).await } else { Vec::new() };
    all.extend(own);
    parts.status = StatusCode::OK;
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, Full::new(Bytes::from(json!({ "tags": all }).to_string())))
}
