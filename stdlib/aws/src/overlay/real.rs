//! Asking the real AWS what a plan's run asks: the same request, signed anew by whoever the target signs in.

use std::sync::Arc;
use std::time::SystemTime;

use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST, IF_MATCH, IF_NONE_MATCH, RANGE};
use http::{Request, Response};
use http_body_util::BodyExt;
use opsrun_aws_simulator::Asked;
use opsrun_core::{Endpoint, Error, Original, Result, Tls};

use crate::access;
use crate::account::Account;
use crate::client::plain;

/// # Errors
/// Those of signing in; `Unreachable`.
pub(super) async fn ask(
    original: &Original,
    request: &Request<Bytes>,
    asked: &Asked,
) -> Result<Response<Bytes>> {
    let cx = original.cx().clone();
    let (request, asked) = (request.clone(), asked.clone());
    original
        .ask(async move {
            let account = Account::of(&cx)?;
            let address = account.endpoint(&asked.service).unwrap_or_else(|| at_aws(&asked));
            let unusable = |error: &dyn std::fmt::Display| {
                Error::failed(format!(
                    "{}:{} cannot be asked of {address}: {error}",
                    asked.service, asked.operation
                ))
            };
            let uri: http::Uri = address.parse().map_err(|error| unusable(&error))?;
            let endpoint = Endpoint {
                tls: Tls { roots: account.roots(), ..Tls::default() },
                ..Endpoint::from(uri.clone())
            };
            let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
            let mut again = Request::builder().method(request.method()).uri(path);
            // Those that say what is asked for; the others are about the signature and the connection.
            for (name, value) in request.headers() {
                if says_what(name) {
                    again = again.header(name, value);
                }
            }
            let host = uri.authority().map(|authority| authority.as_str().to_owned()).unwrap_or_default();
            let mut again =
                again.header(HOST, &host).body(request.body().clone()).map_err(|error| unusable(&error))?;
            if let Some(identity) = asked.signed.then_some(account.credentials(&cx).await?) {
                let identity = identity.into();
                let parameters = v4::SigningParams::builder()
                    .identity(&identity)
                    .region(&asked.region)
                    .name(&asked.signing_name)
                    .time(SystemTime::from(cx.now()))
                    .settings(settings(&asked.signing_name))
                    .build()
                    .map_err(|error| unusable(&error))?
                    .into();
                let headers: Vec<(String, String)> = again
                    .headers()
                    .iter()
                    .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
                    .collect();
                let shown = format!("{}{path}", address.trim_end_matches('/'));
                let signable = SignableRequest::new(
                    again.method().as_str(),
                    &shown,
                    headers.iter().map(|(name, value)| (name.as_str(), value.as_str())),
                    SignableBody::Bytes(request.body()),
                );
                let signable = signable.map_err(|error| unusable(&error))?;
                let (signed, _) = sign(signable, &parameters).map_err(|error| unusable(&error))?.into_parts();
                signed.apply_to_request_http1x(&mut again);
            }
            let noted = access::Asked::of_wire(&asked, again.uri().path(), again.body());
            let response = cx.send(crate::SYSTEM, &Arc::new(endpoint), plain(noted, again)).await?;
            let (parts, body) = response.into_parts();
            let body = body.collect().await.map_err(|error| unusable(&error))?;
            Ok(Response::from_parts(parts, body.to_bytes()))
        })
        .await
}

fn says_what(header: &http::HeaderName) -> bool {
    const THESE: &[http::HeaderName] = &[ACCEPT, CONTENT_TYPE, IF_MATCH, IF_NONE_MATCH, RANGE];
    THESE.contains(header)
        || matches!(header.as_str(), "smithy-protocol" | "x-amz-checksum-mode" | "x-amz-target")
        || header.as_str().starts_with("x-amz-meta")
}

/// S3 signs the path as it is sent, and the checksum of the body as a header.
fn settings(signing_name: &str) -> SigningSettings {
    let mut settings = SigningSettings::default();
    if signing_name == "s3" {
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    }
    settings
}

/// Where AWS has a service.
fn at_aws(asked: &Asked) -> String {
    let region = &asked.region;
    match asked.signing_name.as_str() {
        "cloudfront" | "route53" => format!("https://{}.amazonaws.com", asked.signing_name),
        "ce" => "https://ce.us-east-1.amazonaws.com".to_owned(),
        "ecr" => format!("https://api.ecr.{region}.amazonaws.com"),
        name => format!("https://{name}.{region}.amazonaws.com"),
    }
}
