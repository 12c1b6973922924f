//! The cluster of a plan: a simulated one that is laid over the target's. Objects are fetched from there when they are first
//! asked for; a write fetches what its controllers look at, and stays here. The real cluster is read, and nothing else.

mod effects;
mod fetch;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use opsrun_core::{Alterations, Effect, Original, Precondition, Result, Simulator, Surroundings};
use opsrun_k8s_simulator::request::{Query, Route, Target};
use opsrun_k8s_simulator::server::AnswerBody;
use opsrun_k8s_simulator::store::ObjectKey;
use opsrun_k8s_simulator::{Cluster, Simulator as Server, Time};
use serde_json::{Value, json};
use tokio::io::DuplexStream;
use tokio::task::JoinHandle;

use self::fetch::{Below, Need};
use crate::client::Client;
use crate::error::Error;
use crate::object::Object;
use crate::simulator::{BUFFER, ClockTime, inside};

pub(crate) use self::effects::precondition;

/// Lays a cluster over that of `original`'s target.
///
/// # Errors
/// `Invalid` if there is no usable configuration.
pub(crate) fn lay(original: Original, surroundings: &Surroundings) -> Result<Arc<dyn Simulator>> {
    let client = Client::new(original.cx())?;
    let time = Arc::new(ClockTime(surroundings.clock.clone()));
    let server = Server::new(Cluster::overlay(surroundings.seed, time.now()), time);
    let driven = server.clone();
    let life = tokio::spawn(async move { driven.drive().await });
    // Each target's cluster has a name of its own, so that none answers for another one.
    let host = format!("kubernetes.{}.plan", host_part(&original.cx().target().name));
    let below = Below::new(original, client.clone());
    let laid = Laid { server, below, firsts: Mutex::default(), objections: Mutex::default() };
    Ok(Arc::new(Overlay { laid: Arc::new(laid), life, host, namespace: client.namespace().to_owned() }))
}

struct Overlay {
    laid: Arc<Laid>,
    life: JoinHandle<()>,
    host: String,
    namespace: String,
}

/// Objects as they were below, each with its path there; `None`: it did not exist.
type Firsts = BTreeMap<ObjectKey, (String, Option<Arc<Value>>)>;

/// The cluster and what is below it.
struct Laid {
    server: Server,
    below: Below,
    /// How what was asked for by name, or was to be written, had been below; with its path there.
    firsts: Mutex<Firsts>,
    /// What the cluster below says against writes, where it was asked.
    objections: Mutex<Vec<String>>,
}

impl Drop for Overlay {
    fn drop(&mut self) {
        self.life.abort();
    }
}

impl Simulator for Overlay {
    fn connect(&self, system: &str, to: &Uri) -> Option<DuplexStream> {
        let authority = to.authority()?.as_str();
        let host = to.host()?;
        match system {
            crate::SYSTEM if host == self.host => Some(serve(self.laid.clone())),
            "http" => inside(&self.laid.server, authority),
            _ => None,
        }
    }

    fn section(&self) -> Value {
        json!({ "server": format!("http://{}", self.host), "namespace": self.namespace })
    }

    fn alterations(&self) -> Alterations {
        let mut alterations = self.laid.server.with(effects::alterations);
        let objections = &mut *self.laid.objections.lock().unwrap_or_else(PoisonError::into_inner);
        alterations.consequences.append(objections);
        alterations
    }

    fn preconditions(&self) -> Vec<Precondition> {
        let firsts = self.laid.firsts();
        firsts
            .iter()
            .map(|(key, (path, object))| precondition(&effects::place(key), path, object.as_deref()))
            .collect()
    }
}

/// A target's name as a part of a host name.
fn host_part(name: &str) -> String {
    let part: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    if part.is_empty() { "target".to_owned() } else { part }
}

fn serve(laid: Arc<Laid>) -> DuplexStream {
    let (near, far) = tokio::io::duplex(BUFFER);
    let service = service_fn(move |request: Request<Incoming>| {
        let laid = laid.clone();
        async move { Ok::<_, std::convert::Infallible>(laid.answer(request).await) }
    });
    tokio::spawn(async move {
        let connection =
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(far), service);
        // A client that hangs up in the middle ends its connection, and that is all.
        let _ = connection.with_upgrades().await;
    });
    near
}

impl Laid {
    async fn answer(&self, request: Request<Incoming>) -> Response<AnswerBody> {
        let (parts, body) = request.into_parts();
        // A body that broke off is received as far as it came; the server sees that it is no object.
        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let fetched = match Route::of(parts.uri.path()) {
            Route::Resource(target) => self.prepare(&parts, &target, &body).await,
            Route::Other => self.other(&parts).await,
        };
        match fetched {
            Ok(None) => {
                self.ask_for_objections(&parts, &body).await;
                self.server.answer(Request::from_parts(parts, Full::new(body))).await
            }
            Ok(Some(answer)) => answer,
            Err(error) => refused(&error),
        }
    }

    /// What is no resource: the version is that of the cluster below.
    async fn other(&self, parts: &http::request::Parts) -> Result<Option<Response<AnswerBody>>, Error> {
        self.below.begin(&self.server).await?;
        if parts.uri.path().trim_end_matches('/') != "/version" {
            return Ok(None);
        }
        let text = self.below.text("/version").await?;
        Ok(Some(plain(StatusCode::OK, "application/json", text)))
    }

    /// Fetches what the request needs; answers it, if that is the cluster's below to do.
    async fn prepare(
        &self,
        parts: &http::request::Parts,
        target: &Target,
        body: &Bytes,
    ) -> Result<Option<Response<AnswerBody>>, Error> {
        self.below.begin(&self.server).await?;
        let query = Query::parse(parts.uri.query().unwrap_or_default());
        let name = target.name.clone().or_else(|| name_in(&parts.method, body));
        let reads = matches!(parts.method, Method::GET | Method::HEAD);
        let way_in =
            matches!(target.subresource.as_deref(), Some("exec" | "attach" | "portforward" | "proxy"));
        let mut needs = Vec::new();
        match (&name, query.get("fieldSelector").and_then(named)) {
            (Some(name), _) => needs.push(Need::object(target, name)),
            (None, Some(name)) if reads => needs.push(Need::object(target, name)),
            (None, _) if reads || parts.method == Method::DELETE => needs.push(Need::collection(target)),
            (None, _) => {}
        }
        if !reads || way_in {
            needs.extend(self.below.around(&self.server, target, &parts.method));
        }
        self.below.fetch(&self.server, needs).await?;
        let Some(key) = name.and_then(|name| self.key(target, &name)) else { return Ok(None) };
        self.remember(&key, target);
        if target.subresource.as_deref() == Some("log") && reads && !self.is_touched(&key) {
            // Following would never end: what is written from now on is not the plan's.
            let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
            let text = self.below.text(&path.replace("follow=true", "follow=false")).await?;
            return Ok(Some(plain(StatusCode::OK, "text/plain", text)));
        }
        Ok(None)
    }

    /// Asks the cluster below what it would say to a write, if that is wanted.
    async fn ask_for_objections(&self, parts: &http::request::Parts, body: &Bytes) {
        let access = crate::access::of(parts);
        let runs_nothing =
            !matches!(access.resource.split('/').nth(1), Some("exec" | "attach" | "portforward" | "proxy"));
        if access.effect == Effect::Write
            && runs_nothing
            && let Some(why) = self.below.objection(parts, body).await
        {
            let mut objections = self.objections.lock().unwrap_or_else(PoisonError::into_inner);
            objections.push(format!("the API server's dry run refuses `{access}`: {why}"));
        }
    }

    fn key(&self, target: &Target, name: &str) -> Option<ObjectKey> {
        self.server.with(|cluster| {
            let (_, _, registry) = cluster.over()?;
            let served = registry.at(&target.group, &target.version, &target.resource)?;
            Some(ObjectKey::new(
                &served.resource.storage,
                target.namespace.as_deref().unwrap_or_default(),
                name,
            ))
        })
    }

    fn is_touched(&self, key: &ObjectKey) -> bool {
        self.server.with(|cluster| cluster.over().is_some_and(|(overlay, ..)| overlay.is_touched(key)))
    }

    /// Keeps how the object is below, if nothing was done to it here yet.
    fn remember(&self, key: &ObjectKey, target: &Target) {
        // They come and go by themselves: no plan rests on one of them.
        if matches!(&*key.resource.resource, "pods" | "events" | "leases" | "replicasets" | "endpoints") {
            return;
        }
        let mut firsts = self.firsts();
        if firsts.contains_key(key) || self.is_touched(key) {
            return;
        }
        let object = self.server.with(|cluster| {
            let (_, store, _) = cluster.over()?;
            store.get(&key.resource, &key.namespace, &key.name).cloned()
        });
        firsts.insert(key.clone(), (path_of(target, &key.name), object));
    }

    fn firsts(&self) -> MutexGuard<'_, Firsts> {
        self.firsts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The object's path, without a subresource.
fn path_of(target: &Target, name: &str) -> String {
    let group = if target.group.is_empty() { "/api".to_owned() } else { format!("/apis/{}", target.group) };
    let namespace = target.namespace.as_ref().map(|name| format!("/namespaces/{name}")).unwrap_or_default();
    format!("{group}/{}{namespace}/{}/{name}", target.version, target.resource)
}

/// `metadata.name=NAME`
fn named(selector: &str) -> Option<&str> {
    selector
        .split(',')
        .find_map(|part| part.strip_prefix("metadata.name="))
        .map(|name| name.trim_start_matches('='))
}

/// The name of the object in the body of a creation.
fn name_in(method: &Method, body: &Bytes) -> Option<String> {
    if *method != Method::POST {
        return None;
    }
    // Another form than JSON is no creation of ours; what it creates is then not looked for below.
    let object: Value = serde_json::from_slice(body).ok()?;
    Some(object.name().to_owned()).filter(|name| !name.is_empty())
}

fn plain(status: StatusCode, content_type: &'static str, text: impl Into<Bytes>) -> Response<AnswerBody> {
    let mut response = Response::new(Full::new(text.into()).boxed_unsync());
    *response.status_mut() = status;
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    response
}

/// What the cluster below answered instead of what was wanted, or why it did not answer.
fn refused(error: &Error) -> Response<AnswerBody> {
    let (code, reason, message) = match error {
        Error::Api { status, .. } => (status.code, status.reason.clone(), status.message.clone()),
        other => (500, "InternalError".to_owned(), other.to_string()),
    };
    let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = json!({
        "apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": status.as_u16(),
    });
    plain(status, "application/json", body.to_string())
}
