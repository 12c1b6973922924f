use opsrun_core::{Cx, Effect, Primitive, Result, Value};
use opsrun_derive::Args;
use opsrun_k8s::Client;
use opsrun_k8s::apply::{self, Applied, Apply, Change, Conflicts, Undoing};
use opsrun_k8s::diff;
use opsrun_k8s::object::Address;
use opsrun_k8s::types::DiffResult;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::chart::Setting;
use crate::chart_ref::ChartRef;
use crate::deploy::vanished;
use crate::release::{Status, check_name};
use crate::revision::{Reuse, Wanted};
use crate::storage::{self, Storage};
use crate::{MANAGER, chart, manifest};

/// Shows what an upgrade would change in the cluster, without changing it.
///
/// The objects as they are now are compared with what the server makes of the new ones (a server-side apply with `dryRun=All`), so
/// changes by hand, defaults and admission are part of it; what the release would delete is shown as well. The values of Secrets are
/// left out: only which keys differ is shown. Hooks and the release's own record are not part of it.
///
/// ```rhai
/// helm::upgrade("web", "charts/web", #{ values: #{ replicas: 1 } });
/// let diff = helm::diff("web", "charts/web", #{ values: #{ replicas: 2 } });
/// assert(diff.changed);
/// assert(diff.objects.some(|it| it.diff.contains("+  replicas: 2")));
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Diff {
    /// The release's name.
    #[arg(positional)]
    release: String,
    /// The chart: a folder, an archive, an address (`https://…/web-1.2.3.tgz`, `oci://HOST/PATH:TAG`), or a map of `chart`, `repo` and
    /// `version`.
    #[arg(positional)]
    chart: ChartRef,
    /// The release's namespace; the target's if left out.
    namespace: Option<String>,
    /// Values over the chart's own.
    #[arg(secret)]
    values: Option<Value>,
    /// Values files, each over those before; `values` come over them.
    #[serde(default)]
    values_files: Vec<String>,
    /// Settings, as for `helm::upgrade`.
    #[serde(default)]
    set: Vec<Setting>,
    /// As for `helm::upgrade`.
    #[serde(default)]
    reuse_values: bool,
    /// As for `helm::upgrade`.
    #[serde(default)]
    reset_then_reuse_values: bool,
    /// As for `helm::upgrade`.
    #[serde(default)]
    reset_values: bool,
    /// As if fields that others manage were taken over.
    #[serde(default)]
    force: bool,
}

impl Primitive for Diff {
    const PATH: &'static str = "helm::diff";
    const EFFECT: Effect = Effect::Read;
    type Out = DiffResult;

    async fn run(self, cx: &Cx) -> Result<DiffResult> {
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
        let history = Storage::new(&client, &namespace)?.history(&self.release).await?;
        let last = history.last().filter(|last| last.info.status != Status::Uninstalled);
        let current = last.and_then(|_| storage::current(&history));
        let number = history.last().map_or(1, |newest| newest.revision + 1);
        let release = wanted.over(current).revision(&client, current, number).await?;
        let mut objects = manifest::objects(&release.chart_name(), &release.manifest)?;
        objects.iter_mut().for_each(|object| manifest::own(object, &release.name, &release.namespace));
        let how = Apply {
            manager: MANAGER,
            conflicts: Conflicts::forced(
                self.force || current.is_some_and(|current| !current.is_server_side()),
            ),
            dry_run: true,
            namespace: Some(&namespace),
            undo: Undoing::Objects,
        };
        let applied = match Place::of(&client, &namespace).await? {
            Place::Exists => apply::all(&client, &objects, &how).await?,
            Place::IsMissing => created(&client, &objects, &namespace).await?,
        };
        let places: Vec<Address> = applied.iter().map(|applied| applied.at.clone()).collect();
        let mut former = Vec::new();
        for revision in storage::former_revisions(current, last) {
            former.extend(manifest::objects(&revision.chart_name(), &revision.manifest)?);
        }
        let mut all = applied.iter().map(diff::of).collect::<Result<Vec<_>>>()?;
        for (at, object) in vanished(&client, &namespace, &places, &former).await? {
            all.push(diff::deleted(&at, &object)?);
        }
        Ok(DiffResult::of(all))
    }
}

/// Whether the release's namespace is there; no server makes an object in one that is not, not even to show it.
enum Place {
    Exists,
    IsMissing,
}

impl Place {
    async fn of(client: &Client, namespace: &str) -> Result<Self> {
        let kind = client.kind_of("v1", "Namespace").await?;
        match client.find(&client.place(kind, None, namespace)).await {
            Ok(None) => Ok(Place::IsMissing),
            Ok(Some(_)) => Ok(Place::Exists),
            // Who may not look at namespaces may well work in one.
            Err(error) if error.code() == Some(403) => Ok(Place::Exists),
            Err(error) => Err(error.into()),
        }
    }
}

/// Everything as new, as it is written.
async fn created(client: &Client, objects: &[Value], namespace: &str) -> Result<Vec<Applied>> {
    let mut all = Vec::with_capacity(objects.len());
    for object in objects {
        let at = client.address_of(object, Some(namespace)).await?;
        all.push(Applied { at, change: Change::Created, before: None, after: object.clone() });
    }
    Ok(all)
}
