use opsrun_core::{Cx, Effect, Error, ErrorKind, Primitive, Result, Span, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::client::Client;
use crate::elasticache::{self, SnapshotName};
use crate::primitives::rds::Deleted;

/// Deletes a snapshot of a cache.
///
/// One that is just being made is waited for first, as AWS deletes none that is not ready. If there is none of this name, nothing
/// is done.
///
/// ```rhai
/// let gone = elasticache::delete_snapshot("before-1-3-0");
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

pub(super) const PATH: &str = "elasticache::delete_snapshot";

impl Primitive for DeleteSnapshot {
    const PATH: &'static str = PATH;
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::Never("what a deleted snapshot held is nowhere else");
    type Out = Deleted;

    async fn run(self, cx: &Cx) -> Result<Deleted> {
        let client = Client::new(cx, self.region.as_deref())?;
        let (name, within) = (self.snapshot.as_str(), self.wait.unwrap_or(elasticache::WITHIN));
        let Some(found) = elasticache::settled_snapshot(&client, name, within).await? else {
            // It was there when this very call deleted it, before the run broke off.
            return Ok(Deleted { changed: cx.broken_off().is_some_and(|before| before.wrote) });
        };
        if found.kind == "automated" {
            let message = format!("the snapshot {name} is automated, and goes with its retention");
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        delete(&client, name).await?;
        Ok(Deleted { changed: true })
    }
}

/// Sends what deletes a snapshot; one that is gone meanwhile is no error.
///
/// # Errors
/// Those of AWS.
pub(super) async fn delete(client: &Client, name: &str) -> Result<()> {
    let asked = client.elasticache().delete_snapshot().snapshot_name(name).send();
    let tried = format!("deleting the snapshot {name}");
    client.find("elasticache:DeleteSnapshot", &tried, asked).await.map(drop)
}
