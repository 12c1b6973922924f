use opsrun_core::{Cx, Effect, Primitive, Result, Settle, Undo};
use opsrun_derive::Args;
use restic_repository::PruneOptions;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::place::Opened;

/// Removes from a repository what no snapshot uses any more, and what a backup that broke off has left.
///
/// ```rhai
/// backup::forget(#{ daily: 30 });
/// let done = backup::prune();
/// log(`${done.removed} bytes removed`);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Prune {
    /// Say what would be removed, and remove nothing.
    #[serde(default)]
    dry_run: bool,
    /// How many hundredths of what is kept may be unused; 5 if left out.
    unused_percent: Option<u8>,
    /// Which of the target's repositories; `default`, or the only one, if left out.
    repository: Option<String>,
}

/// What a prune did. All are bytes as they are stored.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Pruned {
    /// What snapshots use.
    used: u64,
    removed: u64,
    /// What was written anew, to get rid of what was beside it.
    repacked: u64,
    /// What is not used and stays.
    unused_left: u64,
}

impl Primitive for Prune {
    const PATH: &'static str = "backup::prune";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::Never("what is removed is gone; no snapshot used it");
    const SETTLE: Settle = Settle::Repeat;
    type Out = Pruned;

    async fn run(self, cx: &Cx) -> Result<Pruned> {
        let opened = Opened::of(cx, self.repository.as_deref()).await?;
        let options = self.unused_percent.map(|unused_percent| PruneOptions { unused_percent });
        let lock = opened.told(opened.repository.lock_exclusively().await)?;
        let work = async {
            let plan = opened.repository.plan_prune(&lock, options.unwrap_or_default()).await?;
            if !self.dry_run {
                opened.repository.prune(&lock, &plan).await?;
            }
            Ok(plan.bytes)
        };
        let done = lock.during(work).await;
        let bytes = opened.told(lock.release_after(done).await)?;
        Ok(Pruned {
            used: bytes.used,
            removed: bytes.removed,
            repacked: bytes.repacked,
            unused_left: bytes.unused_left,
        })
    }
}
