use std::collections::BTreeMap;

use opsrun_core::{Cx, Effect, Error, ErrorKind, Inverse, Primitive, Result, Span, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::delete_snapshot;
use crate::client::Client;
use crate::elasticache::{self, CacheName, SnapshotName, SnapshotOfCache};

/// Makes a snapshot of a cache, and waits until it is available.
///
/// A cache that is just being changed is waited for first. If there is a snapshot of this name of the same cache already, nothing is
/// made; one that has failed is replaced. Undo deletes what was made.
///
/// ```rhai
/// let taken = elasticache::snapshot("workflow-cache", "before-1-4-0", #{ wait: 30.m });
/// assert(taken.snapshot.status == "available");
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Snapshot {
    /// The replication group's name.
    #[arg(positional)]
    cache: CacheName,
    /// How the snapshot is called.
    #[arg(positional)]
    name: SnapshotName,
    /// How long to wait until it is available (1 hour); `0.s` does not wait.
    wait: Option<Span>,
    /// Leave it there when the run is undone: it may be what brings the keys back.
    #[serde(default)]
    keep: bool,
    /// Tags of the snapshot.
    #[serde(default)]
    tags: BTreeMap<String, String>,
    /// The region of both; the target's if left out.
    region: Option<String>,
}

/// What became of a snapshot that was wanted.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Taken {
    /// It was made now, and was not there already.
    changed: bool,
    snapshot: SnapshotOfCache,
}

impl Primitive for Snapshot {
    const PATH: &'static str = "elasticache::snapshot";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(delete_snapshot::PATH);
    type Out = Taken;

    async fn run(self, cx: &Cx) -> Result<Taken> {
        let client = Client::new(cx, self.region.as_deref())?;
        let within = self.wait.unwrap_or(elasticache::WITHIN);
        let name = self.name.as_str();
        let inverse = json!({ "snapshot": self.name, "region": client.region() });
        let inverse = Inverse::call(delete_snapshot::PATH, inverse);
        let found = elasticache::snapshot(&client, name).await?;
        let changed = match found {
            Some(found) if found.cache != self.cache.as_str() => return Err(self.taken_by(&found)),
            Some(found) if found.status == "failed" => {
                cx.info(format!("the snapshot {name} had failed, and is made anew"));
                let _ = cx.undo(inverse).await?;
                delete_snapshot::delete(&client, name).await?;
                self.make(&client, within).await?;
                true
            }
            Some(_) => {
                // Or it was made by this very call, before the run broke off.
                let ours = cx.broken_off().is_some_and(|before| before.wrote);
                if !ours {
                    cx.info(format!("the snapshot {name} of {} is there already", self.cache));
                }
                ours
            }
            None => {
                let slot = cx.undo(inverse).await?;
                self.make(&client, within).await?;
                if self.keep {
                    slot.forget().await?;
                }
                true
            }
        };
        if self.keep {
            let name = format!("aws elasticache snapshot {}/{name}", client.region());
            cx.keep(
                &name,
                "a snapshot that was taken to be safe is kept for whoever has to look into what went wrong",
            );
        }
        let snapshot = match within.duration().is_zero() {
            true => elasticache::needed_snapshot(&client, name).await?,
            false => elasticache::ready_snapshot(&client, name, within).await?,
        };
        Ok(Taken { changed, snapshot })
    }
}

impl Snapshot {
    /// Once the cache is available: AWS makes one at a time.
    async fn make(&self, client: &Client, within: Span) -> Result<()> {
        let found = elasticache::needed_cache(client, self.cache.as_str()).await?;
        if found.status != "available" && !within.duration().is_zero() {
            elasticache::ready_cache(client, self.cache.as_str(), within).await?;
        }
        let asked = client.elasticache().create_snapshot().replication_group_id(self.cache.as_str());
        let asked = asked.snapshot_name(self.name.as_str()).set_tags(elasticache::tags(&self.tags)).send();
        let tried = format!("making the snapshot {} of {}", self.name, self.cache);
        client.call("elasticache:CreateSnapshot", &tried, asked).await.map(drop)
    }

    fn taken_by(&self, other: &SnapshotOfCache) -> Error {
        let message = format!(
            "there is a snapshot {} already, and it is of {}, not of {}",
            self.name, other.cache, self.cache
        );
        Error::new(ErrorKind::Conflict, message)
            .hint("choose another name, or delete it with `elasticache::delete_snapshot`")
    }
}
