use opsrun_core::{Cx, Effect, Error, ErrorKind, Inverse, Primitive, Result, Span, Undo, Value};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::client::Client;
use crate::elasticache::{self, Cache, CacheName};

/// Makes a replica of a cache its primary, and waits until it is.
///
/// Nobody can write to it meanwhile, for about a minute. AWS chooses the replica; with `to` this is done again until it is that one, as
/// often as there are nodes. Undo fails over back to the former primary.
///
/// ```rhai
/// let over = elasticache::failover("workflow-cache");
/// log(`from ${over.from} to ${over.to}`);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Failover {
    /// The replication group's name; it has automatic failover.
    #[arg(positional)]
    cache: CacheName,
    /// The node that is to be the primary: `workflow-cache-002`.
    to: Option<String>,
    /// Which part of it (`0001`).
    shard: Option<String>,
    /// How long to wait each time (1 hour).
    wait: Option<Span>,
    /// Its region; the target's if left out.
    region: Option<String>,
}

/// Where the primary went.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct FailedOver {
    /// It went elsewhere now, and was not there already.
    changed: bool,
    /// The node.
    from: String,
    to: String,
}

const PATH: &str = "elasticache::failover";
const ONLY_SHARD: &str = "0001";

impl Primitive for Failover {
    const PATH: &'static str = PATH;
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(PATH);
    type Out = FailedOver;

    async fn run(self, cx: &Cx) -> Result<FailedOver> {
        let client = Client::new(cx, self.region.as_deref())?;
        let within = self.wait.unwrap_or(elasticache::WITHIN);
        let name = self.cache.as_str();
        elasticache::needed_cache(&client, name).await?;
        let found = elasticache::ready_cache(&client, name, within).await?;
        let now = self.primary(&found)?;
        // A run that broke off has written down where it was.
        let recorded = cx.broken_off().and_then(|before| former(&before.inverses));
        let from = recorded.unwrap_or_else(|| now.clone());
        let is_wanted = |node: &String| self.to.as_ref().is_none_or(|to| to == node);
        if now != from && is_wanted(&now) {
            return Ok(FailedOver { changed: true, from, to: now });
        }
        if self.to.as_ref() == Some(&now) {
            return Ok(FailedOver { changed: false, from, to: now });
        }
        let nodes = self.may(&found)?;
        let inverse = json!({ "cache": name, "to": from, "shard": self.shard(), "region": client.region() });
        let _ = cx.undo(Inverse::call(PATH, inverse)).await?;
        let mut now = now;
        for _ in 0..nodes {
            now = self.once(&client, &now, within).await?;
            if is_wanted(&now) {
                return Ok(FailedOver { changed: true, from, to: now });
            }
        }
        let to = self.to.as_deref().unwrap_or_default();
        Err(Error::failed(format!(
            "{name} was failed over {nodes} times, and AWS chose {now} last, never {to}"
        ))
        .hint("it can be failed over again: `elasticache::failover` with `to`"))
    }
}

impl Failover {
    fn shard(&self) -> &str {
        self.shard.as_deref().unwrap_or(ONLY_SHARD)
    }

    fn primary(&self, found: &Cache) -> Result<String> {
        let shard = found.shard(self.shard()).ok_or_else(|| {
            let names: Vec<&str> = found.shards.iter().map(|shard| shard.name.as_str()).collect();
            Error::not_found(format!("{} has no shard {}", found.name, self.shard()))
                .hint(format!("there are `{}`", names.join("`, `")))
        })?;
        shard.primary.clone().ok_or_else(|| {
            Error::failed(format!("AWS does not say which node of {} takes writes", found.name))
                .hint("of caches with shards it does not: fail them over in the console, one by one")
        })
    }

    /// How many nodes there are, if it can fail over at all.
    fn may(&self, found: &Cache) -> Result<usize> {
        let nodes = found.shard(self.shard()).map_or(0, |shard| shard.nodes.len());
        if nodes < 2 || !found.automatic_failover {
            let why = if nodes < 2 { "no replica" } else { "no automatic failover" };
            let message = format!("{} has {why}, and cannot fail over", found.name);
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        if let (Some(to), Some(shard)) = (&self.to, found.shard(self.shard()))
            && shard.nodes.iter().all(|node| node.name != *to)
        {
            let names: Vec<&str> = shard.nodes.iter().map(|node| node.name.as_str()).collect();
            return Err(Error::invalid(format!("{} has no node {to}", found.name))
                .hint(format!("there are `{}`", names.join("`, `"))));
        }
        Ok(nodes)
    }

    /// Gives the new primary.
    async fn once(&self, client: &Client, from: &str, within: Span) -> Result<String> {
        let name = self.cache.as_str();
        let asked = client.elasticache().test_failover();
        let asked = asked.replication_group_id(name).node_group_id(self.shard()).send();
        client.call("elasticache:TestFailover", &format!("failing over {name} from {from}"), asked).await?;
        let shard = self.shard();
        let is_over = |found: Option<&Cache>| {
            found.is_none_or(|found| {
                let primary = found.shard(shard).and_then(|shard| shard.primary.as_deref());
                found.is_settled() && primary.is_some_and(|primary| primary != from)
            })
        };
        let over = elasticache::while_waiting(client, name, within, is_over).await?;
        let gone = || Error::not_found(format!("the cache {name} is gone: somebody has deleted it"));
        self.primary(&over.ok_or_else(gone)?)
    }
}

/// The node that an inverse goes back to.
fn former(inverses: &[Inverse]) -> Option<String> {
    let Inverse::Call { args, .. } = inverses.first()? else { return None };
    args.get("to").and_then(Value::as_str).map(str::to_owned)
}
