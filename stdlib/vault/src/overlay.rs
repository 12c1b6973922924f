//! Vault in a plan: what is read is read for real, and nothing else is ever asked of it.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use opsrun_core::{Original, Simulator, body, serve};
use tokio::io::DuplexStream;

use crate::section;

pub(crate) fn lay(original: Original) -> Arc<dyn Simulator> {
    Arc::new(Real(original))
}

struct Real(Original);

impl Simulator for Real {
    fn connect(&self, system: &str, _: &Uri) -> Option<DuplexStream> {
        let original = self.0.clone();
        (system == crate::SYSTEM).then(|| {
            serve(move |request| {
                let original = original.clone();
                async move { answer(&original, request).await }
            })
        })
    }
}

async fn answer(original: &Original, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (parts, _) = request.into_parts();
    let cx = original.cx().clone();
    let asked = original.ask(async move {
        let endpoint = section::access(&cx)?.endpoint;
        let request = Request::from_parts(parts, body(Full::<Bytes>::default()));
        let (parts, body) = cx.send(crate::SYSTEM, &endpoint, request).await?.into_parts();
        let body = body.collect().await.map_err(|error| opsrun_core::Error::failed(error.to_string()))?;
        Ok(Response::from_parts(parts, Full::new(body.to_bytes())))
    });
    asked.await.unwrap_or_else(|error| {
        // As a proxy says that it got no answer.
        let mut response = Response::new(Full::new(Bytes::from(format!("{}\n", error.report()))));
        *response.status_mut() = StatusCode::BAD_GATEWAY;
        response
    })
}
