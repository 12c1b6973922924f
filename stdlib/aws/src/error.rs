//! What AWS's errors mean, and what to do about them. Each names account, region and action.

use std::error::Error as StdError;

use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use opsrun_core::{Error, ErrorKind};
use serde_json::json;

/// Where a call was made, for its errors.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// ``the profile `workflow-prod` ``, ``account 111122223333``.
    pub(crate) account: String,
    pub(crate) region: String,
}

/// Codes that say: not now. The request was not carried out.
pub(crate) const THROTTLED: &[&str] = &[
    "BandwidthLimitExceeded",
    "EC2ThrottledException",
    "LimitExceededException",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TransactionInProgressException",
];

/// `tried`: what was about to be done, as in `creating the snapshot before-1.4.0`.
pub(crate) fn failed<E>(place: &Place, action: &str, tried: &str, error: &SdkError<E, Response>) -> Error
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    if let Some(ours) = ours(error) {
        let message =
            format!("{tried} did not get through ({action} in {}, {})", place.region, place.account);
        return ours.context(message);
    }
    let status = error.raw_response().map(|response| response.status().as_u16());
    let Some(service) = error.as_service_error() else {
        let why = root(error);
        return Error::failed(format!("{tried}: {why} ({action} in {}, {})", place.region, place.account));
    };
    let bare = status.map_or_else(|| "an error without a code".to_owned(), |status| format!("HTTP {status}"));
    let code = service.code().unwrap_or(&bare);
    let said = service.message().unwrap_or_default();
    let kind = kind(code, status.unwrap_or_default());
    let head = format!("{tried} was refused by AWS: {code}");
    let head = if said.is_empty() { head } else { format!("{head}: {said}") };
    let error = Error::new(kind, head)
        .detail(format!("{action} in {}, {}", place.region, place.account))
        .data(json!({ "code": code, "action": action, "region": place.region, "status": status }));
    match hint(code, said, action, place) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// The error of our own that ended a request before there was an answer: a refusal of the gate, a lost connection.
pub(crate) fn ours<E: StdError + 'static>(error: &SdkError<E, Response>) -> Option<Error> {
    let mut next: Option<&(dyn StdError + 'static)> = error.source();
    while let Some(error) = next {
        if let Some(ours) = error.downcast_ref::<Error>() {
            return Some(ours.clone());
        }
        next = error.source();
    }
    None
}

fn root(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = cause.to_string();
        next = cause.source();
    }
    text
}

fn kind(code: &str, status: u16) -> ErrorKind {
    let is = |words: &[&str]| words.iter().any(|word| code.contains(word));
    match code {
        _ if THROTTLED.contains(&code) => ErrorKind::Failed,
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => ErrorKind::Forbidden,
        "InvalidClientTokenId" | "UnrecognizedClientException" => ErrorKind::Forbidden,
        "InvalidSignatureException" | "SignatureDoesNotMatch" => ErrorKind::Forbidden,
        "AuthFailure" | "InvalidAccessKeyId" | "RequestTimeTooSkewed" => ErrorKind::Forbidden,
        _ if is(&["AccessDenied", "Unauthorized", "Forbidden", "OptInRequired"]) => ErrorKind::Forbidden,
        _ if is(&["NotFound", "NoSuch", "ResourceNotFound"]) || status == 404 => ErrorKind::NotFound,
        _ if is(&[
            "AlreadyExists",
            "InUse",
            "Conflict",
            "InvalidDBInstanceState",
            "InvalidDBSnapshotState",
            "InvalidReplicationGroupState",
            "InvalidSnapshotState",
        ]) =>
        {
            ErrorKind::Conflict
        }
        // To `HEAD` nobody says more.
        _ if status == 403 => ErrorKind::Forbidden,
        _ if status == 409 || status == 412 => ErrorKind::Conflict,
        _ => ErrorKind::Failed,
    }
}

fn hint(code: &str, said: &str, action: &str, place: &Place) -> Option<String> {
    let hint = match code {
        // It says which of the two times is the later one.
        _ if said.starts_with("Signature expired") => {
            "this machine's clock is minutes behind AWS's: set the clock (`timedatectl`)".to_owned()
        }
        _ if said.starts_with("Signature not yet current") => {
            "this machine's clock is minutes ahead of AWS's: set the clock (`timedatectl`)".to_owned()
        }
        code if THROTTLED.contains(&code) => format!(
            "AWS said so again and again: {} makes too many requests of this kind in {}; let fewer run side by side, or have the rate \
             raised in Service Quotas",
            place.account, place.region
        ),
        "ExpiredToken" | "ExpiredTokenException" => {
            "the session has ended: sign in again (`aws sso login`), or renew the keys".to_owned()
        }
        "RequestExpired" | "RequestTimeTooSkewed" => {
            "this machine's clock and AWS's are minutes apart: set the clock (`timedatectl`)".to_owned()
        }
        // A `HEAD` has no body that could say more.
        "HTTP 403" => format!(
            "AWS does not say why: the policy may lack `{action}`, or this machine's clock is minutes off AWS's (`timedatectl`)"
        ),
        "InvalidSignatureException" | "SignatureDoesNotMatch" => {
            "the secret key does not belong to the access key, or this machine's clock is wrong".to_owned()
        }
        "InvalidClientTokenId" | "UnrecognizedClientException" | "InvalidAccessKeyId" | "AuthFailure" => {
            format!(
                "AWS does not know these keys in {}: are they deleted, or of another partition, or is the region not enabled?",
                place.region
            )
        }
        code if code.contains("AccessDenied") || code.contains("Unauthorized") => {
            format!("the policy needs `{action}`: `opsrun grants` writes one for the whole playbook")
        }
        code if code.contains("QuotaExceeded") || code.contains("LimitExceeded") => {
            format!(
                "a quota of {} in {} is used up: raise it in Service Quotas, or delete what is not needed",
                place.account, place.region
            )
        }
        "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException" => {
            "the bucket is in another region: say which with the option `region`".to_owned()
        }
        _ => return None,
    };
    Some(hint)
}
