use opsrun_core::{Cx, Effect, Primitive, Result, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::dependencies;
use crate::types::FetchedDependencies;

/// Fetches the charts that a chart depends on into its folder `charts`.
///
/// As `helm dependency build` it takes the versions that `Chart.lock` has; without one, or with `update`, as `helm dependency update` the newest
/// that `Chart.yaml` allows, and writes `Chart.lock`, which Helm reads. Repositories are addresses of HTTP, `oci://` and `file://`; one without is a
/// folder below `charts`. Archives that are not needed any more are taken away. Needs the grant `file write FOLDER/*`, and one for each host.
///
/// ```rhai
/// helm::dependencies("charts/web");
/// helm::upgrade("web", "charts/web");
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Dependencies {
    /// The chart's folder.
    #[arg(positional)]
    folder: String,
    /// Look for newer versions, whatever `Chart.lock` says.
    #[serde(default)]
    update: bool,
}

impl Primitive for Dependencies {
    const PATH: &'static str = "helm::dependencies";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::Never(
        "what `charts` and `Chart.lock` hold follows from `Chart.yaml`, and can be fetched again",
    );
    type Out = FetchedDependencies;

    async fn run(self, cx: &Cx) -> Result<FetchedDependencies> {
        dependencies::fetch(cx, self.folder.trim_end_matches('/'), self.update).await
    }
}
