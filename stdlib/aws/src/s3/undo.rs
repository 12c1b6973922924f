//! What takes writes back, as data.
//!
//! Where the bucket keeps versions, what was there before is a version, and taking back is deleting the one that was made: exact,
//! and nothing is read. Elsewhere a new object is deleted again; of what was written over, a small content is kept in the
//! journal, sealed; a larger one is lost, and the inverse says so.

use aws_sdk_s3::primitives::ByteStream;
use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use opsrun_core::{Error, Inverse, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::bucket::Bucket;
use super::delete::delete_all;
use super::digest::base64;
use super::download::fetch;
use super::object::{Object, told};
use super::upload::abort;

pub(crate) const TAKE_BACK: &str = "s3::take_back";

/// A machine's clock and S3's may be so far apart: else S3 takes no request.
const SKEW: SignedDuration = SignedDuration::from_mins(15);

/// S3 deletes no more in one request.
const MOST_AT_ONCE: usize = 1000;
const AT_ONCE: usize = 16;

/// Contents up to this size are kept in the journal, in bytes.
const KEPT: u64 = 64 << 10;

/// An object that was written or deleted, and what was there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Written {
    pub(crate) key: String,
    /// When it was about to be written.
    #[schemars(with = "String")]
    pub(crate) since: Timestamp,
    /// It was deleted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) deleted: bool,
    /// The version that was made, also one that marks it deleted, once that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) made: Option<String>,
    /// The tag of what was written, once that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tag: Option<String>,
    /// An upload in parts that may not be finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) upload: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<Before>,
}

/// What was there before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Before {
    pub(crate) tag: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) content: Option<Kept>,
}

/// A content, and what was said about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kept {
    /// In base64.
    pub(crate) bytes: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) content_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cache_control: Option<String>,
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub(crate) metadata: std::collections::BTreeMap<String, String>,
}

/// What a write is about to take the place of.
pub(crate) enum Former {
    Nothing,
    /// It comes back.
    Kept(Before),
    /// It does not.
    Lost(u64),
}

impl Former {
    /// # Errors
    /// What AWS said.
    pub(crate) async fn of(bucket: &Bucket, before: Option<&Object>) -> Result<Self> {
        let Some(before) = before else { return Ok(Former::Nothing) };
        let known = Before { tag: before.tag.clone(), version: before.version.clone(), content: None };
        // Only a bucket that keeps, or kept, versions tells one.
        if before.version.is_some() && bucket.keeps_versions().await? {
            return Ok(Former::Kept(known));
        }
        if before.size > KEPT {
            return Ok(Former::Lost(before.size));
        }
        let content = Kept {
            bytes: base64(&fetch(bucket, before).await?),
            content_type: before.content_type.clone(),
            cache_control: before.cache_control.clone(),
            metadata: before.metadata.clone(),
        };
        Ok(Former::Kept(Before { content: Some(content), ..known }))
    }

    /// What is written over it, about to be.
    pub(crate) fn written(&self, bucket: &Bucket, key: &str) -> Written {
        Written {
            key: key.to_owned(),
            since: bucket.cx().now(),
            deleted: false,
            made: None,
            tag: None,
            upload: None,
            before: match self {
                Former::Kept(before) => Some(before.clone()),
                Former::Nothing | Former::Lost(_) => None,
            },
        }
    }

    pub(crate) fn inverse(&self, bucket: &Bucket, written: &Written) -> Inverse {
        let url = bucket.url(&written.key);
        if let Former::Lost(size) = self {
            return Inverse::none(format!(
                "{url} had another content, of {size} bytes, and s3://{} keeps no versions",
                bucket.name
            ));
        }
        let args = json!({
            "bucket": bucket.name,
            "region": bucket.client.region(),
            "objects": [written],
        });
        let kept = written.before.as_ref().is_some_and(|before| before.content.is_some());
        let secret = if kept { vec!["/objects/0/before/content/bytes".to_owned()] } else { Vec::new() };
        Inverse::call(TAKE_BACK, args).sealed(secret)
    }
}

/// Takes writes back, of which no two are of one key; see [`take_back`]. Gives how many were.
///
/// # Errors
/// What AWS said; the rest is taken back all the same.
pub(crate) async fn take_back_all(bucket: &Bucket, objects: &[Written]) -> Result<u64> {
    let is_exact = |written: &&Written| {
        written.upload.is_none() && written.made.as_ref().is_some_and(|made| made != "null")
    };
    let (exact, others): (Vec<&Written>, Vec<&Written>) = objects.iter().partition(is_exact);
    let mut done = 0;
    for exact in exact.chunks(MOST_AT_ONCE) {
        let versions = exact.iter().map(|written| (written.key.as_str(), written.made.as_deref()));
        delete_all(bucket, versions).await?;
        done += exact.len() as u64;
    }
    let others: Vec<_> = others.into_iter().map(|written| take_back(bucket, written)).collect();
    let results: Vec<Result<Option<&str>>> = futures::stream::iter(others).buffered(AT_ONCE).collect().await;
    for result in results {
        done += u64::from(result?.is_some());
    }
    Ok(done)
}

/// Takes one write back, if what it wrote is still there. Gives what it has done.
///
/// # Errors
/// What AWS said.
async fn take_back(bucket: &Bucket, written: &Written) -> Result<Option<&'static str>> {
    let key = &written.key;
    if let Some(upload) = &written.upload {
        abort(bucket, key, upload).await?;
    }
    if let Some(made) = written.made.as_ref().filter(|made| *made != "null") {
        delete_version(bucket, key, Some(made)).await?;
        return Ok(Some("the version that was made is deleted"));
    }
    if bucket.keeps_versions().await? {
        return take_back_version(bucket, written).await;
    }
    let now = bucket.find(key, None).await?;
    let before = written.before.as_ref();
    match (&now, written.deleted) {
        (None, true) => {}
        (None, false) => return Ok(None),
        (Some(now), _) if !is_of(written, &now.tag, now.modified) => {
            // That what was before is there again is not worth a word.
            if before.is_none_or(|before| before.tag != now.tag) {
                bucket.cx().warn(format!("{} has changed since, and is left as it is", bucket.url(key)));
            }
            return Ok(None);
        }
        (Some(_), _) => {}
    }
    match before {
        None if now.is_some() => {
            delete_version(bucket, key, None).await?;
            Ok(Some("deleted"))
        }
        None => Ok(None),
        Some(before) => {
            let Some(content) = &before.content else { return Ok(None) };
            put_back(bucket, key, content).await?;
            Ok(Some("its former content is back"))
        }
    }
}

/// Whether this is what was written.
fn is_of(written: &Written, tag: &str, modified: Timestamp) -> bool {
    match &written.tag {
        _ if written.deleted => false,
        Some(wanted) => wanted == tag,
        None => is_since(written, modified) && written.before.as_ref().is_none_or(|before| before.tag != tag),
    }
}

/// What was there when it was looked at is known, so this is only about what is much older.
fn is_since(written: &Written, modified: Timestamp) -> bool {
    written.since.checked_sub(SKEW).is_ok_and(|since| modified >= since)
}

/// Of a write whose answer never came, the version is looked for: it is the latest.
async fn take_back_version(bucket: &Bucket, written: &Written) -> Result<Option<&'static str>> {
    let key = &written.key;
    let list = bucket.s3.list_object_versions().bucket(&bucket.name).prefix(key).send();
    let tried = format!("listing the versions of {}", bucket.url(key));
    let page = bucket.call("s3:ListBucketVersions", &tried, list).await?;
    let made = if written.deleted {
        let mut markers = page.delete_markers().iter();
        let latest = markers.find(|marker| marker.key() == Some(key) && marker.is_latest() == Some(true));
        latest
            .filter(|marker| is_since(written, told(marker.last_modified())))
            .and_then(|marker| marker.version_id())
    } else {
        let mut versions = page.versions().iter();
        let latest = versions.find(|version| version.key() == Some(key) && version.is_latest() == Some(true));
        let latest = latest.filter(|version| {
            let (tag, modified) = (super::object::tag(version.e_tag()), told(version.last_modified()));
            let was_before = written
                .before
                .as_ref()
                .is_some_and(|before| before.version.as_deref() == version.version_id());
            is_since(written, modified)
                && !was_before
                && written.tag.as_ref().is_none_or(|wanted| *wanted == tag)
        });
        latest.and_then(|version| version.version_id())
    };
    let Some(made) = made else { return Ok(None) };
    delete_version(bucket, key, Some(made)).await?;
    Ok(Some("the version that was made is deleted"))
}

/// The version that marks an object as deleted, if its bucket keeps versions.
///
/// # Errors
/// What AWS said.
pub(crate) async fn marker(bucket: &Bucket, key: &str) -> Result<Option<String>> {
    if !bucket.keeps_versions().await? {
        return Ok(None);
    }
    let list = bucket.s3.list_object_versions().bucket(&bucket.name).prefix(key).send();
    let tried = format!("listing the versions of {}", bucket.url(key));
    let page = bucket.call("s3:ListBucketVersions", &tried, list).await?;
    let mut markers = page.delete_markers().iter();
    let latest = markers.find(|marker| marker.key() == Some(key) && marker.is_latest() == Some(true));
    Ok(latest.and_then(|marker| marker.version_id()).map(str::to_owned))
}

/// Deletes a version for good, or without one the object; one that is not there is no error. Gives the version that marks it deleted.
pub(crate) async fn delete_version(
    bucket: &Bucket,
    key: &str,
    version: Option<&str>,
) -> Result<Option<String>> {
    let delete = bucket.s3.delete_object().bucket(&bucket.name).key(key);
    let delete = delete.set_version_id(version.map(str::to_owned)).send();
    let action = if version.is_some() { "s3:DeleteObjectVersion" } else { "s3:DeleteObject" };
    let done = bucket.call(action, &format!("deleting {}", bucket.url(key)), delete).await?;
    Ok(done.version_id().map(str::to_owned))
}

async fn put_back(bucket: &Bucket, key: &str, content: &Kept) -> Result<()> {
    let bytes = aws_smithy_types::base64::decode(&content.bytes).map_err(|error| {
        Error::invalid(format!("the content of {} is no base64: {error}", bucket.url(key)))
    })?;
    let put = bucket
        .s3
        .put_object()
        .bucket(&bucket.name)
        .key(key)
        .body(ByteStream::from(bytes))
        .set_content_type(content.content_type.clone())
        .set_cache_control(content.cache_control.clone())
        .set_metadata((!content.metadata.is_empty()).then(|| content.metadata.clone().into_iter().collect()))
        .send();
    bucket.call("s3:PutObject", &format!("putting {} back", bucket.url(key)), put).await.map(drop)
}
