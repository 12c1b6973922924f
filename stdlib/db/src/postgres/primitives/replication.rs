use opsrun_core::{Cx, Effect, Primitive, Result};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::version::version;
use crate::postgres::client::Client;

/// Tells whether a server is a primary or a replica, and how far replicas are behind.
///
/// A primary lists the replicas that are connected to it. A replica tells of itself: how much of what it has received is not applied yet, and
/// how long ago the last transaction that it has applied was committed. That is 0 while it has applied all that it has received and
/// receives; if it does not receive, nobody knows what it lacks, so the time counts on.
///
/// ```rhai
/// let replica = postgres::replication(#{ server: "reports" });
/// assert(replica.role == "replica" && replica.lag_seconds < 30.0);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Replication {
    /// One of the target's servers, by name; its own if left out.
    server: Option<String>,
    /// Another database of the server than the target's.
    database: Option<String>,
}

/// How a server takes part in replication.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Replicated {
    /// `primary` or `replica`
    pub(crate) role: &'static str,
    /// Of a primary.
    pub(crate) replicas: Vec<Replica>,
    /// Of a replica: whether it is connected to its primary.
    pub(crate) receives: Option<bool>,
    /// Of a replica: what it has received and not applied.
    pub(crate) lag_bytes: Option<i64>,
    /// Of a replica: how far it is behind; `()` if it has applied nothing since it started.
    pub(crate) lag_seconds: Option<f64>,
}

/// A replica, as its primary sees it.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
pub(crate) struct Replica {
    pub(crate) application: String,
    pub(crate) client: Option<String>,
    /// `streaming`, `catchup`, `backup` …
    pub(crate) state: Option<String>,
    /// `async`, `sync`, `quorum`, `potential`
    pub(crate) sync: Option<String>,
    /// What it has not applied yet.
    pub(crate) lag_bytes: Option<i64>,
    /// How long ago what it applied last was written, as measured lately; `()` if it has applied all.
    pub(crate) lag_seconds: Option<f64>,
}

#[derive(Deserialize)]
struct Behind {
    receives: bool,
    lag_bytes: Option<i64>,
    lag_seconds: Option<f64>,
}

impl Primitive for Replication {
    const PATH: &'static str = "postgres::replication";
    const EFFECT: Effect = Effect::Read;
    type Out = Replicated;

    async fn run(self, cx: &Cx) -> Result<Replicated> {
        let client = Client::new(cx, self.server.as_deref(), self.database.as_deref()).await?;
        replication(&client).await
    }
}

pub(crate) async fn replication(client: &Client) -> Result<Replicated> {
    if !version(client).await?.replica {
        let asked = "select application_name as application, host(client_addr) as client, state, sync_state as sync, \
                     pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::bigint as lag_bytes, \
                     extract(epoch from replay_lag)::float8 as lag_seconds from pg_stat_replication order by 1, 2";
        let replicas = client.rows(asked, Vec::new()).await?;
        return Ok(Replicated {
            role: "primary",
            replicas,
            receives: None,
            lag_bytes: None,
            lag_seconds: None,
        });
    }
    let asked = "select receives, \
                 pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())::bigint as lag_bytes, \
                 case when receives and pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() then 0 \
                 else extract(epoch from now() - pg_last_xact_replay_timestamp()) end::float8 as lag_seconds \
                 from (select exists (select 1 from pg_stat_wal_receiver where status = 'streaming') as receives) receiver";
    let behind: Behind = client.row(asked, Vec::new()).await?;
    Ok(Replicated {
        role: "replica",
        replicas: Vec::new(),
        receives: Some(behind.receives),
        lag_bytes: behind.lag_bytes,
        lag_seconds: behind.lag_seconds,
    })
}
