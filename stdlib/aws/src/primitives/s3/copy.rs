use opsrun_core::{Cx, Effect, Error, Inverse, Primitive, Result, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use super::put::Stored;
use crate::s3::{Bucket, Former, Object, Record, S3Url, TAKE_BACK, Written, copy};

/// Copies an object, also into another bucket or region; the content does not pass through this machine.
///
/// If the same content is there already, nothing is done. Undo is that of `s3::put`.
///
/// ```rhai
/// s3::copy("s3://workflow-backups/db.dump", "s3://workflow-dr/db.dump");
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Copy {
    /// Which: `s3://BUCKET/KEY`.
    #[arg(positional)]
    from: S3Url,
    /// Where: `s3://BUCKET/KEY`.
    #[arg(positional)]
    to: S3Url,
    /// A former version of it.
    version: Option<String>,
    /// The region of the bucket that is copied from; it is found if left out.
    from_region: Option<String>,
    /// The region of the bucket that is copied to; it is found if left out.
    region: Option<String>,
}

impl Primitive for Copy {
    const PATH: &'static str = "s3::copy";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(TAKE_BACK);
    type Out = Stored;

    async fn run(self, cx: &Cx) -> Result<Stored> {
        let key = self.to.object()?;
        if self.from == self.to && self.version.is_none() {
            return Err(Error::invalid(format!("`s3::copy`: {} would be copied to itself", self.from)));
        }
        let from = Bucket::of(cx, &self.from.bucket, self.from_region.as_deref()).await?;
        let source = from.object(self.from.object()?, self.version.as_deref()).await?;
        let bucket = Bucket::of(cx, &self.to.bucket, self.region.as_deref()).await?;
        let before = bucket.find(key, None).await?;
        if let Some(before) = &before
            && is_same(&source, before)
        {
            return Ok(Stored {
                url: self.to.to_string(),
                changed: cx.broken_off().is_some_and(|before| before.wrote),
                tag: before.tag.clone(),
                size: before.size,
                version: before.version.clone(),
            });
        }
        let former = Former::of(&bucket, before.as_ref()).await?;
        let mut written = former.written(&bucket, key);
        let inverse = |written: &Written| -> Inverse { former.inverse(&bucket, written) };
        let slot = cx.undo(inverse(&written)).await?;
        let record = Record { slot: &slot, written: written.clone(), inverse: &inverse };
        let stored = copy((&from, &source), (&bucket, key), Some(record)).await?;
        written.made = stored.version.clone();
        written.tag = Some(stored.tag.clone());
        slot.refine(inverse(&written)).await?;
        Ok(Stored {
            url: self.to.to_string(),
            changed: true,
            tag: stored.tag,
            size: source.size,
            version: stored.version,
        })
    }
}

fn is_same(source: &Object, there: &Object) -> bool {
    let content = match (&source.crc64, &there.crc64) {
        (Some(source), Some(there)) => source == there,
        _ => source.tag == there.tag,
    };
    content
        && source.size == there.size
        && source.content_type == there.content_type
        && source.metadata == there.metadata
}
