//! The simulated cluster as an estate sees it: connections in memory, time from the run's clock, state to compare.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use opsrun_core::{Clock, Error, Result, Simulator, Surroundings, Variable, VariableValue};
use opsrun_k8s_simulator::images::HttpError;
use opsrun_k8s_simulator::{Cluster, ClusterOptions, EstateSection, Simulator as Server, Time};
use serde_json::{Value, json};
use tokio::io::DuplexStream;
use tokio::task::JoinHandle;

use crate::object::Object;

/// Where the client looks for the cluster of an estate.
const SERVER: &str = "http://kubernetes.estate";
pub(crate) const BUFFER: usize = 256 * 1024;

/// Starts the cluster of an estate file's `k8s` section.
///
/// # Errors
/// `Invalid`, naming the field.
pub(crate) fn start(section: Option<&Value>, surroundings: &Surroundings) -> Result<Arc<dyn Simulator>> {
    let estate: EstateSection = match section {
        None => EstateSection::default(),
        Some(section) => serde_path_to_error::deserialize(section).map_err(|error| {
            match error.path().to_string().as_str() {
                // What is found wrong as a whole names its field itself.
                "." => Error::invalid(error.inner().to_string()),
                path => Error::invalid(format!("`{path}`: {}", error.inner())),
            }
        })?,
    };
    let time = Arc::new(ClockTime(surroundings.clock.clone()));
    let cluster = Cluster::start(ClusterOptions { seed: surroundings.seed, now: time.now(), estate });
    let cluster = cluster.map_err(|status| Error::invalid(status.message))?;
    Ok(Arc::new(Simulated::living(Server::new(cluster, time))))
}

pub(crate) struct ClockTime(pub(crate) Arc<dyn Clock>);

impl Time for ClockTime {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn sleep_until(&self, until: Timestamp) -> BoxFuture<'static, ()> {
        self.0.sleep_until(until)
    }
}

struct Simulated {
    server: Server,
    life: JoinHandle<()>,
}

impl Drop for Simulated {
    fn drop(&mut self) {
        self.life.abort();
    }
}

impl Simulator for Simulated {
    fn connect(&self, system: &str, to: &Uri) -> Option<DuplexStream> {
        match system {
            crate::SYSTEM => Some(serve(self.server.clone())),
            "http" => inside(&self.server, to.authority()?.as_str()),
            _ => None,
        }
    }

    fn section(&self) -> Value {
        json!({ "server": SERVER })
    }

    fn snapshot(&self) -> BTreeMap<String, Value> {
        let objects = self.server.snapshot();
        objects.into_iter().filter_map(|(key, object)| Some((place(&key)?, state(object)?))).collect()
    }

    fn fork(&self, surroundings: &Surroundings) -> Option<Arc<dyn Simulator>> {
        let time = Arc::new(ClockTime(surroundings.clock.clone()));
        Some(Arc::new(Simulated::living(self.server.fork(time))))
    }

    fn environment(&self, address: &str) -> Vec<Variable> {
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "estate",
            "clusters": [{ "name": "estate", "cluster": { "server": format!("http://{address}") } }],
            "contexts": [{ "name": "estate", "context": { "cluster": "estate", "user": "opsrun" } }],
            "users": [{ "name": "opsrun", "user": {} }],
        });
        let content = format!("{config:#}\n");
        vec![Variable { name: "KUBECONFIG", value: VariableValue::File { name: "kubeconfig", content } }]
    }
}

fn serve(server: Server) -> DuplexStream {
    let (near, far) = tokio::io::duplex(BUFFER);
    tokio::spawn(async move {
        let connection =
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(far), server);
        // A client that hangs up in the middle ends its connection, and that is all.
        let _ = connection.with_upgrades().await;
    });
    near
}

/// `apps/deployments/prod/api` as people say it: `deployments prod/api`.
fn place(key: &str) -> Option<String> {
    let mut parts = key.splitn(4, '/');
    let (_group, resource, namespace, name) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    match namespace {
        "" => Some(format!("{resource} {name}")),
        namespace => Some(format!("{resource} {namespace}/{name}")),
    }
}

/// What a user would call an object's state: what was wanted of it, and how many of its pods are ready. `None` for what
/// controllers make and remake by themselves.
fn state(object: Value) -> Option<Value> {
    if object.controller().is_some() { None } else { wanted(object) }
}

/// The same, also of an object that another one controls.
pub(crate) fn wanted(mut object: Value) -> Option<Value> {
    let passing = matches!(
        object.text("/kind"),
        "Event" | "Lease" | "Endpoints" | "EndpointSlice" | "Node" | "ControllerRevision"
    );
    if passing {
        return None;
    }
    let ready = object.pointer("/status/readyReplicas").cloned();
    let secret = object.text("/kind") == "Secret";
    let map = object.as_object_mut()?;
    map.remove("status");
    if let Some(ready) = ready {
        map.insert("status".into(), json!({ "readyReplicas": ready }));
    }
    if let Some(metadata) = map.get_mut("metadata").and_then(Value::as_object_mut) {
        for field in ["managedFields", "resourceVersion", "uid", "generation", "creationTimestamp"] {
            metadata.remove(field);
        }
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove("deployment.kubernetes.io/revision");
            if annotations.is_empty() {
                metadata.remove("annotations");
            }
        }
    }
    if secret && let Some(data) = map.get_mut("data").and_then(Value::as_object_mut) {
        // That it differs may be told; what it is may not.
        for value in data.values_mut() {
            let mut hasher = DefaultHasher::new();
            value.to_string().hash(&mut hasher);
            *value = format!("(hidden, {:08x})", hasher.finish() >> 32).into();
        }
    }
    Some(object)
}

impl Simulated {
    /// Lets the server's time pass, on the tokio runtime that this is called on.
    fn living(server: Server) -> Self {
        let driven = server.clone();
        let life = tokio::spawn(async move { driven.drive().await });
        Simulated { server, life }
    }
}

/// A connection to a service, pod or ingress of the cluster, as seen from outside of it and inside.
pub(crate) fn inside(server: &Server, authority: &str) -> Option<DuplexStream> {
    let known =
        server.with(|cluster| !matches!(cluster.http(authority, "/", "GET"), Err(HttpError::UnknownHost(_))));
    if !known {
        return None;
    }
    let (near, far) = tokio::io::duplex(BUFFER);
    let (server, authority) = (server.clone(), authority.to_owned());
    let service = service_fn(move |request: Request<Incoming>| {
        let answer =
            server.with(|cluster| cluster.http(&authority, request.uri().path(), request.method().as_str()));
        // A connection that is refused after it was made looks like one that broke.
        async move {
            let answer = answer.map_err(std::io::Error::other)?;
            let response =
                Response::builder().status(answer.status).body(Full::new(Bytes::from(answer.body)));
            response.map_err(std::io::Error::other)
        }
    });
    tokio::spawn(async move {
        // Who hung up needs no answer.
        let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(far), service).await;
    });
    Some(near)
}
