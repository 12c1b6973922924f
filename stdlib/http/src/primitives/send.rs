use std::collections::BTreeMap;

use opsrun_core::{Cx, Effect, Primitive, Result, Settle, Span, Undo, Value};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use super::ANSWER_WITHIN;
use crate::client::{self, Answer, Request};

/// Sends an HTTP request and gives the whole answer.
///
/// An error status is an answer, not an error: look at `status`, or use `http::check`. Redirects are not followed. Address, headers
/// and body take secrets; where the answer repeats one, it is hidden.
///
/// ```rhai
/// let answer = http::request("GET", "http://status.example.com/");
/// assert(answer.status == 200, "the status page is down");
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Send {
    /// `GET`, `POST`, …
    #[arg(positional)]
    method: String,
    /// `http://` or `https://` with host and path.
    #[arg(positional, secret)]
    url: String,
    /// Further headers.
    #[arg(secret)]
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// The body as it is.
    #[arg(secret)]
    body: Option<String>,
    /// The body as JSON.
    #[arg(secret)]
    json: Option<Value>,
    /// How long the answer may take (30 s).
    timeout: Option<Span>,
}

impl Primitive for Send {
    const PATH: &'static str = "http::request";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo =
        Undo::Never("what a request changed at the other side, only the other side can take back");
    const SETTLE: Settle = Settle::Look("whether the request arrived is known at the other side only");
    type Out = Answer;

    async fn run(self, cx: &Cx) -> Result<Answer> {
        let request = Request {
            method: self.method,
            url: self.url,
            headers: self.headers,
            body: self.body,
            json: self.json,
        };
        client::send(cx, &request, self.timeout.unwrap_or(ANSWER_WITHIN)).await
    }
}
