use helm_render::{LintOptions, RenderOptions, Severity};
use opsrun_core::{Cx, Effect, Error, Primitive, Result, Value};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::chart::{self, Setting};
use crate::render::kube_version;
use crate::types::{LintNote, Linted};

/// Examines a chart for mistakes.
///
/// Helm's own rules, and those of opsrun about what the chart renders to: versions of the API that the target does not serve, images
/// without a fixed tag, containers without limits. A mistake is a `failed` that names all of them; what is only advised is returned.
/// Secrets in `values` stay references.
///
/// ```rhai
/// for message in helm::lint("charts/web", #{ kube_version: "1.34" }).messages {
///     print(`${message.path}: ${message.text}`);
/// }
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Lint {
    /// The chart's folder or archive.
    #[arg(positional)]
    chart: String,
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
    /// Take warnings for mistakes.
    #[serde(default)]
    strict: bool,
    /// The version of Kubernetes that the chart is meant for: what it serves no more, or will not for long, is told.
    kube_version: Option<String>,
    /// Helm's rules only.
    #[serde(default)]
    no_advice: bool,
}

impl Primitive for Lint {
    const PATH: &'static str = "helm::lint";
    const EFFECT: Effect = Effect::Read;
    type Out = Linted;

    async fn run(self, cx: &Cx) -> Result<Linted> {
        let files = chart::files(cx, &self.chart)?;
        let values = chart::values(cx, &self.values_files, self.values.as_ref(), &self.set)?;
        let options = RenderOptions::new("test-release", "default", cx.now());
        let target =
            self.kube_version.as_deref().map(|version| kube_version(Self::PATH, version)).transpose()?;
        let wanted = LintOptions { advice: !self.no_advice, target };
        let messages = helm_render::lint_with(&files, &self.chart, &values, &options, &wanted);
        let limit = if self.strict { Severity::Warning } else { Severity::Error };
        let (wrong, right): (Vec<_>, Vec<_>) =
            messages.into_iter().partition(|message| message.severity >= limit);
        if wrong.is_empty() {
            return Ok(Linted { messages: right.into_iter().map(LintNote::from).collect() });
        }
        let error = Error::failed(format!("the chart `{}` has {} mistakes", self.chart, wrong.len()));
        Err(wrong.iter().fold(error, |error, message| error.detail(message.to_string())))
    }
}
