use std::collections::BTreeMap;

use opsrun_core::{Cx, Effect, Error, ErrorKind, Inverse, Primitive, Result, Span, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::delete_snapshot;
use crate::client::Client;
use crate::rds::{self, InstanceName, SnapshotName, SnapshotOfDatabase};

/// Makes a snapshot of a database, and waits until it is available.
///
/// A database that is just being changed or backed up is waited for first. If there is a snapshot of this name of the same database
/// already, nothing is made; one that has failed is replaced. Undo deletes what was made.
///
/// ```rhai
/// let taken = rds::snapshot("workflow-prod", "before-1-4-0", #{ wait: 30.m, tags: #{ release: "1.4.0" } });
/// assert(taken.snapshot.status == "available");
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Snapshot {
    /// The instance's name.
    #[arg(positional)]
    instance: InstanceName,
    /// How the snapshot is called.
    #[arg(positional)]
    name: SnapshotName,
    /// How long to wait until it is available (1 hour); `0.s` does not wait.
    wait: Option<Span>,
    /// Leave it there when the run is undone: it may be what brings the data back.
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
    pub(crate) changed: bool,
    pub(crate) snapshot: SnapshotOfDatabase,
}

impl Primitive for Snapshot {
    const PATH: &'static str = "rds::snapshot";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(delete_snapshot::PATH);
    type Out = Taken;

    async fn run(self, cx: &Cx) -> Result<Taken> {
        let client = Client::new(cx, self.region.as_deref())?;
        let within = self.wait.unwrap_or(rds::WITHIN);
        let named = self.name.clone().into();
        let inverse = json!({ "snapshot": self.name, "region": client.region() });
        let inverse = Inverse::call(delete_snapshot::PATH, inverse);
        let found = match rds::snapshot(&client, &named).await? {
            None => self.begin(&client, inverse.clone(), within).await?,
            found => found,
        };
        let changed = match found {
            None => true,
            Some(found) if found.instance != self.instance.as_str() => return Err(self.taken_by(&found)),
            Some(found) if found.status == "failed" => {
                cx.info(format!("the snapshot {named} had failed, and is made anew"));
                let _ = cx.undo(inverse).await?;
                delete_snapshot::delete(&client, &named).await?;
                self.make(&client).await?;
                true
            }
            Some(_) => {
                // Or it was made by this very call, before the run broke off.
                let ours = cx.broken_off().is_some_and(|before| before.wrote);
                if !ours {
                    cx.info(format!("the snapshot {named} of {} is there already", self.instance));
                }
                ours
            }
        };
        if self.keep {
            let name = format!("aws rds snapshot {}/{}", client.region(), self.name);
            cx.keep(
                &name,
                "a snapshot that was taken to be safe is kept for whoever has to look into what went wrong",
            );
        }
        let shown = rds::shown_snapshot(&client, &named).await?;
        let snapshot = match within.duration().is_zero() {
            true => shown,
            false => rds::ready_snapshot(&client, &named, within).await?,
        };
        Ok(Taken { changed, snapshot })
    }
}

impl Snapshot {
    /// Gives the snapshot if it was there already, and was only not seen yet.
    async fn begin(
        &self,
        client: &Client,
        inverse: Inverse,
        within: Span,
    ) -> Result<Option<SnapshotOfDatabase>> {
        self.wait_for_instance(client, within).await?;
        let slot = client.cx().undo(inverse).await?;
        match self.make(client).await {
            Ok(()) if self.keep => slot.forget().await.map(|()| None),
            Ok(()) => Ok(None),
            Err(error) if rds::is_there_already(&error) => {
                rds::shown_snapshot(client, &self.name.clone().into()).await.map(Some)
            }
            Err(error) => Err(error),
        }
    }

    async fn wait_for_instance(&self, client: &Client, within: Span) -> Result<()> {
        let found = rds::needed_instance(client, self.instance.as_str()).await?;
        if found.status != "available" && !within.duration().is_zero() {
            rds::ready_instance(client, self.instance.as_str(), within).await?;
        }
        Ok(())
    }

    async fn make(&self, client: &Client) -> Result<()> {
        let made = client.rds().create_db_snapshot();
        let made = made.db_instance_identifier(self.instance.as_str());
        let made = made.db_snapshot_identifier(self.name.as_str()).set_tags(rds::tags(&self.tags));
        let tried = format!("making the snapshot {} of {}", self.name, self.instance);
        client.call("rds:CreateDBSnapshot", &tried, made.send()).await.map(drop)
    }

    fn taken_by(&self, other: &SnapshotOfDatabase) -> Error {
        let message = format!(
            "there is a snapshot {} already, and it is of {}, not of {}",
            self.name, other.instance, self.instance
        );
        Error::new(ErrorKind::Conflict, message)
            .hint("choose another name, or delete it with `rds::delete_snapshot`")
    }
}
