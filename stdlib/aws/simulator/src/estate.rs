//! The `aws` section of an estate file: which accounts there are, and what is in them.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::services::s3::S3Section;

/// ```yaml
/// aws:
///   region: us-west-2
///   accounts:
///     "111122223333":
///       roles: [opsrun]
/// ```
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct EstateSection {
    /// The region of targets that name none; `us-west-2` by itself.
    pub region: Option<String>,
    /// By their numbers. The first is the one that a run is signed in to. Without any, there is `111122223333`, with nothing in it.
    pub accounts: BTreeMap<String, AccountSection>,
}

/// One account.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct AccountSection {
    /// Roles that every account of the estate may take on, by name.
    pub roles: Vec<String>,
    pub regions: BTreeMap<String, RegionSection>,
}

/// What is in one region of an account.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct RegionSection {
    pub s3: S3Section,
}

impl EstateSection {
    /// The folders of files that it names.
    pub fn folders(&self) -> impl Iterator<Item = &Path> {
        let regions = self.accounts.values().flat_map(|account| account.regions.values());
        regions.flat_map(|region| region.s3.folders())
    }
}
