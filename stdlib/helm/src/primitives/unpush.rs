use opsrun_core::{Cx, Effect, Error, Primitive, Result, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::chart_ref::OciRef;
use crate::repository::{self, Client};

/// Takes a chart out of an OCI registry that `helm::push` brought there.
///
/// The manifest is deleted, or what was under the tag before is put back. If the tag leads to something else by now, it stays. Gives
/// what it has done. A registry that deletes nothing makes it `failed`.
///
/// ```rhai
/// let brought = helm::push("charts/web", "oci://registry.example.com/charts");
/// helm::unpush(brought.reference, #{ digest: brought.digest });
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Unpush {
    /// `oci://HOST/PATH/NAME:TAG`
    #[arg(positional)]
    chart: String,
    /// The manifest that was brought: `sha256:…`
    digest: String,
    /// The manifest that was there before, and comes back.
    before: Option<String>,
}

impl Primitive for Unpush {
    const PATH: &'static str = "helm::unpush";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo =
        Undo::Never("what a registry has deleted is gone; `helm::push` brings the chart again");
    type Out = String;

    async fn run(self, cx: &Cx) -> Result<String> {
        let bad = |why: String| Error::invalid(format!("`helm::unpush`: {why}"));
        let rest = self.chart.strip_prefix("oci://");
        let rest = rest.ok_or_else(|| bad(format!("`{}` is no `oci://HOST/PATH:TAG`", self.chart)))?;
        let at = OciRef::parse(rest).map_err(bad)?;
        for digest in self.before.iter().chain([&self.digest]) {
            if !crate::chart_ref::is_digest(digest) {
                return Err(bad(format!(
                    "`{digest}` is no digest: it is `sha256:` and 64 hexadecimal digits"
                )));
            }
        }
        let done = repository::withdraw(&Client::new(cx)?, &at, &self.digest, self.before.as_deref()).await?;
        cx.info(done.clone());
        Ok(done)
    }
}
