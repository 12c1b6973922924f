use opsrun_core::{Cx, Effect, Primitive, Result};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::postgres::client::Client;

/// Tells which version a server has, and whether it is a replica.
///
/// ```rhai
/// assert(postgres::version().number >= 150000, "this needs PostgreSQL 15");
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Version {
    /// One of the target's servers, by name; its own if left out.
    server: Option<String>,
    /// Another database of the server than the target's.
    database: Option<String>,
}

/// A server's version.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub(crate) struct Found {
    /// `15.8`
    pub(crate) version: String,
    /// To compare: `150008`.
    number: i64,
    /// It follows another server, and takes no writes.
    pub(crate) replica: bool,
}

impl Primitive for Version {
    const PATH: &'static str = "postgres::version";
    const EFFECT: Effect = Effect::Read;
    type Out = Found;

    async fn run(self, cx: &Cx) -> Result<Found> {
        version(&Client::new(cx, self.server.as_deref(), self.database.as_deref()).await?).await
    }
}

pub(crate) async fn version(client: &Client) -> Result<Found> {
    let asked = "select split_part(current_setting('server_version'), ' ', 1) as version, \
                 current_setting('server_version_num')::int as number, pg_is_in_recovery() as replica";
    client.row(asked, Vec::new()).await
}
