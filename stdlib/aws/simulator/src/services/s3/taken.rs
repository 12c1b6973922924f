//! Objects whose contents are somewhere else: a plan knows of them, and reads them there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use s3s::dto::Metadata;
use serde_json::{Value, json};

use super::Buckets;
use super::checksum::{self, Sum};
use super::store::{About, Bucket, Content, NULL, Stored, Version, Versioning};
use crate::world::Aws;

/// A bucket that was found elsewhere, with those of its objects that are needed.
#[derive(Debug, Clone, Default)]
pub struct TakenBucket {
    pub region: String,
    pub keeps_versions: bool,
    pub objects: Vec<TakenObject>,
}

/// An object without its content.
#[derive(Debug, Clone, Default)]
pub struct TakenObject {
    pub key: String,
    pub version: Option<String>,
    /// It is not the latest version.
    pub is_former: bool,
    /// In bytes.
    pub size: u64,
    /// Without quotes.
    pub tag: String,
    pub modified: Timestamp,
    pub content_type: Option<String>,
    pub cache_control: Option<String>,
    pub storage_class: Option<String>,
    pub metadata: BTreeMap<String, String>,
    /// The CRC-64/NVME of the whole content, in base64.
    pub crc64: Option<String>,
}

/// Where a content is that is not here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    pub bucket: String,
    pub key: String,
    pub version: Option<String>,
}

/// Where the content of an object, or of a version of it, is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whereabouts {
    Here,
    Elsewhere(Origin),
    /// A marker says that it is deleted.
    Deleted,
    Nowhere,
}

impl Buckets {
    pub(crate) fn take_over(&mut self, account: &str, found: BTreeMap<String, TakenBucket>, now: Timestamp) {
        for (name, taken) in found {
            let bucket = self.0.entry(name.clone()).or_insert_with(|| {
                let mut bucket = Bucket::new(account, &taken.region, now);
                if taken.keeps_versions {
                    bucket.versioning = Versioning::Enabled;
                }
                Arc::new(bucket)
            });
            let bucket = Arc::make_mut(bucket);
            for object in taken.objects {
                let versions = bucket.objects.entry(object.key.clone()).or_default();
                let version = object.version_of(&name);
                // It may be known by now.
                match versions.iter().any(|known| known.id == version.id) {
                    true => {}
                    false if object.is_former => versions.insert(0, version),
                    false if versions.is_empty() => versions.push(version),
                    false => {}
                }
            }
        }
    }
}

impl TakenObject {
    fn version_of(&self, bucket: &str) -> Version {
        let origin =
            Origin { bucket: bucket.to_owned(), key: self.key.clone(), version: self.version.clone() };
        let value = self.crc64.clone().unwrap_or_default();
        let metadata: Metadata = self.metadata.clone().into_iter().collect();
        let content = Content {
            stored: Stored::Elsewhere { size: usize::try_from(self.size).unwrap_or(usize::MAX), origin },
            tag: self.tag.clone(),
            md5: self.tag.clone(),
            sum: Sum { algorithm: checksum::DEFAULT, value, composite: false },
            about: About {
                content_type: self.content_type.clone(),
                cache_control: self.cache_control.clone(),
                storage_class: self.storage_class.clone(),
                metadata: (!metadata.is_empty()).then_some(metadata),
                ..About::default()
            },
            ends: Vec::new(),
        };
        Version {
            id: self.version.clone().unwrap_or_else(|| NULL.to_owned()),
            at: self.modified,
            content: Some(Arc::new(content)),
        }
    }
}

impl Aws {
    /// Where the content of an object is; `None` if the bucket is not known.
    pub fn whereabouts(&self, bucket: &str, key: &str, version: Option<&str>) -> Option<Whereabouts> {
        let versions = self.buckets.0.get(bucket)?.objects.get(key);
        let versions = versions.map(Vec::as_slice).unwrap_or_default();
        let found = match version {
            Some(id) => versions.iter().find(|version| version.id == id),
            None => versions.last(),
        };
        let Some(found) = found else { return Some(Whereabouts::Nowhere) };
        Some(match found.content.as_ref().map(|content| &content.stored) {
            Some(Stored::Here(_)) => Whereabouts::Here,
            Some(Stored::Elsewhere { origin, .. }) => Whereabouts::Elsewhere(origin.clone()),
            None => Whereabouts::Deleted,
        })
    }

    /// The objects of these keys that are there, as a listing tells them.
    pub fn listed(&self, bucket: &str, keys: &BTreeSet<String>) -> Vec<Value> {
        let Some(bucket) = self.buckets.0.get(bucket) else { return Vec::new() };
        let current = keys.iter().filter_map(|key| Some((key, bucket.current(key)?)));
        current
            .map(|(key, (version, content))| {
                json!({
                    "Key": key,
                    "LastModified": version.at.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string(),
                    "ETag": format!("\"{}\"", content.tag),
                    "Size": content.size(),
                    "StorageClass": content.about.storage_class.as_deref().unwrap_or("STANDARD"),
                })
            })
            .collect()
    }
}
