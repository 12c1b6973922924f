use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_s3::types::{
    BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration, VersioningConfiguration,
};
use opsrun_core::{Cx, Effect, Error, ErrorKind, Inverse, Primitive, Result, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::bucket::BucketFacts;
use crate::client::Client;
use crate::s3::Bucket;

/// A bucket that is made there has no location.
const UNSAID: &str = "us-east-1";

/// Makes a bucket; one of this account that is there already stays as it is.
///
/// With `versioning` what is written over or deleted in it stays as a former version: then undo can bring back everything that
/// is done in it. Undo deletes the bucket, if nothing is in it.
///
/// ```rhai
/// s3::create_bucket("workflow-backups", #{ versioning: true });
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct CreateBucket {
    /// Its name, which nobody else in the world has.
    #[arg(positional)]
    bucket: String,
    /// Keep former versions.
    #[serde(default)]
    versioning: bool,
    /// Make it in this region; in the target's if left out.
    region: Option<String>,
}

impl Primitive for CreateBucket {
    const PATH: &'static str = "s3::create_bucket";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By("s3::delete_bucket");
    type Out = BucketFacts;

    async fn run(self, cx: &Cx) -> Result<BucketFacts> {
        let client = Client::new(cx, self.region.as_deref())?;
        let region = client.region().to_owned();
        let facts =
            |versioning| BucketFacts { name: self.bucket.clone(), region: region.clone(), versioning };
        match Bucket::of(cx, &self.bucket, None).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
            Ok(bucket) => match bucket.exists().await {
                Ok(true) => return self.there_already(cx, &bucket, &region).await,
                Ok(false) => {}
                // It may be somebody else's: making it says so.
                Err(error) if error.kind() == ErrorKind::Forbidden => {}
                Err(error) => return Err(error),
            },
        }
        let inverse = json!({ "bucket": self.bucket, "region": region });
        let _ = cx.undo(Inverse::call("s3::delete_bucket", inverse)).await?;
        let place = (region != UNSAID).then(|| {
            let constraint = BucketLocationConstraint::from(region.as_str());
            CreateBucketConfiguration::builder().location_constraint(constraint).build()
        });
        let create = client.s3().create_bucket().bucket(&self.bucket).set_create_bucket_configuration(place);
        self.unfinished(cx)?.store(true, Ordering::Relaxed);
        client.call("s3:CreateBucket", &format!("making the bucket {}", self.bucket), create.send()).await?;
        if self.versioning {
            let bucket = Bucket::of(cx, &self.bucket, Some(&region)).await?;
            keep_versions(&bucket).await?;
        }
        self.unfinished(cx)?.store(false, Ordering::Relaxed);
        Ok(facts(self.versioning))
    }
}

impl CreateBucket {
    /// Whether the run has begun to make it and has not come to the end: an answer was lost, and the call is made once more.
    fn unfinished(&self, cx: &Cx) -> Result<Arc<AtomicBool>> {
        cx.shared(&format!("aws/unfinished bucket/{}", self.bucket), || Ok(AtomicBool::new(false)))
    }

    async fn there_already(&self, cx: &Cx, bucket: &Bucket, region: &str) -> Result<BucketFacts> {
        let is_in = bucket.client.region();
        if is_in != region {
            let message =
                format!("the bucket `{}` is there already, in {is_in} and not in {region}", self.bucket);
            return Err(Error::new(ErrorKind::Conflict, message)
                .hint("names of buckets are global: take another one"));
        }
        let versioning = bucket.keeps_versions().await?;
        if self.versioning && !versioning {
            let unfinished = cx.broken_off().is_some_and(|before| before.wrote)
                || self.unfinished(cx)?.load(Ordering::Relaxed);
            if !unfinished {
                let message = format!("the bucket `{}` is there already, and keeps no versions", self.bucket);
                return Err(Error::new(ErrorKind::Conflict, message)
                    .hint("turn its versioning on first: that cannot be taken back, only suspended"));
            }
            let inverse = json!({ "bucket": self.bucket, "region": region });
            let _ = cx.undo(Inverse::call("s3::delete_bucket", inverse)).await?;
            keep_versions(bucket).await?;
            self.unfinished(cx)?.store(false, Ordering::Relaxed);
        }
        Ok(BucketFacts {
            name: self.bucket.clone(),
            region: region.to_owned(),
            versioning: self.versioning || versioning,
        })
    }
}

async fn keep_versions(bucket: &Bucket) -> Result<()> {
    let status = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
    let put = bucket.s3.put_bucket_versioning().bucket(&bucket.name).versioning_configuration(status).send();
    let tried = format!("letting s3://{} keep versions", bucket.name);
    bucket.call("s3:PutBucketVersioning", &tried, put).await.map(drop)
}
