use opsrun_core::{Cx, Effect, Primitive, Result, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::s3::{Bucket, Former, S3Url, TAKE_BACK, delete_version, marker};

/// Deletes an object; one that is not there is no error.
///
/// In a bucket that keeps versions it is marked as deleted, and undo takes the mark away; elsewhere undo puts the object back if it
/// had at most 64 KiB. With `version` that version is gone for good, and no undo brings it back.
///
/// ```rhai
/// s3::delete("s3://workflow-config/app.yaml");
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Delete {
    /// Which: `s3://BUCKET/KEY`.
    #[arg(positional)]
    object: S3Url,
    /// This version, for good.
    version: Option<String>,
    /// The bucket's region; it is found if left out.
    region: Option<String>,
}

/// What became of an object that was to be deleted.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Deleted {
    pub(crate) url: String,
    /// Whether it was there.
    pub(crate) changed: bool,
    /// The version that marks it deleted, if the bucket keeps versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) marker: Option<String>,
}

impl Primitive for Delete {
    const PATH: &'static str = "s3::delete";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(TAKE_BACK);
    type Out = Deleted;

    async fn run(self, cx: &Cx) -> Result<Deleted> {
        let key = self.object.object()?;
        let url = self.object.to_string();
        let bucket = Bucket::of(cx, &self.object.bucket, self.region.as_deref()).await?;
        let Some(before) = bucket.find(key, self.version.as_deref()).await? else {
            let changed = cx.broken_off().is_some_and(|before| before.wrote);
            let marked = changed && self.version.is_none();
            let marker = if marked { marker(&bucket, key).await? } else { None };
            return Ok(Deleted { url, changed, marker });
        };
        if let Some(version) = &self.version {
            let why = format!("version {version} of {url} is deleted for good");
            let _ = cx.undo(opsrun_core::Inverse::none(why)).await?;
            delete_version(&bucket, key, Some(version)).await?;
            return Ok(Deleted { url, changed: true, marker: None });
        }
        let former = Former::of(&bucket, Some(&before)).await?;
        let mut written = former.written(&bucket, key);
        written.deleted = true;
        let slot = cx.undo(former.inverse(&bucket, &written)).await?;
        let marker = delete_version(&bucket, key, None).await?;
        written.made = marker.clone();
        slot.refine(former.inverse(&bucket, &written)).await?;
        Ok(Deleted { url, changed: true, marker })
    }
}
