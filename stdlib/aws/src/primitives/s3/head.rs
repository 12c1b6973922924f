use opsrun_core::{Cx, Effect, Primitive, Result};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::s3::{Bucket, Object, S3Url};

/// Tells of an object what is known without reading it; `()` if there is none.
///
/// ```rhai
/// let dump = s3::head("s3://workflow-backups/db.dump");
/// if dump == () { fail("there is no dump"); }
/// log(`${dump.size} bytes of ${dump.modified}`);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Head {
    /// Which: `s3://BUCKET/KEY`.
    #[arg(positional)]
    object: S3Url,
    /// A former version of it.
    version: Option<String>,
    /// The bucket's region; it is found if left out.
    region: Option<String>,
}

impl Primitive for Head {
    const PATH: &'static str = "s3::head";
    const EFFECT: Effect = Effect::Read;
    type Out = Option<Object>;

    async fn run(self, cx: &Cx) -> Result<Option<Object>> {
        let bucket = Bucket::of(cx, &self.object.bucket, self.region.as_deref()).await?;
        bucket.find(self.object.object()?, self.version.as_deref()).await
    }
}
