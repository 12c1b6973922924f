//! IAM Identity Center: the keys of a role, for who has signed in there. Every token is taken.

use bytes::Bytes;
use http::{Method, Request};
use jiff::Timestamp;
use serde_json::json;

use crate::fault::{Answer, Fault};
use crate::protocol::{self, Call, Protocol, text};
use crate::services::sts;
use crate::world::Aws;

/// Asked for with a token, and without a signature.
pub(crate) const GET: &str = "GetRoleCredentials";

pub(crate) fn read(request: &Request<Bytes>) -> Option<Call> {
    let path = protocol::path(request);
    let parts: Vec<&str> = path.iter().map(String::as_str).collect();
    if (request.method(), parts.as_slice()) != (&Method::GET, &["federation", "credentials"]) {
        return None;
    }
    let input = protocol::query_members(request).into();
    Some(Call { protocol: Protocol::RestJson, operation: GET.to_owned(), input })
}

pub(crate) fn call(world: &mut Aws, call: &Call, now: Timestamp) -> Answer {
    let (account, role) = (text(&call.input, "account_id")?, text(&call.input, "role_name")?);
    let is_known =
        world.accounts.get(account).is_some_and(|known| known.roles.iter().any(|known| known == role));
    if !is_known {
        return Err(Fault::sender("ForbiddenException", "No access").with(http::StatusCode::FORBIDDEN));
    }
    let session = sts::begin(world, account, role, "sso", sts::HOUR, now);
    Ok(json!({ "roleCredentials": {
        "accessKeyId": session.key,
        "secretAccessKey": session.secret,
        "sessionToken": session.token,
        "expiration": session.ends.as_millisecond(),
    } }))
}
