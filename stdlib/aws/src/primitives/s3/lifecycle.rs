use opsrun_core::{Cx, Effect, Primitive, Result};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use super::set_lifecycle::{Rule, rules};
use crate::s3::Bucket;

/// Tells after how long a bucket's objects are deleted or moved by themselves.
///
/// ```rhai
/// for rule in s3::lifecycle("workflow-backups") {
///     log(`${rule.id}: ${rule.prefix} for ${rule.days} days`);
/// }
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct GetLifecycle {
    /// The bucket.
    #[arg(positional)]
    bucket: String,
    /// Its region; it is found if left out.
    region: Option<String>,
}

impl Primitive for GetLifecycle {
    const PATH: &'static str = "s3::lifecycle";
    const EFFECT: Effect = Effect::Read;
    type Out = Vec<Rule>;

    async fn run(self, cx: &Cx) -> Result<Vec<Rule>> {
        let bucket = Bucket::of(cx, &self.bucket, self.region.as_deref()).await?;
        rules(&bucket).await.map(|found| found.rules)
    }
}
