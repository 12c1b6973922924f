use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use opsrun_core::{Cx, Effect, Error, ErrorKind, Primitive, Result, Span, Value};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use super::ANSWER_WITHIN;
use crate::client::{self, Answer, Request};

/// Waits until an address answers as it should.
///
/// Asks again every `every` until the status is the expected one and the body contains what it should, or `within` is over;
/// then the error says what the last answer was. Redirects are not followed: one is an answer with its status. Address and headers
/// take secrets.
///
/// ```rhai
/// http::check("http://status.example.com/", #{ within: 1.m });
/// http::check("http://status.example.com/", #{ status: [200, 204], contains: "up" });
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Check {
    /// `http://` or `https://` with host and path.
    #[arg(positional, secret)]
    url: String,
    /// The status to wait for, or an array of those that will do (200).
    status: Option<Statuses>,
    /// A text that the body has to contain.
    contains: Option<String>,
    /// What the body, read as JSON, has to contain: a map whose values it must have, at any depth.
    json: Option<Value>,
    /// How long to wait (30 s).
    within: Option<Span>,
    /// How long to pause between attempts (2 s).
    every: Option<Span>,
    /// Further headers.
    #[arg(secret)]
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum Statuses {
    One(u16),
    Any(Vec<u16>),
}

impl Primitive for Check {
    const PATH: &'static str = "http::check";
    const EFFECT: Effect = Effect::Read;
    type Out = Answer;

    async fn run(self, cx: &Cx) -> Result<Answer> {
        let within = self.within.unwrap_or(ANSWER_WITHIN);
        let every = self.every.unwrap_or(Span::from_secs(2));
        let request = Request {
            method: "GET".into(),
            url: self.url.clone(),
            headers: self.headers.clone(),
            ..Request::default()
        };
        let last: Mutex<Option<Error>> = Mutex::new(None);
        let complain = |error: Error| {
            cx.progress(format!("{}: {}", self.url, error.message()));
            *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        };
        let (this, request, complain) = (&self, &request, &complain);
        let found = cx
            .wait(within, every, || async move {
                match client::send(cx, request, ANSWER_WITHIN.min(within)).await {
                    Ok(answer) => match this.complaint(cx, &answer) {
                        None => Ok(Some(answer)),
                        Some(complaint) => {
                            complain(Error::failed(complaint));
                            Ok(None)
                        }
                    },
                    Err(error) if matches!(error.kind(), ErrorKind::Unreachable | ErrorKind::Timeout) => {
                        complain(error);
                        Ok(None)
                    }
                    Err(error) => Err(error),
                }
            })
            .await?;
        found.ok_or_else(|| {
            let error = Error::new(
                ErrorKind::Timeout,
                format!("{} has not answered as it should within {within}", self.url),
            );
            match last.into_inner().unwrap_or_else(PoisonError::into_inner) {
                Some(cause) => error.because(cause),
                None => error,
            }
        })
    }
}

impl Check {
    /// What is not yet as it should be.
    fn complaint(&self, cx: &Cx, answer: &Answer) -> Option<String> {
        let excerpt = |body: &str| excerpt(&cx.shown(body));
        let wanted = match &self.status {
            None => &[200][..],
            Some(Statuses::One(status)) => std::slice::from_ref(status),
            Some(Statuses::Any(statuses)) => statuses,
        };
        if !wanted.contains(&answer.status) {
            let wanted: Vec<String> = wanted.iter().map(u16::to_string).collect();
            let to = answer.headers.get("location").map(|to| format!(" (to {to})")).unwrap_or_default();
            return Some(format!(
                "the status is {}{to}, not {}{}",
                answer.status,
                wanted.join(" or "),
                excerpt(&answer.body)
            ));
        }
        if let Some(text) = self.contains.as_ref().filter(|text| !answer.body.contains(text.as_str())) {
            return Some(format!("the body does not contain `{text}`{}", excerpt(&answer.body)));
        }
        let wanted = self.json.as_ref()?;
        if answer.json.is_null() && !wanted.is_null() {
            return Some(format!("the body is not JSON{}", excerpt(&answer.body)));
        }
        difference("", wanted, &answer.json)
    }
}

/// The first place at which `found` has not what `wanted` says.
fn difference(path: &str, wanted: &Value, found: &Value) -> Option<String> {
    if let (Value::Object(wanted), Value::Object(found)) = (wanted, found) {
        return wanted.iter().find_map(|(key, wanted)| {
            let path = format!("{path}.{key}");
            match found.get(key) {
                Some(found) => difference(&path, wanted, found),
                None => Some(format!("the body has no `{path}`")),
            }
        });
    }
    let same = match (wanted.as_f64(), found.as_f64()) {
        (Some(wanted), Some(found)) => wanted == found,
        _ => wanted == found,
    };
    let path = if path.is_empty() { "the body".to_owned() } else { format!("`{path}` of the body") };
    (!same).then(|| format!("{path} is {found}, not {wanted}"))
}

fn excerpt(body: &str) -> String {
    let line = body.lines().next().unwrap_or_default();
    if line.is_empty() { String::new() } else { format!(": {}", line.chars().take(120).collect::<String>()) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_json_body_may_say_more_than_what_is_wanted_of_it() {
        let found = json!({ "status": "ok", "checks": { "db": 1, "cache": true }, "list": [1, 2] });
        for (wanted, expected) in [
            (json!({}), None),
            (json!({ "status": "ok" }), None),
            (json!({ "checks": { "db": 1.0 } }), None),
            (json!({ "list": [1, 2] }), None),
            (json!({ "status": "up" }), Some("`.status` of the body is \"ok\", not \"up\"")),
            (json!({ "checks": { "cache": false } }), Some("`.checks.cache` of the body is true, not false")),
            (json!({ "checks": { "disk": 1 } }), Some("the body has no `.checks.disk`")),
            (
                json!([]),
                Some(
                    "the body is {\"checks\":{\"cache\":true,\"db\":1},\"list\":[1,2],\"status\":\"ok\"}, not []",
                ),
            ),
        ] {
            assert_eq!(difference("", &wanted, &found).as_deref(), expected, "{wanted}");
        }
    }
}
