use opsrun_core::{Cx, Effect, Error, ErrorKind, Inverse, Primitive, Result, Span, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::create_database::{Made, create};
use super::drop_database;
use crate::postgres::client::Client;
use crate::postgres::databases::{self, MAINTENANCE};

/// Makes a database under a name that nobody else has, to restore into and to look at.
///
/// Undo drops it, and `postgres::drop_database` does so before that.
///
/// ```rhai
/// let scratch = postgres::throwaway_database("verify").database;
/// postgres::exec("create table seen (id bigint)", #{ database: scratch, no_undo: "the database is dropped" });
/// postgres::drop_database(scratch);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct ThrowawayDatabase {
    /// What its name begins with.
    #[arg(positional)]
    prefix: String,
    /// The database that it is a copy of (`template1`, which is empty by itself).
    template: Option<String>,
    /// How long it may take (10 minutes).
    timeout: Option<Span>,
    /// One of the target's servers, by name; its own if left out.
    server: Option<String>,
    /// The database that it is done from (`postgres`).
    from: Option<String>,
}

const TIMEOUT: Span = Span::from_secs(600);
/// A number that is taken already is as likely as two in four billion.
const TRIES: u32 = 3;

impl Primitive for ThrowawayDatabase {
    const PATH: &'static str = "postgres::throwaway_database";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(drop_database::PATH);
    type Out = Made;

    async fn run(self, cx: &Cx) -> Result<Made> {
        let from = self.from.as_deref().unwrap_or(MAINTENANCE);
        let client = Client::new(cx, self.server.as_deref(), Some(from)).await?;
        let client = client.within(Some(self.timeout.unwrap_or(TIMEOUT)), None);
        if let Some(earlier) = earlier(cx)
            && databases::find(&client, &earlier).await?.is_some()
        {
            return Ok(Made { database: earlier });
        }
        for _ in 0..TRIES {
            let name = format!("{}_{:08x}", self.prefix, cx.random() >> 32);
            databases::check_name(&name)?;
            if databases::find(&client, &name).await?.is_some() {
                continue;
            }
            let inverse = json!({ "name": name, "server": self.server, "from": self.from });
            let _ = cx.undo(Inverse::call(drop_database::PATH, inverse)).await?;
            create(&client, &name, self.template.as_deref(), None).await?;
            return Ok(Made { database: name });
        }
        let message = format!("all names tried that begin with `{}_` are taken", self.prefix);
        Err(Error::new(ErrorKind::Conflict, message)
            .hint("drop what was left over, or choose another prefix"))
    }
}

/// The name under which this call made one before its run broke off.
fn earlier(cx: &Cx) -> Option<String> {
    let before = cx.broken_off().filter(|before| before.wrote)?;
    before.inverses.iter().find_map(|inverse| match inverse {
        Inverse::Call { args, .. } => args.get("name").and_then(Value::as_str).map(str::to_owned),
        Inverse::None { .. } => None,
    })
}
