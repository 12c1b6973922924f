use std::collections::BTreeMap;
use std::path::PathBuf;

use opsrun_core::{Cx, Effect, Error, Inverse, Primitive, Result, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::s3::{About, Bucket, Former, Record, S3Url, Source, TAKE_BACK, Written, content_type, store};

/// Stores an object, of a text or a file.
///
/// If it is there already with this content, nothing is sent. A file of more than 8 MiB is uploaded in parts, side by side. Undo
/// deletes the object again; what was there before comes back if the bucket keeps versions, or if it has at most 64 KiB.
///
/// ```rhai
/// s3::put("s3://workflow-config/app.yaml", #{ content: "replicas: 3" });
/// let put = s3::put("s3://workflow-backups/db.dump", #{ file: "db.dump", metadata: #{ release: "1.4.0" } });
/// log(`stored as version ${put.version}`);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Put {
    /// Where: `s3://BUCKET/KEY`.
    #[arg(positional)]
    to: S3Url,
    /// The text to store.
    #[arg(secret)]
    content: Option<String>,
    /// The file to store.
    file: Option<PathBuf>,
    /// What it is, such as `text/html`; if left out, the key's end says so.
    content_type: Option<String>,
    /// What caches are told, such as `max-age=3600`.
    cache_control: Option<String>,
    /// How it is kept, such as `STANDARD_IA`.
    storage_class: Option<String>,
    /// More to say about it, by names.
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    /// Only if nothing is there: else it is a conflict.
    #[serde(default)]
    only_if_new: bool,
    /// Only if the object that is there has this tag: else it is a conflict.
    if_tag: Option<String>,
    /// The bucket's region; it is found if left out.
    region: Option<String>,
}

/// An object that was stored.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Stored {
    pub(crate) url: String,
    /// Whether it was not there before with this content.
    pub(crate) changed: bool,
    pub(crate) tag: String,
    /// In bytes.
    pub(crate) size: u64,
    /// If the bucket keeps versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
}

impl Primitive for Put {
    const PATH: &'static str = "s3::put";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(TAKE_BACK);
    type Out = Stored;

    async fn run(self, cx: &Cx) -> Result<Stored> {
        let key = self.to.object()?;
        let source = match (self.content, &self.file) {
            (Some(content), None) => Source::Bytes(content.into()),
            (None, Some(file)) => Source::file(cx, file)?,
            _ => return Err(Error::invalid("`s3::put` needs one of its options `content` and `file`")),
        };
        let bucket = Bucket::of(cx, &self.to.bucket, self.region.as_deref()).await?;
        let about = About {
            content_type: self.content_type.or_else(|| content_type(key)),
            cache_control: self.cache_control,
            storage_class: self.storage_class,
            metadata: self.metadata,
            only_if_new: self.only_if_new,
            if_tag: self.if_tag,
        };
        let before = bucket.find(key, None).await?;
        let size = source.size();
        if let Some(before) = &before
            && about.is_of(before)
            && source.is(cx, before).await?
        {
            let (tag, version) = (before.tag.clone(), before.version.clone());
            // It may be this call's own, made before the run broke off.
            let changed = cx.broken_off().is_some_and(|before| before.wrote);
            return Ok(Stored { url: self.to.to_string(), changed, tag, size, version });
        }
        let former = Former::of(&bucket, before.as_ref()).await?;
        let mut written = former.written(&bucket, key);
        let inverse = |written: &Written| -> Inverse { former.inverse(&bucket, written) };
        let slot = cx.undo(inverse(&written)).await?;
        let record = Record { slot: &slot, written: written.clone(), inverse: &inverse };
        let stored = store(&bucket, key, &source, &about, Some(record)).await?;
        written.made = stored.version.clone();
        written.tag = Some(stored.tag.clone());
        slot.refine(inverse(&written)).await?;
        let (tag, version) = (stored.tag, stored.version);
        Ok(Stored { url: self.to.to_string(), changed: true, tag, size, version })
    }
}
