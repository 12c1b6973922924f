use opsrun_core::{Cx, Effect, Error, ErrorKind, Inverse, Primitive, Result, Span, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::drop_database;
use crate::postgres::access::Asked;
use crate::postgres::client::{Client, Mode};
use crate::postgres::databases::{self, MAINTENANCE};
use crate::postgres::statement::identifier;

/// Makes a database, empty or as a copy of another one.
///
/// A copy is made of `template`, to which nobody may be connected meanwhile. Undo drops what was made, and ends the sessions in it.
///
/// ```rhai
/// postgres::create_database("orders_copy", #{ template: "orders" });
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct CreateDatabase {
    /// How it is called.
    #[arg(positional)]
    name: String,
    /// The database that it is a copy of (`template1`, which is empty by itself).
    template: Option<String>,
    /// Whose it is; the user's if left out.
    owner: Option<String>,
    /// How long it may take (10 minutes).
    timeout: Option<Span>,
    /// One of the target's servers, by name; its own if left out.
    server: Option<String>,
    /// The database that it is done from (`postgres`).
    from: Option<String>,
}

/// A database that was made.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Made {
    /// How it is called.
    pub(crate) database: String,
}

const TIMEOUT: Span = Span::from_secs(600);

impl Primitive for CreateDatabase {
    const PATH: &'static str = "postgres::create_database";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(drop_database::PATH);
    type Out = Made;

    async fn run(self, cx: &Cx) -> Result<Made> {
        databases::check_name(&self.name)?;
        let from = self.from.as_deref().unwrap_or(MAINTENANCE);
        let client = Client::new(cx, self.server.as_deref(), Some(from)).await?;
        let client = client.within(Some(self.timeout.unwrap_or(TIMEOUT)), None);
        if databases::find(&client, &self.name).await?.is_some() {
            // Or it was made by this very call, before the run broke off.
            if cx.broken_off().is_some_and(|before| before.wrote) {
                return Ok(Made { database: self.name });
            }
            return Err(Error::new(
                ErrorKind::Conflict,
                format!("there is a database `{}` already", self.name),
            )
            .hint("choose another name, or drop it with `postgres::drop_database`"));
        }
        let inverse = json!({ "name": self.name, "server": self.server, "from": self.from });
        let _ = cx.undo(Inverse::call(drop_database::PATH, inverse)).await?;
        create(&client, &self.name, self.template.as_deref(), self.owner.as_deref()).await?;
        Ok(Made { database: self.name })
    }
}

/// Makes a database that was not there. If no answer comes, it is looked for.
pub(crate) async fn create(
    client: &Client,
    name: &str,
    template: Option<&str>,
    owner: Option<&str>,
) -> Result<()> {
    let mut sql = format!("create database {}", identifier(name));
    for (word, value) in [("template", template), ("owner", owner)] {
        if let Some(value) = value {
            sql.push_str(&format!(" {word} {}", identifier(value)));
        }
    }
    let asked = Asked::write("create", name);
    let made = client.converse(Mode::Alone, asked, |session| {
        Box::pin(async move {
            session.committed = true;
            session.simple(&sql).await.map(drop)
        })
    });
    match made.await {
        Err(error) if matches!(error.kind(), ErrorKind::Unreachable | ErrorKind::Timeout) => {
            match databases::find(client, name).await {
                Ok(Some(_)) => Ok(()),
                Ok(None) | Err(_) => Err(error),
            }
        }
        made => made,
    }
}
