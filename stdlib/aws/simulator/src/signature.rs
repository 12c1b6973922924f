//! Who asks, and whom: what a request's signature says in the clear. The signature itself is not checked: an estate's secret
//! keys are no secrets.

use http::Request;
use http::header::AUTHORIZATION;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// `AKID/20260101/us-west-2/rds/aws4_request`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scope {
    pub(crate) access_key: String,
    pub(crate) region: String,
    /// As it is signed for: `monitoring`.
    pub(crate) service: String,
}

/// The scope of a request that is signed in its headers or in its query.
pub(crate) fn scope<B>(request: &Request<B>) -> Option<Scope> {
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let credential = match header.and_then(|header| header.split_once("Credential=")) {
        Some((_, rest)) => rest.split([',', ' ']).next()?.to_owned(),
        None => query(request, "X-Amz-Credential")?,
    };
    let mut parts = credential.split('/');
    let (access_key, _day, region, service) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    Some(Scope { access_key: access_key.to_owned(), region: region.to_owned(), service: service.to_owned() })
}

/// When it was signed.
pub(crate) fn signed_at<B>(request: &Request<B>) -> Option<Timestamp> {
    let header = request.headers().get("x-amz-date").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let text = header.or_else(|| query(request, "X-Amz-Date"))?;
    let at = DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
    at.to_zoned(TimeZone::UTC).ok().map(|at| at.timestamp())
}

/// For how many seconds it is good, if that is said in its query.
pub(crate) fn good_for<B>(request: &Request<B>) -> Option<i64> {
    query(request, "X-Amz-Expires")?.parse().ok()
}

pub(crate) fn session_token<B>(request: &Request<B>) -> Option<String> {
    let header = request.headers().get("x-amz-security-token").and_then(|value| value.to_str().ok());
    header.map(str::to_owned).or_else(|| query(request, "X-Amz-Security-Token"))
}

pub(crate) fn query<B>(request: &Request<B>, name: &str) -> Option<String> {
    let query = request.uri().query()?;
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}
