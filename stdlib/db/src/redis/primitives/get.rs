use opsrun_core::{Cx, Effect, Primitive, Result, Value};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::redis::access::Asked;
use crate::redis::client::Client;
use crate::redis::keyspace;

/// Gives the value at a key; `()` if there is none.
///
/// A string is a text, or `#{ base64: … }` if it is none; a hash is a map, a sorted set a map of scores, a list and a set are arrays. Values of
/// more than 10000 elements or 8 MiB are not given.
///
/// ```rhai
/// assert(redis::get("feature:checkout") == "on");
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Get {
    /// The key.
    #[arg(positional)]
    key: String,
    /// One of the target's servers, by name; its own if left out.
    server: Option<String>,
    /// The number of the database; the target's if left out.
    database: Option<u32>,
}

impl Primitive for Get {
    const PATH: &'static str = "redis::get";
    const EFFECT: Effect = Effect::Read;
    type Out = Value;

    async fn run(self, cx: &Cx) -> Result<Value> {
        let client = Client::new(cx, self.server.as_deref(), self.database).await?;
        let asked = Asked::read("get", client.database(), Some(&self.key));
        let found = client
            .converse(asked, |session| Box::pin(async move { keyspace::value(session, &self.key).await }));
        Ok(found.await?.unwrap_or_default())
    }
}
