//! Single objects of S3, without their contents.

use opsrun_aws_simulator::{Taken, TakenBucket, TakenObject};
use opsrun_core::{Cx, Result};

use crate::s3::Bucket;

/// The object as it is now, or a version of it; none if there is none.
pub(in crate::overlay) async fn object(
    bucket: &Bucket,
    key: &str,
    version: Option<&str>,
) -> Result<Option<TakenObject>> {
    let found = bucket.find(key, version).await?;
    Ok(found.map(|found| TakenObject {
        key: found.key,
        version: found.version,
        is_former: version.is_some(),
        size: found.size,
        tag: found.tag,
        modified: found.modified,
        content_type: found.content_type,
        cache_control: found.cache_control,
        storage_class: found.storage_class,
        metadata: found.metadata,
        crc64: found.crc64,
    }))
}

/// `BUCKET/KEY`, or `BUCKET`, as it is now.
pub(in crate::overlay) async fn named(cx: &Cx, name: &str) -> Result<Taken> {
    let (name, key) = name.split_once('/').unwrap_or((name, ""));
    let bucket = Bucket::of(cx, name, None).await?;
    let taken = TakenBucket {
        region: bucket.client.region().to_owned(),
        keeps_versions: bucket.keeps_versions().await?,
        objects: if key.is_empty() {
            Vec::new()
        } else {
            object(&bucket, key, None).await?.into_iter().collect()
        },
    };
    Ok(Taken { buckets: [(name.to_owned(), taken)].into(), ..Taken::default() })
}
