use opsrun_core::{Cx, Effect, Error, Inverse, Primitive, Result, Span, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{delete_snapshot, restore};
use crate::client::Client;
use crate::elasticache::{self, Cache, CacheName, SnapshotName};
use crate::primitives::rds::Deleted;
use crate::rds::MADE_FROM;

/// Deletes a cache, and waits until it is gone.
///
/// Either `final_snapshot` names a snapshot that is made of it last, or `skip_final_snapshot` says that what is in it is lost: nothing
/// is deleted if neither is said. With a final snapshot undo restores the cache from it. If there is no such cache, nothing is done.
///
/// ```rhai
/// elasticache::delete("workflow-old", #{ final_snapshot: "workflow-old-last" });
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Delete {
    /// The replication group's name.
    #[arg(positional)]
    cache: CacheName,
    /// The name of a snapshot that is made of it last.
    final_snapshot: Option<SnapshotName>,
    /// What is in it is lost.
    #[serde(default)]
    skip_final_snapshot: bool,
    /// Delete it only if it was made of this (its tag `opsrun:made-from`).
    made_from: Option<String>,
    /// How long to wait until it is gone (1 hour); `0.s` does not wait.
    wait: Option<Span>,
    /// Its region; the target's if left out.
    region: Option<String>,
}

pub(super) const PATH: &str = "elasticache::delete";

impl Primitive for Delete {
    const PATH: &'static str = PATH;
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(restore::PATH);
    type Out = Deleted;

    async fn run(self, cx: &Cx) -> Result<Deleted> {
        if self.final_snapshot.is_some() == self.skip_final_snapshot {
            let message = format!("`{PATH}`: say what is to become of what is in {}", self.cache);
            return Err(Error::invalid(message).hint(
                "either `#{ final_snapshot: \"NAME\" }`, or `#{ skip_final_snapshot: true }`, and it is lost",
            ));
        }
        let client = Client::new(cx, self.region.as_deref())?;
        let within = self.wait.unwrap_or(elasticache::WITHIN);
        let patience = if within.duration().is_zero() { elasticache::WITHIN } else { within };
        let name = self.cache.as_str();
        let ours = cx.broken_off().is_some_and(|before| before.wrote);
        // AWS deletes none that is just being changed.
        let can_go = |found: Option<&Cache>| {
            found.is_none_or(|found| found.is_settled() || found.status == "deleting")
        };
        elasticache::while_waiting(&client, name, patience, can_go).await?;
        let Some(found) = elasticache::whole(&client, name).await? else {
            return Ok(Deleted { changed: ours });
        };
        if let Some(made_from) = &self.made_from
            && found.tags.get(MADE_FROM) != Some(made_from)
        {
            cx.warn(format!("{name} was not made from {made_from}: it is left alone"));
            return Ok(Deleted { changed: false });
        }
        let goes = found.status != "deleting";
        if goes {
            self.record(&client, &found).await?;
            let last = self.final_snapshot.as_ref().map(|name| name.as_str().to_owned());
            let asked = client.elasticache().delete_replication_group().replication_group_id(name);
            let asked = asked.set_final_snapshot_identifier(last).send();
            client.call("elasticache:DeleteReplicationGroup", &format!("deleting {name}"), asked).await?;
        }
        if !within.duration().is_zero() {
            elasticache::gone_cache(&client, name, within).await?;
        }
        Ok(Deleted { changed: goes || ours })
    }
}

impl Delete {
    /// Inverses are carried out latest first: the cache is restored, and then what it was restored from is deleted.
    async fn record(&self, client: &Client, found: &Cache) -> Result<()> {
        let cx = client.cx();
        let Some(last) = &self.final_snapshot else {
            let why = format!("{} was deleted without a final snapshot", found.name);
            let _ = cx.undo(Inverse::none(why)).await?;
            return Ok(());
        };
        let snapshot = json!({ "snapshot": last, "region": client.region() });
        let _ = cx.undo(Inverse::call(delete_snapshot::PATH, snapshot)).await?;
        let back = json!({
            "snapshot": last,
            "cache": found.name,
            "node_type": found.node_type,
            "replicas": found.replicas(),
            "automatic_failover": found.automatic_failover,
            "multi_az": found.multi_az,
            "snapshot_retention": found.snapshot_retention,
            "description": found.description,
            "subnet_group": found.subnet_group,
            "security_groups": found.security_groups,
            "parameter_group": found.parameter_group,
            "tags": found.tags,
            "region": client.region(),
        });
        let _ = cx.undo(Inverse::call(restore::PATH, back)).await?;
        Ok(())
    }
}
