//! One request and its whole answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Method, Uri};
use opsrun_core::{Cx, Endpoint, Error, ErrorKind, Result, Span, Value};
use schemars::JsonSchema;
use serde::Serialize;

use crate::error::HttpError;
use crate::section;

/// What to send.
#[derive(Debug, Clone, Default)]
pub struct Request {
    pub method: String,
    pub url: String,
    pub headers: BTreeMap<String, String>,
    pub body: Option<String>,
    /// Sent as JSON, with its content type.
    pub json: Option<Value>,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Names in lower case; the last of several values.
    pub headers: BTreeMap<String, String>,
    /// As text; what is no UTF-8 is replaced.
    pub body: String,
    /// The body read as JSON, where it is JSON.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub json: Value,
    /// How long it took.
    pub took: Span,
}

/// Sends a request and reads its answer, within `within`.
///
/// # Errors
/// `Invalid` for a request that cannot be sent, `Denied`, `Unreachable`, `Timeout`. An error status is an answer.
pub async fn send(cx: &Cx, request: &Request, within: Span) -> Result<Answer> {
    let shown = format!("{} {}", request.method.to_ascii_uppercase(), request.url);
    let (mut endpoint, request) = build(request)?;
    if endpoint.uri.scheme_str() == Some("https") {
        endpoint.tls = section::tls(cx)?;
    }
    if !request.method().is_safe() {
        let host = endpoint.uri.host().unwrap_or_default();
        let name = format!("http {} {host}*{}", request.method(), request.uri().path());
        cx.keep(&name, "what a request changed, only the other side can take back");
    }
    let (begun, to) = (cx.now(), Arc::new(endpoint));
    let exchange = async { cx.ask("http", &to, request).await.map_err(of_unknown_issuer) };
    let Some(response) = cx.until(within.after(begun), exchange).await? else {
        return Err(Error::new(ErrorKind::Timeout, format!("{shown} has not been answered within {within}")));
    };
    let (parts, bytes) = response.into_parts();
    let headers = parts
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    Ok(Answer {
        status: parts.status.as_u16(),
        headers: headers.collect(),
        json: serde_json::from_slice(&bytes).unwrap_or_default(),
        body: String::from_utf8_lossy(&bytes).into_owned(),
        took: std::time::Duration::try_from(cx.now().duration_since(begun)).unwrap_or_default().into(),
    })
}

fn of_unknown_issuer(error: Error) -> Error {
    if !error.message().contains("UnknownIssuer") {
        return error;
    }
    error.hint("name the authority that signed its certificate: `http = { certificate-authority = \"ca.pem\" }` in the target")
}

fn build(request: &Request) -> Result<(Endpoint, http::Request<Bytes>), HttpError> {
    let bad_url = || HttpError::Url { url: request.url.clone() };
    let uri: Uri = request.url.parse().map_err(|_| bad_url())?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none_or(str::is_empty) {
        return Err(bad_url());
    }
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(HttpError::Credentials { host: uri.host().unwrap_or_default().to_owned() });
    }
    let method = request.method.to_ascii_uppercase();
    let method = Method::from_bytes(method.as_bytes())
        .map_err(|_| HttpError::Method { method: request.method.clone() })?;
    let (content, content_type) = match (&request.body, &request.json) {
        (Some(_), Some(_)) => return Err(HttpError::TwoBodies),
        (Some(text), None) => (text.clone().into_bytes(), None),
        (None, Some(json)) => (json.to_string().into_bytes(), Some("application/json")),
        (None, None) => (Vec::new(), None),
    };
    let mut built = http::Request::new(Bytes::from(content));
    *built.method_mut() = method;
    let mut place = uri.into_parts();
    let path = place.path_and_query.replace(PathAndQuery::from_static("/"));
    *built.uri_mut() = path.map_or(Uri::from_static("/"), Uri::from);
    let headers = built.headers_mut();
    headers.insert(USER_AGENT, HeaderValue::from_static("opsrun"));
    if let Some(content_type) = content_type {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    for (name, value) in &request.headers {
        let bad =
            |why: &dyn std::fmt::Display| HttpError::Header { name: name.clone(), why: why.to_string() };
        let header: HeaderName = name.parse().map_err(|why: http::header::InvalidHeaderName| bad(&why))?;
        headers.insert(header, HeaderValue::from_str(value).map_err(|why| bad(&why))?);
    }
    let uri = Uri::from_parts(place).map_err(|_| bad_url())?;
    Ok((uri.into(), built))
}
