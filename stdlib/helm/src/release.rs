//! A release as Helm records it: the same fields and words, so that each reads what the other wrote.
//! The record's form is pkg/release/v1 of Helm 4; chart and config are kept as JSON, untouched.

use std::fmt;
use std::io::{Read, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Error;

/// One revision of a release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Release {
    pub name: String,
    pub info: Info,
    #[serde(default)]
    pub chart: Value,
    /// The values that were given, over the chart's own.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub config: Value,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub manifest: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<HookRecord>,
    #[serde(rename = "version")]
    pub revision: u32,
    #[serde(default)]
    pub namespace: String,
    /// `ssa` or `csa`; nothing in releases of Helm 3.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub apply_method: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Info {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_deployed: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_deployed: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    pub status: Status,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub notes: String,
}

/// Where a revision stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    Unknown,
    Deployed,
    Uninstalled,
    Superseded,
    Failed,
    Uninstalling,
    PendingInstall,
    PendingUpgrade,
    PendingRollback,
}

/// A hook, and how it last ran.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HookRecord {
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub kind: String,
    #[serde(default)]
    pub path: String,
    #[serde(default)]
    pub manifest: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
    pub last_run: HookRun,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub weight: i64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub delete_policies: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub output_log_policies: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct HookRun {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<String>,
    /// `Running`, `Succeeded`, `Failed`, `Unknown`, or nothing.
    #[serde(default)]
    pub phase: String,
}

impl HookRun {
    /// Whether it began at `time` or later.
    pub(crate) fn is_since(&self, time: Timestamp) -> bool {
        let began = self.started_at.as_deref().and_then(|began| began.parse::<Timestamp>().ok());
        began.is_some_and(|began| began >= time)
    }
}

impl Release {
    /// As it stands in a ConfigMap's `data`, and in a Secret's before its own base64: base64 of gzip of JSON.
    ///
    /// # Errors
    /// `Record` if it cannot be written.
    pub fn encode(&self) -> Result<String, Error> {
        let json = serde_json::to_vec(self).map_err(|error| self.unusable(&error))?;
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        let bytes =
            gzip.write_all(&json).and_then(|()| gzip.finish()).map_err(|error| self.unusable(&error))?;
        Ok(STANDARD.encode(bytes))
    }

    /// Reads what [`Release::encode`] or Helm wrote; `record` names it in errors.
    ///
    /// # Errors
    /// `Record` if it is something else.
    pub fn decode(record: &str, text: &str) -> Result<Release, Error> {
        let unusable = |why: String| Error::Record { record: record.to_owned(), why };
        let bytes = STANDARD.decode(text.trim()).map_err(|error| unusable(error.to_string()))?;
        let mut json = Vec::new();
        if bytes.starts_with(&[0x1f, 0x8b, 0x08]) {
            GzDecoder::new(bytes.as_slice())
                .read_to_end(&mut json)
                .map_err(|error| unusable(error.to_string()))?;
        } else {
            json = bytes;
        }
        serde_json::from_slice(&json).map_err(|error| unusable(error.to_string()))
    }

    /// The name of the Secret or ConfigMap that holds this revision.
    pub fn record_name(&self) -> String {
        format!("sh.helm.release.v1.{}.v{}", self.name, self.revision)
    }

    /// Whether it was made at `time` or later.
    pub fn is_since(&self, time: Timestamp) -> bool {
        let made = self.info.last_deployed.as_deref().and_then(|made| made.parse::<Timestamp>().ok());
        made.is_some_and(|made| made >= time)
    }

    /// Whether it brings about the same as another revision.
    pub(crate) fn is_as(&self, other: &Release) -> bool {
        (&self.manifest, &self.config, &self.chart) == (&other.manifest, &other.config, &other.chart)
    }

    /// A pending revision whose client is gone, as failed; `what` was then done about it.
    pub(crate) fn left_behind(&self, what: &str) -> Release {
        let mut failed = self.clone();
        failed.info.status = Status::Failed;
        failed.info.description = format!("Left {}, {what}", self.info.status);
        failed
    }

    pub fn chart_name(&self) -> String {
        let text = |field: &str| self.chart["metadata"][field].as_str().unwrap_or_default();
        format!("{}-{}", text("name"), text("version"))
    }

    /// Whether it was applied on the server's side.
    pub fn is_server_side(&self) -> bool {
        self.apply_method == "ssa"
    }

    fn unusable(&self, error: &dyn fmt::Display) -> Error {
        Error::Record { record: self.record_name(), why: error.to_string() }
    }
}

impl Status {
    pub fn is_pending(self) -> bool {
        matches!(self, Status::PendingInstall | Status::PendingUpgrade | Status::PendingRollback)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Status::Unknown => "unknown",
            Status::Deployed => "deployed",
            Status::Uninstalled => "uninstalled",
            Status::Superseded => "superseded",
            Status::Failed => "failed",
            Status::Uninstalling => "uninstalling",
            Status::PendingInstall => "pending-install",
            Status::PendingUpgrade => "pending-upgrade",
            Status::PendingRollback => "pending-rollback",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Refuses the names that Helm refuses: labels of lower-case letters, digits and dashes between dots, 53 bytes at most.
///
/// # Errors
/// `Name`.
pub(crate) fn check_name(release: &str) -> Result<(), Error> {
    let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_label = |label: &str| {
        let (first, last) = (label.as_bytes().first(), label.as_bytes().last());
        first.is_some_and(plain)
            && last.is_some_and(plain)
            && label.bytes().all(|byte| plain(&byte) || byte == b'-')
    };
    if release.len() <= 53 && release.split('.').all(is_label) {
        return Ok(());
    }
    Err(Error::Name { release: release.to_owned() })
}

/// A time as Go writes it.
pub(crate) fn time(at: Timestamp) -> String {
    at.to_string()
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_helm_refuses_are_refused() {
        let long = "a".repeat(54);
        for bad in ["", "Web", "web_1", "-web", "web-", "web.", ".web", "a..b", "a.-b", "wéb", &long] {
            let error = check_name(bad).expect_err(bad).to_string();
            assert!(error.starts_with(&format!("release name \"{bad}\": invalid release name")), "{error}");
        }
        for good in ["w", "web-1", "1web", "web.shop-2", &long[1..]] {
            check_name(good).expect(good);
        }
    }

    #[test]
    fn a_record_survives_the_way_into_a_secret_and_back() {
        let release = Release {
            name: "web".into(),
            info: Info {
                first_deployed: Some("2026-01-01T00:00:00Z".into()),
                last_deployed: None,
                deleted: None,
                description: "Install complete".into(),
                status: Status::Deployed,
                notes: String::new(),
            },
            chart: serde_json::json!({ "metadata": { "name": "web", "version": "1.0.0" } }),
            config: Value::Null,
            manifest: "---\n".into(),
            hooks: Vec::new(),
            revision: 3,
            namespace: "prod".into(),
            apply_method: "ssa".into(),
        };
        let text = release.encode().expect("it encodes");
        assert_eq!(Release::decode("x", &text).expect("it decodes"), release);
        assert_eq!(release.record_name(), "sh.helm.release.v1.web.v3");
        assert!(Release::decode("x", "???").is_err());
    }
}
