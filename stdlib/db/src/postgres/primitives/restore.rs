use std::path::{Path, PathBuf};
use std::pin::Pin;

use opsrun_core::{Cx, Effect, Error, Primitive, Result, Running, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::postgres::client::Client;
use crate::postgres::programs::{self, MAGIC, PIECE};

/// Restores a dump of `postgres::dump` into a database, by PostgreSQL's own `pg_restore`.
///
/// All of it is one transaction: if anything of it fails, nothing is there. Into a database that is in use it is seldom wanted: restore into a new one, look, and swap
/// the two with `postgres::rename_database`, which can be taken back. It needs the grant `program run pg_restore`.
///
/// ```rhai
/// let beside = postgres::throwaway_database("orders").database;
/// postgres::restore("backup/orders.dump", #{ database: beside });
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Restore {
    /// The dump; from the project's folder.
    #[arg(positional)]
    file: PathBuf,
    /// Drop what is to be restored, where it is there already.
    #[serde(default)]
    clean: bool,
    /// Only these tables, as `pg_restore --table` takes them.
    #[serde(default)]
    tables: Vec<String>,
    /// Leave to whom things belonged, and who may do what with them, as the dump has it; else all is the user's.
    #[serde(default)]
    owners: bool,
    /// One of the target's servers, by name; its own if left out.
    server: Option<String>,
    /// Another database of the server than the target's.
    database: Option<String>,
}

/// A dump that was restored.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Restored {
    bytes: u64,
}

const PROGRAM: &str = "pg_restore";

impl Primitive for Restore {
    const PATH: &'static str = "postgres::restore";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::Never(
        "what a dump was restored over is gone; restored into a database of its own, that can be dropped",
    );
    type Out = Restored;

    async fn run(self, cx: &Cx) -> Result<Restored> {
        let client = Client::new(cx, self.server.as_deref(), self.database.as_deref()).await?;
        if cx.read_file_part(&self.file, 0, MAGIC.len())? != MAGIC {
            return Err(Error::invalid(format!("`{}` is no dump of `postgres::dump`", self.file.display())));
        }
        let mut args: Vec<String> =
            ["--exit-on-error", "--single-transaction", "--no-password"].map(str::to_owned).to_vec();
        args.push(format!("--dbname={}", client.database()));
        if !self.owners {
            args.extend(["--no-owner", "--no-privileges"].map(str::to_owned));
        }
        if self.clean {
            args.extend(["--clean", "--if-exists"].map(str::to_owned));
        }
        args.extend(self.tables.iter().map(|table| format!("--table={table}")));
        let running = cx.start_program(programs::program(&client, PROGRAM, args, true)).await?;
        let Running { input, mut output, ended } = running;
        let place = client.place();
        let mut printed = Vec::new();
        let (fed, _, end) =
            futures::future::join3(feed(cx, &self.file, input), output.read_to_end(&mut printed), ended)
                .await;
        // Why it did not take its input is told by how it ended.
        programs::ended(cx, PROGRAM, &place, &end?)?;
        Ok(Restored { bytes: fed? })
    }
}

/// Gives a program a file as its input.
async fn feed(cx: &Cx, file: &Path, mut input: Pin<Box<dyn AsyncWrite + Send>>) -> Result<u64> {
    let failed =
        |error: std::io::Error| Error::failed(format!("`{PROGRAM}` does not take its input: {error}"));
    let mut at = 0_u64;
    loop {
        let piece = cx.read_file_part(file, at, PIECE)?;
        if piece.is_empty() {
            input.shutdown().await.map_err(failed)?;
            return Ok(at);
        }
        input.write_all(&piece).await.map_err(failed)?;
        at += piece.len() as u64;
        cx.progress(format!("{} MiB restored", at >> 20));
    }
}
