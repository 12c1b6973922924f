//! An answer that no server gave, in the form in which SDKs get answers: read off a connection.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Response, StatusCode, header};
use http_body_util::{Empty, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use opsrun_core::{Error, Refusal, Result};

const BUFFER: usize = 64 * 1024;

/// Serves `refusal` once over a pipe in memory and fetches it.
pub(crate) async fn answer(status: StatusCode, refusal: Refusal) -> Result<Response<Incoming>> {
    let failed = |error: hyper::Error| Error::failed(format!("an injected answer cannot be made: {error}"));
    let (near, far) = tokio::io::duplex(BUFFER);
    tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(
        TokioIo::new(far),
        service_fn(move |_| {
            let mut response = Response::new(Full::new(Bytes::from(refusal.body.clone())));
            *response.status_mut() = status;
            response
                .headers_mut()
                .insert(header::CONTENT_TYPE, header::HeaderValue::from_static(refusal.content_type));
            async { Ok::<_, Infallible>(response) }
        }),
    ));
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(near)).await.map_err(failed)?;
    tokio::spawn(connection);
    sender.send_request(http::Request::new(Empty::<Bytes>::new())).await.map_err(failed)
}
