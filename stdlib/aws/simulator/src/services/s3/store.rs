//! What is kept: buckets, objects and their versions, uploads that are not finished.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use s3s::dto::{ExpirationStatus, LifecycleRule, Metadata};
use s3s::{S3Result, s3_error};

use super::checksum::Sum;
use super::taken::Origin;
use crate::world::Random;

/// What a version is called that was written while versions were not kept.
pub(super) const NULL: &str = "null";

const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._";

#[derive(Debug, Clone)]
pub(super) struct Bucket {
    pub(super) account: String,
    pub(super) region: String,
    pub(super) made: Timestamp,
    pub(super) versioning: Versioning,
    /// By key; of each its versions, the latest last.
    pub(super) objects: BTreeMap<String, Vec<Version>>,
    /// By identifier.
    pub(super) uploads: BTreeMap<String, Upload>,
    pub(super) lifecycle: Vec<LifecycleRule>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Versioning {
    Never,
    Enabled,
    Suspended,
}

/// A version of an object, or a delete marker.
#[derive(Debug, Clone)]
pub(super) struct Version {
    pub(super) id: String,
    pub(super) at: Timestamp,
    /// `None` is a delete marker.
    pub(super) content: Option<Arc<Content>>,
}

#[derive(Debug, Clone)]
pub(super) struct Content {
    pub(super) stored: Stored,
    pub(super) tag: String,
    /// Of all bytes, in hexadecimal digits; of what is elsewhere, its tag.
    pub(super) md5: String,
    pub(super) sum: Sum,
    pub(super) about: About,
    /// Where each part ends, of what was uploaded in parts.
    pub(super) ends: Vec<usize>,
}

/// Where the bytes of a content are.
#[derive(Debug, Clone)]
pub(super) enum Stored {
    Here(Bytes),
    /// Not in this world, of which this one is a plan: only how many they are is known.
    Elsewhere {
        size: usize,
        origin: Origin,
    },
}

impl Content {
    pub(super) fn size(&self) -> usize {
        match &self.stored {
            Stored::Here(bytes) => bytes.len(),
            Stored::Elsewhere { size, .. } => *size,
        }
    }

    /// # Errors
    /// `NotImplemented` if they are not here.
    pub(super) fn bytes(&self) -> S3Result<&Bytes> {
        match &self.stored {
            Stored::Here(bytes) => Ok(bytes),
            Stored::Elsewhere { .. } => Err(s3_error!(NotImplemented, "the content is not here")),
        }
    }
}

/// What is said about a content.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct About {
    pub(super) content_type: Option<String>,
    pub(super) cache_control: Option<String>,
    pub(super) content_disposition: Option<String>,
    pub(super) content_encoding: Option<String>,
    pub(super) content_language: Option<String>,
    pub(super) storage_class: Option<String>,
    pub(super) metadata: Option<Metadata>,
    /// As in a query.
    pub(super) tags: Option<String>,
}

#[derive(Debug, Clone)]
pub(super) struct Upload {
    pub(super) key: String,
    pub(super) at: Timestamp,
    pub(super) about: About,
    pub(super) algorithm: Option<String>,
    pub(super) whole: bool,
    pub(super) parts: BTreeMap<i32, Part>,
}

#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) bytes: Bytes,
    pub(super) digest: [u8; 16],
    pub(super) sum: Option<Sum>,
    pub(super) at: Timestamp,
}

impl Bucket {
    pub(super) fn new(account: &str, region: &str, now: Timestamp) -> Self {
        Bucket {
            account: account.to_owned(),
            region: region.to_owned(),
            made: now,
            versioning: Versioning::Never,
            objects: BTreeMap::new(),
            uploads: BTreeMap::new(),
            lifecycle: Vec::new(),
        }
    }

    /// The object as it is now, if there is one.
    pub(super) fn current(&self, key: &str) -> Option<(&Version, &Arc<Content>)> {
        let latest = self.objects.get(key)?.last()?;
        Some((latest, latest.content.as_ref()?))
    }

    /// Puts a content there, or a delete marker; gives the identifier of the version.
    pub(super) fn add(
        &mut self,
        key: &str,
        content: Option<Arc<Content>>,
        now: Timestamp,
        random: &mut Random,
    ) -> String {
        let id = match self.versioning {
            Versioning::Enabled => random.of(LETTERS, 32),
            Versioning::Never | Versioning::Suspended => NULL.to_owned(),
        };
        let versions = self.objects.entry(key.to_owned()).or_default();
        versions.retain(|version| version.id != id);
        versions.push(Version { id: id.clone(), at: now, content });
        id
    }

    /// Takes the object away: for good where versions are not kept, else under a delete marker, whose identifier is given.
    pub(super) fn delete(&mut self, key: &str, now: Timestamp, random: &mut Random) -> Option<String> {
        if self.versioning == Versioning::Never {
            self.objects.remove(key);
            return None;
        }
        Some(self.add(key, None, now, random))
    }

    /// Takes one version away for good; gives whether it was a delete marker.
    pub(super) fn delete_version(&mut self, key: &str, id: &str) -> Option<bool> {
        let versions = self.objects.get_mut(key)?;
        let at = versions.iter().position(|version| version.id == id)?;
        let was_marker = versions.remove(at).content.is_none();
        if versions.is_empty() {
            self.objects.remove(key);
        }
        Some(was_marker)
    }

    /// Does what the lifecycle says, as far as its time has come.
    pub(super) fn age(&mut self, now: Timestamp, random: &mut Random) {
        let rules = self.lifecycle.clone();
        let enabled = rules.iter().filter(|rule| rule.status.as_str() == ExpirationStatus::ENABLED);
        for rule in enabled {
            self.expire(rule, now, random);
        }
    }

    fn expire(&mut self, rule: &LifecycleRule, now: Timestamp, random: &mut Random) {
        let concerns = |key: &str, size: usize| {
            let filter = rule.filter.as_ref();
            let both = filter.and_then(|filter| filter.and.as_ref());
            let prefix =
                rule.prefix.as_ref().or_else(|| filter?.prefix.as_ref()).or_else(|| both?.prefix.as_ref());
            let over = filter
                .and_then(|filter| filter.object_size_greater_than)
                .or_else(|| both?.object_size_greater_than);
            let under = filter
                .and_then(|filter| filter.object_size_less_than)
                .or_else(|| both?.object_size_less_than);
            let size = i64::try_from(size).unwrap_or(i64::MAX);
            prefix.is_none_or(|prefix| key.starts_with(prefix.as_str()))
                && over.is_none_or(|over| size > over)
                && under.is_none_or(|under| size < under)
        };
        if let Some(days) = rule.expiration.as_ref().and_then(|expiration| expiration.days) {
            let over: Vec<String> = self
                .objects
                .iter()
                .filter(|(key, versions)| {
                    versions.last().is_some_and(|latest| {
                        let content = latest.content.as_ref();
                        content.is_some_and(|content| concerns(key, content.size()))
                            && midnight_after(latest.at, days) <= now
                    })
                })
                .map(|(key, _)| key.clone())
                .collect();
            for key in over {
                let _ = self.delete(&key, now, random);
            }
        }
        if let Some(former) = &rule.noncurrent_version_expiration {
            let (days, kept) =
                (former.noncurrent_days.unwrap_or(1), former.newer_noncurrent_versions.unwrap_or(0));
            for (key, versions) in &mut self.objects {
                let replaced: Vec<Timestamp> = versions.iter().skip(1).map(|version| version.at).collect();
                let count = replaced.len();
                let mut at = 0;
                versions.retain(|version| {
                    let since = replaced.get(at).copied();
                    at += 1;
                    let size = version.content.as_ref().map_or(0, |content| content.size());
                    let is_newer = count.saturating_sub(at) < usize::try_from(kept).unwrap_or_default();
                    since.is_none_or(|since| {
                        is_newer || !concerns(key, size) || midnight_after(since, days) > now
                    })
                });
            }
        }
        if rule.expiration.as_ref().and_then(|expiration| expiration.expired_object_delete_marker)
            == Some(true)
        {
            self.objects.retain(|key, versions| {
                !(concerns(key, 0) && versions.iter().all(|version| version.content.is_none()))
            });
        }
        let days =
            rule.abort_incomplete_multipart_upload.as_ref().and_then(|abort| abort.days_after_initiation);
        if let Some(days) = days {
            self.uploads
                .retain(|_, upload| !concerns(&upload.key, 0) || midnight_after(upload.at, days) > now);
        }
    }
}

/// AWS counts the days and rounds up to the next midnight of UTC.
fn midnight_after(at: Timestamp, days: i32) -> Timestamp {
    const DAY: i64 = 86_400;
    let due = at + SignedDuration::from_secs(i64::from(days) * DAY);
    let second = due.as_second();
    let rounded = if second % DAY == 0 { second } else { (second / DAY + 1) * DAY };
    Timestamp::from_second(rounded).unwrap_or(due)
}
