use opsrun_core::{Cx, Effect, Error, Primitive, Result, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::chart;
use crate::chart_ref::{ChartRef, OciRef, Which};
use crate::repository::{self, Client, archive};
use crate::types::PushedChart;

/// Brings a chart into an OCI registry, under its own name and version.
///
/// Helm pulls what this brings, and the other way round. The same archive always makes the same manifest, so what is there just so
/// already is not sent again. What was under the tag before comes back when this is undone; else the manifest is deleted, where the registry allows that:
/// it is asked first by deleting a digest that cannot exist. Needs the grant `helm pull,push HOST/PATH*`.
///
/// ```rhai
/// let brought = helm::push("charts/web", "oci://registry.example.com/charts");
/// helm::upgrade("web", brought.reference);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Push {
    /// The chart's archive, or its folder, which is packed as by `helm::package`.
    #[arg(positional)]
    chart: String,
    /// The folder in the registry: `oci://HOST/PATH`.
    #[arg(positional)]
    to: String,
}

impl Primitive for Push {
    const PATH: &'static str = "helm::push";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By("helm::unpush");
    type Out = PushedChart;

    async fn run(self, cx: &Cx) -> Result<PushedChart> {
        let to = folder(&self.to)?;
        let bytes = match chart::is_archive(&self.chart) {
            true => cx.read_file(&self.chart)?,
            false => archive::pack(&chart::load(cx, &ChartRef::Local(self.chart.clone())).await?)?,
        };
        let pushed = repository::push(&Client::new(cx)?, &self.chart, bytes, &to).await?;
        if !pushed.is_new {
            cx.info(format!("{} is there already", pushed.reference));
        }
        Ok(PushedChart {
            name: pushed.name,
            version: pushed.version,
            reference: pushed.reference,
            digest: pushed.digest,
            archive: pushed.archive,
            is_new: pushed.is_new,
        })
    }
}

fn folder(to: &str) -> Result<OciRef> {
    let form =
        "write the folder, such as `oci://registry.example.com/charts`: name and version are the chart's own";
    let bad = |why: String| Error::invalid(format!("`helm::push`: argument `to`: {why}")).hint(form);
    let rest = to.strip_prefix("oci://").ok_or_else(|| bad(format!("`{to}` is no `oci://HOST/PATH`")))?;
    let rest = rest.trim_end_matches('/');
    // A chart may lie at the root of a registry.
    if !rest.contains('/') {
        let at = OciRef::parse(&format!("{rest}/x")).map_err(bad)?;
        return Ok(OciRef { path: String::new(), ..at });
    }
    let at = OciRef::parse(rest).map_err(bad)?;
    match at.which {
        Which::Range(None) => Ok(at),
        _ => Err(bad(format!("`{at}` says a version"))),
    }
}
