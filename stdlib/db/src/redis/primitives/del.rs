use opsrun_core::{Cx, Effect, Error, Primitive, Result, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::redis::access::Asked;
use crate::redis::client::Client;
use crate::redis::keyspace::{self, PUT_BACK, Place};

/// Deletes keys; those that are not there are none to delete.
///
/// Undo puts back what was there, as that of `redis::set` does. Who writes to a key in the moment in which it is deleted may lose that.
///
/// ```rhai
/// redis::del("lock:import");
/// let stale = redis::scan("cache:orders:*", #{ limit: 500 }).keys;
/// redis::del(stale);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Del {
    /// A key, or an array of them; at most 1000.
    #[arg(positional)]
    keys: Keys,
    /// One of the target's servers, by name; its own if left out.
    server: Option<String>,
    /// The number of the database; the target's if left out.
    database: Option<u32>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum Keys {
    One(String),
    Several(Vec<String>),
}

/// What became of them.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Deleted {
    /// Those that were there.
    keys: Vec<String>,
}

const MOST: usize = 1000;

impl Primitive for Del {
    const PATH: &'static str = "redis::del";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(PUT_BACK);
    type Out = Deleted;

    async fn run(self, cx: &Cx) -> Result<Deleted> {
        let client = Client::new(cx, self.server.as_deref(), self.database).await?;
        let keys = match self.keys {
            Keys::One(key) => vec![key],
            Keys::Several(keys) => keys,
        };
        if keys.len() > MOST {
            let message = format!("these are {} keys, and {MOST} are taken at once", keys.len());
            return Err(Error::invalid(message).hint("delete them in several calls"));
        }
        let mut deleted = Vec::new();
        for key in keys {
            let place = Place { key: key.clone(), database: client.database(), server: self.server.clone() };
            let (watching, looked_at) = (cx.clone(), key.clone());
            let looked = client.converse(Asked::read("get", client.database(), Some(&key)), |session| {
                Box::pin(async move { keyspace::former(session, &watching, &looked_at).await })
            });
            let Some(former) = looked.await? else { continue };
            let _ = cx.undo(place.inverse(cx, Some(&former))).await?;
            let (asked, gone) = (Asked::write("del", client.database(), Some(&key)), key.clone());
            let removed = client.converse(asked, |session| {
                Box::pin(async move {
                    session.sent = true;
                    session.ask(&[b"DEL", gone.as_bytes()]).await.map(drop)
                })
            });
            removed.await?;
            deleted.push(key);
        }
        Ok(Deleted { keys: deleted })
    }
}
