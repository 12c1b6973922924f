use opsrun_core::{Cx, Effect, Primitive, Result, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::s3::{Bucket, Written, take_back_all};

/// Takes back what other primitives of this module wrote or deleted: what undo calls.
///
/// Where the bucket keeps versions, the versions that were made are deleted, so that the former ones are the current ones again. What
/// somebody else has changed since is left as it is.
///
/// ```rhai
/// s3::take_back("workflow-config", [#{ key: "app.yaml", since: "2026-03-17T10:00:00Z", tag: "5eb63bbbe01eeed093cb22bb8f5acdc3" }]);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct TakeBack {
    /// The bucket.
    #[arg(positional)]
    bucket: String,
    /// What was written or deleted, each key once.
    #[arg(positional)]
    objects: Vec<Written>,
    /// The bucket's region; it is found if left out.
    region: Option<String>,
}

impl Primitive for TakeBack {
    const PATH: &'static str = "s3::take_back";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::Never("it is itself what takes back");
    type Out = u64;

    async fn run(self, cx: &Cx) -> Result<u64> {
        let bucket = Bucket::of(cx, &self.bucket, self.region.as_deref()).await?;
        take_back_all(&bucket, &self.objects).await
    }
}
