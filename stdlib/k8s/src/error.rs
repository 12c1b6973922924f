//! What can go wrong with a cluster, with the facts; told to a playbook as `opsrun_core::Error`.

use kube::core::Status;
use opsrun_core::ErrorKind;
use serde_json::json;

/// A failure of this system.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The target's section or a kubeconfig cannot be used.
    #[error("{0}")]
    Config(String),
    /// The kubeconfig has no such context.
    #[error("there is no context `{context}` in {files}")]
    NoContext { context: String, files: String, known: Vec<String> },
    /// The kubeconfig does not say which of its contexts is meant.
    #[error("{files} has no current context")]
    NoCurrentContext { files: String, known: Vec<String> },
    /// The API server does not know who asks.
    #[error("{tried}: the credentials of {} are not accepted: they have expired, or were revoked", unaccepted.who)]
    Unaccepted { tried: String, unaccepted: Unaccepted },
    /// The API server answered with an error.
    #[error("{tried}: {}", message(status))]
    Api { tried: String, cluster: String, status: Box<Status> },
    /// Server-side apply met fields that somebody else manages.
    #[error("{object} has fields that others manage, and this apply would change them")]
    FieldConflict { object: String, conflicts: Vec<FieldConflict> },
    /// No answer.
    #[error("the cluster of {cluster} cannot be reached")]
    Unreachable { cluster: String, cause: opsrun_core::Error },
    /// The cluster serves no such kind.
    #[error("the cluster has no kind `{kind}`")]
    UnknownKind { kind: String, nearest: Option<String> },
    #[error("{object} does not exist")]
    NotFound { object: String },
    /// What came back is not what the API promises.
    #[error("{tried}: the answer cannot be understood: {why}")]
    Answer { tried: String, why: String },
    /// Something the gate or the run said.
    #[error(transparent)]
    Run(#[from] opsrun_core::Error),
}

/// Credentials that an API server refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the credentials of {who} are not accepted")]
pub struct Unaccepted {
    /// ``user `robot` of `kubeconfig` ``
    pub who: String,
    pub facts: Vec<String>,
    pub hint: String,
}

/// A field, and who manages it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldConflict {
    pub manager: String,
    /// `.spec.replicas`
    pub field: String,
}

impl Error {
    /// The HTTP status of the API server's answer, if it was one.
    pub fn code(&self) -> Option<u16> {
        match self {
            Error::Api { status, .. } => Some(status.code),
            Error::FieldConflict { .. } => Some(409),
            Error::Unaccepted { .. } => Some(401),
            _ => None,
        }
    }

    pub(crate) fn is_not_found(&self) -> bool {
        self.code() == Some(404)
    }

    /// The server looked at the request and refused it: nothing was written.
    pub(crate) fn is_refusal(&self) -> bool {
        match self {
            Error::Run(error) => matches!(error.kind(), ErrorKind::Denied | ErrorKind::Invalid),
            other => other.code().is_some_and(|code| (400..500).contains(&code)),
        }
    }
}

impl From<Error> for opsrun_core::Error {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::Run(error) => error,
            Error::Config(_) => opsrun_core::Error::invalid(message),
            Error::NoContext { known, .. } => opsrun_core::Error::invalid(message).hint(if known.is_empty() {
                "it names no contexts at all".to_owned()
            } else {
                format!("its contexts are `{}`", known.join("`, `"))
            }),
            Error::NoCurrentContext { known, .. } => {
                let error = opsrun_core::Error::invalid(message);
                match known.as_slice() {
                    [] => error.hint("it names no contexts at all"),
                    known => error.hint(format!(
                        "name one as `context` in the target's `k8s` section: `{}`",
                        known.join("`, `")
                    )),
                }
            }
            Error::Unaccepted { unaccepted, .. } => {
                let error = opsrun_core::Error::new(ErrorKind::Forbidden, message)
                    .data(json!({ "code": 401, "reason": "Unauthorized" }))
                    .hint(unaccepted.hint);
                unaccepted.facts.into_iter().fold(error, opsrun_core::Error::detail)
            }
            Error::Api { cluster, status, .. } => api(message, &cluster, &status),
            Error::FieldConflict { conflicts, .. } => {
                let data: Vec<_> =
                    conflicts.iter().map(|c| json!({ "manager": c.manager, "field": c.field })).collect();
                let error = opsrun_core::Error::new(ErrorKind::Conflict, message);
                conflicts
                    .iter()
                    .fold(error, |error, c| error.detail(format!("`{}` is managed by `{}`", c.field, c.manager)))
                    .data(json!({ "conflicts": data }))
                    .hint("leave these fields out, or take them over with `force: true`")
            }
            Error::Unreachable { cause, .. } => {
                opsrun_core::Error::new(ErrorKind::Unreachable, message).because(cause).hint(
                    "check that the cluster is up and the context is the one you mean; `opsrun rehearse` needs no cluster",
                )
            }
            Error::UnknownKind { nearest, .. } => {
                let error = opsrun_core::Error::not_found(message);
                match nearest {
                    Some(nearest) => error.hint(format!("did you mean `{nearest}`?")),
                    None => error.hint("if it is a custom one, its CustomResourceDefinition has to be applied first"),
                }
            }
            Error::NotFound { .. } => opsrun_core::Error::not_found(message),
            Error::Answer { .. } => opsrun_core::Error::failed(message),
        }
    }
}

fn api(message: String, cluster: &str, status: &Status) -> opsrun_core::Error {
    let kind = match status.code {
        403 => ErrorKind::Forbidden,
        404 => ErrorKind::NotFound,
        409 => ErrorKind::Conflict,
        504 => ErrorKind::Timeout,
        _ => ErrorKind::Failed,
    };
    let mut error = opsrun_core::Error::new(kind, message)
        .data(json!({ "code": status.code, "reason": status.reason, "message": status.message }));
    let causes = status.details.as_ref().map(|details| details.causes.as_slice()).unwrap_or_default();
    if causes.len() > 1 {
        for cause in causes {
            error = error.detail(format!("{}: {}", cause.field, cause.message));
        }
    }
    match status.code {
        403 => match crate::policy::missing_rule(status) {
            Some(rule) => error.hint(format!("allow it to the user of {cluster} with RBAC: {rule}")),
            // Something else than permissions forbids it, and says what.
            None => error,
        },
        _ => error,
    }
}

fn message(status: &Status) -> String {
    if status.message.is_empty() { format!("HTTP {}", status.code) } else { status.message.clone() }
}
