//! Repositories and their images, with the layers that are known.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use opsrun_core::Span;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::section::RepositorySection;
use crate::fault::{Answer, Fault};
use crate::world::{Caller, Random};

pub(super) const SEVERITIES: &[&str] = &["CRITICAL", "HIGH", "MEDIUM", "LOW", "INFORMATIONAL", "UNDEFINED"];
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// All repositories of a region, by name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Repositories(pub(super) BTreeMap<String, Repository>);

#[derive(Debug, Clone)]
pub(super) struct Repository {
    pub(super) immutable: bool,
    pub(super) scan_on_push: bool,
    pub(super) created: Timestamp,
    pub(super) tags: BTreeMap<String, String>,
    /// By their digests.
    pub(super) images: BTreeMap<String, Image>,
    /// Layers of images that are gone, and since when.
    pub(super) loose: BTreeMap<String, Timestamp>,
    pub(super) sizes: BTreeMap<String, u64>,
    pub(super) findings: BTreeMap<String, u32>,
    pub(super) scan_takes: Span,
    pub(super) layers_kept: Span,
}

#[derive(Debug, Clone)]
pub(super) struct Image {
    pub(super) manifest: String,
    pub(super) media_type: String,
    pub(super) tags: BTreeSet<String>,
    pub(super) pushed: Timestamp,
    pub(super) scan: Option<Timestamp>,
    pub(super) findings: Option<BTreeMap<String, u32>>,
}

impl Repositories {
    pub(crate) fn start(
        sections: &BTreeMap<String, RepositorySection>,
        random: &mut Random,
        now: Timestamp,
    ) -> Result<Self, String> {
        let mut repositories = BTreeMap::new();
        for (name, section) in sections {
            let made = Repository::start(section, random, now).map_err(|why| format!("`{name}`: {why}"))?;
            repositories.insert(name.clone(), made);
        }
        Ok(Repositories(repositories))
    }

    pub(crate) fn snapshot(&self, region: &str, things: &mut BTreeMap<String, Value>) {
        for (name, repository) in &self.0 {
            let settings = json!({
                "immutable": repository.immutable,
                "scan-on-push": repository.scan_on_push,
                "tags": repository.tags,
            });
            things.insert(format!("ecr repository {region}/{name}"), settings);
            for (digest, image) in &repository.images {
                let content = json!({ "tags": image.tags, "media-type": image.media_type });
                things.insert(format!("ecr image {region}/{name}@{digest}"), content);
            }
        }
    }

    pub(super) fn known(&mut self, name: &str, caller: &Caller) -> Answer<&mut Repository> {
        self.0.get_mut(name).ok_or_else(|| {
            let message = format!(
                "The repository with name '{name}' does not exist in the registry with id '{}'",
                caller.account
            );
            Fault::sender("RepositoryNotFoundException", message)
        })
    }
}

impl Repository {
    pub(super) fn empty(section: &RepositorySection, now: Timestamp) -> Self {
        Repository {
            immutable: section.immutable,
            scan_on_push: section.scan_on_push,
            created: now,
            tags: BTreeMap::new(),
            images: BTreeMap::new(),
            loose: BTreeMap::new(),
            sizes: BTreeMap::new(),
            findings: section.findings.clone(),
            scan_takes: section.scan_takes,
            layers_kept: section.layers_kept,
        }
    }

    fn start(section: &RepositorySection, random: &mut Random, now: Timestamp) -> Result<Self, String> {
        let mut repository = Repository::empty(section, now);
        repository.findings = severities(&section.findings)?;
        let mut digests: BTreeMap<&str, String> = BTreeMap::new();
        for (tag, section) in section.tags.iter().filter(|(_, section)| section.of.is_none()) {
            let manifest = manifest(section.size, random);
            let digest = digest(&manifest);
            repository.note_layers(&manifest);
            let pushed = now.checked_sub(section.age.duration()).unwrap_or(now);
            let image = Image {
                manifest,
                media_type: MANIFEST.to_owned(),
                tags: BTreeSet::from([tag.clone()]),
                pushed,
                scan: section.scanned.then_some(pushed),
                findings: section.findings.as_ref().map(severities).transpose()?,
            };
            repository.images.insert(digest.clone(), image);
            digests.insert(tag, digest);
        }
        for (tag, section) in &section.tags {
            let Some(of) = &section.of else { continue };
            let image = digests.get(of.as_str()).and_then(|digest| repository.images.get_mut(digest));
            let image = image.ok_or_else(|| format!("`{tag}` is `{of}`, which is no image of its own"))?;
            image.tags.insert(tag.clone());
        }
        Ok(repository)
    }

    pub(super) fn digest_of(&self, id: &Value) -> Option<String> {
        let member = |name: &str| id.get(name).and_then(Value::as_str);
        let tagged = member("imageTag").map(|tag| {
            let found = self.images.iter().find(|(_, image)| image.tags.contains(tag));
            found.map(|(digest, _)| digest.clone())
        });
        match (member("imageDigest"), tagged) {
            (Some(digest), None) => self.images.contains_key(digest).then(|| digest.to_owned()),
            (Some(digest), Some(tagged)) => tagged.filter(|of| of == digest),
            (None, tagged) => tagged.flatten(),
        }
    }

    pub(super) fn note_layers(&mut self, manifest: &str) {
        for (digest, size) in layers(manifest) {
            self.loose.remove(&digest);
            self.sizes.insert(digest, size);
        }
    }

    pub(super) fn has_layer(&self, digest: &str, now: Timestamp) -> bool {
        let kept = self.loose.get(digest).is_none_or(|since| self.layers_kept.after(*since) > now);
        self.sizes.contains_key(digest) && kept
    }

    pub(super) fn size(&self, image: &Image) -> u64 {
        layers(&image.manifest).iter().map(|(_, size)| size).sum()
    }

    pub(super) fn scan_status(&self, image: &Image, now: Timestamp) -> Option<&'static str> {
        let began = image.scan?;
        Some(if self.scan_takes.after(began) <= now { "COMPLETE" } else { "IN_PROGRESS" })
    }

    pub(super) fn remove(&mut self, digest: &str, now: Timestamp) {
        let Some(gone) = self.images.remove(digest) else { return };
        let held: BTreeSet<String> = self
            .images
            .values()
            .flat_map(|image| layers(&image.manifest))
            .map(|(digest, _)| digest)
            .collect();
        let loose = layers(&gone.manifest).into_iter().filter(|(digest, _)| !held.contains(digest));
        self.loose.extend(loose.map(|(digest, _)| (digest, now)));
    }
}

fn severities(findings: &BTreeMap<String, u32>) -> Result<BTreeMap<String, u32>, String> {
    let known = |name: &String| SEVERITIES.contains(&name.to_uppercase().as_str());
    match findings.keys().find(|name| !known(name)) {
        Some(name) => {
            Err(format!("`{name}` is no severity: they are {}", SEVERITIES.join(", ").to_lowercase()))
        }
        None => Ok(findings.iter().map(|(name, count)| (name.to_uppercase(), *count)).collect()),
    }
}

/// One of two layers, which together are so large.
fn manifest(size: u64, random: &mut Random) -> String {
    let mut drawn = || format!("sha256:{}", random.of("0123456789abcdef", 64));
    let layer = "application/vnd.oci.image.layer.v1.tar+gzip";
    let base = size / 4;
    json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": drawn(), "size": 1024 },
        "layers": [
            { "mediaType": layer, "digest": drawn(), "size": base },
            { "mediaType": layer, "digest": drawn(), "size": size.saturating_sub(base + 1024) },
        ],
    })
    .to_string()
}

pub(super) fn digest(manifest: &str) -> String {
    let sum: String = Sha256::digest(manifest.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{sum}")
}

/// What a manifest has been made of, its configuration too, with their sizes.
pub(super) fn layers(manifest: &str) -> Vec<(String, u64)> {
    let manifest: Value = serde_json::from_str(manifest).unwrap_or_default();
    let listed = manifest.get("layers").and_then(Value::as_array);
    let all = manifest.get("config").into_iter().chain(listed.into_iter().flatten());
    all.filter_map(|of| {
        let size = of.get("size").and_then(Value::as_u64).unwrap_or_default();
        Some((of.get("digest")?.as_str()?.to_owned(), size))
    })
    .collect()
}
