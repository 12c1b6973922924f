use helm_render::RenderOptions;
use opsrun_core::{Cx, Effect, Primitive, Result, Value};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::chart::Setting;
use crate::chart_ref::ChartRef;
use crate::release::check_name;
use crate::{chart, render};

/// Renders a chart, without a cluster.
///
/// The text is what `helm template` prints: manifests in the order of their installation, then hooks. `lookup` finds nothing. Secrets in
/// `values` stay references in the text; a chart that encodes them (`b64enc`) encodes the reference.
///
/// ```rhai
/// let manifests = helm::template("charts/web", #{ release: "web", values: #{ replicas: 2 } });
/// assert(manifests.contains("replicas: 2"));
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Template {
    /// The chart: a folder, an archive, an address (`https://…/web-1.2.3.tgz`, `oci://HOST/PATH:TAG`), or a map of `chart`, `repo` and
    /// `version`.
    #[arg(positional)]
    chart: ChartRef,
    /// The release's name (`release-name`).
    release: Option<String>,
    /// The release's namespace (`default`).
    namespace: Option<String>,
    /// Values over the chart's own.
    #[arg(marker)]
    values: Option<Value>,
    /// Values files, each over those before; `values` come over them.
    #[serde(default)]
    values_files: Vec<String>,
    /// Settings in Helm's form, such as `image.tag=1.2`; they come last, in their order. As everything else they are maps of one: `string`
    /// (`tag=1.10`), `json` (`tags=["a"]`), `literal` (the rest is text, commas and all) and `file` (`tls.crt=PATH`).
    #[serde(default)]
    set: Vec<Setting>,
    /// The Kubernetes version that the chart is told.
    kube_version: Option<String>,
    /// API versions that the chart is told of, besides Kubernetes' own.
    #[serde(default)]
    api_versions: Vec<String>,
    /// Put the files under `crds/` first.
    #[serde(default)]
    include_crds: bool,
    /// As for an upgrade of the release instead of its installation.
    #[serde(default)]
    is_upgrade: bool,
}

impl Primitive for Template {
    const PATH: &'static str = "helm::template";
    const EFFECT: Effect = Effect::Read;
    type Out = String;

    async fn run(self, cx: &Cx) -> Result<String> {
        let chart = chart::load(cx, &self.chart).await?;
        let values = chart::values(cx, &self.values_files, self.values.as_ref(), &self.set)?;
        let release = self.release.as_deref().unwrap_or("release-name");
        check_name(release)?;
        let namespace = self.namespace.as_deref().unwrap_or("default");
        let mut options = RenderOptions::new(release, namespace, cx.now());
        options.seed = cx.random();
        options.is_upgrade = self.is_upgrade;
        options.include_crds = self.include_crds;
        options.capabilities.api_versions.extend(self.api_versions);
        if let Some(version) = &self.kube_version {
            options.capabilities.kube_version = render::kube_version(Self::PATH, version)?;
        }
        let rendered = helm_render::render(&chart, &values, &options);
        let rendered = rendered.map_err(|error| render::failure(&chart, &error))?;
        for warning in &rendered.warnings {
            cx.warn(warning.clone());
        }
        Ok(rendered.to_template_output())
    }
}
