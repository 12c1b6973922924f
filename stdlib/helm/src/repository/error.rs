//! What can go wrong with a repository or a registry, with the facts.

use http::StatusCode;
use opsrun_core::{ErrorKind, Span};

/// Why a chart was not fetched or brought. No field ever holds a credential.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RepositoryError {
    #[error("{tried} was answered with {status}")]
    Status { tried: String, status: StatusCode, said: Vec<String> },
    #[error("{tried} was refused with {status}: `{host}` wants other credentials")]
    Credentials { tried: String, host: String, status: StatusCode },
    #[error("{tried} was refused with {status}: `{host}` wants credentials, and none are known")]
    NoCredentials { tried: String, host: String, status: StatusCode },
    #[error("the credentials of `{host}` are kept by a helper (`{helper}`), which is not run")]
    Helper { host: String, helper: String },
    #[error("the credentials of `{host}` are an identity token, which is not used here")]
    IdentityToken { host: String },
    #[error("credentials of `{host}` would go over the network in the clear, to {to}")]
    InTheClear { host: String, to: String },
    #[error("{place} has no chart `{chart}`")]
    NoChart { chart: String, place: String, near: Vec<String> },
    #[error("{place} has no version of `{chart}` that {}", which(.wanted.as_deref()))]
    NoVersion { chart: String, place: String, wanted: Option<String>, available: Vec<String> },
    #[error("{what} does not have the digest that {by} says")]
    Digest { what: String, by: String, expected: String, found: String },
    #[error("{what} has {found} bytes, and {by} says {expected}")]
    Size { what: String, by: String, expected: u64, found: u64 },
    #[error("{what} is larger than {limit} bytes")]
    TooLarge { what: String, limit: u64 },
    #[error("{from} leads from address to address, and not to an end in {limit}: the last was {last}")]
    Redirects { from: String, last: String, limit: usize },
    #[error("{from} leads to {to}, which is without TLS")]
    Downgrade { from: String, to: String },
    #[error("{what} has not come within {within}")]
    Timeout { what: String, within: Span },
    #[error("{what} cannot be used: {why}")]
    Unusable { what: String, why: String },
}

fn which(wanted: Option<&str>) -> String {
    match wanted {
        Some(range) => format!("satisfies `{range}`"),
        None => "is a release".to_owned(),
    }
}

/// What to write into the target for a host.
fn login(host: &str) -> String {
    format!(
        "name them in the target: `helm = {{ registries = {{ \"{host}\" = {{ username = \"…\", password = \"env:NAME\" }} }} }}`"
    )
}

impl From<RepositoryError> for opsrun_core::Error {
    fn from(error: RepositoryError) -> Self {
        let message = error.to_string();
        let new = |kind| opsrun_core::Error::new(kind, message.clone());
        match error {
            RepositoryError::Status { status, said, .. } => {
                let kind = match status {
                    StatusCode::NOT_FOUND => ErrorKind::NotFound,
                    StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => ErrorKind::Unreachable,
                    status if status.is_server_error() => ErrorKind::Unreachable,
                    _ => ErrorKind::Failed,
                };
                said.into_iter().fold(new(kind), opsrun_core::Error::detail)
            }
            RepositoryError::Credentials { .. } => new(ErrorKind::Forbidden)
                .hint("look whether user and password are right, and may do this there"),
            RepositoryError::NoCredentials { host, .. } => new(ErrorKind::Forbidden)
                .hint(format!("{}, or sign in to a registry with `helm registry login {host}`", login(&host))),
            RepositoryError::Helper { host, .. } | RepositoryError::IdentityToken { host } => {
                new(ErrorKind::Forbidden).hint(login(&host))
            }
            RepositoryError::InTheClear { host, .. } => new(ErrorKind::Forbidden).hint(format!(
                "use `https`, or allow it in the target: `helm = {{ registries = {{ \"{host}\" = {{ plain-http = true, … }} }} }}`"
            )),
            RepositoryError::NoChart { near, .. } => {
                let error = new(ErrorKind::NotFound);
                match near.is_empty() {
                    true => error.hint("it has no charts at all"),
                    false => error.hint(format!("it has `{}`", near.join("`, `"))),
                }
            }
            RepositoryError::NoVersion { available, .. } => {
                let error = new(ErrorKind::NotFound);
                match available.is_empty() {
                    true => error.hint("it has no versions at all"),
                    false => error.hint(format!(
                        "it has {}; a pre-release is taken only for a range that names one, such as `>=1.0.0-0`",
                        available.join(", ")
                    )),
                }
            }
            RepositoryError::Digest { expected, found, .. } => new(ErrorKind::Failed)
                .detail(format!("expected {expected}"))
                .detail(format!("got {found}"))
                .hint("it was changed, or broke off on the way: do not use it before you know why"),
            RepositoryError::Timeout { .. } => new(ErrorKind::Timeout),
            RepositoryError::Downgrade { .. } => {
                new(ErrorKind::Denied).hint("write that address, if it is meant")
            }
            RepositoryError::Size { .. }
            | RepositoryError::TooLarge { .. }
            | RepositoryError::Redirects { .. }
            | RepositoryError::Unusable { .. } => new(ErrorKind::Failed),
        }
    }
}
