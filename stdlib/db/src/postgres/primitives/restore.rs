use std::path::PathBuf;

use opsrun_core::{Cx, Effect, Error, Primitive, Result, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::file_content;
use crate::postgres::client::Client;
use crate::postgres::programs::{self, MAGIC};

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
        let bytes = programs::input(cx, &client, "pg_restore", args, file_content(cx, self.file)).await?;
        Ok(Restored { bytes })
    }
}
