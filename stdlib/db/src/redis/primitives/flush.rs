use opsrun_core::{Cx, Effect, Primitive, Result, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::redis::access::Asked;
use crate::redis::client::Client;
use crate::redis::error::Failure;
use crate::redis::resp::Reply;

/// Deletes all keys of a database.
///
/// Nothing brings them back but a snapshot that was taken before: `redis::snapshot`.
///
/// ```rhai
/// redis::snapshot("before-flush.rdb");
/// redis::flush(#{ database: 2 });
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Flush {
    /// One of the target's servers, by name; its own if left out.
    server: Option<String>,
    /// The number of the database; the target's if left out.
    database: Option<u32>,
}

/// What became of it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Flushed {
    /// How many keys there were.
    keys: i64,
}

impl Primitive for Flush {
    const PATH: &'static str = "redis::flush";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::Never("keys that were flushed come back from a snapshot alone");
    type Out = Flushed;

    async fn run(self, cx: &Cx) -> Result<Flushed> {
        let client = Client::new(cx, self.server.as_deref(), self.database).await?;
        let looked = client.converse(Asked::read("scan", client.database(), None), |session| {
            Box::pin(async move {
                match session.ask(&[b"DBSIZE"]).await? {
                    Reply::Integer(keys) => Ok(keys),
                    other => Err(Failure::unexpected(&format!("{other:?} instead of a number"))),
                }
            })
        });
        let keys = looked.await?;
        if keys > 0 {
            let flushed = client.converse(Asked::write("flush", client.database(), None), |session| {
                Box::pin(async move {
                    session.sent = true;
                    session.ask(&[b"FLUSHDB"]).await.map(drop)
                })
            });
            flushed.await?;
        }
        Ok(Flushed { keys })
    }
}
