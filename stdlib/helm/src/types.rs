//! What primitives give back to a playbook.

use helm_render::{LintMessage, Origin, Severity, Values};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::deploy::Counts;
use crate::release::{Release, Status};

/// A deployed release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Deployed {
    pub release: String,
    pub namespace: String,
    pub revision: u32,
    pub status: Status,
    /// `web-1.2.3`
    pub chart: String,
    pub notes: String,
    pub created: usize,
    pub changed: usize,
    pub deleted: usize,
}

/// One revision of a release.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Revision {
    pub revision: u32,
    pub status: Status,
    /// `web-1.2.3`
    pub chart: String,
    pub app_version: String,
    /// When it was deployed (RFC 3339).
    pub updated: String,
    pub description: String,
}

/// A release as it is now.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ReleaseState {
    pub release: String,
    pub namespace: String,
    #[serde(flatten)]
    pub revision: Revision,
    /// The values that were given, over the chart's own.
    pub values: Value,
    /// The same over the chart's own defaults, which is what its templates saw at the top.
    pub all_values: Value,
    pub notes: String,
    pub manifest: String,
    pub hooks: Vec<ReleaseHook>,
}

/// A hook of a release.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ReleaseHook {
    pub name: String,
    pub kind: String,
    /// `pre-upgrade` and the like.
    pub events: Vec<String>,
    pub weight: i64,
    /// `Succeeded`, `Failed`, `Running`, or empty where it has not run.
    pub phase: String,
    pub manifest: String,
}

/// What tests of a release wrote; all went well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Tested {
    pub release: String,
    pub revision: u32,
    pub tests: Vec<TestLog>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TestLog {
    pub name: String,
    pub log: String,
}

/// What was uninstalled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Uninstalled {
    pub release: String,
    /// `deployment/api`
    pub deleted: Vec<String>,
}

/// What a lint found that is no error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Linted {
    pub messages: Vec<LintNote>,
}

/// Something that could be better in a chart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LintNote {
    /// `info`, `warning` or `error`.
    pub severity: &'static str,
    pub path: String,
    /// Counted from 1, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    pub text: String,
    /// Whose rule it is: `helm` or `opsrun`.
    pub origin: &'static str,
}

impl From<LintMessage> for LintNote {
    fn from(message: LintMessage) -> Self {
        LintNote {
            severity: match message.severity {
                Severity::Info => "info",
                Severity::Warning => "warning",
                Severity::Error => "error",
            },
            path: message.path,
            line: message.line,
            text: message.text,
            origin: match message.origin {
                Origin::Helm => "helm",
                Origin::Advice => "opsrun",
            },
        }
    }
}

/// An archive of a chart in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ArchiveFile {
    pub name: String,
    pub version: String,
    /// Of the archive: `sha256:…`
    pub digest: String,
    /// The archive, in the folder that was given.
    pub file: String,
    /// Where just this archive came from: a path, an address, or `oci://HOST/PATH@sha256:…`.
    pub source: String,
}

/// A chart in a registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PushedChart {
    pub name: String,
    pub version: String,
    /// `oci://HOST/PATH/NAME:TAG`
    pub reference: String,
    /// Of its manifest, which `oci://HOST/PATH/NAME@sha256:…` names for good.
    pub digest: String,
    /// Of the archive.
    pub archive: String,
    /// False if it was there just so before.
    pub is_new: bool,
}

/// What a chart depends on, as it is in its folder `charts` now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FetchedDependencies {
    pub dependencies: Vec<FetchedDependency>,
    /// Archives of earlier ones that were taken away.
    pub removed: Vec<String>,
    /// Whether `Chart.lock` was written anew.
    pub locked: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FetchedDependency {
    pub name: String,
    pub version: String,
    pub repository: String,
}

impl Deployed {
    pub(crate) fn new(release: &Release, counts: Counts) -> Self {
        Deployed {
            release: release.name.clone(),
            namespace: release.namespace.clone(),
            revision: release.revision,
            status: release.info.status,
            chart: release.chart_name(),
            notes: release.info.notes.clone(),
            created: counts.created,
            changed: counts.changed,
            deleted: counts.deleted,
        }
    }
}

impl From<&Release> for ReleaseState {
    fn from(release: &Release) -> Self {
        let values = Values::from_json(&release.config).unwrap_or_default();
        let defaults = Values::from_json(&release.chart["values"]).unwrap_or_default();
        let hooks = release.hooks.iter().map(|hook| ReleaseHook {
            name: hook.name.clone(),
            kind: hook.kind.clone(),
            events: hook.events.clone(),
            weight: hook.weight,
            phase: hook.last_run.phase.clone(),
            manifest: hook.manifest.clone(),
        });
        ReleaseState {
            release: release.name.clone(),
            namespace: release.namespace.clone(),
            revision: Revision::from(release),
            values: values.to_json(),
            all_values: values.over_former(&defaults).to_json(),
            notes: release.info.notes.clone(),
            manifest: release.manifest.clone(),
            hooks: hooks.collect(),
        }
    }
}

impl From<&Release> for Revision {
    fn from(release: &Release) -> Self {
        Revision {
            revision: release.revision,
            status: release.info.status,
            chart: release.chart_name(),
            app_version: release.chart["metadata"]["appVersion"].as_str().unwrap_or_default().to_owned(),
            updated: release.info.last_deployed.clone().unwrap_or_default(),
            description: release.info.description.clone(),
        }
    }
}
