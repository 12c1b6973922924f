use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use opsrun_core::{Cx, Effect, Error, ErrorKind, Primitive, Result, Span};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use super::ANSWER_WITHIN;
use crate::client::{self, Answer, Request};

/// Waits until an address answers as it should.
///
/// Asks again every `every` until the status is the expected one and the body contains what it should, or `within` is over;
/// then the error says what the last answer was.
///
/// ```rhai
/// http::check("http://status.example.com/", #{ within: 1.m });
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Check {
    /// `http://` or `https://` with host and path.
    #[arg(positional)]
    url: String,
    /// The status to wait for (200).
    status: Option<u16>,
    /// A text that the body has to contain.
    contains: Option<String>,
    /// How long to wait (30 s).
    within: Option<Span>,
    /// How long to pause between attempts (2 s).
    every: Option<Span>,
    /// Further headers.
    #[serde(default)]
    headers: BTreeMap<String, String>,
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
                    Ok(answer) => match this.complaint(&answer) {
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
    fn complaint(&self, answer: &Answer) -> Option<String> {
        let expected = self.status.unwrap_or(200);
        if answer.status != expected {
            return Some(format!("the status is {}, not {expected}{}", answer.status, excerpt(&answer.body)));
        }
        match &self.contains {
            Some(text) if !answer.body.contains(text.as_str()) => {
                Some(format!("the body does not contain `{text}`{}", excerpt(&answer.body)))
            }
            _ => None,
        }
    }
}

fn excerpt(body: &str) -> String {
    let line = body.lines().next().unwrap_or_default();
    if line.is_empty() { String::new() } else { format!(": {}", line.chars().take(120).collect::<String>()) }
}
