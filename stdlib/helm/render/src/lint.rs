//! What `helm lint` finds: faults of `Chart.yaml`, values, templates and what they render to. The messages are Helm's.

mod advice;
mod chart_yaml;
mod deprecated;
mod names;

use std::fmt;
use std::sync::PoisonError;

use gotemplate::Value;
use serde_json::Value as Json;

use crate::capabilities::KubeVersion;
use crate::chart::Chart;
use crate::dependencies;
use crate::engine::{Engine, Scope, SharedMarks};
use crate::files::Files;
use crate::metadata::as_text;
use crate::render::RenderOptions;
use crate::schema;
use crate::values::{Coalescer, Values};
use crate::yaml;
use deprecated::DEPRECATIONS;

/// Something that Helm would have otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LintMessage {
    pub severity: Severity,
    /// The file or folder; for the chart as a whole the path that was given for it.
    pub path: String,
    /// Counted from 1, where it is known.
    pub line: Option<usize>,
    pub text: String,
    pub origin: Origin,
}

/// Whose rule it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `helm lint` says it, too.
    Helm,
    /// It is one of ours.
    Advice,
}

/// What is looked at beyond what Helm looks at.
#[derive(Clone, Debug)]
pub struct LintOptions {
    /// Our own rules, besides Helm's: they are warnings.
    pub advice: bool,
    /// The version of Kubernetes that the chart is meant for; without it, nothing is said of versions of the API beyond
    /// what Helm says.
    pub target: Option<KubeVersion>,
}

impl Default for LintOptions {
    fn default() -> Self {
        LintOptions { advice: true, target: None }
    }
}

/// How bad it is: `helm lint` fails at an error, with `--strict` at a warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Info,
    Warning,
    Error,
}

/// As `helm lint` prints it.
impl fmt::Display for LintMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Info => "INFO",
            Severity::Warning => "WARNING",
            Severity::Error => "ERROR",
        };
        match self.line {
            Some(line) => write!(f, "[{severity}] {}:{line}: {}", self.path, self.text),
            None => write!(f, "[{severity}] {}: {}", self.path, self.text),
        }
    }
}

/// Lints the files of a chart, which need not be loadable. `path` names the chart in messages about it as a whole; of the
/// options the namespace, the capabilities, the functions and the schema validation count.
pub fn lint(files: &Files, path: &str, values: &Values, options: &RenderOptions) -> Vec<LintMessage> {
    let helm_alone = LintOptions { advice: false, target: None };
    lint_with(files, path, values, options, &helm_alone)
}

/// Lints by Helm's rules, and then by ours as far as they are asked for.
pub fn lint_with(
    files: &Files,
    path: &str,
    values: &Values,
    options: &RenderOptions,
    wanted: &LintOptions,
) -> Vec<LintMessage> {
    let mut linter = Linter { messages: Vec::new() };
    chart_yaml::lint(files, &mut linter);
    linter.values(files, values, options);
    linter.templates(files, values, options);
    linter.dependencies(files, path);
    linter.crds(files);
    if wanted.advice {
        let marks = SharedMarks::default();
        // What does not render has been reported.
        if let Ok(Some((name, rendered))) = render(files, values, options, Some(marks.clone())) {
            let marks = marks.lock().unwrap_or_else(PoisonError::into_inner);
            linter.messages.extend(advice::about(&name, &rendered, &marks, wanted.target.as_ref()));
        }
    }
    linter.messages
}

struct Linter {
    messages: Vec<LintMessage>,
}

/// What the rules look at in a rendered document.
struct Object {
    api_version: String,
    kind: String,
    name: String,
}

impl Linter {
    /// Takes note of a failure; says whether there was none.
    fn check(&mut self, severity: Severity, path: &str, result: Result<(), String>) -> bool {
        match result {
            Ok(()) => true,
            Err(text) => {
                self.messages.push(LintMessage {
                    severity,
                    path: path.to_owned(),
                    line: None,
                    text,
                    origin: Origin::Helm,
                });
                false
            }
        }
    }

    fn values(&mut self, files: &Files, values: &Values, options: &RenderOptions) {
        const FILE: &str = "values.yaml";
        let Some(text) = files.get(FILE) else {
            self.check(Severity::Info, FILE, Err("file does not exist".to_owned()));
            return;
        };
        let result = check_values(text, files.get("values.schema.json"), values, options);
        self.check(Severity::Error, FILE, result);
    }

    fn templates(&mut self, files: &Files, values: &Values, options: &RenderOptions) {
        const FOLDER: &str = "templates/";
        if !files.iter().any(|(path, _)| path.starts_with(FOLDER)) {
            self.check(Severity::Warning, FOLDER, Err("directory does not exist".to_owned()));
            return;
        }
        let rendered = match render(files, values, options, None) {
            Ok(Some(rendered)) => rendered,
            Ok(None) => return,
            Err(text) => {
                self.check(Severity::Error, FOLDER, Err(text));
                return;
            }
        };
        let minor = options.capabilities.kube_version.minor.parse().unwrap_or(u64::MAX);
        for (path, _) in files.iter().filter(|(path, _)| path.starts_with(FOLDER)) {
            self.check(Severity::Error, path, allowed_extension(path));
            let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
            let is_yaml = extension.eq_ignore_ascii_case("yaml") || extension.eq_ignore_ascii_case("yml");
            let content = rendered.1.get(&format!("{}/{path}", rendered.0)).map(Vec::as_slice);
            let content = &*String::from_utf8_lossy(content.unwrap_or_default());
            if !is_yaml || content.trim().is_empty() {
                continue;
            }
            self.check(Severity::Warning, path, top_indent(content));
            for document in crate::manifest::documents(content) {
                let object = Object::parse(document);
                let object = match object {
                    Ok(object) => object,
                    Err(text) => {
                        // What follows would fail for the same reason.
                        self.check(Severity::Error, path, Err(format!("unable to parse YAML: {text}")));
                        return;
                    }
                };
                let Some(object) = object else {
                    continue;
                };
                self.check(Severity::Warning, path, names::check(&object.kind, &object.name));
                self.check(Severity::Warning, path, not_deprecated(&object, minor));
                self.check(Severity::Error, path, has_selector(&object, content));
                self.check(Severity::Error, path, no_policy_in_list(&object, content));
            }
        }
    }

    fn dependencies(&mut self, files: &Files, path: &str) {
        let chart = match Chart::from_files(files.clone()) {
            Ok(chart) => chart,
            Err(e) => {
                self.check(Severity::Error, "", Err(format!("unable to load chart\n\t{e}")));
                return;
            }
        };
        let declared: Vec<&str> = chart.metadata.dependencies.iter().map(|d| d.name.as_str()).collect();
        let present: Vec<&str> = chart.dependencies.iter().map(Chart::name).collect();
        let without = |these: &[&str], those: &[&str]| -> String {
            these.iter().filter(|name| !those.contains(name)).copied().collect::<Vec<_>>().join(",")
        };
        let undeclared = without(&present, &declared);
        if !undeclared.is_empty() {
            let text = format!("chart metadata is missing these dependencies: {undeclared}");
            self.check(Severity::Error, path, Err(text));
        }
        let missing = without(&declared, &present);
        if !missing.is_empty() {
            let text = format!("chart directory is missing these dependencies: {missing}");
            self.check(Severity::Warning, path, Err(text));
        }
    }

    fn crds(&mut self, files: &Files) {
        if !files.iter().any(|(path, _)| path.starts_with("crds/")) {
            return;
        }
        let chart = match Chart::from_files(files.clone()) {
            Ok(chart) => chart,
            Err(e) => {
                self.check(Severity::Error, "crds/", Err(e.to_string()));
                return;
            }
        };
        for crd in chart.crds() {
            let path = crd.path.split_once('/').map_or(crd.path.as_str(), |(_, path)| path);
            for document in crate::manifest::documents(&crd.content()) {
                let object = match Object::parse(document) {
                    Ok(object) => object,
                    Err(text) => {
                        self.check(Severity::Error, path, Err(format!("unable to parse YAML: {text}")));
                        return;
                    }
                };
                let Some(object) = object else {
                    continue;
                };
                if !object.api_version.starts_with("apiextensions.k8s.io") {
                    let text = "apiVersion is not in 'apiextensions.k8s.io'".to_owned();
                    self.check(Severity::Error, path, Err(text));
                }
                if object.kind != "CustomResourceDefinition" {
                    let text = "object kind is not 'CustomResourceDefinition'".to_owned();
                    self.check(Severity::Error, path, Err(text));
                }
            }
        }
    }
}

/// Values against the chart's own schema alone, as Helm lints them.
fn check_values(
    text: &[u8],
    schema: Option<&[u8]>,
    values: &Values,
    options: &RenderOptions,
) -> Result<(), String> {
    let defaults = yaml::parse_map(text).map_err(|e| format!("unable to parse YAML: {e}"))?;
    let Some(schema) = schema.filter(|_| !options.skip_schema_validation) else {
        return Ok(());
    };
    let mut coalescer = Coalescer::default();
    let merged = values.0.deep_copy();
    coalescer.coalesce_tables(&merged, &defaults.deep_copy());
    schema::check_one(schema, &merged, &mut coalescer.warnings)
}

type RenderedFiles = std::collections::BTreeMap<String, Vec<u8>>;

/// The chart's name and rendered files; nothing if its dependencies cannot be made out, which Helm passes over.
fn render(
    files: &Files,
    values: &Values,
    options: &RenderOptions,
    marks: Option<SharedMarks>,
) -> Result<Option<(String, RenderedFiles)>, String> {
    let mut chart = Chart::from_files(files.clone()).map_err(|e| e.to_string())?;
    let mut coalescer = Coalescer::default();
    if dependencies::process(&mut chart, &values.0, &mut coalescer).is_err() {
        return Ok(None);
    }
    let Ok(coalesced) = coalescer.coalesce(&chart, &values.0) else {
        return Ok(None);
    };
    let coalesced = coalescer.coalesce(&chart, &coalesced)?;
    if !options.skip_schema_validation {
        schema::validate(&chart, &coalesced, &mut coalescer.warnings).map_err(|e| {
            format!("values don't meet the specifications of the schema(s) in the following chart(s):\n{e}")
        })?;
    }
    let release = RenderOptions {
        release_name: "test-release".to_owned(),
        is_upgrade: false,
        revision: 0,
        lookup: None,
        ..options.clone()
    };
    let engine =
        Engine { functions: release.function_table(), strict: false, lint: true, work: options.work, marks };
    let scope = Scope {
        values: coalesced,
        release: release.release(),
        capabilities: Value::object(options.capabilities.clone()),
    };
    let rendered = engine.render(&chart, &scope).map_err(|e| e.to_string())?;
    Ok(Some((chart.name().to_owned(), rendered)))
}

impl Object {
    /// Nothing for an empty document.
    fn parse(document: &str) -> Result<Option<Self>, String> {
        let json = yaml::to_json(document).map_err(|e| e.to_string())?;
        let fields = match &json {
            Json::Null => return Ok(None),
            Json::Object(fields) => fields,
            other => {
                let found = match other {
                    Json::Array(_) => "array",
                    Json::String(_) => "string",
                    Json::Bool(_) => "bool",
                    _ => "number",
                };
                return Err(format!(
                    "json: cannot unmarshal {found} into Go value of type rules.k8sYamlStruct"
                ));
            }
        };
        let text = |value: Option<&Json>| value.and_then(as_text).unwrap_or_default();
        let name = fields.get("metadata").and_then(|metadata| metadata.get("name"));
        Ok(Some(Object {
            api_version: text(fields.get("apiVersion")),
            kind: text(fields.get("kind")),
            name: text(name),
        }))
    }
}

fn allowed_extension(path: &str) -> Result<(), String> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let extension = name.rfind('.').map_or("", |dot| &name[dot..]);
    if matches!(extension, ".yaml" | ".yml" | ".tpl" | ".txt") {
        return Ok(());
    }
    Err(format!("file extension '{extension}' not valid. Valid extensions are .yaml, .yml, .tpl, or .txt"))
}

fn top_indent(content: &str) -> Result<(), String> {
    match content.lines().find(|line| !line.trim().is_empty()) {
        Some(line) if line.starts_with([' ', '\t']) => {
            let line = gotemplate::format::quote(line.as_bytes());
            Err(format!("document starts with an illegal indent: {line}, which may cause parsing problems"))
        }
        _ => Ok(()),
    }
}

fn not_deprecated(object: &Object, minor: u64) -> Result<(), String> {
    let found = DEPRECATIONS
        .iter()
        .find(|d| d.api_version == object.api_version && d.kind == object.kind && d.since <= minor);
    let Some(deprecation) = found else {
        return Ok(());
    };
    let mut text =
        format!("{} {} is deprecated in v1.{}+", object.api_version, object.kind, deprecation.since);
    if let Some(removed) = deprecation.removed {
        text.push_str(&format!(", unavailable in v1.{removed}+"));
    }
    if !deprecation.replacement.is_empty() {
        text.push_str(&format!("; use {}", deprecation.replacement));
    }
    Err(text)
}

fn has_selector(object: &Object, content: &str) -> Result<(), String> {
    let needs_one = matches!(object.kind.as_str(), "Deployment" | "ReplicaSet" | "DaemonSet" | "StatefulSet");
    if !needs_one || content.contains("matchLabels") || content.contains("matchExpressions") {
        return Ok(());
    }
    let Object { kind, name, .. } = object;
    Err(format!("a {kind} must contain matchLabels or matchExpressions, and {name:?} does not"))
}

fn no_policy_in_list(object: &Object, content: &str) -> Result<(), String> {
    if object.kind != "List" {
        return Ok(());
    }
    let json = yaml::to_json(content).map_err(|e| format!("unable to parse YAML: {e}"))?;
    let items = json.get("items").and_then(Json::as_array);
    let is_kept = |item: &Json| item.pointer("/metadata/annotations/helm.sh~1resource-policy").is_some();
    if items.is_some_and(|items| items.iter().any(is_kept)) {
        return Err("annotation 'helm.sh/resource-policy' within List objects are ignored".to_owned());
    }
    Ok(())
}
