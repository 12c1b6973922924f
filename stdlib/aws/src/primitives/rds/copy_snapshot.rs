use std::collections::BTreeMap;

use opsrun_core::{Cx, Effect, Error, ErrorKind, Inverse, Primitive, Result, Span, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::delete_snapshot;
use super::snapshot::Taken;
use crate::client::Client;
use crate::rds::{self, SnapshotName, SnapshotOfDatabase, SnapshotRef};

/// Copies a snapshot, also to another region, and waits until the copy is available.
///
/// If there is a copy of this name already, nothing is done; one that has failed is replaced. Undo deletes the copy.
///
/// ```rhai
/// rds::copy_snapshot("before-1-4-0", #{ from_region: "us-west-2", region: "us-east-1", wait: 2.h });
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct CopySnapshot {
    /// The snapshot's name; its ARN if another account shares it.
    #[arg(positional)]
    snapshot: SnapshotRef,
    /// The copy's name; the snapshot's if left out.
    to: Option<SnapshotName>,
    /// The snapshot's region; the copy's if left out.
    from_region: Option<String>,
    /// Of an encrypted snapshot in another region, the key of the copy's region to encrypt with (`alias/aws/rds`).
    kms_key: Option<String>,
    /// Tags of the copy, beyond the snapshot's own.
    #[serde(default)]
    tags: BTreeMap<String, String>,
    /// How long to wait until it is available (1 hour); `0.s` does not wait.
    wait: Option<Span>,
    /// The copy's region; the target's if left out.
    region: Option<String>,
}

impl Primitive for CopySnapshot {
    const PATH: &'static str = "rds::copy_snapshot";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(delete_snapshot::PATH);
    type Out = Taken;

    async fn run(self, cx: &Cx) -> Result<Taken> {
        let client = Client::new(cx, self.region.as_deref())?;
        let within = self.wait.unwrap_or(rds::WITHIN);
        let there = match &self.snapshot {
            SnapshotRef::Arn { region, .. } => region.clone(),
            SnapshotRef::Named(_) => self.from_region.clone().unwrap_or_else(|| client.region().to_owned()),
        };
        let name = match (&self.to, &self.snapshot) {
            (Some(to), _) => to.clone(),
            (None, SnapshotRef::Named(name)) => name.clone(),
            (None, SnapshotRef::Arn { name, .. }) => {
                SnapshotName::try_from(name.clone()).map_err(Error::invalid)?
            }
        };
        if there == client.region() && self.snapshot.as_str() == name.as_str() {
            return Err(Error::invalid(format!("`rds::copy_snapshot`: {name} would be copied to itself"))
                .hint("say how the copy is called with `to`, or in which region it is to be with `region`"));
        }
        let source = Client::new(cx, Some(&there))?;
        let patience = if within.duration().is_zero() { rds::WITHIN } else { within };
        rds::needed_snapshot(&source, &self.snapshot).await?;
        let original = rds::ready_snapshot(&source, &self.snapshot, patience).await?;
        let named = SnapshotRef::Named(name.clone());
        let inverse = json!({ "snapshot": name, "region": client.region() });
        let inverse = Inverse::call(delete_snapshot::PATH, inverse);
        let found = match rds::snapshot(&client, &named).await? {
            None => {
                let _ = cx.undo(inverse.clone()).await?;
                match self.copy(&client, &there, &original, &name).await {
                    Ok(()) => None,
                    // It was only not seen yet.
                    Err(error) if rds::is_there_already(&error) => {
                        Some(rds::shown_snapshot(&client, &named).await?)
                    }
                    Err(error) => return Err(error),
                }
            }
            found => found,
        };
        let changed = match found {
            None => true,
            Some(found) if found.copy_of.as_ref() != Some(&original.arn) => {
                return Err(taken_by(&found, &original));
            }
            Some(found) if found.status == "failed" => {
                cx.info(format!("the copy {name} had failed, and is made anew"));
                let _ = cx.undo(inverse).await?;
                delete_snapshot::delete(&client, &named).await?;
                self.copy(&client, &there, &original, &name).await?;
                true
            }
            Some(_) => cx.broken_off().is_some_and(|before| before.wrote),
        };
        if !changed {
            cx.info(format!("the copy {name} of {} is there already", original.arn));
        }
        let shown = rds::shown_snapshot(&client, &named).await?;
        let snapshot = match within.duration().is_zero() {
            true => shown,
            false => rds::ready_snapshot(&client, &named, within).await?,
        };
        Ok(Taken { changed, snapshot })
    }
}

impl CopySnapshot {
    async fn copy(
        &self,
        client: &Client,
        there: &str,
        original: &SnapshotOfDatabase,
        name: &SnapshotName,
    ) -> Result<()> {
        let asked = client.rds().copy_db_snapshot().source_db_snapshot_identifier(&original.arn);
        let asked = asked.target_db_snapshot_identifier(name.as_str()).copy_tags(true);
        let mut asked = asked.set_tags(rds::tags(&self.tags)).set_kms_key_id(self.kms_key.clone());
        if there != client.region() && original.encrypted {
            let key = self.kms_key.as_deref().unwrap_or("alias/aws/rds");
            let members = [
                ("KmsKeyId", key),
                ("SourceDBSnapshotIdentifier", original.arn.as_str()),
                ("TargetDBSnapshotIdentifier", name.as_str()),
            ];
            let url = rds::presigned(client, there, "CopyDBSnapshot", &members).await?;
            asked = asked.kms_key_id(key).pre_signed_url(url);
        }
        let tried = format!("copying the snapshot {} from {there} as {name}", original.name);
        client.call("rds:CopyDBSnapshot", &tried, asked.send()).await.map(drop)
    }
}

fn taken_by(found: &SnapshotOfDatabase, original: &SnapshotOfDatabase) -> Error {
    let message = format!(
        "there is a snapshot {} in {} already, and it is no copy of {}",
        found.name, found.region, original.arn
    );
    Error::new(ErrorKind::Conflict, message).hint("choose another name with `to`")
}
