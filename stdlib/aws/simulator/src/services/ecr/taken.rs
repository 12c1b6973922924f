//! Repositories that were found elsewhere, with their images as they are there: a digest is one of a manifest to the byte.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use super::section::RepositorySection;
use super::state::{Image, Repositories, Repository, digest};

/// A repository and what is in it.
#[derive(Debug, Clone, Default)]
pub struct TakenRepository {
    pub immutable: bool,
    pub scan_on_push: bool,
    pub created: Timestamp,
    pub tags: BTreeMap<String, String>,
    pub images: Vec<TakenImage>,
}

/// An image.
#[derive(Debug, Clone, Default)]
pub struct TakenImage {
    pub manifest: String,
    pub media_type: String,
    pub tags: BTreeSet<String>,
    pub pushed: Timestamp,
    /// When it was scanned last, if it was, and what was found, by severity.
    pub scanned: Option<Timestamp>,
    pub findings: BTreeMap<String, u32>,
}

impl Repositories {
    pub(crate) fn add(&mut self, found: BTreeMap<String, TakenRepository>, now: Timestamp) {
        for (name, taken) in found {
            let section = RepositorySection {
                immutable: taken.immutable,
                scan_on_push: taken.scan_on_push,
                ..RepositorySection::default()
            };
            let mut repository = Repository::empty(&section, now);
            (repository.created, repository.tags) = (taken.created, taken.tags);
            for image in taken.images {
                repository.note_layers(&image.manifest);
                let image = Image {
                    media_type: image.media_type,
                    tags: image.tags,
                    pushed: image.pushed,
                    findings: image.scanned.map(|_| image.findings),
                    scan: image.scanned,
                    manifest: image.manifest,
                };
                repository.images.insert(digest(&image.manifest), image);
            }
            self.0.insert(name, repository);
        }
    }
}

/// The one repository that a request is about.
pub(crate) fn repository_of(input: &Value) -> Option<String> {
    if let Some(arn) = input.get("resourceArn").and_then(Value::as_str) {
        return arn.split_once(":repository/").map(|(_, name)| name.to_owned());
    }
    match super::strings(input, "repositoryNames").as_slice() {
        [one] => Some((*one).to_owned()),
        _ => input.get("repositoryName").and_then(Value::as_str).map(str::to_owned),
    }
}
