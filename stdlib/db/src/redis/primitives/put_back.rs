use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use opsrun_core::{Cx, Effect, Error, ErrorKind, Primitive, Result, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::redis::access::Asked;
use crate::redis::client::Client;
use crate::redis::keyspace::{self, PUT_BACK, Place};

/// Makes a key as it was: what undo calls.
///
/// ```rhai
/// redis::put_back("lock:import");  // nothing was there
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct PutBack {
    /// The key.
    #[arg(positional)]
    key: String,
    /// What was there, as `DUMP` gives it, in base64; nothing if left out.
    dump: Option<String>,
    /// When that was to end; never if left out.
    #[schemars(with = "Option<String>")]
    expires_at: Option<Timestamp>,
    /// One of the target's servers, by name; its own if left out.
    server: Option<String>,
    /// The number of the database; the target's if left out.
    database: Option<u32>,
}

impl Primitive for PutBack {
    const PATH: &'static str = PUT_BACK;
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(PUT_BACK);
    type Out = ();

    async fn run(self, cx: &Cx) -> Result<()> {
        let client = Client::new(cx, self.server.as_deref(), self.database).await?;
        let dump = self.dump.as_ref().map(|dump| BASE64_STANDARD.decode(dump)).transpose();
        let dump = dump.map_err(|error| Error::invalid(format!("`dump` is no base64: {error}")))?;
        // What has ended since would not be there now.
        let left = self.expires_at.map(|at| at.as_millisecond() - cx.now().as_millisecond());
        let dump = dump.filter(|_| left.is_none_or(|left| left > 0));
        let (watching, key) = (cx.clone(), self.key.clone());
        let looked = client.converse(Asked::read("get", client.database(), Some(&self.key)), |session| {
            Box::pin(async move { keyspace::former(session, &watching, &key).await })
        });
        let former = looked.await?;
        if former.is_none() && dump.is_none() {
            return Ok(());
        }
        let place = Place { key: self.key.clone(), database: client.database(), server: self.server.clone() };
        let _ = cx.undo(place.inverse(cx, former.as_ref())).await?;
        let asked =
            Asked::write(if dump.is_some() { "restore" } else { "del" }, client.database(), Some(&self.key));
        // It is the same done twice: where no answer came, it is done again.
        let putting = Putting { key: self.key, dump, left };
        match putting.put(&client, asked.clone()).await {
            Err(error) if matches!(error.kind(), ErrorKind::Unreachable | ErrorKind::Timeout) => {
                putting.put(&client, asked).await
            }
            put => put,
        }
    }
}

#[derive(Clone)]
struct Putting {
    key: String,
    dump: Option<Vec<u8>>,
    /// How many milliseconds it has left.
    left: Option<i64>,
}

impl Putting {
    async fn put(&self, client: &Client, asked: Asked) -> Result<()> {
        let putting = self.clone();
        let put = client.converse(asked, move |session| {
            Box::pin(async move {
                session.sent = true;
                let key = putting.key.as_bytes();
                let left = putting.left.unwrap_or_default().to_string();
                match &putting.dump {
                    Some(dump) => {
                        session.ask(&[b"RESTORE", key, left.as_bytes(), dump, b"REPLACE"]).await.map(drop)
                    }
                    None => session.ask(&[b"DEL", key]).await.map(drop),
                }
            })
        });
        put.await
    }
}
