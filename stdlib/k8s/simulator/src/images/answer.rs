//! What comes back from an HTTP request into the cluster.

use std::fmt;

/// An HTTP response, in as far as behaviours have one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAnswer {
    pub status: u16,
    pub body: String,
    /// `namespace/pod` that answered; `None` if the ingress or the service proxy did.
    pub pod: Option<String>,
}

/// Why there was no response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpError {
    /// Nothing in the cluster has this name.
    UnknownHost(String),
    /// The name is known, and nothing listens there.
    Refused { host: String, port: u16 },
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownHost(host) => write!(f, "no such host: {host}"),
            Self::Refused { host, port } => write!(f, "{host}:{port}: connection refused"),
        }
    }
}

impl std::error::Error for HttpError {}
