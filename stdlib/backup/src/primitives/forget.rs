use opsrun_core::{Cx, Effect, Error, Primitive, Result, Undo};
use opsrun_derive::Args;
use restic_repository::{Decision, Grouping, Id, Period, Policy, decide, group};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::snapshot::{Told, filter};
use crate::place::Opened;

/// Takes snapshots away that need not be kept any more; without rules, those older than 30 days, by each day's last one.
///
/// Each rule keeps what it keeps, for each source and host by itself; the last one always stays. What the snapshots had alone stays in the
/// repository until it is pruned.
///
/// ```rhai
/// let done = backup::forget(#{ daily: 30, monthly: 12 });
/// log(`${done.forgotten.len()} forgotten, ${done.kept.len()} kept`);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Forget {
    /// So many of the last ones.
    #[serde(default)]
    last: u32,
    /// The last one of each hour, for so many hours that have one.
    #[serde(default)]
    hourly: u32,
    /// The last one of each day, for so many days that have one.
    #[serde(default)]
    daily: u32,
    /// The last one of each week, for so many weeks that have one.
    #[serde(default)]
    weekly: u32,
    /// The last one of each month, for so many months that have one.
    #[serde(default)]
    monthly: u32,
    /// The last one of each year, for so many years that have one.
    #[serde(default)]
    yearly: u32,
    /// All that are not older than this, counted from the last one: `7d`, `1y6m`.
    within: Option<String>,
    /// All with one of these tags.
    #[serde(default)]
    tags: Vec<String>,
    /// Only those of this source.
    source: Option<String>,
    /// Say what would be forgotten, and forget nothing.
    #[serde(default)]
    dry_run: bool,
    /// Which of the target's repositories; `default`, or the only one, if left out.
    repository: Option<String>,
}

/// What became of the snapshots.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Forgotten {
    pub(crate) forgotten: Vec<Told>,
    pub(crate) kept: Vec<Told>,
}

/// What is kept if no rule is given.
const DAYS: u32 = 30;

impl Forget {
    fn policy(&self) -> Result<Policy> {
        let within = self.within.as_deref().map(|text| {
            text.parse::<Period>().map_err(|error| {
                Error::invalid(format!("`within`: {error}")).hint("write it like `7d` or `1y6m3d`")
            })
        });
        let policy = Policy {
            last: self.last,
            hourly: self.hourly,
            daily: self.daily,
            weekly: self.weekly,
            monthly: self.monthly,
            yearly: self.yearly,
            within: within.transpose()?,
            tags: self.tags.iter().map(|tag| vec![tag.clone()]).collect(),
            ..Policy::default()
        };
        Ok(match policy == Policy::default() {
            true => Policy { daily: DAYS, ..policy },
            false => policy,
        })
    }
}

impl Primitive for Forget {
    const PATH: &'static str = "backup::forget";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::Never("a snapshot that is forgotten is gone");
    type Out = Forgotten;

    async fn run(self, cx: &Cx) -> Result<Forgotten> {
        let policy = self.policy()?;
        let opened = Opened::of(cx, self.repository.as_deref()).await?;
        let wanted = filter(self.source.as_deref(), &[], None);
        let lock = match self.dry_run {
            true => None,
            false => Some(opened.told(opened.repository.lock_exclusively().await)?),
        };
        let decided = async {
            let mut found = opened.snapshots().await?.readable;
            found.retain(|named| wanted.admits(&named.snapshot));
            let groups = group(found, Grouping::default()).into_values();
            Ok(groups.flat_map(|group| decide(&policy, group, cx.now().into())).collect::<Vec<Decision>>())
        };
        let decided: Result<Vec<Decision>> = decided.await;
        let (forgotten, kept): (Vec<Decision>, Vec<Decision>) = match decided {
            Ok(decided) => decided.into_iter().partition(|decision| decision.reasons.is_empty()),
            Err(error) => {
                if let Some(lock) = lock {
                    opened.told(lock.release().await)?;
                }
                return Err(error);
            }
        };
        if let Some(lock) = lock {
            let ids: Vec<Id> = forgotten.iter().map(|decision| decision.snapshot.id).collect();
            let done = opened.repository.forget(&lock, &ids).await;
            opened.told(lock.release_after(done).await)?;
        }
        let told = |decisions: &[Decision]| decisions.iter().map(|it| Told::from(&it.snapshot)).collect();
        Ok(Forgotten { forgotten: told(&forgotten), kept: told(&kept) })
    }
}
