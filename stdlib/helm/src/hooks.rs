//! Runs a release's hooks: by weight, each to its end, deleted as its policy says.

use opsrun_core::{Result, Span};
use opsrun_k8s::apply::{self, Apply, Conflicts, Undoing};
use opsrun_k8s::delete::{self, Cascade, Delete};
use opsrun_k8s::logs::{self, Excerpt};
use opsrun_k8s::object::{Address, Object, ObjectRef};
use opsrun_k8s::readiness::{self, Readiness};
use opsrun_k8s::{Client, wait};
use serde_json::Value;

use crate::release::{HookRecord, HookRun, Release, time};
use crate::storage::Storage;
use crate::{MANAGER, manifest};

const BEFORE_CREATION: &str = "before-hook-creation";
const SUCCEEDED: &str = "hook-succeeded";
const FAILED: &str = "hook-failed";

/// Which hooks to run, and how.
pub(crate) struct Hooks<'a> {
    pub event: &'static str,
    /// How long each may take.
    pub timeout: Span,
    /// Only those with these names, if there are any.
    pub only: &'a [String],
    /// Not those with these names.
    pub except: &'a [String],
    /// Give what their pods wrote, also where their policy does not ask for it.
    pub logs: bool,
}

/// A hook that ended well, and what its pods wrote if that was asked for.
pub(crate) struct Ended {
    pub name: String,
    pub log: Option<String>,
}

impl Hooks<'_> {
    /// All hooks of an event.
    pub(crate) fn of(event: &'static str, timeout: Span) -> Self {
        Hooks { event, timeout, only: &[], except: &[], logs: false }
    }

    /// Whether the hook has run before in the same operation; then its record does not tell whether it has for this event.
    fn follows_another(&self, hook: &HookRecord) -> bool {
        let earlier = self.event.strip_prefix("post-").map(|operation| format!("pre-{operation}"));
        earlier.is_some_and(|earlier| hook.events.contains(&earlier))
    }

    fn wants(&self, hook: &HookRecord) -> bool {
        hook.events.iter().any(|event| event == self.event)
            && (self.only.is_empty() || self.only.contains(&hook.name))
            && !self.except.contains(&hook.name)
    }
}

/// Runs hooks by weight. Their objects are no part of the release: each is taken back on its own.
///
/// # Errors
/// That of the hook that failed, with how its pod ended.
pub(crate) async fn run(storage: &Storage<'_>, release: &mut Release, how: &Hooks<'_>) -> Result<Vec<Ended>> {
    let (client, event, timeout) = (storage.client(), how.event, how.timeout);
    let wanted = |hook: &HookRecord| how.wants(hook);
    let mut all = Vec::new();
    let mut order: Vec<usize> = (0..release.hooks.len()).filter(|at| wanted(&release.hooks[*at])).collect();
    // They are in the order of their kinds, which a stable sort keeps.
    order.sort_by(|a, b| {
        let key = |at: &usize| (release.hooks[*at].weight, release.hooks[*at].name.clone());
        key(a).cmp(&key(b))
    });
    for (done, at) in order.iter().enumerate() {
        let hook = release.hooks[*at].clone();
        // Where the call broke off here, a hook that has run does not run again, and one that runs is waited for.
        let begun = client.cx().broken_off().filter(|before| hook.last_run.is_since(before.at));
        if begun.is_some() && hook.last_run.phase == "Succeeded" && !how.follows_another(&hook) {
            continue;
        }
        let goes_on = begun.is_some() && hook.last_run.phase == "Running";
        let started = time(client.cx().now());
        client.cx().progress(format!("{event} hook {}", hook.name));
        if !goes_on {
            delete_by(client, release, &hook, BEFORE_CREATION, timeout).await?;
        }
        release.hooks[*at].last_run =
            HookRun { started_at: Some(started.clone()), completed_at: None, phase: "Running".to_owned() };
        storage.update(release).await?;
        let ended = one(client, release, &hook, timeout).await;
        let phase = if ended.is_ok() { "Succeeded" } else { "Failed" };
        release.hooks[*at].last_run = HookRun {
            started_at: Some(started),
            completed_at: Some(time(client.cx().now())),
            phase: phase.to_owned(),
        };
        let policy = if ended.is_ok() { SUCCEEDED } else { FAILED };
        let asked_for = hook.output_log_policies.iter().any(|one| one == policy);
        let log = if asked_for || how.logs { written(client, release, &hook).await } else { None };
        if asked_for {
            for line in log.iter().flat_map(|log| log.lines()) {
                client.cx().progress(format!("{}: {line}", hook.name));
            }
        }
        if let Err(error) = ended {
            delete_by(client, release, &hook, FAILED, timeout).await?;
            for at in &order[..done] {
                delete_by(client, release, &release.hooks[*at], SUCCEEDED, timeout).await?;
            }
            return Err(error.context(format!("the {event} hook `{}` failed", hook.name)));
        }
        all.push(Ended { name: hook.name.clone(), log });
    }
    for at in order.iter().rev() {
        delete_by(client, release, &release.hooks[*at], SUCCEEDED, timeout).await?;
    }
    Ok(all)
}

/// What the pods of a hook wrote. That it cannot be read does not make the hook fail.
async fn written(client: &Client, release: &Release, hook: &HookRecord) -> Option<String> {
    let object: ObjectRef = match hook.kind.as_str() {
        kind @ ("Pod" | "Job") => format!("{kind}/{}", hook.name).parse().ok()?,
        _ => return None,
    };
    let namespace = manifest::objects(&hook.path, &hook.manifest).ok()?.first().map(|object| {
        let own = object.text("/metadata/namespace");
        if own.is_empty() { release.namespace.clone() } else { own.to_owned() }
    })?;
    match logs::of(client, &object, None, Some(&namespace), &Excerpt::default()).await {
        Ok(log) => Some(log),
        Err(error) => {
            client.cx().warn(format!(
                "what the hook `{}` wrote cannot be read: {}",
                hook.name,
                error.message()
            ));
            None
        }
    }
}

async fn one(client: &Client, release: &Release, hook: &HookRecord, timeout: Span) -> Result<()> {
    let objects = manifest::objects(&hook.path, &hook.manifest)?;
    let how = Apply {
        manager: MANAGER,
        conflicts: Conflicts::Refuse,
        dry_run: false,
        namespace: Some(&release.namespace),
        undo: Undoing::Objects,
    };
    let applied = apply::all(client, &objects, &how).await?;
    let ends = |at: &Address| matches!(at.resource.kind.as_str(), "Job" | "Pod");
    let places: Vec<Address> = applied.into_iter().map(|applied| applied.at).filter(ends).collect();
    wait::ready_by(client, &places, timeout, has_ended).await
}

/// A hook's pod has to end; that it is ready is not enough.
fn has_ended(object: &Value) -> Readiness {
    match (object.text("/kind"), object.text("/status/phase")) {
        ("Pod", "Succeeded") => Readiness::Ready,
        ("Pod", "Failed") => Readiness::Failed("it failed".to_owned()),
        ("Pod", _) => Readiness::Waiting("it has not ended".to_owned()),
        _ => readiness::of(object),
    }
}

async fn delete_by(
    client: &Client,
    release: &Release,
    hook: &HookRecord,
    policy: &str,
    timeout: Span,
) -> Result<()> {
    let wanted = match hook.delete_policies.as_slice() {
        [] => policy == BEFORE_CREATION,
        policies => policies.iter().any(|one| one == policy),
    };
    // With its kind, all objects of others would go.
    if !wanted || hook.kind == "CustomResourceDefinition" {
        return Ok(());
    }
    let mut found = Vec::new();
    for object in manifest::objects(&hook.path, &hook.manifest)? {
        let at = client.address_of(&object, Some(&release.namespace)).await?;
        if let Some(object) = client.find(&at).await? {
            found.push((at, object));
        }
    }
    // A former run's Job is not brought back: it would run again.
    let how = Delete { cascade: Cascade::Background, grace: None, undo: Undoing::Caller };
    delete::all(client, &found, &how).await?;
    let places: Vec<Address> = found.into_iter().map(|(at, _)| at).collect();
    wait::gone(client, &places, timeout).await
}
