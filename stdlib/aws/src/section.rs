//! The `aws` section of a target: which account and region, and how to sign in there.

use std::collections::BTreeMap;
use std::path::PathBuf;

use opsrun_core::{Cx, Error, Result, Value};
use serde::Deserialize;

use crate::SYSTEM;

/// `[targets.NAME.aws]`. What it leaves out is taken from the environment and the files that AWS's own programs read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Section {
    /// `us-west-2`; else `AWS_REGION`, `AWS_DEFAULT_REGION`, the profile's.
    pub(crate) region: Option<String>,
    /// The account that this target is: another one is refused before anything is asked.
    pub(crate) account: Option<String>,
    /// Else `AWS_PROFILE`, `default`.
    pub(crate) profile: Option<String>,
    /// The ARN of a role to take on.
    pub(crate) role: Option<String>,
    pub(crate) external_id: Option<String>,
    /// How the role's session is called in AWS's own logs.
    pub(crate) session_name: Option<String>,
    /// Where all services answer, for what speaks their protocols elsewhere.
    pub(crate) endpoint: Option<String>,
    /// Where one service answers, by its name in IAM: `s3 = "https://objects.example.com"`.
    #[serde(default)]
    pub(crate) endpoints: BTreeMap<String, String>,
    /// Buckets are named in the path and not in the host, as most S3-compatible stores want it.
    pub(crate) path_style: Option<bool>,
    pub(crate) keys: Option<Keys>,
    /// PEM of the authorities to trust instead of the system's; else `AWS_CA_BUNDLE`.
    pub(crate) certificate_authority: Option<PathBuf>,
    /// Set by an estate, whose accounts are nobody's: what is configured for this user is left alone.
    #[serde(default)]
    pub(crate) estate: bool,
}

/// Keys that do not end. `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Keys {
    pub(crate) access_key: String,
    /// A reference: `env:NAME`, `file:PATH`, `vault:PATH#KEY` …
    pub(crate) secret_key: String,
}

impl Section {
    /// # Errors
    /// `Invalid` if it cannot be read.
    pub(crate) fn of(cx: &Cx) -> Result<Self> {
        let target = cx.target();
        match target.section(SYSTEM) {
            Value::Null => Ok(Section::default()),
            section => Section::deserialize(section).map_err(|error| {
                Error::invalid(format!("the section `aws` of the target `{}`: {error}", target.name)).hint(
                    "write it like `aws = { profile = \"workflow-prod\", region = \"us-west-2\", account = \"111122223333\" }`",
                )
            }),
        }
    }

    /// Where this service answers, if not at AWS.
    pub(crate) fn endpoint(&self, service: &str) -> Option<&str> {
        self.endpoints.get(service).or(self.endpoint.as_ref()).map(String::as_str)
    }
}
