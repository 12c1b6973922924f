use opsrun_core::{Cx, Effect, ErrorKind, Inverse, Primitive, Result, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::s3::Bucket;

/// Deletes a bucket with nothing in it; gives whether it was there.
///
/// Undo makes it again, with its versioning, as long as nobody else has taken the name; what else was set up in it is lost.
///
/// ```rhai
/// s3::delete_bucket("workflow-scratch");
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct DeleteBucket {
    /// Its name.
    #[arg(positional)]
    bucket: String,
    /// Its region; it is found if left out.
    region: Option<String>,
}

impl Primitive for DeleteBucket {
    const PATH: &'static str = "s3::delete_bucket";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By("s3::create_bucket");
    type Out = bool;

    async fn run(self, cx: &Cx) -> Result<bool> {
        let bucket = match Bucket::of(cx, &self.bucket, self.region.as_deref()).await {
            Ok(bucket) => bucket,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(cx.broken_off().is_some_and(|before| before.wrote));
            }
            Err(error) => return Err(error),
        };
        if !bucket.exists().await? {
            return Ok(cx.broken_off().is_some_and(|before| before.wrote));
        }
        let versioning = bucket.keeps_versions().await?;
        let inverse = json!({
            "bucket": self.bucket,
            "region": bucket.client.region(),
            "versioning": versioning,
        });
        let _ = cx.undo(Inverse::call("s3::create_bucket", inverse)).await?;
        let delete = bucket.s3.delete_bucket().bucket(&self.bucket).send();
        let tried = format!("deleting the bucket {}", self.bucket);
        let deleted = bucket.client.call("s3:DeleteBucket", &tried, delete).await;
        deleted.map(|_| true).map_err(|error| match error.data_value()["code"].as_str() {
            Some("BucketNotEmpty") => error.hint("delete what is in it first, with all versions"),
            _ => error,
        })
    }
}
