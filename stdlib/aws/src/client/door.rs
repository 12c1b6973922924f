//! The way from AWS's clients to the gate: a request is classified, handed over, and sent again where AWS asks for that.

use std::sync::Arc;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextMut;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, Metadata};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use opsrun_aws_simulator::cbor;
use opsrun_core::{Cx, Effect, Endpoint, Error, Result, Span, Tls};

use super::shown;
use crate::access::{Asked, service_of};
use crate::account::Account;
use crate::error::THROTTLED;

/// How often a request is sent, in all, if AWS says each time that there are too many.
const ATTEMPTS: u32 = 10;
const FIRST_PAUSE: Span = Span::from_millis(250);
const LONGEST_PAUSE: Span = Span::from_secs(20);

/// An error's code is found in so much of its body.
const LARGEST_ERROR: usize = 1 << 20;

/// Notes on each request what it asks for: once it is bytes, nothing tells.
#[derive(Debug)]
pub(crate) struct Tag {
    region: String,
}

impl Tag {
    pub(crate) fn new(region: &str) -> Self {
        Tag { region: region.to_owned() }
    }
}

#[dyn_dispatch_hint]
impl Intercept for Tag {
    fn name(&self) -> &'static str {
        "opsrun"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let operation = bag.load::<Metadata>().ok_or("the operation has no name")?;
        let service = service_of(operation.service())
            .ok_or_else(|| format!("the service `{}` is not known", operation.service()))?;
        let request = context.request_mut();
        let uri: http::Uri = request.uri().parse()?;
        let at = (uri.host().unwrap_or_default(), uri.path());
        let body = request.body().bytes().unwrap_or_default();
        let asked = Asked::new(service, operation.name(), Some(&self.region), at, body);
        request.add_extension(asked);
        Ok(())
    }
}

#[derive(Clone)]
struct Door {
    cx: Cx,
    account: Arc<Account>,
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Door")
    }
}

pub(super) fn door(cx: &Cx, account: &Arc<Account>) -> SharedHttpClient {
    let door = SharedHttpConnector::new(Door { cx: cx.clone(), account: account.clone() });
    http_client_fn(move |_, _| door.clone())
}

impl HttpConnector for Door {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let door = self.clone();
        HttpConnectorFuture::new(async move {
            // The error passes through the SDK whole, and is found again by `error::ours`.
            door.send(request).await.map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

impl Door {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse> {
        let unusable =
            |error: &dyn std::fmt::Display| Error::failed(format!("the request cannot be sent: {error}"));
        // A clone has no extensions.
        let mut again = request.try_clone();
        let mut first = request.try_into_http1x().map_err(|error| unusable(&error))?;
        let asked = first.extensions_mut().remove::<Asked>();
        let reads = asked.as_ref().is_some_and(|asked| asked.effect() == Effect::Read);
        let mut next = first;
        let mut attempt = 1;
        loop {
            if let Some(asked) = &asked {
                next.extensions_mut().insert(asked.clone());
                shown::wait(&self.cx, asked).await?;
            }
            let endpoint = self.endpoint(next.uri())?;
            let response = self.cx.send(crate::SYSTEM, &endpoint, next.map(opsrun_core::body)).await?;
            if let Some(why) = response.headers().get(crate::overlay::REFUSED) {
                let why = form_urlencoded::parse(why.as_bytes()).next();
                return Err(Error::invalid(why.map(|(why, _)| why.into_owned()).unwrap_or_default()));
            }
            let (response, says_later) = judged(response, reads).await?;
            let following = if says_later && attempt < ATTEMPTS { again.take() } else { None };
            let Some(following) = following else { return Ok(response) };
            again = following.try_clone();
            next = following.try_into_http1x().map_err(|error| unusable(&error))?;
            self.cx.sleep(pause(attempt, self.cx.random())).await?;
            attempt += 1;
        }
    }

    fn endpoint(&self, uri: &http::Uri) -> Result<Arc<Endpoint>> {
        let mut parts = uri.clone().into_parts();
        parts.path_and_query = Some(http::uri::PathAndQuery::from_static("/"));
        let uri = http::Uri::from_parts(parts)
            .map_err(|error| Error::invalid(format!("`{uri}` is no address: {error}")))?;
        let tls = match uri.scheme_str() {
            Some("https") => Tls { roots: self.account.roots(), ..Tls::default() },
            _ => Tls::default(),
        };
        Ok(Arc::new(Endpoint { tls, ..Endpoint::from(uri) }))
    }
}

/// The answer as the SDK takes it, and whether the request may be sent once more: it was not carried out, or only reads.
async fn judged(response: Response<Incoming>, reads: bool) -> Result<(HttpResponse, bool)> {
    let status = response.status();
    let unusable =
        |error: &dyn std::fmt::Display| Error::failed(format!("the answer cannot be used: {error}"));
    if !(status.is_client_error() || status.is_server_error()) {
        let response = HttpResponse::try_from(response.map(SdkBody::from_body_1_x));
        return Ok((response.map_err(|error| unusable(&error))?, false));
    }
    let (parts, body) = response.into_parts();
    let body = http_body_util::Limited::new(body, LARGEST_ERROR).collect().await;
    let body = body.map_err(|error| unusable(&error))?.to_bytes();
    let mut later = status == http::StatusCode::TOO_MANY_REQUESTS || says(&body, &parts.headers, THROTTLED);
    // What a server does not know it will not know later.
    later |= reads && status.is_server_error() && status != http::StatusCode::NOT_IMPLEMENTED;
    let response = HttpResponse::try_from(Response::from_parts(parts, SdkBody::from(body)));
    Ok((response.map_err(|error| unusable(&error))?, later))
}

/// Whether an error has one of these codes: in all protocols they are words of their own in the header or the body, but in CBOR, where
/// a text's length may look like a letter before it.
fn says(body: &Bytes, headers: &http::HeaderMap, codes: &[&str]) -> bool {
    let header = headers.get("x-amzn-errortype").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_cbor = body.first().is_some_and(|first| (0xa0..=0xbf).contains(first));
    let read = if is_cbor { cbor::read(body) } else { None };
    let text = read.map_or_else(|| String::from_utf8_lossy(body), |read| read.to_string().into());
    let mut words = header.split([':', '#']).chain(text.split(|c: char| !c.is_ascii_alphanumeric()));
    words.any(|word| codes.contains(&word))
}

/// Twice as long each time, less up to a half, so that many do not come again together.
fn pause(attempt: u32, random: u64) -> Span {
    let longest = FIRST_PAUSE.duration().saturating_mul(1 << attempt.min(16)).min(LONGEST_PAUSE.duration());
    let part = u32::try_from(random % 500).unwrap_or_default();
    Span::from(longest - longest.mul_f64(f64::from(part) / 1000.0))
}

/// A request of our own, for the few things that no SDK's client does.
pub(crate) fn plain(asked: Asked, request: http::Request<Bytes>) -> http::Request<opsrun_core::Body> {
    let (mut parts, body) = request.into_parts();
    parts.extensions.insert(asked);
    http::Request::from_parts(parts, opsrun_core::body(Full::new(body)))
}
