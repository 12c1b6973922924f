//! What S3 lends other systems: a prefix of a bucket as a store of objects.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use opsrun_core::{BoxFuture, Cx, Named, Result, Store, StoreScheme, Stored};

use super::prefix::Prefix;
use super::upload::{self, About, Source};

pub(crate) const STORES: &[StoreScheme] =
    &[StoreScheme { scheme: "s3", form: "s3://BUCKET/PREFIX", open: |cx, named| Box::pin(open(cx, named)) }];

async fn open(cx: Cx, named: Named) -> Result<Arc<dyn Store>> {
    Ok(Arc::new(Kept(Arc::new(Prefix::of(&cx, &named).await?))))
}

/// The objects below a prefix.
struct Kept(Arc<Prefix>);

impl Store for Kept {
    fn list(&self, prefix: &str) -> BoxStream<'static, Result<Stored>> {
        self.0.list(prefix).map_ok(|found| Stored { name: found.name, size: found.size }).boxed()
    }

    fn read(&self, name: &str, part: Option<Range<u64>>) -> BoxFuture<'static, Result<Bytes>> {
        let (prefix, name) = (self.0.clone(), name.to_owned());
        Box::pin(async move { prefix.read(&name, part, None).await })
    }

    fn write(&self, name: &str, content: Bytes) -> BoxFuture<'static, Result<()>> {
        let (prefix, key) = (self.0.clone(), self.0.key(name));
        Box::pin(async move {
            let content = Source::Bytes(content);
            upload::in_one(&prefix.bucket, &key, &content, &About::default()).await.map(drop)
        })
    }

    fn remove(&self, name: &str) -> BoxFuture<'static, Result<()>> {
        let (prefix, name) = (self.0.clone(), name.to_owned());
        Box::pin(async move { prefix.remove(&name).await })
    }
}
