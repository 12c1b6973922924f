//! What an estate file says of repositories.

use std::collections::BTreeMap;

use opsrun_core::Span;
use serde::Deserialize;

/// How long a basic scan usually takes.
const SCAN_TAKES: Span = Span::from_secs(40);
/// AWS does not say for how long it keeps the layers of deleted images.
const LAYERS_KEPT: Span = Span::from_secs(3600);

/// A repository in an estate file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct RepositorySection {
    /// Images by their tags.
    pub tags: BTreeMap<String, ImageSection>,
    /// A tag stays with its image.
    pub immutable: bool,
    pub scan_on_push: bool,
    /// What a scan finds in its images, by severity: `{ critical: 1 }`.
    pub findings: BTreeMap<String, u32>,
    /// How long a scan takes; 40 s by itself.
    pub scan_takes: Span,
    /// How long the layers of deleted images are kept; an hour by itself.
    pub layers_kept: Span,
}

impl Default for RepositorySection {
    fn default() -> Self {
        RepositorySection {
            tags: BTreeMap::new(),
            immutable: false,
            scan_on_push: false,
            findings: BTreeMap::new(),
            scan_takes: SCAN_TAKES,
            layers_kept: LAYERS_KEPT,
        }
    }
}

/// An image in an estate file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ImageSection {
    /// It is the image of this other tag.
    pub of: Option<String>,
    /// In bytes; 80 MB by itself.
    pub size: u64,
    /// Pushed so long before the estate's start.
    pub age: Span,
    /// What a scan finds in it; what it finds in the repository's images by itself.
    pub findings: Option<BTreeMap<String, u32>>,
    /// It was scanned when it was pushed.
    pub scanned: bool,
}

impl Default for ImageSection {
    fn default() -> Self {
        ImageSection { of: None, size: 80_000_000, age: Span::from_secs(0), findings: None, scanned: false }
    }
}
