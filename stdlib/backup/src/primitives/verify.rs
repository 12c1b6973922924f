use std::collections::BTreeMap;

use futures::future::join;
use opsrun_core::{Cx, Effect, Error, Named, Primitive, Result, Settle, Undo, Value};
use opsrun_derive::Args;
use restic_repository::NamedSnapshot;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::restore::{base_of, walks};
use super::snapshot::{COUNTS, GOOD, Told, counts_of, filter};
use crate::items::items;
use crate::place::Opened;

/// Sees whether a snapshot can be brought back, and only then marks it as good.
///
/// What it is of is brought back somewhere else, by its system: a folder is read whole, of a namespace each object is tried by the API server.
/// There `assertions` are looked at, and what is counted is compared with the last good snapshot of the same source: what there was then, and is
/// none of now, makes it not good.
///
/// ```rhai
/// let made = backup::create("namespace:workflow-prod");
/// backup::verify(made.snapshot, #{ assertions: #{ objects: ["Deployment/api"] } });
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Verify {
    /// Which: its identifier, or the beginning of it; `latest` with `source`.
    #[arg(positional)]
    snapshot: String,
    /// Of `latest`: what it is of.
    source: Option<String>,
    /// What has to hold, in the words of the source's system.
    #[serde(default)]
    assertions: Value,
    /// What may have become none since the last good one: `rows of sessions`.
    #[serde(default)]
    may_be_empty: Vec<String>,
    /// Which of the target's repositories; `default`, or the only one, if left out.
    repository: Option<String>,
}

/// A snapshot that is good.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Verified {
    #[serde(flatten)]
    told: Told,
    /// What was counted.
    counts: BTreeMap<String, u64>,
}

impl Primitive for Verify {
    const PATH: &'static str = "backup::verify";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::Never("that it could be brought back stays true");
    const SETTLE: Settle = Settle::Repeat;
    type Out = Verified;

    async fn run(self, cx: &Cx) -> Result<Verified> {
        let opened = Opened::of(cx, self.repository.as_deref()).await?;
        let named = opened.snapshot(&self.snapshot, &filter(self.source.as_deref(), &[], None)).await?;
        let counts = self.tried(cx, &opened, &named).await?;
        let source = Told::from(&named).source;
        let before = opened.snapshots().await?.readable.into_iter().rev().find(|other| {
            other.origin() != named.origin()
                && filter(Some(&source), &[GOOD.to_owned()], None).admits(&other.snapshot)
        });
        let before = before.as_ref().map(counts_of).unwrap_or_default();
        let vanished = before.iter().find(|(what, count)| {
            **count > 0 && counts.get(*what).is_none_or(|now| *now == 0) && !self.may_be_empty.contains(what)
        });
        if let Some((what, count)) = vanished {
            return Err(Error::failed(format!(
                "the snapshot {} of {source} is not good: it has no {what}, and the last good one has {count}",
                named.id.short()
            ))
            .hint(format!("if that is meant, say `may_be_empty: [\"{what}\"]`")));
        }
        let kept = named.snapshot.tags.iter().filter(|tag| *tag != GOOD && !tag.starts_with(COUNTS));
        let marks = [GOOD.to_owned(), format!("{COUNTS}{}", serde_json::json!(counts))];
        let tags = kept.cloned().chain(marks).collect();
        let lock = opened.told(opened.repository.lock_exclusively().await)?;
        let marked = opened.repository.set_tags(&lock, named.id, tags).await;
        let marked = opened.told(lock.release_after(marked).await)?;
        Ok(Verified { told: Told::from(&marked), counts })
    }
}

impl Verify {
    /// What is counted of a snapshot that can be brought back.
    async fn tried(&self, cx: &Cx, opened: &Opened, named: &NamedSnapshot) -> Result<BTreeMap<String, u64>> {
        let source = Told::from(named).source;
        let (scheme, name) = cx.source(&source)?;
        let base = base_of(named)?;
        let lock = opened.told(opened.repository.lock().await)?;
        let work = async {
            let mut walks = walks(opened, named.snapshot.tree, &base, &[]).await?;
            let walk = walks.pop().ok_or_else(|| Error::failed("the snapshot has no tree"))?;
            let (items, carry_out) = items(opened.repository.restore(walk), base.clone(), opened);
            let place = Named { name, options: self.assertions.clone() };
            let (damage, counted) = join(carry_out, (scheme.try_out)(cx.clone(), place, items)).await;
            // A folder that is damaged has no content that the one who tries could miss.
            counted.and_then(|counted| damage.none_of(named).map(|()| counted)).map_err(|error| {
                error.context(format!("the snapshot {} of {source} is not good", named.id.short()))
            })
        };
        let tried = lock.during(async { Ok(work.await) }).await;
        opened.told(lock.release_after(tried).await)?
    }
}
