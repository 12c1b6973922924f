use opsrun_core::{Cx, Effect, Error, Inverse, Primitive, Result, Span, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::client::Client;
use crate::elasticache::{self, Cache, CacheName};

/// Gives a cache nodes of another type, or more or fewer replicas, and waits until it has them.
///
/// What is left out stays as it is; what is so already is not asked for. Undo gives back what it had.
///
/// ```rhai
/// elasticache::modify("workflow-cache", #{ replicas: 2, wait: 1.h });
/// elasticache::modify("workflow-cache", #{ node_type: "cache.r7g.xlarge" });
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Modify {
    /// The replication group's name.
    #[arg(positional)]
    cache: CacheName,
    /// The type of its nodes: `cache.r7g.large`.
    node_type: Option<String>,
    /// How many nodes it has besides the primary, in each shard.
    replicas: Option<u32>,
    /// How long to wait for each of the two (1 hour).
    wait: Option<Span>,
    /// Its region; the target's if left out.
    region: Option<String>,
}

/// What became of a cache.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Modified {
    /// It was otherwise until now.
    changed: bool,
    cache: Cache,
}

const PATH: &str = "elasticache::modify";

impl Primitive for Modify {
    const PATH: &'static str = PATH;
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(PATH);
    type Out = Modified;

    async fn run(self, cx: &Cx) -> Result<Modified> {
        if self.node_type.is_none() && self.replicas.is_none() {
            return Err(Error::invalid(format!(
                "`{PATH}`: nothing says what is to be changed of {}",
                self.cache
            ))
            .hint("`#{ replicas: 2 }`, or `#{ node_type: \"cache.r7g.large\" }`"));
        }
        let client = Client::new(cx, self.region.as_deref())?;
        let (name, within) = (self.cache.as_str(), self.wait.unwrap_or(elasticache::WITHIN));
        elasticache::needed_cache(&client, name).await?;
        let found = elasticache::ready_cache(&client, name, within).await?;
        let (now, replicas) =
            (found.replicas(), self.replicas.and_then(|wanted| usize::try_from(wanted).ok()));
        let node_type = self.node_type.as_ref().filter(|wanted| **wanted != found.node_type);
        let replicas = replicas.filter(|wanted| *wanted != now);
        if node_type.is_some() || replicas.is_some() {
            let inverse = json!({
                "cache": name,
                "node_type": node_type.map(|_| &found.node_type),
                "replicas": replicas.map(|_| now),
                "region": client.region(),
            });
            let _ = cx.undo(Inverse::call(PATH, inverse)).await?;
        }
        if let Some(node_type) = node_type {
            let asked = client.elasticache().modify_replication_group().replication_group_id(name);
            let asked = asked.cache_node_type(node_type).apply_immediately(true).send();
            let tried = format!("giving {name} nodes of {node_type}");
            client.call("elasticache:ModifyReplicationGroup", &tried, asked).await?;
            let is_so = |found: Option<&Cache>| {
                found.is_none_or(|found| found.is_settled() && found.node_type == *node_type)
            };
            elasticache::while_waiting(&client, name, within, is_so).await?;
        }
        if let Some(wanted) = replicas {
            self.have(&client, wanted, now, within).await?;
        }
        let changed = node_type.is_some() || replicas.is_some();
        let cache = elasticache::needed_cache(&client, name).await?;
        Ok(Modified { changed: changed || cx.broken_off().is_some_and(|before| before.wrote), cache })
    }
}

impl Modify {
    async fn have(&self, client: &Client, wanted: usize, now: usize, within: Span) -> Result<()> {
        let name = self.cache.as_str();
        let count = i32::try_from(wanted).unwrap_or(i32::MAX);
        let tried = format!("giving {name} {wanted} replicas instead of {now}");
        if wanted > now {
            let asked = client.elasticache().increase_replica_count().replication_group_id(name);
            let asked = asked.new_replica_count(count).apply_immediately(true).send();
            client.call("elasticache:IncreaseReplicaCount", &tried, asked).await?;
        } else {
            let asked = client.elasticache().decrease_replica_count().replication_group_id(name);
            let asked = asked.new_replica_count(count).apply_immediately(true).send();
            client.call("elasticache:DecreaseReplicaCount", &tried, asked).await?;
        }
        let is_so = |found: Option<&Cache>| {
            found.is_none_or(|found| found.is_settled() && found.replicas() == wanted)
        };
        elasticache::while_waiting(client, name, within, is_so).await.map(drop)
    }
}
