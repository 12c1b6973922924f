use opsrun_core::{Cx, Effect, Primitive, Result};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::client::Client;
use crate::elasticache::{self, CacheName, SnapshotOfCache};

/// Lists the snapshots of a cache, the newest first.
///
/// Without a cache it lists those of all of them, also of caches that are deleted.
///
/// ```rhai
/// let newest = elasticache::snapshots("workflow-cache")[0];
/// log(`${newest.name} is ${newest.age} old`);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Snapshots {
    /// The replication group's name.
    #[arg(positional)]
    cache: Option<CacheName>,
    /// Their region; the target's if left out.
    region: Option<String>,
}

impl Primitive for Snapshots {
    const PATH: &'static str = "elasticache::snapshots";
    const EFFECT: Effect = Effect::Read;
    type Out = Vec<SnapshotOfCache>;

    async fn run(self, cx: &Cx) -> Result<Vec<SnapshotOfCache>> {
        let client = Client::new(cx, self.region.as_deref())?;
        elasticache::snapshots(&client, self.cache.as_ref().map(CacheName::as_str)).await
    }
}
