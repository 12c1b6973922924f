//! A request for another region that RDS sends itself: it fetches what is encrypted there in our name.

use std::time::{Duration, SystemTime};

use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_sigv4::sign::v4;
use opsrun_core::{Error, Result};

use crate::client::Client;

const GOOD_FOR: Duration = Duration::from_secs(3600);

/// The URL of an operation of RDS in `source`, the region that it is fetched from, signed for who calls there.
///
/// # Errors
/// Those of signing in.
pub(crate) async fn presigned(
    client: &Client,
    source: &str,
    operation: &str,
    members: &[(&str, &str)],
) -> Result<String> {
    let unsigned = |error: &dyn std::fmt::Display| {
        Error::failed(format!("the request of rds:{operation} for {source} cannot be signed: {error}"))
    };
    let identity = client.account().credentials(client.cx()).await?.into();
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(GOOD_FOR);
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(source)
        .name("rds")
        .time(SystemTime::from(client.cx().now()))
        .settings(settings)
        .build()
        .map_err(|error| unsigned(&error))?
        .into();
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("Action", operation).append_pair("Version", "2014-10-31");
    query.append_pair("DestinationRegion", client.region()).extend_pairs(members);
    let mut address = format!("https://rds.{source}.amazonaws.com/?{}", query.finish());
    let request =
        SignableRequest::new("GET", &address, std::iter::empty::<(&str, &str)>(), SignableBody::Bytes(&[]));
    let request = request.map_err(|error| unsigned(&error))?;
    let (signed, _) = sign(request, &parameters).map_err(|error| unsigned(&error))?.into_parts();
    for (name, value) in signed.params() {
        let value: String = form_urlencoded::byte_serialize(value.as_bytes()).collect();
        address.push_str(&format!("&{name}={value}"));
    }
    Ok(address)
}
