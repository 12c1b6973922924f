use opsrun_core::{Cx, Effect, Primitive, Result, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::chart_ref::ChartRef;
use crate::repository::{self, Client, archive};
use crate::types::ArchiveFile;

/// Fetches a chart's archive into a folder.
///
/// What a repository's index or a registry's manifest says of its digest is held against it. A version may be a range; the newest that
/// satisfies it is taken, a pre-release only if the range names one. Credentials come from the target's `helm.registries`, for registries
/// else from `helm registry login` or `docker login`. Each host needs a grant, such as `helm pull charts.example.com/*`, and the file
/// `file write PATH`. A rehearsal or a plan keeps the file in memory.
///
/// ```rhai
/// let web = helm::pull(#{ chart: "web", repo: "https://charts.example.com", version: "^1.2" }, #{ to: "charts" });
/// helm::upgrade("web", web.file);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Pull {
    /// The chart: an address (`https://…/web-1.2.3.tgz`, `oci://HOST/PATH:TAG`), or a map of `chart`, `repo` and `version`.
    #[arg(positional)]
    chart: ChartRef,
    /// The folder that the archive is written to, as `NAME-VERSION.tgz`.
    to: String,
}

impl Primitive for Pull {
    const PATH: &'static str = "helm::pull";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::Never("an archive that was fetched is a copy, and the next one takes its place");
    type Out = ArchiveFile;

    async fn run(self, cx: &Cx) -> Result<ArchiveFile> {
        let fetched = repository::fetch(&Client::new(cx)?, &self.chart).await?;
        let chart = archive::chart(&self.chart.to_string(), &fetched.bytes)?;
        let file = format!("{}/{}", self.to.trim_end_matches('/'), archive::name(&chart));
        cx.write_file(&file, fetched.bytes).await?;
        Ok(ArchiveFile {
            name: chart.name().to_owned(),
            version: chart.version().to_owned(),
            digest: fetched.digest,
            file,
            source: fetched.source,
        })
    }
}
