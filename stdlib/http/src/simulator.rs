//! Hosts that answer as an estate file says, and remember what they were asked to change.
//!
//! ```yaml
//! http:
//!   hooks.slack.com:
//!     /services/*: { status: 200, body: ok }
//!   status.example.com:
//!     "*": up
//! ```

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use opsrun_core::{Error, Result, Simulator, Surroundings, Value, serve};
use serde::Deserialize;
use tokio::io::DuplexStream;

/// By host, then by path; in a path, a `*` at the end stands for anything.
type Hosts = BTreeMap<String, BTreeMap<String, Said>>;

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Said {
    /// Status 200 and this body.
    Body(String),
    Whole(Whole),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Whole {
    #[serde(default = "ok")]
    status: u16,
    #[serde(default)]
    body: String,
}

fn ok() -> u16 {
    200
}

struct Web {
    hosts: Arc<Hosts>,
    /// What writes came, by method and address, latest last.
    received: Arc<Mutex<BTreeMap<String, Vec<Value>>>>,
}

pub(crate) fn start(section: Option<&Value>) -> Result<Arc<dyn Simulator>> {
    let hosts: Hosts = match section {
        None => Hosts::new(),
        Some(section) => serde_path_to_error::deserialize(section)
            .map_err(|error| Error::invalid(format!("`{}`: {}", error.path(), error.inner())))?,
    };
    for (host, paths) in &hosts {
        for (path, said) in paths {
            if let Said::Whole(whole) = said
                && StatusCode::from_u16(whole.status).is_err()
            {
                return Err(Error::invalid(format!("`{host}{path}`: {} is no HTTP status", whole.status)));
            }
        }
    }
    Ok(Arc::new(Web { hosts: Arc::new(hosts), received: Arc::default() }))
}

impl Simulator for Web {
    fn connect(&self, system: &str, to: &Uri) -> Option<DuplexStream> {
        let name = [to.authority()?.as_str(), to.host()?]
            .into_iter()
            .find(|name| self.hosts.contains_key(*name))?
            .to_owned();
        if system != "http" {
            return None;
        }
        let (hosts, received) = (self.hosts.clone(), self.received.clone());
        Some(serve(move |request| {
            let (hosts, received, name) = (hosts.clone(), received.clone(), name.clone());
            async move { answer(&hosts, &received, &name, request).await }
        }))
    }

    fn snapshot(&self) -> BTreeMap<String, Value> {
        let received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        received.iter().map(|(what, bodies)| (what.clone(), bodies.clone().into())).collect()
    }

    fn fork(&self, _: &Surroundings) -> Option<Arc<dyn Simulator>> {
        let received = self.received.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Some(Arc::new(Web { hosts: self.hosts.clone(), received: Arc::new(Mutex::new(received)) }))
    }
}

async fn answer(
    hosts: &Hosts,
    received: &Mutex<BTreeMap<String, Vec<Value>>>,
    host: &str,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    if !parts.method.is_safe() {
        // A body that broke off is received as far as it came.
        let bytes = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let value = serde_json::from_slice(&bytes).unwrap_or(Value::String(text));
        let mut received = received.lock().unwrap_or_else(PoisonError::into_inner);
        received.entry(format!("{} {host}{path}", parts.method)).or_default().push(value);
    }
    let said = hosts.get(host).and_then(|paths| {
        let matching = paths.iter().filter(|(pattern, _)| match pattern.strip_suffix('*') {
            Some(start) => path.starts_with(start),
            None => path == pattern.as_str(),
        });
        // The most exact one.
        matching.max_by_key(|(pattern, _)| pattern.len()).map(|(_, said)| said)
    });
    let (status, text) = match said {
        Some(Said::Body(text)) => (StatusCode::OK, text.clone()),
        Some(Said::Whole(whole)) => {
            (StatusCode::from_u16(whole.status).unwrap_or(StatusCode::OK), whole.body.clone())
        }
        None => (StatusCode::NOT_FOUND, format!("{host} has no {path}\n")),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response
}
