use opsrun_core::{Cx, Effect, Primitive, Result, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::chart;
use crate::chart_ref::ChartRef;
use crate::repository::{archive, digest_of};
use crate::types::ArchiveFile;

/// Packs a chart's folder into an archive.
///
/// It holds what `helm package` puts into one: `.helmignore` counts, and the charts it depends on are unpacked in it. The same files
/// always make the same archive, byte for byte. `Chart.yaml` stays as it is written. Needs the grant `file write PATH` for the archive.
///
/// ```rhai
/// let web = helm::package("charts/web", #{ to: "dist" });
/// helm::push(web.file, "oci://registry.example.com/charts");
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Package {
    /// The chart's folder.
    #[arg(positional)]
    folder: String,
    /// The folder that the archive is written to, as `NAME-VERSION.tgz`.
    to: String,
}

impl Primitive for Package {
    const PATH: &'static str = "helm::package";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::Never("an archive is made of files that stay, and the next one takes its place");
    type Out = ArchiveFile;

    async fn run(self, cx: &Cx) -> Result<ArchiveFile> {
        let chart = chart::load(cx, &ChartRef::Local(self.folder.clone())).await?;
        let bytes = archive::pack(&chart)?;
        let (digest, file) =
            (digest_of(&bytes), format!("{}/{}", self.to.trim_end_matches('/'), archive::name(&chart)));
        cx.write_file(&file, bytes).await?;
        Ok(ArchiveFile {
            name: chart.name().to_owned(),
            version: chart.version().to_owned(),
            digest,
            file,
            source: self.folder,
        })
    }
}
