//! The `s3` section of an account's region in an estate file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;

use super::Buckets;
use super::object::content;
use super::store::{About, Bucket, Versioning};
use crate::world::Random;

/// ```yaml
/// s3:
///   buckets:
///     workflow-backups:
///       versioning: true
///       files: backups
///       objects: { "config/app.yaml": "replicas: 3" }
/// ```
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct S3Section {
    /// By name, which no other account or region has.
    pub buckets: BTreeMap<String, BucketSection>,
}

/// A bucket and what is in it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct BucketSection {
    /// Former versions are kept.
    pub versioning: bool,
    /// A folder; each file below it is an object.
    pub files: Option<PathBuf>,
    /// Texts by key.
    pub objects: BTreeMap<String, String>,
}

/// By folder, the files below it: paths from it, and contents.
pub type Folders = BTreeMap<PathBuf, Vec<(PathBuf, Vec<u8>)>>;

impl S3Section {
    /// The folders that it names.
    pub fn folders(&self) -> impl Iterator<Item = &Path> {
        self.buckets.values().filter_map(|bucket| bucket.files.as_deref())
    }
}

impl Buckets {
    /// # Errors
    /// What of the section cannot be.
    pub(crate) fn add(
        &mut self,
        section: &S3Section,
        (account, region): (&str, &str),
        now: Timestamp,
        random: &mut Random,
        folders: &Folders,
    ) -> Result<(), String> {
        for (name, section) in &section.buckets {
            let mut bucket = Bucket::new(account, region, now);
            if section.versioning {
                bucket.versioning = Versioning::Enabled;
            }
            let files = section.files.as_ref().and_then(|folder| folders.get(folder));
            for (path, bytes) in files.into_iter().flatten() {
                let key = path.to_str().ok_or_else(|| format!("s3: {name}: a file's name is no text"))?;
                let bytes = Bytes::copy_from_slice(bytes);
                bucket.add(key, Some(content(bytes, None, About::default())), now, random);
            }
            for (key, text) in &section.objects {
                let bytes = Bytes::from(text.clone().into_bytes());
                bucket.add(key, Some(content(bytes, None, About::default())), now, random);
            }
            if self.0.insert(name.clone(), Arc::new(bucket)).is_some() {
                return Err(format!("s3: there are two buckets `{name}`, and names are global"));
            }
        }
        Ok(())
    }
}
