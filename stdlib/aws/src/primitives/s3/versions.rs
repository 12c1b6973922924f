use opsrun_core::{Cx, Effect, Primitive, Result};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::s3::{Bucket, S3Url, size, tag, told};

/// Lists the versions of an object, the latest first.
///
/// ```rhai
/// for version in s3::versions("s3://workflow-config/app.yaml") {
///     log(`${version.version} of ${version.modified}: ${version.size} bytes`);
/// }
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Versions {
    /// Which: `s3://BUCKET/KEY`.
    #[arg(positional)]
    object: S3Url,
    /// How many to tell of; 1000 if left out.
    limit: Option<usize>,
    /// The bucket's region; it is found if left out.
    region: Option<String>,
}

/// A version of an object, or a mark that it was deleted.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct ObjectVersion {
    pub(crate) version: String,
    #[schemars(with = "String")]
    pub(crate) modified: jiff::Timestamp,
    /// Whether it is what is read without naming a version.
    pub(crate) latest: bool,
    /// Whether it marks the object as deleted.
    pub(crate) deleted: bool,
    /// In bytes.
    pub(crate) size: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) tag: String,
}

impl Primitive for Versions {
    const PATH: &'static str = "s3::versions";
    const EFFECT: Effect = Effect::Read;
    type Out = Vec<ObjectVersion>;

    async fn run(self, cx: &Cx) -> Result<Vec<ObjectVersion>> {
        let bucket = Bucket::of(cx, &self.object.bucket, self.region.as_deref()).await?;
        versions(&bucket, self.object.object()?, self.limit.unwrap_or(1000)).await
    }
}

/// # Errors
/// What AWS said.
pub(super) async fn versions(bucket: &Bucket, key: &str, limit: usize) -> Result<Vec<ObjectVersion>> {
    let mut found: Vec<ObjectVersion> = Vec::new();
    let list = bucket.s3.list_object_versions().bucket(&bucket.name).prefix(key);
    let (mut key_marker, mut version_marker) = (None, None);
    loop {
        let list = list.clone().set_key_marker(key_marker).set_version_id_marker(version_marker).send();
        let tried = format!("listing the versions of {}", bucket.url(key));
        let page = bucket.call("s3:ListBucketVersions", &tried, list).await?;
        let is_it = |other: Option<&str>| other == Some(key);
        for version in page.versions().iter().filter(|version| is_it(version.key())) {
            found.push(ObjectVersion {
                version: version.version_id().unwrap_or("null").to_owned(),
                modified: told(version.last_modified()),
                latest: version.is_latest() == Some(true),
                deleted: false,
                size: size(version.size()),
                tag: tag(version.e_tag()),
            });
        }
        for marker in page.delete_markers().iter().filter(|marker| is_it(marker.key())) {
            found.push(ObjectVersion {
                version: marker.version_id().unwrap_or("null").to_owned(),
                modified: told(marker.last_modified()),
                latest: marker.is_latest() == Some(true),
                deleted: true,
                size: 0,
                tag: String::new(),
            });
        }
        // Keys that only begin like it come after it.
        let goes_on = page.is_truncated() == Some(true) && page.next_key_marker() == Some(key);
        if !goes_on || found.len() >= limit {
            break;
        }
        key_marker = page.next_key_marker().map(str::to_owned);
        version_marker = page.next_version_id_marker().map(str::to_owned);
    }
    // Versions and marks come apart; of one second, the latest goes first.
    found.sort_by_key(|version| (!version.latest, std::cmp::Reverse(version.modified)));
    found.truncate(limit);
    Ok(found)
}
