use opsrun_core::{Cx, Effect, Primitive, Result, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::postgres::access::Asked;
use crate::postgres::client::{Client, Mode};
use crate::postgres::databases::{self, MAINTENANCE};
use crate::postgres::statement::identifier;

pub(crate) const PATH: &str = "postgres::drop_database";

/// Drops a database with all that is in it, and ends the sessions in it.
///
/// If there is none, nothing is done.
///
/// ```rhai
/// postgres::drop_database("orders_copy");
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct DropDatabase {
    /// How it is called.
    #[arg(positional)]
    name: String,
    /// One of the target's servers, by name; its own if left out.
    server: Option<String>,
    /// The database that it is done from (`postgres`).
    from: Option<String>,
}

/// What became of it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Dropped {
    /// It was there.
    changed: bool,
}

impl Primitive for DropDatabase {
    const PATH: &'static str = PATH;
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::Never("a database that was dropped comes back from a backup alone");
    type Out = Dropped;

    async fn run(self, cx: &Cx) -> Result<Dropped> {
        databases::check_name(&self.name)?;
        let from = self.from.as_deref().unwrap_or(MAINTENANCE);
        let client = Client::new(cx, self.server.as_deref(), Some(from)).await?;
        if databases::find(&client, &self.name).await?.is_none() {
            let ours = cx.broken_off().is_some_and(|before| before.wrote);
            return Ok(Dropped { changed: ours });
        }
        let sql = format!("drop database if exists {} with (force)", identifier(&self.name));
        let asked = Asked::write("drop", &self.name);
        let dropped = client.converse(Mode::Alone, asked, |session| {
            Box::pin(async move {
                session.committed = true;
                session.simple(&sql).await.map(drop)
            })
        });
        dropped.await?;
        Ok(Dropped { changed: true })
    }
}
