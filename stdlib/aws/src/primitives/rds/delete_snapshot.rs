use opsrun_core::{Cx, Effect, Error, ErrorKind, Primitive, Result, Span, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::rds::{self, SnapshotName, SnapshotRef};

/// Deletes a snapshot of a database.
///
/// One that is just being made is waited for first, as AWS deletes none that is not ready. If there is none of this name, nothing
/// is done.
///
/// ```rhai
/// let gone = rds::delete_snapshot("before-1-3-0");
/// log(if gone.changed { "deleted" } else { "there was none" });
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct DeleteSnapshot {
    /// The snapshot's name.
    #[arg(positional)]
    snapshot: SnapshotName,
    /// How long to wait for one that is just being made (1 hour).
    wait: Option<Span>,
    /// Its region; the target's if left out.
    region: Option<String>,
}

/// What became of something that was to be deleted.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Deleted {
    /// It was there until now.
    pub(crate) changed: bool,
}

pub(crate) const PATH: &str = "rds::delete_snapshot";

impl Primitive for DeleteSnapshot {
    const PATH: &'static str = PATH;
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::Never("what a deleted snapshot held is nowhere else");
    type Out = Deleted;

    async fn run(self, cx: &Cx) -> Result<Deleted> {
        let client = Client::new(cx, self.region.as_deref())?;
        let named = SnapshotRef::from(self.snapshot);
        let found = rds::settled_snapshot(&client, &named, self.wait.unwrap_or(rds::WITHIN)).await?;
        let Some(found) = found else {
            // It was there when this very call deleted it, before the run broke off.
            return Ok(Deleted { changed: cx.broken_off().is_some_and(|before| before.wrote) });
        };
        if found.kind == "automated" {
            let message = format!("the snapshot {named} is automated, and only AWS deletes those");
            return Err(Error::new(ErrorKind::Invalid, message)
                .hint("they go with the retention of the instance's backups"));
        }
        // It may be gone, and still be told of.
        let deleted = delete(&client, &named).await?;
        Ok(Deleted { changed: deleted || cx.broken_off().is_some_and(|before| before.wrote) })
    }
}

/// Sends what deletes a snapshot; one that is gone meanwhile is no error. Gives whether it was there.
///
/// # Errors
/// Those of AWS.
pub(super) async fn delete(client: &Client, named: &SnapshotRef) -> Result<bool> {
    let deleted = client.rds().delete_db_snapshot().db_snapshot_identifier(named.as_str()).send();
    client
        .find("rds:DeleteDBSnapshot", &format!("deleting the snapshot {named}"), deleted)
        .await
        .map(|deleted| deleted.is_some())
}
