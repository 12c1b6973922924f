use opsrun_core::{Cx, Effect, Primitive, Result};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::client::Client;
use crate::elasticache::{self, Cache, CacheName};

/// Tells what a cache is and how it is: its nodes, which of them takes writes, where it is reached.
///
/// If there is none of this name, the error names those that there are.
///
/// ```rhai
/// let cache = elasticache::describe("workflow-cache");
/// assert(cache.status == "available" && cache.shards[0].nodes.len() > 1);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Describe {
    /// The replication group's name.
    #[arg(positional)]
    cache: CacheName,
    /// Its region; the target's if left out.
    region: Option<String>,
}

impl Primitive for Describe {
    const PATH: &'static str = "elasticache::describe";
    const EFFECT: Effect = Effect::Read;
    type Out = Cache;

    async fn run(self, cx: &Cx) -> Result<Cache> {
        elasticache::needed_cache(&Client::new(cx, self.region.as_deref())?, self.cache.as_str()).await
    }
}
