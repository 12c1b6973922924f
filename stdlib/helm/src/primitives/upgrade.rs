use helm_render::Chart;
use jiff::Timestamp;
use opsrun_core::{Cx, Effect, Inverse, Primitive, Result, Span, Undo, Value};
use opsrun_derive::Args;
use opsrun_k8s::Client;
use opsrun_k8s::apply::{self, Apply, Conflicts, Undoing};
use opsrun_k8s::manifests;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::chart::Setting;
use crate::chart_ref::ChartRef;
use crate::deploy::{self, Counts, How, TIMEOUT};
use crate::error::Error;
use crate::release::{Release, Status, check_name};
use crate::revision::{Reuse, Wanted};
use crate::storage::{self, Kept, Storage};
use crate::types::Deployed;
use crate::{MANAGER, atomic, chart};

/// Installs or upgrades a release of a chart.
///
/// As `helm upgrade --install` of Helm 4: server-side apply as field manager `helm`, hooks, a three-way comparison with the
/// former revision (what vanished is deleted, unless its resource policy is `keep`), the record in Helm's own Secrets. With `wait`
/// a workload that does not come up is an error that says which pod and container, how it ended, and its last log lines. Without any
/// values those of the former revision are taken again. Undo goes back to the former revision by `helm::rollback`, or uninstalls a
/// release that did not exist; the history keeps the failed revision, and what vanished volumes held does not come back. If the run
/// broke off here, it goes on with the revision that it had begun. `values` take secrets; Helm's record of the release holds them as
/// they are, in a Secret of the cluster (or a ConfigMap, with `storage = "configmaps"` in the target's `helm` section).
///
/// ```rhai
/// let web = helm::upgrade("web", "charts/web", #{ values: #{ replicas: 2 }, wait: 5.m });
/// assert(web.revision == 1);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Upgrade {
    /// The release's name.
    #[arg(positional)]
    release: String,
    /// The chart: a folder, an archive, an address (`https://…/web-1.2.3.tgz`, `oci://HOST/PATH:TAG`), or a map of `chart`, `repo` and
    /// `version`.
    #[arg(positional)]
    chart: ChartRef,
    /// The release's namespace; the target's if left out.
    namespace: Option<String>,
    /// Create the namespace if it does not exist.
    #[serde(default)]
    create_namespace: bool,
    /// Values over the chart's own.
    #[arg(secret)]
    values: Option<Value>,
    /// Values files, each over those before; `values` come over them.
    #[serde(default)]
    values_files: Vec<String>,
    /// Settings in Helm's form, such as `image.tag=1.2`; they come last, in their order. As everything else they are maps of one: `string`
    /// (`tag=1.10`), `json` (`tags=["a"]`), `literal` (the rest is text, commas and all) and `file` (`tls.crt=PATH`).
    #[serde(default)]
    set: Vec<Setting>,
    /// Put the values over those of the former revision, and these over the former chart's defaults.
    #[serde(default)]
    reuse_values: bool,
    /// Put the values over those of the former revision, and these over this chart's defaults.
    #[serde(default)]
    reset_then_reuse_values: bool,
    /// Take none of the former revision's values, even if none are given.
    #[serde(default)]
    reset_values: bool,
    /// If it fails, bring the release back within this call: to the last good revision, or away again. Without it a failure is
    /// taken back when the run is.
    #[serde(default)]
    atomic: bool,
    /// Take a revision that has been pending for so long for left behind by a client that is gone: it counts as failed.
    recover: Option<Span>,
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
    /// Leave the files under `crds/` alone.
    #[serde(default)]
    skip_crds: bool,
    /// Take over fields that others manage.
    #[serde(default)]
    force: bool,
    /// Take over objects that belong to nobody or to another release.
    #[serde(default)]
    take_ownership: bool,
}

impl Primitive for Upgrade {
    const PATH: &'static str = "helm::upgrade";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By("helm::rollback");
    type Out = Deployed;

    async fn run(self, cx: &Cx) -> Result<Deployed> {
        check_name(&self.release)?;
        let client = Client::new(cx)?;
        let namespace = self.namespace.clone().unwrap_or_else(|| client.namespace().to_owned());
        let wanted = Wanted {
            release: self.release.clone(),
            namespace: namespace.clone(),
            chart: chart::load(cx, &self.chart).await?,
            values: chart::values(cx, &self.values_files, self.values.as_ref(), &self.set)?,
            reuse: Reuse::of(self.reset_values, self.reuse_values, self.reset_then_reuse_values)?,
        };
        let storage = Storage::new(&client, &namespace)?;
        let mut kept = storage.kept(&self.release).await?;
        let own =
            cx.broken_off().and_then(|before| kept.pop_if(|newest| is_under_way(&newest.release, before.at)));
        let own = own.map(|own| own.release);
        let left_behind = self.left_behind(kept.last(), cx.now())?;
        let mut history: Vec<Release> = kept.into_iter().map(|kept| kept.release).collect();
        if let (Some(last), Some(failed)) = (history.last_mut(), &left_behind) {
            last.clone_from(failed);
        }
        let last = history.last().filter(|last| last.info.status != Status::Uninstalled);
        let current = last.and_then(|_| storage::current(&history));
        let wanted = wanted.over(current);
        let former: Vec<&Release> = storage::former_revisions(current, last).collect();
        let recorded = own.is_some();
        let release = match own {
            Some(own) if !wanted.is(&own) => {
                return Err(Error::Overtaken { release: self.release, revision: own.revision }.into());
            }
            Some(own) if own.info.status == Status::Deployed => {
                return Ok(Deployed::new(&own, Counts::since(&former, &own)?));
            }
            Some(own) => own,
            None => {
                let revision = history.last().map_or(1, |newest| newest.revision + 1);
                wanted.revision(&client, current, revision).await?
            }
        };
        self.prepare(&client, &wanted.chart, &namespace, current.is_none()).await?;
        let back = match current {
            Some(current) => Inverse::call(
                "helm::rollback",
                json!({ "release": self.release, "to": current.revision, "namespace": namespace, "wait": TIMEOUT }),
            ),
            None => Inverse::call(
                "helm::uninstall",
                json!({ "release": self.release, "namespace": namespace, "no_hooks": true }),
            ),
        };
        let _ = cx.undo(back).await?;
        storage.keep_history(&self.release);
        if let Some(failed) = &left_behind {
            storage.update(failed).await?;
        }
        let how = How { recorded, ..self.how(current) };
        match deploy::run(&storage, release, &former, &how).await {
            Ok((release, counts)) => Ok(Deployed::new(&release, counts)),
            Err(error) if self.atomic => Err(atomic::brought_back(&storage, &self.release, how, error).await),
            Err(error) => Err(error),
        }
    }
}

impl Upgrade {
    /// The newest revision as failed, if it is pending and may be taken over.
    fn left_behind(&self, newest: Option<&Kept>, now: Timestamp) -> Result<Option<Release>> {
        let Some(kept) = newest.filter(|kept| kept.release.info.status.is_pending()) else {
            return Ok(None);
        };
        let pending = &kept.release;
        let since = pending.info.last_deployed.as_deref().and_then(|since| since.parse().ok());
        let is_left = self.recover.zip(since).is_some_and(|(patience, since)| patience.after(since) <= now);
        if is_left {
            return Ok(Some(pending.left_behind("taken over")));
        }
        let (revision, status) = (pending.revision, pending.info.status);
        Err(Error::Pending { release: self.release.clone(), revision, status, left: kept.left(now) }.into())
    }

    /// What has to be there before the release: its namespace, and for an install its kinds.
    async fn prepare(&self, client: &Client, chart: &Chart, namespace: &str, install: bool) -> Result<()> {
        let how = Apply {
            manager: MANAGER,
            conflicts: Conflicts::Refuse,
            dry_run: false,
            namespace: Some(namespace),
            undo: Undoing::Objects,
        };
        if self.create_namespace {
            let kind = client.kind_of("v1", "Namespace").await?;
            if client.find(&client.place(kind, None, namespace)).await?.is_none() {
                let object = json!({ "apiVersion": "v1", "kind": "Namespace",
                    "metadata": { "name": namespace, "labels": { "name": namespace } } });
                apply::all(client, &[object], &how).await?;
            }
        }
        if install && !self.skip_crds {
            let mut objects = Vec::new();
            for crd in chart.crds() {
                manifests::parse(&format!("`{}`", crd.path), &crd.content(), &mut objects)?;
            }
            // What exists stays as it is: it may be another release's.
            let mut missing = Vec::new();
            for object in objects {
                let at = client.address_of(&object, Some(namespace)).await?;
                if client.find(&at).await?.is_none() {
                    missing.push(object);
                }
            }
            apply::all(client, &missing, &how).await?;
        }
        Ok(())
    }

    fn how(&self, current: Option<&Release>) -> How {
        How {
            events: if current.is_some() {
                ("pre-upgrade", "post-upgrade")
            } else {
                ("pre-install", "post-install")
            },
            description: if current.is_some() { "Upgrade complete" } else { "Install complete" }.to_owned(),
            wait: self.wait.is_some(),
            wait_for_jobs: self.wait_for_jobs,
            timeout: self.wait.or(self.timeout).unwrap_or(TIMEOUT),
            hooks: !self.no_hooks,
            // What a release of Helm 3 applied from the client's side is managed under another entry of the same manager.
            conflicts: Conflicts::forced(
                self.force || current.is_some_and(|current| !current.is_server_side()),
            ),
            take_ownership: self.take_ownership,
            recorded: false,
        }
    }
}

/// Whether a call that began at `began` and broke off has made this revision.
fn is_under_way(newest: &Release, began: Timestamp) -> bool {
    let status = newest.info.status;
    newest.is_since(began)
        && matches!(status, Status::PendingInstall | Status::PendingUpgrade | Status::Deployed)
}
