//! Contents on their way from S3. What has a checksum is compared with it before anybody sees it.

use std::path::Path;

use aws_sdk_s3::operation::get_object::builders::GetObjectFluentBuilder;
use bytes::{Bytes, BytesMut};
use futures::{StreamExt, TryStreamExt};
use opsrun_core::{Cx, Error, Result};

use super::bucket::Bucket;
use super::budget::Budget;
use super::digest;
use super::object::Object;
use super::upload::{SMALL, part_size};

const AT_ONCE: usize = 8;

/// So much of an answer is in memory at once at most: it is written as it comes.
const UNDER_WAY: u64 = 1 << 20;

/// A content whole.
///
/// # Errors
/// What AWS said; `Failed` if it is not what was stored.
pub(crate) async fn fetch(bucket: &Bucket, object: &Object) -> Result<Bytes> {
    let mut whole = BytesMut::with_capacity(usize::try_from(object.size).unwrap_or_default());
    let take = |_: u64, bytes: &[u8]| {
        whole.extend_from_slice(bytes);
        Ok(())
    };
    receive(bucket, object, checked(bucket, object), object.size, take).await?;
    Ok(whole.freeze())
}

/// Asks for the whole content, whose checksum AWS's client compares.
fn checked(bucket: &Bucket, object: &Object) -> GetObjectFluentBuilder {
    asked(bucket, object).checksum_mode(aws_sdk_s3::types::ChecksumMode::Enabled)
}

fn asked(bucket: &Bucket, object: &Object) -> GetObjectFluentBuilder {
    let asked = bucket.s3.get_object().bucket(&bucket.name).key(&object.key);
    // What is read in several requests is one content.
    asked
        .set_version_id(object.version.clone().filter(|id| id != "null"))
        .if_match(format!("\"{}\"", object.tag))
}

/// Gives what arrives to `take`, bit by bit, with how much came before it.
async fn receive(
    bucket: &Bucket,
    object: &Object,
    asked: GetObjectFluentBuilder,
    length: u64,
    mut take: impl FnMut(u64, &[u8]) -> Result<()>,
) -> Result<()> {
    let tried = format!("reading {}", object.url);
    let mut body = bucket.call("s3:GetObject", &tried, asked.send()).await?.body;
    let broken = |why: String| {
        Error::failed(format!("{} did not arrive as it was stored: {why}", object.url))
            .detail(format!("s3:GetObject in {}, {}", bucket.client.region(), bucket.client.place().account))
            .hint("what was received is thrown away: read it again")
    };
    let mut received = 0;
    while let Some(bytes) = body.try_next().await.map_err(|error| broken(innermost(&error)))? {
        let before = received;
        received += bytes.len() as u64;
        if received <= length {
            take(before, &bytes)?;
        }
    }
    if received != length {
        return Err(broken(format!("{received} bytes instead of {length}")));
    }
    Ok(())
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
        let _held = budget.take(object.size.min(UNDER_WAY)).await?;
        let write = |at, bytes: &[u8]| draft.write_at(at, bytes);
        receive(bucket, object, checked(bucket, object), object.size, write).await?;
        return draft.keep(Some(object.modified)).await;
    }
    let step = part_size(object.size);
    let pieces = futures::stream::iter(0..object.size.div_ceil(step)).map(|at| {
        let (draft, budget) = (&draft, &budget);
        async move {
            let (offset, length) = (at * step, step.min(object.size - at * step));
            let _held = budget.take(UNDER_WAY).await?;
            let range = format!("bytes={offset}-{}", offset + length - 1);
            let mut crc = digest::Crc::new();
            let write = |at, bytes: &[u8]| {
                crc.update(bytes);
                draft.write_at(offset + at, bytes)
            };
            receive(bucket, object, asked(bucket, object).range(range), length, write).await?;
            Ok::<_, Error>((crc.value(), length))
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
