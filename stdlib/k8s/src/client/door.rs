//! The way from kube's client to the gate: a request is signed, handed over, and sent again where the server asks for that.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use opsrun_core::{Cx, Endpoint, Span};

use super::{Cluster, read_status};
use crate::error::Error;

/// The tower service under kube's client: signs a request and hands it to the gate.
pub(super) struct Door {
    pub(super) cx: Cx,
    pub(super) cluster: Arc<Cluster>,
}

/// What audit logs know us by.
const AGENT: &str = concat!("opsrun/", env!("CARGO_PKG_VERSION"));

/// A server that is overloaded or restarts says when to come again; it has not looked at the request.
const RETRIES: usize = 10;

impl tower::Service<Request<kube::client::Body>> for Door {
    type Response = Response<Incoming>;
    type Error = tower::BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<kube::client::Body>) -> Self::Future {
        let (cx, cluster) = (self.cx.clone(), self.cluster.clone());
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let bytes = body.collect_bytes().await?;
            Ok(send(&cx, &cluster, &parts, &bytes).await?)
        })
    }
}

async fn send(
    cx: &Cx,
    cluster: &Cluster,
    parts: &http::request::Parts,
    bytes: &Bytes,
) -> Result<Response<Incoming>, Error> {
    let credentials = &cluster.config.credentials;
    let (mut renewed, mut retries) = (false, 0);
    loop {
        let mut parts = parts.clone();
        parts.headers.insert(http::header::USER_AGENT, http::HeaderValue::from_static(AGENT));
        let got = credentials.sign(cx, &mut parts.headers).await?;
        let endpoint = match &got.certificate {
            None => cluster.endpoint.clone(),
            Some(certificate) => {
                let mut endpoint = Endpoint::clone(&cluster.endpoint);
                endpoint.tls.identity = Some(certificate.clone());
                Arc::new(endpoint)
            }
        };
        let request = Request::from_parts(parts, opsrun_core::body(Full::new(bytes.clone())));
        let response = cx.send(crate::SYSTEM, &endpoint, request).await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            if !renewed && credentials.renew(&got).await {
                renewed = true;
                continue;
            }
            // What else the server says helps, but is not needed.
            let body = response.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            let said = read_status(StatusCode::UNAUTHORIZED, &body).message;
            let unaccepted = credentials.unaccepted(&got, &said, cx.now());
            return Err(Error::Unaccepted { tried: String::new(), unaccepted });
        }
        match retry_after(&response) {
            Some(pause) if retries < RETRIES => {
                retries += 1;
                drop(response.into_body().collect().await);
                cx.sleep(pause).await?;
            }
            _ => return Ok(response),
        }
    }
}

fn retry_after(response: &Response<Incoming>) -> Option<Span> {
    let status = response.status();
    if status != StatusCode::TOO_MANY_REQUESTS && !status.is_server_error() {
        return None;
    }
    let seconds = response.headers().get(http::header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Span::from_secs(seconds))
}
