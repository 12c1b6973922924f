use opsrun_core::{Cx, Effect, Error, ErrorKind, Primitive, Result, Span};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use super::version::{Found, version};
use crate::postgres::client::Client;

/// Waits until a server takes connections, and gives its version.
///
/// A server that cannot be reached, is starting, or has no connection left is asked again every two seconds. A wrong password or an unknown
/// database is an error at once.
///
/// ```rhai
/// postgres::wait_ready(#{ within: 10.m });
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct WaitReady {
    /// How long to wait (5 minutes).
    within: Option<Span>,
    /// One of the target's servers, by name; its own if left out.
    server: Option<String>,
    /// Another database of the server than the target's.
    database: Option<String>,
}

const WITHIN: Span = Span::from_secs(300);
const EVERY: Span = Span::from_secs(2);

impl Primitive for WaitReady {
    const PATH: &'static str = "postgres::wait_ready";
    const EFFECT: Effect = Effect::Read;
    type Out = Found;

    async fn run(self, cx: &Cx) -> Result<Found> {
        let client = Client::new(cx, self.server.as_deref(), self.database.as_deref()).await?;
        let within = self.within.unwrap_or(WITHIN);
        let last = std::sync::Mutex::new(None);
        let found = cx.wait(within, EVERY, || async {
            match version(&client).await {
                Ok(found) => Ok(Some(found)),
                Err(error) if matches!(error.kind(), ErrorKind::Unreachable | ErrorKind::Timeout) => {
                    cx.progress(error.message());
                    *last.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(error);
                    Ok(None)
                }
                Err(error) => Err(error),
            }
        });
        let found = found.await?;
        found.ok_or_else(|| {
            let error =
                Error::new(ErrorKind::Timeout, format!("{} is not ready after {within}", client.place()));
            match last.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
                Some(last) => error.because(last),
                None => error,
            }
        })
    }
}
