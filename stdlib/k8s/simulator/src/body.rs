//! A request's body as a value: which formats are taken, and what is said of those that cannot be read.
//! It knows JSON, YAML and the protobuf envelope; types are checked by `shape`.

use crate::request::Request;
use crate::status::{Result, Status};

/// The formats of POST and PUT bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Yaml,
    Protobuf,
}

const ACCEPTED: &str = "the body of the request was in an unknown format - accepted media types include: \
    application/json, application/yaml, application/vnd.kubernetes.protobuf";

/// The format of the body; none given means JSON.
pub(crate) fn format(request: &Request) -> Result<Format> {
    match content_type(request) {
        "" | "application/json" => Ok(Format::Json),
        "application/yaml" => Ok(Format::Yaml),
        "application/vnd.kubernetes.protobuf" => Ok(Format::Protobuf),
        _ => Err(Status::new(415, "UnsupportedMediaType", ACCEPTED)),
    }
}

/// The media type without its parameters.
pub(crate) fn content_type(request: &Request) -> &str {
    request.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default().trim()
}
