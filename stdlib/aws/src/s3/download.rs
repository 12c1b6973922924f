//! Contents on their way from S3. What has a checksum is compared with it before anybody sees it.

use std::path::Path;

use aws_sdk_s3::operation::get_object::builders::GetObjectFluentBuilder;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use opsrun_core::{Cx, Error, Result};

use super::bucket::Bucket;
use super::budget::Budget;
use super::digest;
use super::object::Object;
use super::upload::{SMALL, part_size};

const AT_ONCE: usize = 8;

/// A content whole.
///
/// # Errors
/// What AWS said; `Failed` if it is not what was stored.
pub(crate) async fn fetch(bucket: &Bucket, object: &Object) -> Result<Bytes> {
    let asked = asked(bucket, object).checksum_mode(aws_sdk_s3::types::ChecksumMode::Enabled);
    received(bucket, object, asked, object.size).await
}

fn asked(bucket: &Bucket, object: &Object) -> GetObjectFluentBuilder {
    let asked = bucket.s3.get_object().bucket(&bucket.name).key(&object.key);
    // What is read in several requests is one content.
    asked
        .set_version_id(object.version.clone().filter(|id| id != "null"))
        .if_match(format!("\"{}\"", object.tag))
}

async fn received(
    bucket: &Bucket,
    object: &Object,
    asked: GetObjectFluentBuilder,
    length: u64,
) -> Result<Bytes> {
    let tried = format!("reading {}", object.url);
    let got = bucket.call("s3:GetObject", &tried, asked.send()).await?;
    let read = got.body.collect().await;
    let broken = |why: String| {
        Error::failed(format!("{} did not arrive as it was stored: {why}", object.url))
            .detail(format!("s3:GetObject in {}, {}", bucket.client.region(), bucket.client.place().account))
            .hint("what was received is thrown away: read it again")
    };
    let bytes = read.map_err(|error| broken(innermost(&error)))?.into_bytes();
    if bytes.len() as u64 != length {
        return Err(broken(format!("{} bytes instead of {length}", bytes.len())));
    }
    Ok(bytes)
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// A content into a file, which appears once it is whole, with the time of the object.
///
/// # Errors
/// As [`fetch`]; those of writing the file.
pub(crate) async fn fetch_into(cx: &Cx, bucket: &Bucket, object: &Object, path: &Path) -> Result<()> {
    let budget = Budget::of(cx)?;
    let draft = cx.draft_file(path)?;
    if object.size <= SMALL {
        let _held = budget.take(object.size).await?;
        let bytes = fetch(bucket, object).await?;
        draft.write_at(0, &bytes)?;
        return draft.keep(Some(object.modified)).await;
    }
    let step = part_size(object.size);
    let pieces = futures::stream::iter(0..object.size.div_ceil(step)).map(|at| {
        let (draft, budget) = (&draft, &budget);
        async move {
            let (offset, length) = (at * step, step.min(object.size - at * step));
            let _held = budget.take(length).await?;
            let range = format!("bytes={offset}-{}", offset + length - 1);
            let bytes = received(bucket, object, asked(bucket, object).range(range), length).await?;
            draft.write_at(offset, &bytes)?;
            Ok::<_, Error>((digest::crc64(&bytes), length))
        }
    });
    let mut pieces = pieces.buffered(AT_ONCE);
    let (mut crc, mut done) = (None, 0);
    while let Some((piece, length)) = pieces.try_next().await? {
        crc = Some(crc.map_or(piece, |before| digest::joined(before, piece, length)));
        done += length;
        cx.progress(format!("{}: {} of {} MiB", object.url, done >> 20, object.size >> 20));
    }
    drop(pieces);
    let found = crc.map(digest::written);
    if let Some(wanted) = &object.crc64
        && found.as_ref() != Some(wanted)
    {
        let found = found.unwrap_or_default();
        return Err(Error::failed(format!(
            "{} did not arrive as it was stored: its checksum is {found} instead of {wanted}",
            object.url
        ))
        .hint("what was received is thrown away: read it again"));
    }
    draft.keep(Some(object.modified)).await
}
