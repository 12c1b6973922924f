use std::path::PathBuf;

use opsrun_core::{Cx, Effect, Error, FileDraft, Primitive, Result, Span, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::redis::access::Asked;
use crate::redis::client::Client;
use crate::redis::rdb::{Arrived, Payload};

/// Fetches a snapshot of a whole server into a file, as a replica would (`PSYNC`).
///
/// The server makes it of one moment, in the background. The file is Redis' own (RDB): a server started with it has all databases as they were. It is
/// streamed, and kept only if it is whole and its checksum is right. A server that does not let the user replicate can still `redis::save`.
///
/// ```rhai
/// let taken = redis::snapshot("backup/cache.rdb");
/// log(`${taken.bytes} bytes`);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Snapshot {
    /// Where to put it; from the project's folder.
    #[arg(positional)]
    file: PathBuf,
    /// How long it may take (1 hour).
    within: Option<Span>,
    /// One of the target's servers, by name; its own if left out.
    server: Option<String>,
}

/// A snapshot that was fetched.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Fetched {
    bytes: u64,
    /// Of the form that Redis' snapshots have.
    version: u32,
}

const WITHIN: Span = Span::from_secs(3600);

impl Primitive for Snapshot {
    const PATH: &'static str = "redis::snapshot";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::Never("a snapshot is a copy, and the next one takes its place");
    type Out = Fetched;

    async fn run(self, cx: &Cx) -> Result<Fetched> {
        let client =
            Client::new(cx, self.server.as_deref(), None).await?.within(self.within.unwrap_or(WITHIN));
        let (draft, watching) = (cx.draft_file(&self.file)?, cx.clone());
        let place = client.place();
        let fetched = client.converse(Asked::read("sync", client.database(), None), |session| {
            Box::pin(async move {
                session.ask(&[b"REPLCONF", b"capa", b"eof"]).await?;
                session.put(&[b"PSYNC", b"?", b"-1"]);
                session.flush().await?;
                let begun = session.line().await?;
                if let Some(said) = begun.strip_prefix('-') {
                    return Err(crate::redis::error::Failure::Refused(said.to_owned()));
                }
                let payload = Payload::announced(&session.line().await?)?;
                let mut arriving =
                    Arriving { draft, arrived: Arrived::new(payload), told: 0, cx: watching, place };
                while !arriving.take(&mut session.inbox)? {
                    session.receive().await?;
                }
                Ok(arriving)
            })
        });
        let arriving = fetched.await.map_err(|error| match error.message().contains("NOPERM") || error.message().contains("unknown command") {
            true => error.hint("the server does not let this user replicate; `redis::save` has it write a snapshot of its own"),
            false => error,
        })?;
        let (bytes, version) = arriving.arrived.checked()?;
        arriving.draft.keep(None).await?;
        Ok(Fetched { bytes, version })
    }
}

/// A snapshot on its way into a file.
struct Arriving {
    draft: Box<dyn FileDraft>,
    arrived: Arrived,
    told: u64,
    cx: Cx,
    place: String,
}

impl Arriving {
    /// Takes what was received; says whether that was the end.
    fn take(&mut self, inbox: &mut bytes::BytesMut) -> Result<bool, Error> {
        let at = self.arrived.bytes();
        let piece = self.arrived.take(inbox);
        self.draft.write_at(at, &piece)?;
        let megabytes = self.arrived.bytes() >> 20;
        if megabytes > self.told {
            self.told = megabytes;
            self.cx.progress(format!("{megabytes} MiB of {}", self.place));
        }
        Ok(self.arrived.is_whole())
    }
}
