//! In which form an answer is wanted: the `Accept` header, and what it selects.
//! It knows media types and their parameters, and renders bytes; it knows no resource.

use bytes::Bytes;
use serde_json::Value;

use crate::request::Request;
use crate::status::{Result, Status};

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Media {
    pub(crate) encoding: Encoding,
    pub(crate) view: View,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Json,
    /// Indented: for people with curl, and `?pretty=true`.
    PrettyJson,
    Yaml,
}

/// What of an object is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    Whole,
    /// `as=Table;g=meta.k8s.io;v=v1`
    Table,
    /// `as=PartialObjectMetadata` and `…List`
    Metadata,
}

impl Media {
    pub(crate) const JSON: Self = Self { encoding: Encoding::Json, view: View::Whole };

    /// What the request accepts, with the other forms that resources have.
    pub(crate) fn of(request: &Request) -> Result<Self> {
        Self::choose(request, true)
    }

    /// The encoding for an error: never refuses.
    pub(crate) fn of_error(request: &Request) -> Self {
        let chosen = Self::choose(request, true).unwrap_or(Self::JSON);
        Self { view: View::Whole, ..chosen }
    }

    fn choose(request: &Request, views: bool) -> Result<Self> {
        let accept = request.header("accept").unwrap_or_default();
        let json = if wants_pretty(request) { Encoding::PrettyJson } else { Encoding::Json };
        if accept.trim().is_empty() {
            return Ok(Self { encoding: json, view: View::Whole });
        }
        let mut refused_view = false;
        for clause in clauses(accept) {
            let encoding = match clause.media {
                "*/*" | "application/*" | "application/json" => json,
                "application/yaml" => Encoding::Yaml,
                _ => continue,
            };
            let view = match clause.parameter("as") {
                None => View::Whole,
                Some(kind) if views && clause.is_meta_v1() => match kind {
                    "Table" => View::Table,
                    "PartialObjectMetadata" | "PartialObjectMetadataList" => View::Metadata,
                    _ => {
                        refused_view = true;
                        continue;
                    }
                },
                Some(_) => {
                    refused_view = true;
                    continue;
                }
            };
            return Ok(Self { encoding, view });
        }
        Err(if refused_view { only_these() } else { not_acceptable() })
    }

    pub(crate) fn content_type(self) -> &'static str {
        match self.encoding {
            Encoding::Json | Encoding::PrettyJson => "application/json",
            Encoding::Yaml => "application/yaml",
        }
    }

    pub(crate) fn encode(self, value: &Value) -> Bytes {
        // A Value has only text keys and finite numbers: it can always be written.
        let mut text = match self.encoding {
            Encoding::Json => serde_json::to_string(value).expect("a JSON value"),
            Encoding::PrettyJson => serde_json::to_string_pretty(value).expect("a JSON value"),
            Encoding::Yaml => serde_saphyr::to_string(value).expect("a JSON value"),
        };
        if !text.ends_with('\n') {
            text.push('\n');
        }
        text.into()
    }
}

/// One alternative of an Accept header.
pub(crate) struct Clause<'a> {
    pub(crate) media: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
}

impl<'a> Clause<'a> {
    pub(crate) fn parameter(&self, name: &str) -> Option<&'a str> {
        self.parameters.iter().find(|(key, _)| *key == name).map(|(_, value)| *value)
    }

    fn is_meta_v1(&self) -> bool {
        self.parameter("g") == Some("meta.k8s.io") && self.parameter("v") == Some("v1")
    }

    fn quality(&self) -> f32 {
        self.parameter("q").and_then(|q| q.parse().ok()).unwrap_or(1.0)
    }
}

/// The alternatives, the most wanted first; equal ones in the order given.
pub(crate) fn clauses(accept: &str) -> Vec<Clause<'_>> {
    let mut clauses: Vec<Clause<'_>> = accept
        .split(',')
        .map(|clause| {
            let mut parts = clause.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default();
            let parameters = parts.filter_map(|part| part.split_once('=')).collect();
            Clause { media, parameters }
        })
        .collect();
    clauses.sort_by(|a, b| b.quality().total_cmp(&a.quality()));
    clauses
}

fn wants_pretty(request: &Request) -> bool {
    match request.query.get("pretty") {
        Some(value) => !matches!(value, "0" | "false"),
        None => ["curl", "Wget", "Mozilla/5.0"]
            .iter()
            .any(|agent| request.header("user-agent").is_some_and(|ua| ua.starts_with(agent))),
    }
}

fn not_acceptable() -> Status {
    let message = "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml, \
        application/vnd.kubernetes.protobuf";
    Status::new(406, "NotAcceptable", message).with_details(serde_json::json!({}))
}

fn only_these() -> Status {
    let message = "only the following media types are accepted: application/json, application/yaml, \
        application/vnd.kubernetes.protobuf, application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch";
    Status::new(406, "NotAcceptable", message)
}
