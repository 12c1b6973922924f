//! An answer that no server gave, in the form in which SDKs get answers: read off a connection.

use bytes::Bytes;
use http::{Response, StatusCode, header};
use http_body_util::{Empty, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use opsrun_core::{Error, Refusal, Result, serve};

/// Serves `refusal` once over a pipe in memory and fetches it.
pub(crate) async fn answer(status: StatusCode, refusal: Refusal) -> Result<Response<Incoming>> {
    let failed = |error: hyper::Error| Error::failed(format!("an injected answer cannot be made: {error}"));
    let near = serve(move |_| {
        let mut response = Response::new(Full::new(refusal.body.clone()));
        *response.status_mut() = status;
        let content_type = header::HeaderValue::from_static(refusal.content_type);
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
        std::future::ready(response)
    });
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(near)).await.map_err(failed)?;
    tokio::spawn(connection);
    sender.send_request(http::Request::new(Empty::<Bytes>::new())).await.map_err(failed)
}
