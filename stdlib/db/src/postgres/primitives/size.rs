use opsrun_core::{Cx, Effect, Primitive, Result};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::postgres::client::Client;

/// Tells how large a database is.
///
/// ```rhai
/// assert(postgres::size().bytes < 50000000000, "there is no room for a copy");
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Size {
    /// One of the target's servers, by name; its own if left out.
    server: Option<String>,
    /// Another database of the server than the target's.
    database: Option<String>,
}

/// How large it is.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub(crate) struct Sized {
    database: String,
    /// On the disk, with indexes.
    bytes: i64,
}

impl Primitive for Size {
    const PATH: &'static str = "postgres::size";
    const EFFECT: Effect = Effect::Read;
    type Out = Sized;

    async fn run(self, cx: &Cx) -> Result<Sized> {
        let client = Client::new(cx, self.server.as_deref(), self.database.as_deref()).await?;
        let asked = "select current_database() as database, pg_database_size(current_database()) as bytes";
        client.row(asked, Vec::new()).await
    }
}
