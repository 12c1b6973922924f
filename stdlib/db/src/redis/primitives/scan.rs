use bytes::Bytes;
use opsrun_core::{Cx, Effect, Primitive, Result, Span};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::redis::access::Asked;
use crate::redis::client::Client;
use crate::redis::error::Failure;
use crate::redis::resp::Reply;
use crate::redis::session::Session;

/// Lists the keys that a pattern matches, sorted.
///
/// It goes through all keys bit by bit (`SCAN`), so it keeps nobody waiting. A key that is there all the while is found, once; of one that
/// comes or goes meanwhile nobody can tell.
///
/// ```rhai
/// for key in redis::scan("session:*", #{ limit: 100 }).keys { log(key); }
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Scan {
    /// As Redis has them: `*`, `?`, `[a-z]`.
    #[arg(positional)]
    pattern: String,
    /// Only of this type: `string`, `hash`, `list`, `set`, `zset`, `stream`.
    kind: Option<String>,
    /// At most so many (10000).
    limit: Option<usize>,
    /// One of the target's servers, by name; its own if left out.
    server: Option<String>,
    /// The number of the database; the target's if left out.
    database: Option<u32>,
}

/// What was found.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Scanned {
    keys: Vec<String>,
    /// There are more than were wanted.
    more: bool,
    /// Keys that are no texts, and not among those listed.
    binary: usize,
}

const LIMIT: usize = 10_000;
const WITHIN: Span = Span::from_secs(300);

impl Primitive for Scan {
    const PATH: &'static str = "redis::scan";
    const EFFECT: Effect = Effect::Read;
    type Out = Scanned;

    async fn run(self, cx: &Cx) -> Result<Scanned> {
        let client = Client::new(cx, self.server.as_deref(), self.database).await?.within(WITHIN);
        let limit = self.limit.unwrap_or(LIMIT);
        let asked = Asked::read("scan", client.database(), Some(&self.pattern));
        let found = client.converse(asked, move |session| {
            Box::pin(async move {
                let mut found = std::collections::BTreeSet::new();
                let mut cursor = Cursor::new(Some(self.pattern), self.kind);
                while let Some(keys) = cursor.next(session).await? {
                    found.extend(keys);
                    if found.len() > limit {
                        break;
                    }
                }
                Ok(found)
            })
        });
        let found = found.await?;
        let more = found.len() > limit;
        let texts = found.iter().take(limit).map(|key| std::str::from_utf8(key));
        let keys: Vec<String> = texts.filter_map(|text| text.ok().map(str::to_owned)).collect();
        let binary = found.len().min(limit) - keys.len();
        Ok(Scanned { keys, more, binary })
    }
}

/// Goes through the keys of a database.
pub(crate) struct Cursor {
    at: Option<Bytes>,
    pattern: Option<String>,
    kind: Option<String>,
}

impl Cursor {
    pub(crate) fn new(pattern: Option<String>, kind: Option<String>) -> Self {
        Cursor { at: Some(Bytes::from_static(b"0")), pattern, kind }
    }

    /// Some more keys, maybe none; `None` after the last.
    pub(crate) async fn next(&mut self, session: &mut Session) -> Result<Option<Vec<Bytes>>, Failure> {
        let Some(at) = self.at.take() else { return Ok(None) };
        let mut command: Vec<&[u8]> = vec![b"SCAN", &at, b"COUNT", b"1000"];
        for (word, value) in [("MATCH", &self.pattern), ("TYPE", &self.kind)] {
            command.extend(value.iter().flat_map(|value| [word.as_bytes(), value.as_bytes()]));
        }
        let reply = session.ask(&command).await?;
        let Reply::Array(parts) = reply else { return Err(Failure::unexpected("that is no page of keys")) };
        let [Reply::Bytes(next), Reply::Array(keys)] = &parts[..] else {
            return Err(Failure::unexpected("that is no page of keys"));
        };
        self.at = (next.as_ref() != b"0").then(|| next.clone());
        let keys = keys.iter().filter_map(|key| match key {
            Reply::Bytes(key) => Some(key.clone()),
            _ => None,
        });
        Ok(Some(keys.collect()))
    }
}
