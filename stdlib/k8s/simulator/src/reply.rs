//! What the cluster hands back for a request: an answer now or later, a stream, or a session.
//! It knows HTTP's shape, not its transport.

use bytes::Bytes;
use futures::channel::mpsc::UnboundedReceiver;
use http::{HeaderValue, Response, header};
use jiff::Timestamp;
use serde_json::Value;

use crate::channel::Protocol;
use crate::media::Media;
use crate::request::Request;
use crate::session::{Output, SessionRequest};
use crate::status::Status;

/// The cluster's answer.
#[derive(Debug)]
pub enum Reply {
    Response(Response<Bytes>),
    /// An answer that is given when the time has come.
    Later {
        until: Timestamp,
        response: Response<Bytes>,
    },
    /// A body that grows: a watch, a followed log. It ends when the sender is dropped.
    Stream {
        head: Response<()>,
        body: UnboundedReceiver<Bytes>,
    },
    /// Exec, attach, port-forward: the connection is to be upgraded.
    Session {
        request: SessionRequest,
        protocol: Protocol,
        output: UnboundedReceiver<Output>,
    },
}

/// An answer with a JSON (or YAML) body.
pub(crate) fn object(media: Media, code: u16, value: &Value) -> Response<Bytes> {
    bytes(code, media.content_type(), media.encode(value))
}

pub(crate) fn text(code: u16, content_type: &'static str, body: impl Into<Bytes>) -> Response<Bytes> {
    bytes(code, content_type, body.into())
}

/// A refusal, in the encoding the request accepts.
pub(crate) fn refusal(request: &Request, status: &Status) -> Response<Bytes> {
    let mut response = object(Media::of_error(request), status.code, &status.to_value());
    let seconds = status.details.as_ref().and_then(|details| details["retryAfterSeconds"].as_i64());
    if let Some(seconds) = seconds {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Adds `Warning: 299 - "…"` headers, each text once.
pub(crate) fn warn(response: &mut http::HeaderMap, warnings: &[String]) {
    let mut seen: Vec<&String> = Vec::new();
    for warning in warnings {
        if seen.contains(&warning) {
            continue;
        }
        seen.push(warning);
        let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
            response.append(header::WARNING, value);
        }
    }
}

fn bytes(code: u16, content_type: &'static str, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    // Codes come from `Status` and this crate's own answers: all are valid.
    *response.status_mut() = http::StatusCode::from_u16(code).expect("a valid status code");
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}
