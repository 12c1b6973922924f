//! What can be wrong with a request before it leaves.

use opsrun_core::Error;

#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    #[error("`{url}` is not an HTTP address")]
    Url { url: String },
    #[error("the address at `{host}` bears a user or password")]
    Credentials { host: String },
    #[error("`{method}` is not an HTTP method")]
    Method { method: String },
    #[error("header `{name}` cannot be sent: {why}")]
    Header { name: String, why: String },
    #[error("a request has either `body` or `json`")]
    TwoBodies,
}

impl From<HttpError> for Error {
    fn from(error: HttpError) -> Self {
        let text = error.to_string();
        match error {
            HttpError::Url { .. } => {
                Error::invalid(text).hint("write it like `https://app.example.com/health`")
            }
            HttpError::Credentials { .. } => {
                Error::invalid(text).hint("send it as a header: `headers: #{ authorization: \"Basic …\" }`")
            }
            _ => Error::invalid(text),
        }
    }
}
