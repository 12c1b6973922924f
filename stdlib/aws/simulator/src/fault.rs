//! Errors as AWS's services have them: a code, a message, a status.

use http::StatusCode;

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) status: StatusCode,
}

pub(crate) type Answer<T = serde_json::Value> = Result<T, Fault>;

impl Fault {
    /// One that the caller is to blame for, with status 400.
    pub(crate) fn sender(code: &'static str, message: impl Into<String>) -> Self {
        Fault { code, message: message.into(), status: StatusCode::BAD_REQUEST }
    }

    #[must_use]
    pub(crate) fn with(self, status: StatusCode) -> Self {
        Fault { status, ..self }
    }

    pub(crate) fn not_found(code: &'static str, message: impl Into<String>) -> Self {
        Fault::sender(code, message).with(StatusCode::NOT_FOUND)
    }

    pub(crate) fn denied(message: impl Into<String>) -> Self {
        Fault::sender("AccessDenied", message).with(StatusCode::FORBIDDEN)
    }

    /// What is asked for is not simulated: better an error than an answer that is not true.
    pub(crate) fn not_simulated(service: &str, operation: &str) -> Self {
        let message = format!("{service}:{operation} is not simulated");
        Fault::sender("NotImplemented", message).with(StatusCode::NOT_IMPLEMENTED)
    }
}
