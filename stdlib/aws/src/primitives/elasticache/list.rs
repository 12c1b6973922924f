use opsrun_core::{Cx, Effect, Primitive, Result};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::elasticache;

/// Lists the caches of a region by their names.
///
/// ```rhai
/// for cache in elasticache::list() {
///     log(`${cache.name} is ${cache.status}`);
/// }
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct List {
    /// Their region; the target's if left out.
    region: Option<String>,
}

/// What is told of one cache among others.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Listed {
    name: String,
    status: String,
    node_type: String,
    /// Besides the primary, in each shard.
    replicas: usize,
}

impl Primitive for List {
    const PATH: &'static str = "elasticache::list";
    const EFFECT: Effect = Effect::Read;
    type Out = Vec<Listed>;

    async fn run(self, cx: &Cx) -> Result<Vec<Listed>> {
        let found = elasticache::caches(&Client::new(cx, self.region.as_deref())?).await?;
        let listed = found.into_iter().map(|cache| Listed {
            replicas: cache.replicas(),
            name: cache.name,
            status: cache.status,
            node_type: cache.node_type,
        });
        Ok(listed.collect())
    }
}
