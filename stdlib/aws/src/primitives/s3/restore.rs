use opsrun_core::{Cx, Effect, Error, Primitive, Result, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use super::put::Stored;
use super::versions::versions;
use crate::s3::{Bucket, Former, Record, S3Url, TAKE_BACK, Written, copy};

/// Makes a former version of an object the current one again.
///
/// It is copied over what is there, so that no version is lost. Undo takes the copy away.
///
/// ```rhai
/// let versions = s3::versions("s3://workflow-config/app.yaml");
/// s3::restore_version("s3://workflow-config/app.yaml", versions[1].version);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Restore {
    /// Which: `s3://BUCKET/KEY`.
    #[arg(positional)]
    object: S3Url,
    /// The version.
    #[arg(positional)]
    version: String,
    /// The bucket's region; it is found if left out.
    region: Option<String>,
}

impl Primitive for Restore {
    const PATH: &'static str = "s3::restore_version";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(TAKE_BACK);
    type Out = Stored;

    async fn run(self, cx: &Cx) -> Result<Stored> {
        let key = self.object.object()?;
        let bucket = Bucket::of(cx, &self.object.bucket, self.region.as_deref()).await?;
        if !bucket.keeps_versions().await? {
            return Err(Error::invalid(format!("s3://{} keeps no versions", bucket.name)));
        }
        let Some(source) = bucket.find(key, Some(&self.version)).await? else {
            let known = versions(&bucket, key, 5).await?;
            let known: Vec<String> = known.into_iter().map(|version| version.version).collect();
            let error = Error::not_found(format!("there is no version {} of {}", self.version, self.object));
            return Err(match known.as_slice() {
                [] => error,
                known => error.hint(format!("there are {}", known.join(", "))),
            });
        };
        let before = bucket.find(key, None).await?;
        let url = self.object.to_string();
        if let Some(before) = &before
            && (before.version == source.version || before.tag == source.tag)
        {
            let changed = cx.broken_off().is_some_and(|before| before.wrote);
            let (tag, version) = (before.tag.clone(), before.version.clone());
            return Ok(Stored { url, changed, tag, size: before.size, version });
        }
        let former = Former::of(&bucket, before.as_ref()).await?;
        let mut written = former.written(&bucket, key);
        let inverse = |written: &Written| former.inverse(&bucket, written);
        let slot = cx.undo(inverse(&written)).await?;
        let record = Record { slot: &slot, written: written.clone(), inverse: &inverse };
        let stored = copy((&bucket, &source), (&bucket, key), Some(record)).await?;
        written.made = stored.version.clone();
        written.tag = Some(stored.tag.clone());
        slot.refine(inverse(&written)).await?;
        Ok(Stored { url, changed: true, tag: stored.tag, size: source.size, version: stored.version })
    }
}
