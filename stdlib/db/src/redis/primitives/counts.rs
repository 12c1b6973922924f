use std::collections::BTreeMap;

use opsrun_core::{Cx, Effect, Primitive, Result, Span};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::info::info;
use super::scan::Cursor;
use crate::redis::access::Asked;
use crate::redis::client::Client;
use crate::redis::resp::Reply;

/// Counts keys, by database and, if wanted, by type.
///
/// `types` goes through the keys of one database, at most `sample` of them; it counts what it saw, of which it says how many that were.
///
/// ```rhai
/// let counts = redis::counts(#{ types: true });
/// assert(counts.databases["0"].keys > 0, "there is nothing in it");
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Counts {
    /// Count by type, too.
    #[serde(default)]
    types: bool,
    /// How many keys to look at (100000).
    sample: Option<u64>,
    /// One of the target's servers, by name; its own if left out.
    server: Option<String>,
    /// The number of the database whose types are counted; the target's if left out.
    database: Option<u32>,
}

/// What there is.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Counted {
    /// By number; those without keys are left out.
    databases: BTreeMap<String, OfDatabase>,
    /// Of the keys that were looked at.
    types: BTreeMap<String, u64>,
    /// How many keys were looked at.
    sampled: u64,
}

/// Of one database.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub(crate) struct OfDatabase {
    keys: u64,
    /// Those that end by themselves.
    #[serde(alias = "expires")]
    expiring: u64,
}

const SAMPLE: u64 = 100_000;
const WITHIN: Span = Span::from_secs(300);

impl Primitive for Counts {
    const PATH: &'static str = "redis::counts";
    const EFFECT: Effect = Effect::Read;
    type Out = Counted;

    async fn run(self, cx: &Cx) -> Result<Counted> {
        let client = Client::new(cx, self.server.as_deref(), self.database).await?.within(WITHIN);
        let keyspace =
            info(&client, Some("keyspace".to_owned())).await?.remove("keyspace").unwrap_or_default();
        let databases = keyspace.into_iter().filter_map(|(name, counts)| {
            Some((name.strip_prefix("db")?.to_owned(), OfDatabase::deserialize(counts).ok()?))
        });
        let mut counted = Counted { databases: databases.collect(), types: BTreeMap::new(), sampled: 0 };
        if self.types {
            (counted.types, counted.sampled) = types(&client, self.sample.unwrap_or(SAMPLE)).await?;
        }
        Ok(counted)
    }
}

async fn types(client: &Client, most: u64) -> Result<(BTreeMap<String, u64>, u64)> {
    let asked = Asked::read("scan", client.database(), Some("*"));
    let counted = client.converse(asked, move |session| {
        Box::pin(async move {
            let (mut types, mut seen) = (BTreeMap::new(), 0);
            let mut cursor = Cursor::new(None, None);
            while let Some(keys) = cursor.next(session).await? {
                let commands: Vec<Vec<&[u8]>> =
                    keys.iter().map(|key| vec![b"TYPE".as_slice(), key]).collect();
                for reply in session.ask_all(&commands).await? {
                    // One that has ended in between is of no type.
                    if let Reply::Status(kind) = reply
                        && kind != "none"
                    {
                        *types.entry(kind).or_default() += 1;
                        seen += 1;
                    }
                }
                if seen >= most {
                    break;
                }
            }
            Ok((types, seen))
        })
    });
    counted.await
}
