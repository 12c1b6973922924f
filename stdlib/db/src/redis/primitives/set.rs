use std::sync::Arc;

use opsrun_core::{Cx, Effect, Error, ErrorKind, Primitive, Result, Span, Undo, UndoSlot};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::redis::access::Asked;
use crate::redis::client::Client;
use crate::redis::error::Failure;
use crate::redis::keyspace::{self, Former, PUT_BACK, Place};
use crate::redis::resp::Reply;
use crate::redis::session::Session;

/// Puts a text at a key, in place of what is there.
///
/// Nothing is sent if it is there already and is to last as long as it does. Undo puts back what was there, of any type, with the time that it
/// had left, by the content that Redis itself gives (`DUMP`); values of more than 1 MiB are not kept for that, and the run says so.
///
/// ```rhai
/// redis::set("feature:checkout", "off");
/// redis::set("maintenance", "backup", #{ expire: 15.m });
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Set {
    /// The key.
    #[arg(positional)]
    key: String,
    /// The value.
    #[arg(positional, secret)]
    value: String,
    /// End it after so long; it stays if left out.
    expire: Option<Span>,
    /// One of the target's servers, by name; its own if left out.
    server: Option<String>,
    /// The number of the database; the target's if left out.
    database: Option<u32>,
}

/// What became of it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Put {
    /// It was not there before.
    changed: bool,
}

/// How often somebody else may come in between.
const TRIES: u32 = 10;

impl Primitive for Set {
    const PATH: &'static str = "redis::set";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(PUT_BACK);
    type Out = Put;

    async fn run(self, cx: &Cx) -> Result<Put> {
        let client = Client::new(cx, self.server.as_deref(), self.database).await?;
        let place = Place { key: self.key.clone(), database: client.database(), server: self.server.clone() };
        let (watching, key, value, lasting) =
            (cx.clone(), self.key.clone(), self.value.clone(), self.expire.is_none());
        let looked =
            client.converse(Asked::read("get", client.database(), Some(&self.key)), move |session| {
                Box::pin(async move {
                    let former = keyspace::former(session, &watching, &key).await?;
                    let lasts = lasting && former.as_ref().is_some_and(|former| former.expires_at.is_none());
                    let same = lasts && holds(session, &key, &value).await?;
                    Ok((former, same))
                })
            });
        let (former, same) = looked.await?;
        if same {
            return Ok(Put { changed: false });
        }
        let slot = Arc::new(cx.undo(place.inverse(cx, former.as_ref())).await?);
        let asked = Asked::write("set", client.database(), Some(&self.key));
        let writing = Writing { set: self, place, former, slot, cx: cx.clone() };
        client.converse(asked, |session| Box::pin(async move { writing.write(session).await })).await?;
        Ok(Put { changed: true })
    }
}

/// Whether this text is at the key. Of another type, it is not.
async fn holds(session: &mut Session, key: &str, value: &str) -> Result<bool, Failure> {
    match session.ask(&[b"GET", key.as_bytes()]).await {
        Ok(Reply::Bytes(bytes)) => Ok(bytes.as_ref() == value.as_bytes()),
        Ok(_) => Ok(false),
        Err(Failure::Refused(said)) if said.starts_with("WRONGTYPE") => Ok(false),
        Err(failure) => Err(failure),
    }
}

struct Writing {
    set: Set,
    place: Place,
    former: Option<Former>,
    slot: Arc<UndoSlot>,
    cx: Cx,
}

impl Writing {
    /// Writes if what was there is what is recorded to be put back; who came in between is recorded instead.
    async fn write(mut self, session: &mut Session) -> Result<(), Failure> {
        let (key, value) = (self.set.key.clone(), self.set.value.clone());
        let expire = self.set.expire.map(|span| span.duration().as_millis().to_string());
        for _ in 0..TRIES {
            session.ask(&[b"WATCH", key.as_bytes()]).await?;
            let now = keyspace::former(session, &self.cx, &key).await?;
            if now.as_ref().map(|now| &now.dump) != self.former.as_ref().map(|former| &former.dump) {
                self.slot.refine(self.place.inverse(&self.cx, now.as_ref())).await?;
                self.former = now;
            }
            let mut set: Vec<&[u8]> = vec![b"SET", key.as_bytes(), value.as_bytes()];
            set.extend(expire.iter().flat_map(|millis| [b"PX".as_slice(), millis.as_bytes()]));
            session.ask_all(&[vec![b"MULTI"], set]).await?;
            session.sent = true;
            // Nothing: the key was changed since it is watched.
            if session.ask(&[b"EXEC"]).await? != Reply::Nil {
                return Ok(());
            }
            session.sent = false;
        }
        let message = format!("`{key}` is changed by others all the time");
        Err(Error::new(ErrorKind::Conflict, message).into())
    }
}
