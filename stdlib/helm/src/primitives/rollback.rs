use jiff::Timestamp;
use opsrun_core::{Cx, Effect, Inverse, Primitive, Result, Span, Undo};
use opsrun_derive::Args;
use opsrun_k8s::Client;
use opsrun_k8s::apply::Conflicts;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::deploy::{self, Counts, How, TIMEOUT};
use crate::error::Error;
use crate::release::{HookRun, Release, Status, time};
use crate::storage::{self, Storage};
use crate::types::Deployed;

/// Goes back to an earlier revision of a release.
///
/// The revision's manifest and hooks become a new revision, as in Helm. A revision that another program left pending is taken over and
/// counts as failed. Undo rolls back to the revision that was deployed before, and leaves what others have set since.
///
/// ```rhai
/// helm::upgrade("web", "charts/web", #{ values: #{ replicas: 1 } });
/// helm::upgrade("web", "charts/web", #{ values: #{ replicas: 2 } });
/// assert(helm::rollback("web").revision == 3);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Rollback {
    /// The release's name.
    #[arg(positional)]
    release: String,
    /// The revision; the last good one before the newest if left out.
    to: Option<u32>,
    /// The release's namespace; the target's if left out.
    namespace: Option<String>,
    /// Wait so long until everything is ready.
    wait: Option<Span>,
    /// Wait for Jobs to complete, too.
    #[serde(default)]
    wait_for_jobs: bool,
    /// How long a hook may take (5 minutes).
    timeout: Option<Span>,
    /// Run no hooks.
    #[serde(default)]
    no_hooks: bool,
    /// Take over fields that others manage.
    #[serde(default)]
    force: bool,
}

const DESCRIPTION: &str = "Rollback to ";

impl Primitive for Rollback {
    const PATH: &'static str = "helm::rollback";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By("helm::rollback");
    type Out = Deployed;

    async fn run(self, cx: &Cx) -> Result<Deployed> {
        let client = Client::new(cx)?;
        let namespace = self.namespace.clone().unwrap_or_else(|| client.namespace().to_owned());
        let storage = Storage::new(&client, &namespace)?;
        let mut history = storage.history(&self.release).await?;
        let own =
            cx.broken_off().and_then(|before| history.pop_if(|newest| self.is_under_way(newest, before.at)));
        if let Some(own) = own.as_ref().filter(|own| own.info.status == Status::Deployed) {
            let former: Vec<&Release> =
                storage::former_revisions(storage::current(&history), history.last()).collect();
            return Ok(Deployed::new(own, Counts::since(&former, own)?));
        }
        let Some(last) = history.last() else {
            return Err(Error::NoRelease { release: self.release, namespace }.into());
        };
        let target = self.target(&history, last)?;
        let current = storage::current(&history);
        let back = current.map_or(last.revision, |current| current.revision);
        // Taken back is what is ready again as it was, however this call waited.
        let inverse = json!({ "release": self.release, "to": back, "namespace": namespace, "wait": TIMEOUT });
        // It was brought back already, by the call that is undone.
        if cx.call().undoes && last.info.status == Status::Deployed && last.is_as(target) {
            return Ok(Deployed::new(last, Counts::default()));
        }
        let _ = cx.undo(Inverse::call(Self::PATH, inverse)).await?;
        storage.keep_history(&self.release);
        let conflicts = match self.force || !last.is_server_side() {
            // What others have set since the release was deployed is not this run's to take back.
            false if cx.call().undoes => Conflicts::Leave,
            force => Conflicts::forced(force),
        };
        let how = How {
            events: ("pre-rollback", "post-rollback"),
            description: String::new(),
            wait: self.wait.is_some(),
            wait_for_jobs: self.wait_for_jobs,
            timeout: self.wait.or(self.timeout).unwrap_or(TIMEOUT),
            hooks: !self.no_hooks,
            conflicts,
            take_ownership: false,
            recorded: own.is_some(),
        };
        let release = own.unwrap_or_else(|| again(target, last, cx.now()));
        let (release, counts) = go_back(&storage, &history, release, how).await?;
        Ok(Deployed::new(&release, counts))
    }
}

/// Deploys `release`, which is [`again`] what an earlier revision was, over `history`.
///
/// # Errors
/// As [`deploy::run`].
pub(crate) async fn go_back(
    storage: &Storage<'_>,
    history: &[Release],
    release: Release,
    how: How,
) -> Result<(Release, Counts)> {
    for pending in history.iter().filter(|release| release.info.status.is_pending()) {
        storage.update(&pending.left_behind("rolled back")).await?;
    }
    let former: Vec<&Release> =
        storage::former_revisions(storage::current(history), history.last()).collect();
    let how = How { description: release.info.description.clone(), ..how };
    deploy::run(storage, release, &former, &how).await
}

/// A new revision after `last` that is what `target` was.
pub(crate) fn again(target: &Release, last: &Release, now: Timestamp) -> Release {
    let mut release = Release { revision: last.revision + 1, ..target.clone() };
    release.info.status = Status::PendingRollback;
    release.info.description = format!("{DESCRIPTION}{}", target.revision);
    release.info.first_deployed.clone_from(&last.info.first_deployed);
    release.info.last_deployed = Some(time(now));
    release.apply_method = "ssa".to_owned();
    release.hooks.iter_mut().for_each(|hook| hook.last_run = HookRun::default());
    release
}

impl Rollback {
    /// Whether this call has made the newest revision, when it began at `began` and broke off.
    fn is_under_way(&self, newest: &Release, began: Timestamp) -> bool {
        let info = &newest.info;
        newest.is_since(began)
            && matches!(info.status, Status::PendingRollback | Status::Deployed)
            && match (self.to, info.description.strip_prefix(DESCRIPTION)) {
                (Some(to), Some(revision)) => revision == to.to_string(),
                (None, revision) => revision.is_some(),
                (Some(_), None) => false,
            }
    }

    fn target<'h>(&self, history: &'h [Release], last: &Release) -> Result<&'h Release, Error> {
        let good = |release: &&Release| {
            matches!(release.info.status, Status::Deployed | Status::Superseded)
                && release.revision != last.revision
        };
        let release = self.release.clone();
        match self.to {
            Some(to) => {
                history.iter().find(|release| release.revision == to).ok_or_else(|| Error::NoRevision {
                    release,
                    revision: to,
                    known: history.iter().map(|release| release.revision).collect(),
                })
            }
            None => history
                .iter()
                .rev()
                .find(good)
                .ok_or(Error::NoEarlierRevision { release, revision: last.revision }),
        }
    }
}
