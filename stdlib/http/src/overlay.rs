//! The web in a plan: what only asks is asked for real, what would change something is not sent. It is answered as if it had
//! been accepted, with nothing in it, as nobody knows what would come back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use opsrun_core::{Alteration, Alterations, Endpoint, How, Original, Simulator, body, serve};
use tokio::io::DuplexStream;

/// Lays an overlay over all hosts.
pub(crate) fn lay(original: Original) -> Arc<dyn Simulator> {
    Arc::new(Web { original, held_back: Arc::default() })
}

struct Web {
    original: Original,
    /// What would have been sent, by method and address, and how often.
    held_back: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Simulator for Web {
    fn connect(&self, system: &str, to: &Uri) -> Option<DuplexStream> {
        if system != "http" {
            return None;
        }
        let (original, held_back, to) = (self.original.clone(), self.held_back.clone(), to.clone());
        Some(serve(move |request| {
            let (original, held_back, to) = (original.clone(), held_back.clone(), to.clone());
            async move { answer(&original, &held_back, &to, request).await }
        }))
    }

    fn alterations(&self) -> Alterations {
        let held_back = std::mem::take(&mut *self.held_back.lock().unwrap_or_else(PoisonError::into_inner));
        let things = held_back.into_iter().map(|(what, times)| Alteration {
            what: if times == 1 { what } else { format!("{what} ({times} times)") },
            how: How::Created,
            fields: Vec::new(),
        });
        Alterations { things: things.collect(), consequences: Vec::new() }
    }
}

async fn answer(
    original: &Original,
    held_back: &Mutex<BTreeMap<String, usize>>,
    to: &Uri,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let (parts, sent) = request.into_parts();
    if !parts.method.is_safe() {
        let host = to.authority().map_or("", |authority| authority.as_str());
        let mut held_back = held_back.lock().unwrap_or_else(PoisonError::into_inner);
        *held_back.entry(format!("{} {host}{}", parts.method, parts.uri.path())).or_default() += 1;
        return Response::new(Full::default());
    }
    // A body that broke off is received as far as it came.
    let sent = sent.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let (cx, endpoint) = (original.cx().clone(), Arc::new(Endpoint::from(to.clone())));
    let asked = original.ask(async move {
        let response = cx.send("http", &endpoint, Request::from_parts(parts, body(Full::new(sent)))).await?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map_err(|error| opsrun_core::Error::failed(error.to_string()))?;
        Ok(Response::from_parts(parts, Full::new(body.to_bytes())))
    });
    asked.await.unwrap_or_else(|error| unreachable(&error))
}

/// As a proxy says that it got no answer.
fn unreachable(error: &opsrun_core::Error) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(format!("{}\n", error.report()))));
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response
}
