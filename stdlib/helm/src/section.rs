//! The `helm` section of a target: where releases are kept, and how registries and repositories are reached and signed in to.

use std::collections::BTreeMap;
use std::path::PathBuf;

use opsrun_core::{Cx, Error, Result, Value};
use serde::Deserialize;

use crate::SYSTEM;
use crate::storage::Driver;

/// `[targets.NAME.helm]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Section {
    #[serde(default)]
    pub(crate) storage: Driver,
    /// By host, with its port where it has one.
    #[serde(default)]
    registries: BTreeMap<String, Host>,
    /// Set by an estate, whose hosts are no machine's: what is configured for this user is left alone.
    #[serde(default)]
    pub(crate) estate: bool,
}

/// A host of registries or repositories.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Host {
    pub(crate) username: Option<String>,
    /// A reference: `env:NAME`, `file:PATH`, `vault:PATH#KEY` …
    pub(crate) password: Option<String>,
    /// Without TLS. If it is left out, only a registry of this machine is spoken to so.
    #[serde(alias = "plain_http")]
    pub(crate) plain_http: Option<bool>,
    /// PEM of the authorities to trust instead of the system's; a relative path counts from the project's folder.
    #[serde(alias = "certificate_authority")]
    pub(crate) certificate_authority: Option<PathBuf>,
}

impl Section {
    /// # Errors
    /// `Invalid` if it cannot be read.
    pub(crate) fn of(cx: &Cx) -> Result<Self> {
        let target = cx.target();
        let section = match target.section(SYSTEM) {
            Value::Null => return Ok(Section::default()),
            section => Section::deserialize(section).map_err(|error| {
                let target = &target.name;
                Error::invalid(format!("the section `helm` of the target `{target}`: {error}")).hint(
                    "`storage` says where releases are kept: `secrets` or `configmaps`; `registries` names hosts: \
                     `{ \"registry.example.com\" = { username = \"ci\", password = \"env:REGISTRY_PASSWORD\" } }`",
                )
            })?,
        };
        for (host, Host { username, password, .. }) in &section.registries {
            if username.is_some() != password.is_some() {
                let error = Error::invalid(format!(
                    "the section `helm` of the target `{}`: `{host}` has a `username` or a `password`, and not both",
                    target.name
                ));
                return Err(error.hint("`password` is a reference, such as `env:REGISTRY_PASSWORD`"));
            }
        }
        Ok(section)
    }

    /// What it says about `host`, which bears its port where that is not the scheme's own.
    pub(crate) fn host(&self, host: &str) -> Host {
        self.registries.get(host).cloned().unwrap_or_default()
    }
}
