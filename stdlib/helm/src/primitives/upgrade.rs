use helm_render::{Chart, RenderOptions, Values};
use jiff::Timestamp;
use opsrun_core::{Cx, Effect, Inverse, Primitive, Result, Span, Undo, Value};
use opsrun_derive::Args;
use opsrun_k8s::Client;
use opsrun_k8s::apply::{self, Apply, Conflicts, Undoing};
use opsrun_k8s::manifests;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::deploy::{self, Counts, How, TIMEOUT};
use crate::error::Error;
use crate::release::{Info, Release, Status, time};
use crate::storage::{self, Storage};
use crate::types::Deployed;
use crate::{MANAGER, chart, render};

/// Installs or upgrades a release of a chart.
///
/// As `helm upgrade --install` of Helm 4: server-side apply as field manager `helm`, hooks, a three-way comparison with the
/// former revision (what vanished is deleted, unless its resource policy is `keep`), the record in Helm's own Secrets. With `wait`
/// a workload that does not come up is an error that says which pod and container, how it ended, and its last log lines. Without any
/// values those of the former revision are taken again. Undo goes back to the former revision by `helm::rollback`, or uninstalls a
/// release that did not exist; the history keeps the failed revision, and what vanished volumes held does not come back. If the run
/// broke off here, it goes on with the revision that it had begun. `values` take secrets; Helm's record of the release holds them as
/// they are, in a Secret of the cluster.
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
    /// The chart's folder or archive.
    #[arg(positional)]
    chart: String,
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
    /// Settings in Helm's form, such as `image.tag=1.2`; they come last.
    #[serde(default)]
    set: Vec<String>,
    /// Put the values over those of the former revision.
    #[serde(default)]
    reuse_values: bool,
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
        let chart = chart::load(cx, &self.chart)?;
        let values = chart::values(cx, &self.values_files, self.values.as_ref(), &self.set)?;
        let client = Client::new(cx)?;
        let namespace = self.namespace.clone().unwrap_or_else(|| client.namespace().to_owned());
        let storage = Storage::new(&client, &namespace);
        let mut history = storage.history(&self.release).await?;
        let own = cx.broken_off().and_then(|before| history.pop_if(|newest| is_under_way(newest, before.at)));
        let last = history.last().filter(|last| last.info.status != Status::Uninstalled);
        if let Some(last) = last.filter(|last| last.info.status.is_pending()) {
            let (revision, status) = (last.revision, last.info.status);
            return Err(Error::Pending { release: self.release, revision, status }.into());
        }
        let current = last.and_then(|_| storage::current(&history));
        let values = self.with_former(values, current);
        let recorded = own.is_some();
        let release = match own {
            Some(own) if own.chart != chart::record(&chart) || own.config != values.to_json() => {
                return Err(Error::Overtaken { release: self.release, revision: own.revision }.into());
            }
            Some(own) if own.info.status == Status::Deployed => {
                return Ok(Deployed::new(&own, Counts::default()));
            }
            Some(own) => own,
            None => {
                let revision = history.last().map_or(1, |newest| newest.revision + 1);
                self.revision(&client, &chart, &values, current, &namespace, revision).await?
            }
        };
        self.prepare(&client, &chart, &namespace, current.is_none()).await?;
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
        storage::keep_history(cx, &namespace, &self.release);
        let mut former: Vec<&Release> = current.into_iter().collect();
        former.extend(last.filter(|last| current.is_none_or(|current| current.revision != last.revision)));
        let how = How { recorded, ..self.how(current) };
        let (release, counts) = deploy::run(&client, &storage, release, &former, &how).await?;
        Ok(Deployed::new(&release, counts))
    }
}

impl Upgrade {
    /// Without any values, the former ones are taken again, as Helm does.
    fn with_former(&self, values: Values, current: Option<&Release>) -> Values {
        let former = current.and_then(|current| Values::from_json(&current.config)).unwrap_or_default();
        let none = values.to_json().as_object().is_none_or(serde_json::Map::is_empty);
        if none || self.reuse_values { former.merged(&values) } else { values }
    }

    async fn revision(
        &self,
        client: &Client,
        chart: &Chart,
        values: &Values,
        current: Option<&Release>,
        namespace: &str,
        revision: u32,
    ) -> Result<Release> {
        let cx = client.cx();
        let mut options = RenderOptions::new(&self.release, namespace, cx.now());
        options.revision = revision.into();
        options.is_upgrade = current.is_some();
        options.capabilities = render::capabilities(client).await?;
        options.seed = cx.random();
        let rendered = render::with_lookups(client, chart, values, options).await?;
        for warning in &rendered.warnings {
            cx.warn(warning.clone());
        }
        let now = time(cx.now());
        let (status, description) = match current {
            Some(_) => (Status::PendingUpgrade, "Preparing upgrade"),
            None => (Status::PendingInstall, "Initial install underway"),
        };
        let first = current.and_then(|current| current.info.first_deployed.clone());
        Ok(Release {
            name: self.release.clone(),
            info: Info {
                first_deployed: first.or_else(|| Some(now.clone())),
                last_deployed: Some(now),
                deleted: None,
                description: description.to_owned(),
                status,
                notes: rendered.notes.clone(),
            },
            chart: chart::record(chart),
            config: values.to_json(),
            manifest: rendered.manifest(),
            hooks: render::records(&rendered.hooks),
            revision,
            namespace: namespace.to_owned(),
            apply_method: "ssa".to_owned(),
        })
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
                manifests::parse(&format!("`{}`", crd.path), &crd.content, &mut objects)?;
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
