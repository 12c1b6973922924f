use opsrun_core::{Cx, Effect, Primitive, Result};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::s3::Bucket;

/// Tells where a bucket is, and whether it keeps versions.
///
/// ```rhai
/// let bucket = s3::bucket("workflow-backups");
/// assert(bucket.versioning, `${bucket.name} keeps no versions`);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct GetBucket {
    /// Its name.
    #[arg(positional)]
    bucket: String,
    /// Its region; it is found if left out.
    region: Option<String>,
}

/// A bucket.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct BucketFacts {
    pub(crate) name: String,
    pub(crate) region: String,
    /// Whether what is written over or deleted stays as a former version.
    pub(crate) versioning: bool,
}

impl Primitive for GetBucket {
    const PATH: &'static str = "s3::bucket";
    const EFFECT: Effect = Effect::Read;
    type Out = BucketFacts;

    async fn run(self, cx: &Cx) -> Result<BucketFacts> {
        let bucket = Bucket::of(cx, &self.bucket, self.region.as_deref()).await?;
        let versioning = bucket.keeps_versions().await?;
        Ok(BucketFacts { name: self.bucket, region: bucket.client.region().to_owned(), versioning })
    }
}
