//! The primitives of the module `notify`, one file each.

mod slack;
mod webhook;

pub(crate) use slack::Slack;
pub(crate) use webhook::Webhook;

use opsrun_core::{Cx, Error, Result, Span, Value};
use opsrun_http::{Answer, Request};
use schemars::JsonSchema;
use serde::Serialize;

/// That it arrived.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Delivered {
    /// The receiver's status code.
    status: u16,
}

/// Posts `json`, and takes any status but a 2xx for an error.
async fn deliver(
    cx: &Cx,
    url: &str,
    json: Value,
    headers: std::collections::BTreeMap<String, String>,
) -> Result<Delivered> {
    let (host, path) = parts(url);
    if path.len() >= SHORTEST_SECRET {
        cx.hide("webhook", path);
    }
    let request = Request {
        method: "POST".into(),
        url: url.to_owned(),
        headers,
        json: Some(json),
        ..Request::default()
    };
    let Answer { status, body, .. } = opsrun_http::send(cx, &request, Span::from_secs(30)).await?;
    match status {
        200..=299 => Ok(Delivered { status }),
        _ => {
            // The path of a webhook is its password: only the host is named.
            let error = Error::failed(format!("{host} did not take the message: status {status}"));
            Err(match cx.shown(&body).lines().next() {
                Some(line) => error.detail(line.chars().take(LONGEST_EXCERPT).collect::<String>()),
                None => error,
            })
        }
    }
}

/// What is shorter is no password, and to hide it would hide other words.
const SHORTEST_SECRET: usize = 20;
const LONGEST_EXCERPT: usize = 300;

/// Host, and path without its first slash; of whatever was given as an address.
fn parts(url: &str) -> (&str, &str) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split_once('/').unwrap_or((rest, ""))
}
