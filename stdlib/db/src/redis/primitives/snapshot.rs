use std::path::PathBuf;

use futures::TryStreamExt;
use opsrun_core::{Cx, Effect, Primitive, Result, Span, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::redis::client::Client;
use crate::redis::rdb;

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
        let draft = cx.draft_file(&self.file)?;
        let mut content = rdb::fetched(client).await?;
        let (mut bytes, mut head) = (0_u64, Vec::new());
        while let Some(piece) = content.try_next().await? {
            head.extend(piece.iter().take(rdb::HEAD - head.len()));
            draft.write_at(bytes, &piece)?;
            bytes += piece.len() as u64;
        }
        let version = rdb::version(&head)?;
        draft.keep(None).await?;
        Ok(Fetched { bytes, version })
    }
}
