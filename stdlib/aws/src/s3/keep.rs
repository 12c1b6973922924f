//! What S3 lends other systems: a prefix of a bucket as a store of objects.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use opsrun_core::{BoxFuture, Cx, Error, Named, Result, Store, StoreScheme, Stored};
use serde::Deserialize;

use super::bucket::Bucket;
use super::object;
use super::upload::{self, About, Source};
use super::url::S3Url;

pub(crate) const STORES: &[StoreScheme] =
    &[StoreScheme { scheme: "s3", form: "s3://BUCKET/PREFIX", open: |cx, named| Box::pin(open(cx, named)) }];

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    /// The bucket's; it is found if left out.
    region: Option<String>,
}

async fn open(cx: Cx, named: Named) -> Result<Arc<dyn Store>> {
    let options: Option<Options> = serde_json::from_value(named.options)
        .map_err(|error| Error::invalid(format!("the options of `s3:{}`: {error}", named.name)))?;
    let url =
        S3Url::try_from(format!("s3://{}", named.name.trim_start_matches('/'))).map_err(Error::invalid)?;
    let region = options.unwrap_or_default().region;
    let bucket = Bucket::of(&cx, &url.bucket, region.as_deref()).await?;
    let folder = url.key.trim_matches('/');
    let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
    Ok(Arc::new(Prefix(Arc::new(Inner { bucket, prefix }))))
}

/// The objects below a prefix.
struct Prefix(Arc<Inner>);

struct Inner {
    bucket: Bucket,
    /// Empty, or with a `/` at its end.
    prefix: String,
}

impl Inner {
    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// A page of the objects whose names begin so, and where the next one begins.
    async fn page(&self, prefix: &str, from: Option<String>) -> Result<(Vec<Stored>, Option<String>)> {
        let whole = self.key(prefix);
        let list = self.bucket.s3.list_objects_v2().bucket(&self.bucket.name).prefix(&whole);
        let list = list.set_continuation_token(from).send();
        let tried = format!("listing {}", self.bucket.url(&whole));
        let page = self.bucket.call("s3:ListBucket", &tried, list).await?;
        let found = page.contents().iter().filter_map(|entry| {
            let name = entry.key()?.strip_prefix(&self.prefix)?.to_owned();
            Some(Stored { name, size: object::size(entry.size()) })
        });
        Ok((found.collect(), page.next_continuation_token().map(str::to_owned)))
    }

    async fn read(&self, name: &str, part: Option<Range<u64>>) -> Result<Bytes> {
        let key = self.key(name);
        let ask = self.bucket.s3.get_object().bucket(&self.bucket.name).key(&key);
        let wanted = part.as_ref().map(|part| part.end.saturating_sub(part.start));
        if wanted == Some(0) {
            return Ok(Bytes::new());
        }
        let ask = ask.set_range(part.map(|part| format!("bytes={}-{}", part.start, part.end - 1))).send();
        let tried = format!("reading {}", self.bucket.url(&key));
        let found = self.bucket.client.find("s3:GetObject", &tried, ask).await?;
        let found =
            found.ok_or_else(|| Error::not_found(format!("there is no object {}", self.bucket.url(&key))))?;
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

    async fn remove(&self, name: &str) -> Result<()> {
        let key = self.key(name);
        let delete = self.bucket.s3.delete_object().bucket(&self.bucket.name).key(&key).send();
        let tried = format!("deleting {}", self.bucket.url(&key));
        self.bucket.client.find("s3:DeleteObject", &tried, delete).await.map(drop)
    }
}

impl Store for Prefix {
    fn list(&self, prefix: &str) -> BoxStream<'static, Result<Stored>> {
        let (inner, prefix) = (self.0.clone(), prefix.to_owned());
        let pages = futures::stream::try_unfold(Some(None::<String>), move |at| {
            let (inner, prefix) = (inner.clone(), prefix.clone());
            async move {
                let Some(from) = at else { return Ok::<_, Error>(None) };
                let (found, next) = inner.page(&prefix, from).await?;
                Ok(Some((futures::stream::iter(found.into_iter().map(Ok)), next.map(Some))))
            }
        });
        pages.try_flatten().boxed()
    }

    fn read(&self, name: &str, part: Option<Range<u64>>) -> BoxFuture<'static, Result<Bytes>> {
        let (inner, name) = (self.0.clone(), name.to_owned());
        Box::pin(async move { inner.read(&name, part).await })
    }

    fn write(&self, name: &str, content: Bytes) -> BoxFuture<'static, Result<()>> {
        let (inner, key) = (self.0.clone(), self.0.key(name));
        Box::pin(async move {
            let content = Source::Bytes(content);
            upload::in_one(&inner.bucket, &key, &content, &About::default()).await.map(drop)
        })
    }

    fn remove(&self, name: &str) -> BoxFuture<'static, Result<()>> {
        let (inner, name) = (self.0.clone(), name.to_owned());
        Box::pin(async move { inner.remove(&name).await })
    }
}
