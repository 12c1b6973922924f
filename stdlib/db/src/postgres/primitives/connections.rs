use std::collections::BTreeMap;

use opsrun_core::{Cx, Effect, Primitive, Result, Span};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Serialize;

use crate::postgres::client::Client;
use crate::postgres::sessions::{self, Filter, Open};

/// Tells who is connected to a server, and what they are doing.
///
/// The sessions of all databases are listed, but for the one that asks; those that a filter names are counted and shown. Of sessions of others,
/// a user without the role `pg_read_all_stats` sees neither state nor statement.
///
/// ```rhai
/// let open = postgres::connections();
/// log(`${open.total} of ${open.most} connections, ${open.by_state}`);
/// assert(postgres::connections(#{ transaction_longer_than: 10.m }).total == 0, "somebody holds a transaction open");
/// ```
#[derive(serde::Deserialize, JsonSchema, Args)]
pub(crate) struct Connections {
    /// Only of this user.
    user: Option<String>,
    /// Only of this application.
    application: Option<String>,
    /// Only to this database.
    of_database: Option<String>,
    /// Only in this state: `active`, `idle`, `idle in transaction`.
    state: Option<String>,
    /// Only with a transaction that has been open for longer.
    transaction_longer_than: Option<Span>,
    /// One of the target's servers, by name; its own if left out.
    server: Option<String>,
    /// Another database of the server than the target's.
    database: Option<String>,
}

/// Who is connected.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Connected {
    total: usize,
    /// How many the server takes.
    most: i64,
    by_state: BTreeMap<String, usize>,
    by_user: BTreeMap<String, usize>,
    by_application: BTreeMap<String, usize>,
    /// How many seconds the oldest transaction has been open.
    oldest_transaction: Option<f64>,
    /// Who has been connected longest comes first.
    sessions: Vec<Open>,
}

impl Primitive for Connections {
    const PATH: &'static str = "postgres::connections";
    const EFFECT: Effect = Effect::Read;
    type Out = Connected;

    async fn run(self, cx: &Cx) -> Result<Connected> {
        let client = Client::new(cx, self.server.as_deref(), self.database.as_deref()).await?;
        let filter = Filter {
            pid: None,
            user: self.user,
            application: self.application,
            database: self.of_database,
            state: self.state,
            transaction_longer_than: self.transaction_longer_than,
        };
        let most: Most =
            client.row("select current_setting('max_connections')::int as most", Vec::new()).await?;
        let sessions = sessions::open(&client, &filter).await?;
        let count = |key: fn(&Open) -> &str| {
            sessions.iter().fold(BTreeMap::new(), |mut counts: BTreeMap<String, usize>, session| {
                *counts.entry(key(session).to_owned()).or_default() += 1;
                counts
            })
        };
        let ages = sessions.iter().filter_map(|session| session.transaction_seconds);
        Ok(Connected {
            total: sessions.len(),
            most: most.most,
            by_state: count(|session| session.state.as_deref().unwrap_or("unknown")),
            by_user: count(|session| session.user.as_deref().unwrap_or_default()),
            by_application: count(|session| &session.application),
            oldest_transaction: ages.max_by(f64::total_cmp),
            sessions,
        })
    }
}

#[derive(serde::Deserialize)]
struct Most {
    most: i64,
}
