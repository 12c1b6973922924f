//! Copies that S3 makes itself, also from one region to another: the content does not pass through here.

use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use futures::{StreamExt, TryStreamExt};
use opsrun_core::{Error, Result};

use super::bucket::Bucket;
use super::object::{self, Object};
use super::upload::{Record, Stored, abort};

/// One request copies no more.
const LARGEST: u64 = 5 << 30;
const PART: u64 = 512 << 20;
const AT_ONCE: usize = 8;

/// Copies an object; what takes it back is recorded already.
///
/// # Errors
/// What AWS said.
pub(crate) async fn copy(
    from: (&Bucket, &Object),
    to: (&Bucket, &str),
    record: Option<Record<'_>>,
) -> Result<Stored> {
    let (bucket, key) = to;
    let source = source(from.0, from.1);
    let tried = format!("copying {} to {}", from.1.url, bucket.url(key));
    if from.1.size <= LARGEST {
        let copy = bucket.s3.copy_object().bucket(&bucket.name).key(key).copy_source(source).send();
        let done = bucket.call("s3:PutObject", &tried, copy).await?;
        let tag = object::tag(done.copy_object_result().and_then(|result| result.e_tag()));
        return Ok(Stored { tag, version: done.version_id().map(str::to_owned) });
    }
    let Some(mut record) = record else {
        return Err(Error::failed(format!("{} is too large for one request", from.1.url)));
    };
    let begin = bucket
        .s3
        .create_multipart_upload()
        .bucket(&bucket.name)
        .key(key)
        .set_content_type(from.1.content_type.clone())
        .set_cache_control(from.1.cache_control.clone())
        .set_metadata((!from.1.metadata.is_empty()).then(|| from.1.metadata.clone().into_iter().collect()))
        .send();
    let begun = bucket.call("s3:PutObject", &tried, begin).await?;
    let upload = begun.upload_id().ok_or_else(|| Error::failed(format!("{tried}: no upload was begun")))?;
    record.written.upload = Some(upload.to_owned());
    record.now().await?;
    let done = in_parts(from, to, upload, &source).await;
    if done.is_err()
        && let Err(left) = abort(bucket, key, upload).await
    {
        bucket.cx().warn(format!("the unfinished upload of {} stays: {left}", bucket.url(key)));
    }
    done
}

/// As a header has it.
fn source(bucket: &Bucket, object: &Object) -> String {
    let mut source = format!("{}/", bucket.name);
    for byte in object.key.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                source.push(char::from(byte));
            }
            byte => source.push_str(&format!("%{byte:02X}")),
        }
    }
    if let Some(version) = object.version.as_ref().filter(|version| *version != "null") {
        source.push_str("?versionId=");
        source.push_str(version);
    }
    source
}

async fn in_parts(
    (_, object): (&Bucket, &Object),
    (bucket, key): (&Bucket, &str),
    upload: &str,
    source: &str,
) -> Result<Stored> {
    let tried = format!("copying {} to {}", object.url, bucket.url(key));
    let parts = futures::stream::iter(0..object.size.div_ceil(PART)).map(|at| {
        let (first, last) = (at * PART, ((at + 1) * PART).min(object.size) - 1);
        let number = i32::try_from(at + 1).unwrap_or(i32::MAX);
        let copy = bucket
            .s3
            .upload_part_copy()
            .bucket(&bucket.name)
            .key(key)
            .upload_id(upload)
            .part_number(number)
            .copy_source(source)
            .copy_source_if_match(format!("\"{}\"", object.tag))
            .copy_source_range(format!("bytes={first}-{last}"));
        let tried = &tried;
        async move {
            let done = bucket.call("s3:PutObject", tried, copy.send()).await?;
            let tag = done.copy_part_result().and_then(|result| result.e_tag()).map(str::to_owned);
            Ok::<_, Error>(CompletedPart::builder().part_number(number).set_e_tag(tag).build())
        }
    });
    let parts: Vec<CompletedPart> = parts.buffered(AT_ONCE).try_collect().await?;
    let complete = bucket
        .s3
        .complete_multipart_upload()
        .bucket(&bucket.name)
        .key(key)
        .upload_id(upload)
        .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(parts)).build())
        .send();
    let done = bucket.call("s3:PutObject", &tried, complete).await?;
    Ok(Stored { tag: object::tag(done.e_tag()), version: done.version_id().map(str::to_owned) })
}
