use opsrun_core::{Cx, Effect, Primitive, Result, Settle, Undo};
use opsrun_derive::Args;
use restic_repository::NamedSnapshot;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::snapshot::{Told, filter};
use crate::place::Opened;

/// Copies snapshots to another repository of the target, as one in another region: only what is not there is read and written.
///
/// ```rhai
/// let done = backup::copy("eu", #{ source: "namespace:workflow-prod" });
/// log(`${done.copied.len()} copied, ${done.were_there} were there`);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Copy {
    /// The repository to copy to.
    #[arg(positional)]
    to: String,
    /// Only snapshots of this source.
    source: Option<String>,
    /// Only those with all of these tags.
    #[serde(default)]
    tags: Vec<String>,
    /// Which of the target's repositories to copy from; `default`, or the only one, if left out.
    repository: Option<String>,
}

/// What was copied.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Done {
    /// The copies, as the other repository has them.
    copied: Vec<Told>,
    /// How many were there before.
    were_there: usize,
    /// Bytes that were written, as they are stored.
    bytes: u64,
}

impl Primitive for Copy {
    const PATH: &'static str = "backup::copy";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::Never("a copy stays; `backup::forget` takes it away");
    const SETTLE: Settle = Settle::Repeat;
    type Out = Done;

    async fn run(self, cx: &Cx) -> Result<Done> {
        let from = Opened::of(cx, self.repository.as_deref()).await?;
        let to = Opened::of(cx, Some(&self.to)).await?;
        let wanted = filter(self.source.as_deref(), &self.tags, None);
        let from_lock = from.told(from.repository.lock().await)?;
        let to_lock = match to.told(to.repository.lock().await) {
            Ok(lock) => lock,
            Err(error) => return from.told(from_lock.release().await).and(Err(error)),
        };
        let work = async {
            let found = from.repository.snapshots().await?.readable;
            let found: Vec<NamedSnapshot> =
                found.into_iter().filter(|named| wanted.admits(&named.snapshot)).collect();
            from.repository.copy_to(&from_lock, &to.repository, &to_lock, &found).await
        };
        let copied = from_lock.during(to_lock.during(work)).await;
        let copied = to_lock.release_after(copied).await;
        let copied = from.told(from_lock.release_after(copied).await)?;
        let (there, new): (Vec<_>, Vec<_>) = copied.into_iter().partition(|copied| copied.was_there);
        Ok(Done {
            bytes: new.iter().map(|copied| copied.bytes).sum(),
            copied: new.iter().map(|copied| Told::from(&copied.copy)).collect(),
            were_there: there.len(),
        })
    }
}
