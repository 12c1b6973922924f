//! Renders Helm charts as Helm 4 does: loads them, merges values, runs the templates, sorts what comes out.
//! Pure: files, time, randomness and the cluster's objects are given by the caller; nothing is installed here.
//! Knows nothing of opsrun, and nothing of the network.

mod capabilities;
mod chart;
mod dependencies;
mod engine;
mod files;
pub mod functions;
mod glob;
mod json;
mod json_read;
mod letters;
mod lint;
mod manifest;
mod metadata;
mod number;
mod objects;
mod render;
mod schema;
pub mod semver;
#[cfg(test)]
mod tests;
mod values;
pub mod yaml;

pub use capabilities::{Capabilities, KubeVersion};
pub use chart::{Chart, ChartError, Crd};
pub use engine::{Snippet, TemplateError};
pub use files::{ArchiveError, Entry, Files, Folder, IgnoreError, IgnoreRules};
pub use json::EncodeError;
pub use lint::{LintMessage, LintOptions, Origin, Severity, lint, lint_with};
pub use manifest::{Hook, HookEvent, HookPolicy, INSTALL_ORDER, Manifest};
pub use metadata::{Dependency, Maintainer, Metadata};
pub use render::{Lookup, RenderError, RenderOptions, Rendered, render};
pub use values::{SetError, SetKind, Values};
