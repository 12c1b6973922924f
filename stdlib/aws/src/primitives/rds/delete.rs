use opsrun_core::{Cx, Effect, Error, ErrorKind, Inverse, Primitive, Result, Span, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::delete_snapshot::{self, Deleted};
use super::{create_replica, restore};
use crate::client::{Client, unless_outdated};
use crate::rds::{self, Database, InstanceName, MADE_FROM, SnapshotName};

/// Deletes a database, and waits until it is gone.
///
/// Either `final_snapshot` names a snapshot that is made of it last, or `skip_final_snapshot` says that what is in it is lost: nothing
/// is deleted if neither is said. With a final snapshot undo restores the database from it, as it was but for its backups; a replica,
/// of which there is no snapshot, is made anew. If there is no such database, nothing is done.
///
/// ```rhai
/// rds::delete("workflow-old", #{ final_snapshot: "workflow-old-last" });
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Delete {
    /// The instance's name.
    #[arg(positional)]
    instance: InstanceName,
    /// The name of a snapshot that is made of it last.
    final_snapshot: Option<SnapshotName>,
    /// What is in it is lost.
    #[serde(default)]
    skip_final_snapshot: bool,
    /// Take its deletion protection away first.
    #[serde(default)]
    unprotect: bool,
    /// Delete it only if it was made of this (its tag `opsrun:made-from`).
    made_from: Option<String>,
    /// How long to wait until it is gone (1 hour); `0.s` does not wait.
    wait: Option<Span>,
    /// Its region; the target's if left out.
    region: Option<String>,
}

pub(super) const PATH: &str = "rds::delete";

impl Primitive for Delete {
    const PATH: &'static str = PATH;
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(restore::PATH);
    type Out = Deleted;

    async fn run(self, cx: &Cx) -> Result<Deleted> {
        if self.final_snapshot.is_some() == self.skip_final_snapshot {
            return Err(Error::invalid(format!(
                "`rds::delete`: say what is to become of what is in {}",
                self.instance
            ))
            .hint(
                "either `#{ final_snapshot: \"NAME\" }`, or `#{ skip_final_snapshot: true }`, and it is lost",
            ));
        }
        match unless_outdated(cx, rds::OUTDATED, self.once(cx).await).await? {
            Some(done) => Ok(done),
            None => self.once(cx).await,
        }
    }
}

impl Delete {
    async fn once(&self, cx: &Cx) -> Result<Deleted> {
        let client = Client::new(cx, self.region.as_deref())?;
        let within = self.wait.unwrap_or(rds::WITHIN);
        let patience = if within.duration().is_zero() { rds::WITHIN } else { within };
        let name = self.instance.as_str();
        let ours = cx.broken_off().is_some_and(|before| before.wrote);
        // AWS deletes none that is just being changed.
        let can_go = |found: Option<&Database>| {
            found.is_none_or(|found| found.is_settled() || found.status == "deleting")
        };
        let found = rds::while_waiting(&client, name, patience, can_go).await?;
        let Some(found) = found else { return Ok(Deleted { changed: ours }) };
        if let Some(made_from) = &self.made_from
            && found.tags.get(MADE_FROM) != Some(made_from)
        {
            cx.warn(format!("{name} was not made from {made_from}: it is left alone"));
            return Ok(Deleted { changed: false });
        }
        let goes = found.status != "deleting";
        if goes {
            self.delete(&client, &found, patience).await?;
        }
        if !within.duration().is_zero() {
            rds::gone_instance(&client, name, within).await?;
        }
        Ok(Deleted { changed: goes || ours })
    }

    async fn delete(&self, client: &Client, found: &Database, within: Span) -> Result<()> {
        let name = self.instance.as_str();
        if !found.replicas.is_empty() {
            let message = format!("{name} has the replicas `{}`", found.replicas.join("`, `"));
            return Err(Error::new(ErrorKind::Conflict, message)
                .hint("delete or promote them first: they would become databases of their own, for good"));
        }
        if found.replica_of.is_some() && self.final_snapshot.is_some() {
            return Err(Error::invalid(format!(
                "{name} is a replica, and AWS makes no final snapshot of one"
            ))
            .hint("`skip_final_snapshot: true` loses nothing: what is in it is its source's"));
        }
        if found.deletion_protection && !self.unprotect {
            return Err(Error::new(ErrorKind::Conflict, format!("{name} is protected from being deleted"))
                .hint("if it is to go nevertheless: `unprotect: true`"));
        }
        self.record(client, found).await?;
        if found.deletion_protection {
            let asked = client.rds().modify_db_instance().db_instance_identifier(name);
            let asked = asked.deletion_protection(false).apply_immediately(true).send();
            let tried = format!("taking the deletion protection of {name} away");
            client.call("rds:ModifyDBInstance", &tried, asked).await?;
            rds::ready_instance(client, name, within).await?;
        }
        let last = self.final_snapshot.as_ref().map(|name| name.as_str().to_owned());
        let asked = client.rds().delete_db_instance().db_instance_identifier(name);
        let asked = asked.set_final_db_snapshot_identifier(last);
        let asked = asked.skip_final_snapshot(self.skip_final_snapshot).send();
        client.call("rds:DeleteDBInstance", &format!("deleting {name}"), asked).await.map(drop)
    }

    /// Inverses are carried out latest first: the database is restored, and then what it was restored from is deleted.
    async fn record(&self, client: &Client, found: &Database) -> Result<()> {
        let (cx, name) = (client.cx(), self.instance.as_str());
        if let Some(source) = &found.replica_of {
            let _ = cx.undo(again(client, found, source)).await?;
            return Ok(());
        }
        let Some(last) = &self.final_snapshot else {
            let _ = cx.undo(Inverse::none(format!("{name} was deleted without a final snapshot"))).await?;
            return Ok(());
        };
        let snapshot = json!({ "snapshot": last, "region": client.region() });
        let _ = cx.undo(Inverse::call(delete_snapshot::PATH, snapshot)).await?;
        let back = json!({
            "snapshot": last,
            "instance": name,
            "class": found.class,
            "multi_az": found.multi_az,
            "zone": found.zone.as_ref().filter(|_| !found.multi_az),
            "backup_retention": found.backup_retention,
            "subnet_group": found.subnet_group,
            "security_groups": (!found.security_groups.is_empty()).then_some(&found.security_groups),
            "parameter_group": found.parameter_group,
            "deletion_protection": found.deletion_protection,
            "tags": found.tags,
            "region": client.region(),
        });
        let _ = cx.undo(Inverse::call(restore::PATH, back)).await?;
        Ok(())
    }
}

/// What makes a replica anew that was deleted.
fn again(client: &Client, found: &Database, source: &str) -> Inverse {
    let mut parts = source.split(':').skip(3);
    let region = parts.next();
    let arguments = json!({
        "source": source.rsplit(':').next(),
        "source_region": region.unwrap_or(client.region()),
        "instance": found.name,
        "class": found.class,
        "multi_az": found.multi_az,
        "zone": found.zone.as_ref().filter(|_| !found.multi_az),
        "subnet_group": found.subnet_group.as_ref().filter(|_| region.is_some()),
        "security_groups": (!found.security_groups.is_empty()).then_some(&found.security_groups),
        "parameter_group": found.parameter_group,
        "deletion_protection": found.deletion_protection,
        "tags": found.tags,
        "region": client.region(),
    });
    Inverse::call(create_replica::PATH, arguments)
}
