use opsrun_core::{Cx, Effect, Error, ErrorKind, Primitive, Result, Span};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use super::replication::{Replicated, replication};
use crate::postgres::client::Client;

/// Waits until replication is no further behind than this.
///
/// Asked of a replica, it is its own lag. Asked of a primary, it is that of all its replicas, or of the one whose application name is given; there
/// has to be one.
///
/// ```rhai
/// postgres::wait_replication(5.s, #{ server: "reports", within: 10.m });
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct WaitReplication {
    /// How far it may be behind.
    #[arg(positional)]
    lag: Span,
    /// Only this replica of a primary.
    application: Option<String>,
    /// How long to wait (5 minutes).
    within: Option<Span>,
    /// One of the target's servers, by name; its own if left out.
    server: Option<String>,
    /// Another database of the server than the target's.
    database: Option<String>,
}

const WITHIN: Span = Span::from_secs(300);
const EVERY: Span = Span::from_secs(1);

impl Primitive for WaitReplication {
    const PATH: &'static str = "postgres::wait_replication";
    const EFFECT: Effect = Effect::Read;
    type Out = Replicated;

    async fn run(self, cx: &Cx) -> Result<Replicated> {
        let client = Client::new(cx, self.server.as_deref(), self.database.as_deref()).await?;
        let within = self.within.unwrap_or(WITHIN);
        let last = std::sync::Mutex::new("it did not say how far".to_owned());
        let caught_up = cx.wait(within, EVERY, || async {
            let found = replication(&client).await?;
            let behind = self.behind(&found);
            let Some(behind) = behind else { return Ok(Some(found)) };
            cx.progress(format!("{}: {behind}", client.place()));
            *last.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = behind;
            Ok(None)
        });
        let caught_up = caught_up.await?;
        caught_up.ok_or_else(|| {
            let behind = last.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
            let message =
                format!("{} is further behind than {} after {within}: {behind}", client.place(), self.lag);
            Error::new(ErrorKind::Timeout, message)
        })
    }
}

impl WaitReplication {
    /// Who is too far behind, in words.
    fn behind(&self, found: &Replicated) -> Option<String> {
        let seconds = self.lag.duration().as_secs_f64();
        if found.role == "replica" {
            return match found.lag_seconds {
                Some(lag) if lag <= seconds => None,
                Some(lag) => Some(format!("the replica is {lag:.0} s behind")),
                None => Some("the replica has applied nothing yet".to_owned()),
            };
        }
        let mut meant = found
            .replicas
            .iter()
            .filter(|replica| self.application.as_ref().is_none_or(|name| *name == replica.application))
            .peekable();
        if meant.peek().is_none() {
            return Some("no such replica is connected".to_owned());
        }
        meant.find_map(|replica| {
            let near = replica.lag_bytes == Some(0) || replica.lag_seconds.is_some_and(|lag| lag <= seconds);
            let lag =
                replica.lag_bytes.map_or_else(|| "unknown".to_owned(), |bytes| format!("{bytes} bytes"));
            (!near).then(|| format!("{} is {lag} behind", replica.application))
        })
    }
}
