//! `[targets.NAME.backup]`: where the target's repositories are, and by which secret they open.

use std::collections::BTreeMap;

use opsrun_core::{Cx, Error, Result, Value};
use serde::Deserialize;

use crate::SYSTEM;

/// A repository, as a target names it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RepositorySection {
    /// `s3://BUCKET/PREFIX`, `folder:PATH`.
    pub(crate) store: String,
    /// What the store's system takes besides: `{ region = "eu-west-1" }`.
    #[serde(default)]
    pub(crate) options: Value,
    /// A secret: `env:NAME`, …
    pub(crate) password: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    #[serde(default)]
    repositories: BTreeMap<String, RepositorySection>,
}

/// The name that is meant if a call names no repository.
const DEFAULT: &str = "default";

/// The repository of this name.
///
/// # Errors
/// `Invalid` if the target's section is none, or names no such repository.
pub(crate) fn repository(cx: &Cx, name: Option<&str>) -> Result<RepositorySection> {
    let target = &cx.target().name;
    let section = cx.target().section(SYSTEM);
    let section: Option<Section> = serde_json::from_value(section.clone()).map_err(|error| {
        Error::invalid(format!("the section `backup` of the target `{target}` cannot be used: {error}"))
    })?;
    let repositories = section.unwrap_or_default().repositories;
    let wanted = name.unwrap_or(DEFAULT);
    // One alone needs no name.
    let found = match (name, repositories.len()) {
        (None, 1) => repositories.values().next(),
        _ => repositories.get(wanted),
    };
    let known: Vec<&str> = repositories.keys().map(String::as_str).collect();
    found.cloned().ok_or_else(|| {
        let error = Error::invalid(format!("the target `{target}` has no repository `{wanted}`"));
        match known.as_slice() {
            [] => error.hint(format!(
                "say where it is in `opsrun.toml`: [targets.{target}.backup.repositories.{wanted}] with `store` \
                 (s3://BUCKET/PREFIX or folder:PATH) and `password` (env:NAME)"
            )),
            known => error.hint(format!("its repositories are `{}`", known.join("`, `"))),
        }
    })
}
