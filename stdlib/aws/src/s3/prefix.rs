//! The objects of a bucket whose keys begin alike, as other systems are lent them.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use opsrun_core::{Cx, Error, Named, Result};
use serde::Deserialize;

use super::bucket::Bucket;
use super::object;
use super::url::S3Url;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Options {
    /// The bucket's; it is found if left out.
    region: Option<String>,
}

pub(super) struct Prefix {
    pub(super) bucket: Bucket,
    /// Empty, or with a `/` at its end.
    prefix: String,
}

/// An object as a list tells it.
pub(super) struct Listed {
    /// Its key without the prefix.
    pub(super) name: String,
    pub(super) tag: String,
    pub(super) size: u64,
    pub(super) modified: Timestamp,
}

impl Prefix {
    /// `s3://BUCKET/PREFIX`, with its options.
    ///
    /// # Errors
    /// `Invalid` for another name or unknown options; those of finding the bucket.
    pub(super) async fn of(cx: &Cx, named: &Named) -> Result<Self> {
        let options: Option<Options> = serde_json::from_value(named.options.clone())
            .map_err(|error| Error::invalid(format!("the options of `s3:{}`: {error}", named.name)))?;
        let url = S3Url::try_from(format!("s3://{}", named.name.trim_start_matches('/')))
            .map_err(Error::invalid)?;
        let bucket = Bucket::of(cx, &url.bucket, options.unwrap_or_default().region.as_deref()).await?;
        let folder = url.key.trim_matches('/');
        Ok(Prefix { bucket, prefix: if folder.is_empty() { String::new() } else { format!("{folder}/") } })
    }

    pub(super) fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    pub(super) fn url(&self, name: &str) -> String {
        self.bucket.url(&self.key(name))
    }

    /// Those whose names begin so, as S3 has them, page by page.
    pub(super) fn list(self: &Arc<Self>, names: &str) -> BoxStream<'static, Result<Listed>> {
        let (prefix, names) = (self.clone(), names.to_owned());
        let pages = futures::stream::try_unfold(Some(None::<String>), move |at| {
            let (prefix, names) = (prefix.clone(), names.clone());
            async move {
                let Some(from) = at else { return Ok::<_, Error>(None) };
                let (found, next) = prefix.page(&names, from).await?;
                Ok(Some((futures::stream::iter(found.into_iter().map(Ok)), next.map(Some))))
            }
        });
        pages.try_flatten().boxed()
    }

    /// A page of them, and where the next one begins.
    async fn page(&self, names: &str, from: Option<String>) -> Result<(Vec<Listed>, Option<String>)> {
        let list = self.bucket.s3.list_objects_v2().bucket(&self.bucket.name).prefix(self.key(names));
        let tried = format!("listing {}", self.url(names));
        let list = list.set_continuation_token(from).send();
        let page = self.bucket.call("s3:ListBucket", &tried, list).await?;
        let found = page.contents().iter().filter_map(|entry| {
            Some(Listed {
                name: entry.key()?.strip_prefix(&self.prefix)?.to_owned(),
                tag: object::tag(entry.e_tag()),
                size: object::size(entry.size()),
                modified: object::told(entry.last_modified()),
            })
        });
        Ok((found.collect(), page.next_continuation_token().map(str::to_owned)))
    }

    /// An object's content, whole or in part; with a tag only of the content that has it.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` if it has another tag; `Failed` if less came than was asked for.
    pub(super) async fn read(
        &self,
        name: &str,
        part: Option<Range<u64>>,
        tag: Option<&str>,
    ) -> Result<Bytes> {
        let wanted = part.as_ref().map(|part| part.end.saturating_sub(part.start));
        if wanted == Some(0) {
            return Ok(Bytes::new());
        }
        let ask = self.bucket.s3.get_object().bucket(&self.bucket.name).key(self.key(name));
        let ask = ask.set_if_match(tag.map(|tag| format!("\"{tag}\"")));
        let ask = ask.set_range(part.map(|part| format!("bytes={}-{}", part.start, part.end - 1))).send();
        let tried = format!("reading {}", self.url(name));
        let found = self.bucket.client.find("s3:GetObject", &tried, ask).await?;
        let found =
            found.ok_or_else(|| Error::not_found(format!("there is no object {}", self.url(name))))?;
        let read = found.body.collect().await;
        let read =
            read.map_err(|error| Error::failed(format!("{tried}: it broke off: {error}")))?.into_bytes();
        match wanted {
            Some(wanted) if wanted != read.len() as u64 => {
                Err(Error::failed(format!("{tried}: {} bytes instead of {wanted}", read.len())))
            }
            _ => Ok(read),
        }
    }

    /// One that is not there is no error.
    pub(super) async fn remove(&self, name: &str) -> Result<()> {
        let delete = self.bucket.s3.delete_object().bucket(&self.bucket.name).key(self.key(name)).send();
        let tried = format!("deleting {}", self.url(name));
        self.bucket.client.find("s3:DeleteObject", &tried, delete).await.map(drop)
    }
}
