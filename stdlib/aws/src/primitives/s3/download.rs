use std::path::PathBuf;

use opsrun_core::{Cx, Effect, Primitive, Result, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use super::put::Stored;
use crate::s3::{Bucket, S3Url, Source, fetch_into};

/// Reads an object into a file, of whatever size.
///
/// The file appears once it is whole and its checksum fits, with the object's time; one that has this content already is left alone.
/// It needs the grant `file write PATH`.
///
/// ```rhai
/// s3::download("s3://workflow-backups/db.dump", "db.dump");
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Download {
    /// Which: `s3://BUCKET/KEY`.
    #[arg(positional)]
    from: S3Url,
    /// The file.
    #[arg(positional)]
    to: PathBuf,
    /// A former version of it.
    version: Option<String>,
    /// The bucket's region; it is found if left out.
    region: Option<String>,
}

impl Primitive for Download {
    const PATH: &'static str = "s3::download";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::Never("a file that was read is a copy, and the next one takes its place");
    type Out = Stored;

    async fn run(self, cx: &Cx) -> Result<Stored> {
        let bucket = Bucket::of(cx, &self.from.bucket, self.region.as_deref()).await?;
        let object = bucket.object(self.from.object()?, self.version.as_deref()).await?;
        let changed = match Source::file(cx, &self.to) {
            Ok(there) => !there.is(cx, &object).await?,
            Err(error) if error.kind() == opsrun_core::ErrorKind::NotFound => true,
            Err(error) => return Err(error),
        };
        if changed {
            fetch_into(cx, &bucket, &object, &self.to).await?;
        }
        let changed = changed || cx.broken_off().is_some_and(|before| before.wrote);
        Ok(Stored { url: object.url, changed, tag: object.tag, size: object.size, version: object.version })
    }
}
