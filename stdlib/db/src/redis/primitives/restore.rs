use std::path::PathBuf;

use opsrun_core::{Cx, Effect, Primitive, Result, Span, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::file_content;
use crate::redis::client::Client;
use crate::redis::restoring::{self, Contents, WITHIN};
use crate::redis::wanted::Wanted;

/// Brings a snapshot of `redis::snapshot`, or any RDB file, back into a server: each key into the database that it was in, with the time at which it ends.
///
/// All of the file is read before anything is written: one that is damaged, that is newer than the server, or that has what it cannot take is refused.
/// Nothing is written over: where there are keys already, it is refused without `clean`. With it, all keys of the server go first, or of the `database`, or those that
/// `keys` match. A server takes keys one by one: if it dies half-way, what was written stays, and `clean` begins anew.
///
/// ```rhai
/// redis::restore("backup/cache.rdb", #{ keys: ["session:*"], clean: true });
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Restore {
    /// The file; from the project's folder.
    #[arg(positional)]
    file: PathBuf,
    /// Take away first what is there.
    #[serde(default)]
    clean: bool,
    /// Only keys like these, as `redis::scan` takes them, of one database: `database`, or the target's.
    #[serde(default)]
    keys: Vec<String>,
    /// How long it may take (1 hour).
    within: Option<Span>,
    /// One of the target's servers, by name; its own if left out.
    server: Option<String>,
    /// Only the database of this number; all if left out.
    database: Option<u32>,
}

impl Primitive for Restore {
    const PATH: &'static str = "redis::restore";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::Never(
        "a server does not take keys back one and all: what stood there comes back from a snapshot alone, and `redis::flush` or `redis::del` takes away what was brought back",
    );
    type Out = Contents;

    async fn run(self, cx: &Cx) -> Result<Contents> {
        let client = Client::new(cx, self.server.as_deref(), self.database).await?;
        let client = client.within(self.within.unwrap_or(WITHIN));
        let wanted = Wanted::new(self.database, client.database(), self.keys, self.clean);
        restoring::preflight(&client, &wanted, file_content(cx, self.file.clone())).await?;
        restoring::bring_back(&client, &wanted, file_content(cx, self.file)).await
    }
}
