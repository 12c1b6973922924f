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
            let host = url.split('/').nth(2).unwrap_or_default();
            Err(Error::failed(format!("{host} did not take the message: status {status}"))
                .detail(body.lines().next().unwrap_or_default()))
        }
    }
}
