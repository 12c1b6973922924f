use opsrun_core::{Cx, Effect, Error, Primitive, Result, Span, Value};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::postgres::access::Asked;
use crate::postgres::client::{Client, Mode};
use crate::postgres::exchange::Row;
use crate::postgres::statement;

/// Asks a database, and gives the rows.
///
/// The statement is carried out in a read-only transaction: the server refuses what writes, also by a function. Each row is a map.
/// Whole numbers are numbers, `numeric` too if it has no more than fifteen digits; `timestamptz` is RFC 3339 in UTC, `bytea` is base64,
/// `json` and arrays are maps and arrays; everything else is PostgreSQL's own text.
///
/// ```rhai
/// let late = postgres::query("select id, total from orders where paid_at is null and made_at < $1", #{ args: ["2026-03-01"] });
/// assert(late.len() < 100, "too many orders are unpaid");
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Query {
    /// One statement, with `$1`, `$2` … for its arguments.
    #[arg(positional)]
    sql: String,
    /// The arguments: texts as PostgreSQL reads them, numbers, booleans, `()` for NULL, arrays, maps for `json`.
    #[arg(secret)]
    #[serde(default)]
    args: Vec<Value>,
    /// At most so many rows; without it, more than 10000 are an error.
    limit: Option<u32>,
    /// How long it may take (1 minute).
    timeout: Option<Span>,
    /// One of the target's servers, by name; its own if left out.
    server: Option<String>,
    /// Another database of the server than the target's.
    database: Option<String>,
}

/// What a playbook can hold without having said so.
const MOST: u32 = 10_000;

impl Primitive for Query {
    const PATH: &'static str = "postgres::query";
    const EFFECT: Effect = Effect::Read;
    type Out = Vec<Row>;

    async fn run(self, cx: &Cx) -> Result<Vec<Row>> {
        let client = Client::new(cx, self.server.as_deref(), self.database.as_deref()).await?;
        let client = client.within(self.timeout, None);
        let sql = statement::only(&self.sql)?.to_owned();
        let (arguments, limit) = (self.args, self.limit.unwrap_or(MOST));
        let asked = Asked::query(client.database());
        let answer = client.converse(Mode::Read, asked, move |session| {
            Box::pin(async move { session.extended(&sql, &arguments, Some(limit)).await })
        });
        let answer = answer.await?;
        if answer.more && self.limit.is_none() {
            return Err(Error::invalid(format!("there are more than {MOST} rows"))
                .hint("say with `limit` how many are wanted, or let the database count and sum up"));
        }
        Ok(answer.rows)
    }
}
