use opsrun_core::{Cx, Effect, Primitive, Result, Span, Undo};
use opsrun_derive::Args;
use opsrun_k8s::apply::Undoing;
use opsrun_k8s::delete::{self, Cascade, Delete};
use opsrun_k8s::object::Address;
use opsrun_k8s::{Client, RESTORE, wait};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::deploy::{TIMEOUT, existing};
use crate::hooks::{self, Hooks};
use crate::manifest;
use crate::release::{Status, time};
use crate::storage::{Kept, Storage};
use crate::types::Uninstalled;

/// Uninstalls a release, and waits until its objects are gone.
///
/// Objects whose resource policy is `keep` stay, and so do CustomResourceDefinitions from `crds/` and what hooks left. A release that
/// does not exist is no error. Undo creates the objects and the history again; what was in volumes does not come back.
///
/// ```rhai
/// helm::upgrade("web", "charts/web");
/// helm::uninstall("web");
/// assert(helm::status("web", #{ optional: true }) == ());
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Uninstall {
    /// The release's name.
    #[arg(positional)]
    release: String,
    /// The release's namespace; the target's if left out.
    namespace: Option<String>,
    /// Keep the history, marked as uninstalled.
    #[serde(default)]
    keep_history: bool,
    /// How long to wait until everything is gone (5 minutes); `0.s` does not wait.
    wait: Option<Span>,
    /// How long a hook may take (5 minutes).
    timeout: Option<Span>,
    /// Run no hooks.
    #[serde(default)]
    no_hooks: bool,
}

impl Primitive for Uninstall {
    const PATH: &'static str = "helm::uninstall";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(RESTORE);
    type Out = Uninstalled;

    async fn run(self, cx: &Cx) -> Result<Uninstalled> {
        let client = Client::new(cx)?;
        let namespace = self.namespace.clone().unwrap_or_else(|| client.namespace().to_owned());
        let how = Removal {
            keep_history: self.keep_history,
            hooks: !self.no_hooks,
            timeout: self.timeout.unwrap_or(TIMEOUT),
            wait: self.wait.unwrap_or(TIMEOUT),
            undo: Undoing::Objects,
        };
        let deleted = remove(&Storage::new(&client, &namespace)?, &self.release, &how).await?;
        Ok(Uninstalled { release: self.release, deleted })
    }
}

/// How a release is removed.
pub(crate) struct Removal {
    pub keep_history: bool,
    pub hooks: bool,
    /// How long a hook may take.
    pub timeout: Span,
    /// How long to wait until everything is gone.
    pub wait: Span,
    pub undo: Undoing,
}

/// Deletes a release's objects and its records, and names the objects. One that does not exist is no error.
///
/// # Errors
/// The first failure; nothing further is begun.
pub(crate) async fn remove(storage: &Storage<'_>, release: &str, removal: &Removal) -> Result<Vec<String>> {
    let client = storage.client();
    let kept = storage.kept(release).await?;
    let Some(newest) = kept.last() else { return Ok(Vec::new()) };
    let mut last = newest.release.clone();
    let how = Delete { cascade: Cascade::Background, grace: None, undo: removal.undo };
    let mut objects = Vec::new();
    for Kept { release, .. } in &kept {
        // A failed revision may have left objects that the newest does not name.
        if release.info.status != Status::Superseded || release.revision == last.revision {
            objects.extend(manifest::objects(&release.chart_name(), &release.manifest)?);
        }
    }
    let found = existing(client, &last.namespace, &objects, |_| true).await?;
    if removal.undo == Undoing::Objects {
        let records: Vec<_> = kept.into_iter().map(|kept| (kept.at, kept.object)).collect();
        delete::remember(client, &records).await?;
    }
    last.info.status = Status::Uninstalling;
    last.info.description = "Deletion in progress (or silently failed)".to_owned();
    storage.update(&last).await?;
    if removal.hooks {
        hooks::run(storage, &mut last, &Hooks::of("pre-delete", removal.timeout)).await?;
    }
    delete::all(client, &found, &how).await?;
    let places: Vec<Address> = found.into_iter().map(|(at, _)| at).collect();
    if removal.wait > Span::default() {
        wait::gone(client, &places, removal.wait).await?;
    }
    if removal.hooks {
        hooks::run(storage, &mut last, &Hooks::of("post-delete", removal.timeout)).await?;
    }
    if removal.keep_history {
        last.info.status = Status::Uninstalled;
        last.info.description = "Uninstallation complete".to_owned();
        last.info.deleted = Some(time(client.cx().now()));
        storage.update(&last).await?;
    } else {
        let how = Delete { undo: Undoing::Caller, ..how };
        let now = storage.kept(release).await?;
        let now: Vec<_> = now.into_iter().map(|kept| (kept.at, kept.object)).collect();
        delete::all(client, &now, &how).await?;
    }
    Ok(places.iter().map(Address::short).collect())
}
