use std::path::PathBuf;

use futures::TryStreamExt;
use opsrun_core::{Cx, Effect, Error, Primitive, Result, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::postgres::client::Client;
use crate::postgres::programs::{self, MAGIC};

/// Dumps a database into a file, by PostgreSQL's own `pg_dump`.
///
/// The dump is of one moment, whoever writes meanwhile. It is streamed, in the program's own format (`-Fc`), which `postgres::restore` and `pg_restore`
/// take, and kept only if the program ended well. It needs the grants `program run pg_dump` and `file write PATH`.
///
/// ```rhai
/// let dumped = postgres::dump("backup/orders.dump");
/// assert(dumped.bytes > 0);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Dump {
    /// Where to put it; from the project's folder.
    #[arg(positional)]
    file: PathBuf,
    /// Only these tables, as `pg_dump --table` takes them.
    #[serde(default)]
    tables: Vec<String>,
    /// Of a table that is wanted whole, only what it is made of: no rows of anything.
    #[serde(default)]
    schema_only: bool,
    /// How strongly to compress, 0 to 9 (0: what keeps backups compresses by itself).
    compress: Option<u8>,
    /// One of the target's servers, by name; its own if left out.
    server: Option<String>,
    /// Another database of the server than the target's.
    database: Option<String>,
}

/// A dump that was made.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Dumped {
    bytes: u64,
}

impl Primitive for Dump {
    const PATH: &'static str = "postgres::dump";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::Never("a dump is a copy, and the next one takes its place");
    type Out = Dumped;

    async fn run(self, cx: &Cx) -> Result<Dumped> {
        let client = Client::new(cx, self.server.as_deref(), self.database.as_deref()).await?;
        let compress = self.compress.unwrap_or(0);
        if compress > 9 {
            return Err(Error::invalid(format!("`compress` is 0 to 9, and not {compress}")));
        }
        let mut args =
            vec!["--format=custom".to_owned(), "--no-password".to_owned(), format!("--compress={compress}")];
        args.extend(self.tables.iter().map(|table| format!("--table={table}")));
        args.extend(self.schema_only.then(|| "--schema-only".to_owned()));
        let draft = cx.draft_file(&self.file)?;
        let mut content = programs::output(cx, &client, "pg_dump", args).await?;
        let (place, mut bytes, mut head) = (client.place(), 0_u64, Vec::<u8>::new());
        while let Some(piece) = content.try_next().await? {
            head.extend(piece.iter().take(MAGIC.len() - head.len()));
            draft.write_at(bytes, &piece)?;
            bytes += piece.len() as u64;
            cx.progress(format!("{} MiB of {place}", bytes >> 20));
        }
        if head != MAGIC {
            return Err(Error::failed(format!("what `pg_dump` of {place} gave is no dump")));
        }
        draft.keep(None).await?;
        Ok(Dumped { bytes })
    }
}
