use jiff::Timestamp;
use opsrun_core::{Cx, Effect, Error, ErrorKind, Primitive, Result, Span, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::info::info;
use crate::redis::access::Asked;
use crate::redis::client::Client;
use crate::redis::error::Failure;
use crate::redis::resp::Reply;

/// Has a server write a snapshot of its own, in the background, and waits until it has.
///
/// The file stays with the server. Where replication is allowed, `redis::snapshot` fetches one.
///
/// ```rhai
/// let saved = redis::save(#{ within: 10.m });
/// log(`the server has a snapshot of ${saved.at}`);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Save {
    /// How long to wait (10 minutes).
    within: Option<Span>,
    /// One of the target's servers, by name; its own if left out.
    server: Option<String>,
}

/// A snapshot that a server has written.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Saved {
    /// When it was done, by the server's clock, to the second.
    #[schemars(with = "String")]
    at: Timestamp,
}

const WITHIN: Span = Span::from_secs(600);
const EVERY: Span = Span::from_millis(500);

impl Primitive for Save {
    const PATH: &'static str = "redis::save";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::Never("a snapshot is a copy, and the next one takes its place");
    type Out = Saved;

    async fn run(self, cx: &Cx) -> Result<Saved> {
        let client = Client::new(cx, self.server.as_deref(), None).await?;
        let within = self.within.unwrap_or(WITHIN);
        let begun = client.converse(Asked::write("save", client.database(), None), |session| {
            Box::pin(async move {
                session.sent = true;
                // `SCHEDULE`: one that rewrites its log does so first.
                session.ask(&[b"BGSAVE", b"SCHEDULE"]).await.map(drop)
            })
        });
        match begun.await {
            // It is at it already; that one may lack what was written since it began, so another one follows.
            Err(error) if error.message().contains("already in progress") => {
                idle(&client, within).await?;
                return Err(error.hint("another snapshot was being written, and is done now: try again"));
            }
            begun => begun?,
        }
        idle(&client, within).await?;
        let persistence =
            info(&client, Some("persistence".to_owned())).await?.remove("persistence").unwrap_or_default();
        if persistence.get("rdb_last_bgsave_status").is_some_and(|status| status != "ok") {
            return Err(Error::failed(format!("{} could not write its snapshot", client.place()))
                .hint("look at its log, and at the room on its disk"));
        }
        let last = client.converse(Asked::read("info", client.database(), None), |session| {
            Box::pin(async move {
                match session.ask(&[b"LASTSAVE"]).await? {
                    Reply::Integer(seconds) => Ok(seconds),
                    other => Err(Failure::unexpected(&format!("{other:?} instead of a time"))),
                }
            })
        });
        let at = Timestamp::from_second(last.await?)
            .map_err(|error| Error::failed(format!("the server's time: {error}")))?;
        Ok(Saved { at })
    }
}

/// Waits until no snapshot is being written.
async fn idle(client: &Client, within: Span) -> Result<()> {
    let done = client.cx().wait(within, EVERY, || async {
        let persistence =
            info(client, Some("persistence".to_owned())).await?.remove("persistence").unwrap_or_default();
        let number =
            |name: &str| persistence.get(name).and_then(serde_json::Value::as_i64).unwrap_or_default();
        Ok((number("rdb_bgsave_in_progress") == 0).then_some(()))
    });
    done.await?.ok_or_else(|| {
        Error::new(
            ErrorKind::Timeout,
            format!("{} is still writing its snapshot after {within}", client.place()),
        )
    })
}
