use std::collections::BTreeMap;

use opsrun_core::{Cx, Effect, Error, ErrorKind, Inverse, Primitive, Result, Span, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::delete;
use crate::client::Client;
use crate::elasticache::{self, Cache, CacheName, SnapshotName};
use crate::rds::MADE_FROM;

/// Makes a cache of a snapshot.
///
/// The snapshot is waited for if it is just being made. What is left out of size and network is as it is with the snapshot's own
/// cache, if there still is one. The cache bears a tag that says of what it was made; if there is one of this name made of this
/// snapshot already, nothing is done, and another one is an error. Undo deletes it.
///
/// ```rhai
/// let made = elasticache::restore("before-1-4-0", "workflow-restored", #{ replicas: 1, wait: 1.h });
/// log(`reached at ${made.cache.address}`);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Restore {
    /// The snapshot's name.
    #[arg(positional)]
    snapshot: SnapshotName,
    /// How the new replication group is called.
    #[arg(positional)]
    cache: CacheName,
    /// The type of its nodes, such as `cache.r7g.large`.
    node_type: Option<String>,
    /// How many nodes it has besides the primary.
    replicas: Option<u32>,
    /// A replica becomes the primary when that is lost.
    automatic_failover: Option<bool>,
    /// Its nodes are in several zones.
    multi_az: Option<bool>,
    /// For how many days automated snapshots stay.
    snapshot_retention: Option<i32>,
    /// What it is for.
    description: Option<String>,
    /// Its network.
    subnet_group: Option<String>,
    /// Who may reach it.
    security_groups: Option<Vec<String>>,
    /// How its engine is set.
    parameter_group: Option<String>,
    /// Tags of the cache.
    #[serde(default)]
    tags: BTreeMap<String, String>,
    /// How long to wait until it is available (1 hour); `0.s` does not wait.
    wait: Option<Span>,
    /// The region of both; the target's if left out.
    region: Option<String>,
}

/// What became of a cache that was wanted.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Made {
    /// It was made now, and was not there already.
    changed: bool,
    cache: Cache,
}

pub(super) const PATH: &str = "elasticache::restore";

impl Primitive for Restore {
    const PATH: &'static str = PATH;
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(delete::PATH);
    type Out = Made;

    async fn run(self, cx: &Cx) -> Result<Made> {
        let client = Client::new(cx, self.region.as_deref())?;
        let within = self.wait.unwrap_or(elasticache::WITHIN);
        let name = self.cache.as_str();
        let made_from = format!("snapshot:{}", self.snapshot);
        let was_there = is_made(&client, name, &made_from, within).await?;
        if !was_there {
            self.make(&client, &made_from, within).await?;
        }
        if !within.duration().is_zero() {
            elasticache::ready_cache(&client, name, within).await?;
        }
        let cache = elasticache::needed_cache(&client, name).await?;
        // Or it was made by this very call, before the run broke off.
        let changed = !was_there || cx.broken_off().is_some_and(|before| before.wrote);
        if !changed {
            cx.info(format!("the cache {name} is there already"));
        }
        Ok(Made { changed, cache })
    }
}

impl Restore {
    async fn make(&self, client: &Client, made_from: &str, within: Span) -> Result<()> {
        let (cx, name) = (client.cx(), self.cache.as_str());
        let patience = if within.duration().is_zero() { elasticache::WITHIN } else { within };
        let snapshot = elasticache::ready_snapshot(client, self.snapshot.as_str(), patience).await?;
        let like = elasticache::whole(client, &snapshot.cache).await?;
        let like = like.as_ref();
        if let Some(shards) = like.map(|like| like.shards.len()).filter(|shards| *shards > 1) {
            return Err(Error::invalid(format!(
                "{} has {shards} shards, and only caches with one are restored from here",
                snapshot.cache
            )));
        }
        let replicas = match (self.replicas, like.map(Cache::replicas)) {
            (Some(replicas), _) => replicas,
            (None, replicas) => replicas.and_then(|replicas| u32::try_from(replicas).ok()).unwrap_or(0),
        };
        let failover = self
            .automatic_failover
            .unwrap_or(replicas > 0 && like.is_some_and(|like| like.automatic_failover));
        if failover && replicas == 0 {
            return Err(Error::invalid(format!("`{PATH}`: {name} has no replica that could take over"))
                .hint("say `replicas: 1` or more, or `automatic_failover: false`"));
        }
        let mut tags = self.tags.clone();
        // What is put back is as it was, and bears none.
        if !cx.call().undoes {
            tags.insert(MADE_FROM.to_owned(), made_from.to_owned());
        }
        let _ = cx.undo(unmake(client, name, made_from)).await?;
        let networks = |like: &Cache| like.security_groups.clone();
        let groups = self.security_groups.clone().or_else(|| like.map(networks));
        let usual = || format!("restored from {}", self.snapshot);
        let asked = client
            .elasticache()
            .create_replication_group()
            .replication_group_id(name)
            .replication_group_description(self.description.clone().unwrap_or_else(usual))
            .snapshot_name(self.snapshot.as_str())
            .cache_node_type(self.node_type.as_ref().unwrap_or(&snapshot.node_type))
            .engine(&snapshot.engine)
            .num_cache_clusters(i32::try_from(replicas + 1).unwrap_or(i32::MAX))
            .automatic_failover_enabled(failover)
            .multi_az_enabled(self.multi_az.unwrap_or(failover && like.is_some_and(|like| like.multi_az)))
            .set_snapshot_retention_limit(self.snapshot_retention)
            .set_cache_subnet_group_name(
                self.subnet_group.clone().or_else(|| like.and_then(|like| like.subnet_group.clone())),
            )
            .set_security_group_ids(groups.filter(|groups| !groups.is_empty()))
            .set_cache_parameter_group_name(
                self.parameter_group.clone().or_else(|| like.and_then(|like| like.parameter_group.clone())),
            )
            .set_tags(elasticache::tags(&tags))
            .send();
        let tried = format!("restoring {name} from the snapshot {}", self.snapshot);
        client.call("elasticache:CreateReplicationGroup", &tried, asked).await.map(drop)
    }
}

/// Whether the cache is there already, made of this. One of this name that is just being deleted is waited for.
async fn is_made(client: &Client, name: &str, made_from: &str, within: Span) -> Result<bool> {
    let Some(found) = elasticache::whole(client, name).await? else { return Ok(false) };
    if found.status == "deleting" {
        elasticache::gone_cache(client, name, within).await?;
        return Ok(false);
    }
    let of = found.tags.get(MADE_FROM).map(String::as_str);
    if of == Some(made_from) || client.cx().call().undoes {
        return Ok(true);
    }
    let place = client.place();
    let message = format!("there is a cache {name} already in {}, {}", place.region, place.account);
    Err(Error::new(ErrorKind::Conflict, message)
        .detail(match of {
            Some(of) => format!("it was made from {of}, not from {made_from}"),
            None => format!("it was not made from {made_from}"),
        })
        .hint("choose another name"))
}

/// What takes back that a cache was made.
fn unmake(client: &Client, name: &str, made_from: &str) -> Inverse {
    let arguments = json!({
        "cache": name,
        "skip_final_snapshot": true,
        "made_from": made_from,
        "region": client.region(),
    });
    Inverse::call(delete::PATH, arguments)
}
