use opsrun_core::{Cx, Effect, Primitive, Result, Span, Undo};
use opsrun_derive::Args;
use opsrun_k8s::apply::Undoing;
use opsrun_k8s::delete::{self, Cascade, Delete};
use opsrun_k8s::object::Address;
use opsrun_k8s::{Client, RESTORE, wait};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::deploy::{TIMEOUT, existing};
use crate::release::Status;
use crate::storage::Storage;
use crate::types::Uninstalled;
use crate::{hooks, manifest};

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
        let storage = Storage::new(&client, &namespace);
        let timeout = self.timeout.unwrap_or(TIMEOUT);
        let secrets = storage.secrets(&self.release).await?;
        let Some((_, _, last)) = secrets.last() else {
            return Ok(Uninstalled { release: self.release, deleted: Vec::new() });
        };
        let mut last = last.clone();
        let how = Delete { cascade: Cascade::Background, grace: None, undo: Undoing::Objects };
        let mut objects = Vec::new();
        for (_, _, release) in &secrets {
            // A failed revision may have left objects that the newest does not name.
            if release.info.status != Status::Superseded || release.revision == last.revision {
                objects.extend(manifest::objects(&release.chart_name(), &release.manifest)?);
            }
        }
        let found = existing(&client, &namespace, &objects, |_| true).await?;
        let records: Vec<_> = secrets.into_iter().map(|(at, secret, _)| (at, secret)).collect();
        delete::remember(&client, &records).await?;
        last.info.status = Status::Uninstalling;
        last.info.description = "Deletion in progress (or silently failed)".to_owned();
        storage.update(&last).await?;
        if !self.no_hooks {
            hooks::run(&client, &storage, &mut last, "pre-delete", timeout).await?;
        }
        delete::all(&client, &found, &how).await?;
        let places: Vec<Address> = found.into_iter().map(|(at, _)| at).collect();
        let within = self.wait.unwrap_or(TIMEOUT);
        if within > Span::default() {
            wait::gone(&client, &places, within).await?;
        }
        if !self.no_hooks {
            hooks::run(&client, &storage, &mut last, "post-delete", timeout).await?;
        }
        if self.keep_history {
            last.info.status = Status::Uninstalled;
            last.info.description = "Uninstallation complete".to_owned();
            last.info.deleted = Some(crate::release::time(cx.now()));
            storage.update(&last).await?;
        } else {
            let how = Delete { undo: Undoing::Caller, ..how };
            let now = storage.secrets(&self.release).await?;
            let now: Vec<_> = now.into_iter().map(|(at, secret, _)| (at, secret)).collect();
            delete::all(&client, &now, &how).await?;
        }
        Ok(Uninstalled { release: self.release, deleted: places.iter().map(Address::short).collect() })
    }
}
