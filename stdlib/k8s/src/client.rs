//! A cluster's API for one call of a primitive: kube's client over the gate, and the few verbs that everything else uses.
//! Configuration, credentials and discovery are shared by all calls of a run; objects are plain JSON.

mod door;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures::{AsyncBufReadExt, StreamExt};
use http::{Method, Request, StatusCode};
use kube::core::Status;
use opsrun_core::{Cx, Endpoint, ErrorKind, Result};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;

use self::door::Door;
use crate::access::Created;
use crate::config::Config;
use crate::discovery::{Discovery, Resource};
use crate::error::{Error, FieldConflict};
use crate::object::{Address, Object, ObjectRef};

/// Requests in flight at a time: more buys nothing but latency, as the API server is the limit.
pub const IN_FLIGHT: usize = 16;

/// A page of a list.
const PAGE: usize = 500;

/// The cluster of a call's target. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    cx: Cx,
    kube: kube::Client,
    cluster: Arc<Cluster>,
}

/// What calls of a run share about a cluster.
struct Cluster {
    config: Config,
    endpoint: Arc<Endpoint>,
    discovery: Mutex<Option<Arc<Discovery>>>,
}

/// How to patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatchKind {
    Merge,
    Strategic,
    Json,
    /// Server-side apply.
    Apply,
}

/// What to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    pub labels: String,
    pub fields: String,
}

/// A query string in the making.
#[derive(Debug, Default, Clone)]
pub struct Parameters(Vec<(&'static str, String)>);

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({})", self.cluster.config.cluster)
    }
}

impl Client {
    /// The client of this call's target.
    ///
    /// # Errors
    /// `Invalid` if there is no usable configuration.
    pub fn new(cx: &Cx) -> Result<Client> {
        let key = format!("{}/{}", crate::SYSTEM, cx.target().name);
        let cluster = cx.shared(&key, || {
            let config = Config::load(cx)?;
            let endpoint = Arc::new(config.endpoint.clone());
            Ok(Cluster { config, endpoint, discovery: Mutex::new(None) })
        })?;
        let door = Door { cx: cx.clone(), cluster: cluster.clone() };
        let kube = kube::Client::new(door, &cluster.config.namespace);
        Ok(Client { cx: cx.clone(), kube, cluster })
    }

    pub fn cx(&self) -> &Cx {
        &self.cx
    }

    /// How errors call the cluster: ``context `prod` ``.
    pub fn described(&self) -> &str {
        &self.cluster.config.cluster
    }

    /// The kubeconfig's context, if there is one.
    pub fn context(&self) -> Option<&str> {
        self.cluster.config.context.as_deref()
    }

    /// The namespace of objects that name none.
    pub fn namespace(&self) -> &str {
        &self.cluster.config.namespace
    }

    /// The version of the API server: `v1.34.4`.
    ///
    /// # Errors
    /// As any request's.
    pub async fn version(&self) -> Result<String, Error> {
        let none = Parameters::default();
        let (_, version) = self.send(Method::GET, "/version", &none, None, "asking its version").await?;
        Ok(version.text("/gitVersion").to_owned())
    }

    /// What this cluster is known by under any address: the uid of its namespace `kube-system`, as other tools use it. Where that
    /// is not shown, the address.
    ///
    /// # Errors
    /// As any request's.
    pub async fn identity(&self) -> Result<String, Error> {
        match self.at_path("/api/v1/namespaces/kube-system").await {
            Ok(Some(namespace)) => Ok(namespace.uid().to_owned()),
            Ok(None) => Ok(self.server()),
            Err(error) if error.code() == Some(403) => Ok(self.server()),
            Err(error) => Err(error),
        }
    }

    /// The object at this path, if there is one.
    pub(crate) async fn at_path(&self, path: &str) -> Result<Option<Value>, Error> {
        match self.send(Method::GET, path, &Parameters::default(), None, &format!("getting `{path}`")).await {
            Ok((_, object)) => Ok(Some(object)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn server(&self) -> String {
        self.cluster.endpoint.uri.to_string().trim_end_matches('/').to_owned()
    }

    /// The kinds that the cluster serves; asked for once in a run.
    ///
    /// # Errors
    /// As any request's.
    pub async fn discovery(&self) -> Result<Arc<Discovery>, Error> {
        let mut known = self.cluster.discovery.lock().await;
        if let Some(discovery) = &*known {
            return Ok(discovery.clone());
        }
        let tried = "asking for the kinds it serves";
        let (core, groups) = futures::future::try_join(
            self.kube.list_core_api_versions_aggregated(),
            self.kube.list_api_groups_aggregated(),
        )
        .await
        .map_err(|error| self.error(tried, error))?;
        let discovery = Arc::new(Discovery::new(core, groups));
        *known = Some(discovery.clone());
        Ok(discovery)
    }

    /// Asks for the kinds again at the next occasion: a CustomResourceDefinition came or went.
    pub async fn forget_kinds(&self) {
        *self.cluster.discovery.lock().await = None;
    }

    /// The kind that people call `name`.
    ///
    /// # Errors
    /// `NotFound`, with the nearest kind.
    pub async fn kind(&self, name: &str) -> Result<Arc<Resource>, Error> {
        Ok(self.discovery().await?.named(name)?.clone())
    }

    /// The kind of a manifest.
    ///
    /// # Errors
    /// `NotFound` if the cluster does not serve it.
    pub async fn kind_of(&self, api_version: &str, kind: &str) -> Result<Arc<Resource>, Error> {
        if let Some(found) = self.discovery().await?.of_kind(api_version, kind) {
            return Ok(found.clone());
        }
        self.forget_kinds().await;
        self.discovery()
            .await?
            .of_kind(api_version, kind)
            .cloned()
            .ok_or_else(|| Error::UnknownKind { kind: format!("{kind}` of `{api_version}"), nearest: None })
    }

    /// Where an object is that a playbook named; `namespace` is the call's option.
    ///
    /// # Errors
    /// `NotFound` for an unknown kind, `Invalid` for a reference without a name.
    pub async fn address(&self, object: &ObjectRef, namespace: Option<&str>) -> Result<Address> {
        let Some(name) = &object.name else {
            let error = opsrun_core::Error::invalid(format!("`{object}` names a kind, but no object of it"));
            return Err(error.hint(format!("write it like `{object}/NAME`")));
        };
        let resource = self.kind_named_by(object).await?;
        Ok(self.place(resource, namespace.or(object.namespace.as_deref()), name))
    }

    pub(crate) async fn kind_named_by(&self, object: &ObjectRef) -> Result<Arc<Resource>, Error> {
        match &object.api_version {
            Some(version) => self.kind_of(version, &object.kind).await,
            None => self.kind(&object.kind).await,
        }
    }

    /// The address of a manifest, or of an object that was read.
    ///
    /// # Errors
    /// `NotFound` for an unknown kind.
    pub async fn address_of(&self, object: &Value, namespace: Option<&str>) -> Result<Address, Error> {
        let resource = self.kind_of(object.text("/apiVersion"), object.text("/kind")).await?;
        let own = Some(object.text("/metadata/namespace")).filter(|own| !own.is_empty());
        Ok(self.place(resource, own.or(namespace), object.name()))
    }

    pub fn place(&self, resource: Arc<Resource>, namespace: Option<&str>, name: &str) -> Address {
        let namespace = resource.namespaced.then(|| namespace.unwrap_or(self.namespace()).to_owned());
        Address { resource, namespace, name: name.to_owned() }
    }

    /// An object, if it exists.
    ///
    /// # Errors
    /// As any request's.
    pub async fn find(&self, at: &Address) -> Result<Option<Value>, Error> {
        match self.send(Method::GET, &at.path(), &Parameters::default(), None, &format!("getting {at}")).await
        {
            Ok((_, object)) => Ok(Some(object)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// An object that has to exist.
    ///
    /// # Errors
    /// `NotFound` if it does not.
    pub async fn get(&self, at: &Address) -> Result<Value, Error> {
        self.find(at).await?.ok_or_else(|| Error::NotFound { object: at.to_string() })
    }

    /// How often an object is there, in the form of `autoscaling/v1`.
    pub(crate) async fn scale(&self, at: &Address) -> Result<Value, Error> {
        let path = format!("{}/scale", at.path());
        let tried = format!("getting the scale of {at}");
        Ok(self.send(Method::GET, &path, &Parameters::default(), None, &tried).await?.1)
    }

    /// All objects of a kind that the query selects, each with `apiVersion` and `kind`; `namespace: None` is all namespaces.
    ///
    /// # Errors
    /// As any request's.
    pub async fn list(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        query: &Query,
    ) -> Result<Vec<Value>, Error> {
        let mut items = Vec::new();
        self.list_each(resource, namespace, query, |item| items.push(item)).await?;
        Ok(items)
    }

    /// As [`Client::list`], page by page; returns the list's resource version.
    ///
    /// # Errors
    /// As any request's.
    pub async fn list_each(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        query: &Query,
        mut each: impl FnMut(Value),
    ) -> Result<String, Error> {
        let path = resource.path(namespace, None);
        let tried = format!("listing {}", resource.plural);
        let mut next = String::new();
        loop {
            let parameters = query.parameters().with("limit", PAGE.to_string()).with_if(
                !next.is_empty(),
                "continue",
                next.clone(),
            );
            let (_, mut page) = self.send(Method::GET, &path, &parameters, None, &tried).await?;
            if let Some(found) = page.get_mut("items").map(Value::take)
                && let Value::Array(found) = found
            {
                found.into_iter().for_each(|item| each(resource.named_kind(item)));
            }
            next = page.text("/metadata/continue").to_owned();
            if next.is_empty() {
                return Ok(page.resource_version().to_owned());
            }
        }
    }

    /// Creates an object.
    ///
    /// # Errors
    /// As any request's.
    pub async fn create(&self, at: &Address, object: &Value, manager: &str) -> Result<Value, Error> {
        let path = at.resource.path(at.namespace.as_deref(), None);
        let parameters = Parameters::default().with("fieldManager", manager);
        let tried = format!("creating {at}");
        let content = Content { created: Some(at.name.clone()), ..body(object) };
        Ok(self.send(Method::POST, &path, &parameters, Some(content), &tried).await?.1)
    }

    /// Patches an object, or a subresource of it. Says whether it was created by it.
    ///
    /// # Errors
    /// `FieldConflict` for a server-side apply that meets fields of others.
    pub async fn patch(
        &self,
        at: &Address,
        subresource: Option<&str>,
        kind: PatchKind,
        patch: &Value,
        parameters: &Parameters,
    ) -> Result<(bool, Value), Error> {
        let mut path = at.path();
        if let Some(subresource) = subresource {
            path.push('/');
            path.push_str(subresource);
        }
        let verb = if kind == PatchKind::Apply { "applying" } else { "patching" };
        let tried = format!("{verb} {at}");
        let body = Content {
            kind: kind.content_type(),
            bytes: serde_json::to_vec(patch).unwrap_or_default(),
            created: None,
        };
        match self.send(Method::PATCH, &path, parameters, Some(body), &tried).await {
            Ok((status, object)) => Ok((status == StatusCode::CREATED, object)),
            Err(Error::Api { status, tried, cluster }) if status.code == 409 => {
                let conflicts = field_conflicts(&status);
                Err(if conflicts.is_empty() {
                    Error::Api { tried, cluster, status }
                } else {
                    Error::FieldConflict { object: at.to_string(), conflicts }
                })
            }
            Err(error) => Err(error),
        }
    }

    /// Deletes an object; `false` if there was none.
    pub(crate) async fn delete(&self, at: &Address, options: &Value) -> Result<bool, Error> {
        let tried = format!("deleting {at}");
        let none = Parameters::default();
        match self.send(Method::DELETE, &at.path(), &none, Some(body(options)), &tried).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Sends a request whose answer is JSON.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        parameters: &Parameters,
        body: Option<Content>,
        tried: &str,
    ) -> Result<(StatusCode, Value), Error> {
        let (status, bytes) = self.exchange(method, path, parameters, body, tried).await?;
        let value = serde_json::from_slice(&bytes)
            .map_err(|error| Error::Answer { tried: tried.to_owned(), why: error.to_string() })?;
        Ok((status, value))
    }

    /// What the server says to this request, in a dry run.
    ///
    /// # Errors
    /// As the request's.
    pub(crate) async fn dry_run(&self, parts: &http::request::Parts, body: Bytes) -> Result<(), Error> {
        let tried = "asking for a second opinion";
        let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
        let joint = if path.contains('?') { '&' } else { '?' };
        let mut request = Request::builder().method(&parts.method).uri(format!("{path}{joint}dryRun=All"));
        if let Some(kind) = parts.headers.get(http::header::CONTENT_TYPE) {
            request = request.header(http::header::CONTENT_TYPE, kind);
        }
        let request = request
            .body(kube::client::Body::from(body.to_vec()))
            .map_err(|error| self.error(tried, kube::Error::HttpError(error)))?;
        self.answer(request, tried).await.map(drop)
    }

    /// A request whose answer is text, such as a log.
    pub(crate) async fn text(
        &self,
        path: &str,
        parameters: &Parameters,
        tried: &str,
    ) -> Result<String, Error> {
        let (_, bytes) = self.exchange(Method::GET, path, parameters, None, tried).await?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        parameters: &Parameters,
        body: Option<Content>,
        tried: &str,
    ) -> Result<(StatusCode, Bytes), Error> {
        let mut request = Request::builder().method(method).uri(parameters.uri(path));
        if let Some(content) = &body {
            request = request.header(http::header::CONTENT_TYPE, content.kind);
            if let Some(name) = &content.created {
                request = request.extension(Created(name.clone()));
            }
        }
        let bytes = body.map(|content| content.bytes).unwrap_or_default();
        let request = request
            .header(http::header::ACCEPT, "application/json, */*")
            .body(kube::client::Body::from(bytes))
            .map_err(|error| self.error(tried, kube::Error::HttpError(error)))?;
        self.answer(request, tried).await
    }

    async fn answer(
        &self,
        request: Request<kube::client::Body>,
        tried: &str,
    ) -> Result<(StatusCode, Bytes), Error> {
        let response = self.kube.send(request).await.map_err(|error| self.error(tried, error))?;
        let status = response.status();
        let bytes = response.into_body().collect_bytes().await.map_err(|error| self.error(tried, error))?;
        if status.is_client_error() || status.is_server_error() {
            return Err(Error::Api {
                tried: tried.to_owned(),
                cluster: self.described().to_owned(),
                status: Box::new(read_status(status, &bytes)),
            });
        }
        Ok((status, bytes))
    }

    /// The events of a watch from `version` on: pairs of type (`ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK`) and object.
    pub(crate) async fn watch(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        query: &Query,
        version: &str,
    ) -> Result<impl futures::Stream<Item = Result<Watched, Error>> + Send + use<'_>, Error> {
        let tried = format!("watching {}", resource.plural);
        let parameters = query
            .parameters()
            .with("watch", "true")
            .with("allowWatchBookmarks", "true")
            .with("timeoutSeconds", "290")
            .with("resourceVersion", version);
        let request = Request::get(parameters.uri(&resource.path(namespace, None)))
            .body(Vec::new())
            .map_err(|error| self.error(&tried, kube::Error::HttpError(error)))?;
        let lines =
            self.kube.request_stream(request).await.map_err(|error| self.error(&tried, error))?.lines();
        Ok(lines.map(move |line| match line {
            Ok(line) => self.watched(&tried, &line),
            Err(error) => Err(Error::Answer { tried: tried.clone(), why: error.to_string() }),
        }))
    }

    fn watched(&self, tried: &str, line: &str) -> Result<Watched, Error> {
        #[derive(Deserialize)]
        struct Event {
            r#type: String,
            object: Value,
        }
        let Event { r#type, object } = serde_json::from_str(line)
            .map_err(|error| Error::Answer { tried: tried.to_owned(), why: error.to_string() })?;
        match r#type.as_str() {
            "ADDED" | "MODIFIED" => Ok(Watched::Now(object)),
            "DELETED" => Ok(Watched::Gone(object)),
            "BOOKMARK" => Ok(Watched::Nothing),
            _ if object["code"] == 410 => Ok(Watched::TooOld),
            _ => Err(Error::Api {
                tried: tried.to_owned(),
                cluster: self.described().to_owned(),
                status: Box::new(
                    serde_json::from_value(object).unwrap_or_else(|_| Status::failure(line, "")),
                ),
            }),
        }
    }

    /// A websocket to a subresource such as `exec`.
    pub(crate) async fn connect(
        &self,
        path: &str,
        parameters: &Parameters,
        tried: &str,
    ) -> Result<kube::client::Connection, Error> {
        let request = Request::get(parameters.uri(path))
            .body(Vec::new())
            .map_err(|error| self.error(tried, kube::Error::HttpError(error)))?;
        self.kube.connect(request).await.map_err(|error| self.error(tried, error))
    }

    fn error(&self, tried: &str, error: kube::Error) -> Error {
        let cluster = self.described().to_owned();
        match error {
            kube::Error::Api(status) => Error::Api { tried: tried.to_owned(), cluster, status },
            kube::Error::Service(error) => match error.downcast::<Error>() {
                Ok(error) => match *error {
                    Error::Run(error) if error.kind() == ErrorKind::Unreachable => {
                        let cluster = format!("{cluster} ({})", self.server());
                        Error::Unreachable { cluster, cause: error }
                    }
                    Error::Unaccepted { unaccepted, .. } => {
                        Error::Unaccepted { tried: tried.to_owned(), unaccepted }
                    }
                    other => other,
                },
                Err(other) => Error::Answer { tried: tried.to_owned(), why: other.to_string() },
            },
            other => {
                let why =
                    std::iter::successors(Some(&other as &dyn std::error::Error), |error| error.source())
                        .map(ToString::to_string)
                        .collect::<Vec<_>>();
                Error::Answer { tried: tried.to_owned(), why: why.join(": ") }
            }
        }
    }
}

/// One event of a watch.
#[derive(Debug)]
pub(crate) enum Watched {
    Now(Value),
    Gone(Value),
    /// A sign of life.
    Nothing,
    /// The server no longer knows the version that the watch began with.
    TooOld,
}

impl PatchKind {
    fn content_type(self) -> &'static str {
        match self {
            PatchKind::Merge => "application/merge-patch+json",
            PatchKind::Strategic => "application/strategic-merge-patch+json",
            PatchKind::Json => "application/json-patch+json",
            // JSON is YAML.
            PatchKind::Apply => "application/apply-patch+yaml",
        }
    }
}

impl Query {
    pub fn labels(labels: impl Into<String>) -> Query {
        Query { labels: labels.into(), fields: String::new() }
    }

    pub fn named(name: &str) -> Query {
        Query { labels: String::new(), fields: format!("metadata.name={name}") }
    }

    fn parameters(&self) -> Parameters {
        Parameters::default().with_if(!self.labels.is_empty(), "labelSelector", self.labels.clone()).with_if(
            !self.fields.is_empty(),
            "fieldSelector",
            self.fields.clone(),
        )
    }
}

impl Parameters {
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.0.push((key, value.into()));
        self
    }

    #[must_use]
    pub fn with_if(self, wanted: bool, key: &'static str, value: impl Into<String>) -> Self {
        if wanted { self.with(key, value) } else { self }
    }

    fn uri(&self, path: &str) -> String {
        if self.0.is_empty() {
            return path.to_owned();
        }
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.0).finish();
        format!("{path}?{query}")
    }
}

impl Resource {
    /// The items of a list bear neither `apiVersion` nor `kind`.
    fn named_kind(&self, mut item: Value) -> Value {
        if let Some(map) = item.as_object_mut() {
            map.insert("apiVersion".to_owned(), self.api_version().into());
            map.insert("kind".to_owned(), self.kind.clone().into());
        }
        item
    }
}

/// A request's body.
pub(crate) struct Content {
    kind: &'static str,
    bytes: Vec<u8>,
    /// The name of what is created by it.
    created: Option<String>,
}

pub(crate) fn body(value: &Value) -> Content {
    Content { kind: "application/json", bytes: value.to_string().into_bytes(), created: None }
}

fn read_status(code: StatusCode, bytes: &[u8]) -> Status {
    match serde_json::from_slice::<Status>(bytes) {
        Ok(mut status) if !status.message.is_empty() || status.code != 0 => {
            status.code = code.as_u16();
            status
        }
        _ => {
            // Something between us and the API server, mostly; its pages can be long.
            let text: String = String::from_utf8_lossy(bytes).trim().chars().take(300).collect();
            let message = if text.is_empty() { code.to_string() } else { format!("{code}: {text}") };
            Status::failure(&message, "").with_code(code.as_u16())
        }
    }
}

/// The managers and fields of a server-side apply's conflict.
fn field_conflicts(status: &Status) -> Vec<FieldConflict> {
    let causes = status.details.as_ref().map(|details| details.causes.as_slice()).unwrap_or_default();
    let conflicts = causes.iter().filter(|cause| cause.reason == "FieldManagerConflict").map(|cause| {
        // `conflict with "kubectl" with subresource "scale" using apps/v1 at …`
        let manager = cause.message.split('"').nth(1).unwrap_or(&cause.message);
        FieldConflict { manager: manager.to_owned(), field: cause.field.clone() }
    });
    let mut found: BTreeMap<(String, String), FieldConflict> = BTreeMap::new();
    for conflict in conflicts {
        found.insert((conflict.field.clone(), conflict.manager.clone()), conflict);
    }
    found.into_values().collect()
}
