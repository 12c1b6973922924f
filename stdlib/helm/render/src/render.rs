//! From a chart and values to manifests and hooks: what `helm install` and `helm template` do before they talk to anyone.

use std::sync::Arc;

use gotemplate::{FnError, Function, Functions, Type, Value};
use thiserror::Error;

use crate::capabilities::Capabilities;
use crate::chart::{Chart, Crd};
use crate::dependencies;
use crate::engine::{Engine, Scope, Snippet, TemplateError};
use crate::functions::{self, FunctionEnv, SharedRng};
use crate::manifest::{self, Hook, HookEvent, Manifest};
use crate::schema;
use crate::semver;
use crate::values::{Coalescer, Values};

/// What a render is for, and where its functions look.
#[derive(Clone)]
pub struct RenderOptions {
    pub release_name: String,
    pub namespace: String,
    /// 1 for an install.
    pub revision: i64,
    /// `.Release.IsUpgrade` instead of `.Release.IsInstall`.
    pub is_upgrade: bool,
    pub capabilities: Capabilities,
    /// What `now` gives.
    pub now: jiff::Timestamp,
    /// What the functions that make random texts and keys are seeded with: the same seed, the same output.
    pub seed: u64,
    /// What `lookup` asks; without it every lookup finds nothing, as in `helm template`.
    pub lookup: Option<Arc<dyn Lookup>>,
    /// Functions that replace those of the same name, or add to them.
    pub functions: Functions,
    /// Puts the files under `crds/` before the manifests.
    pub include_crds: bool,
    /// Renders the notes of dependencies, too.
    pub sub_notes: bool,
    pub skip_schema_validation: bool,
    /// How much work the templates may do, in the units of [`gotemplate::Templates::set_work`].
    pub work: u64,
}

/// Objects of a cluster, for `lookup`.
pub trait Lookup: Send + Sync {
    /// The object, or with an empty name the list of all of a kind; `None` if there is none. An empty namespace means all.
    fn lookup(
        &self,
        api_version: &str,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Option<serde_json::Value>, String>;
}

/// What a chart renders to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rendered {
    /// The documents that make up the release, in the order of their installation.
    pub manifests: Vec<Manifest>,
    pub hooks: Vec<Hook>,
    /// `NOTES.txt`; empty if there is none.
    pub notes: String,
    /// The files under `crds/`; shown only if they were asked for.
    pub crds: Vec<Crd>,
    pub include_crds: bool,
    /// What Helm would log on the way.
    pub warnings: Vec<String>,
}

/// Why a chart does not render. The texts are Helm's.
#[derive(Debug, Error)]
pub enum RenderError {
    #[error("chart dependencies processing failed: {0}")]
    Dependencies(String),
    #[error("{0}")]
    Values(String),
    #[error("values don't meet the specifications of the schema(s) in the following chart(s):\n{0}")]
    Schema(String),
    #[error("chart requires kubeVersion: {wanted} which is incompatible with Kubernetes {found}")]
    KubeVersion { wanted: String, found: String },
    #[error(transparent)]
    Template(#[from] Box<TemplateError>),
    /// A rendered file is not YAML; the files are there for whoever looks for the fault.
    #[error("{message}")]
    Yaml { message: String, files: Vec<(String, String)> },
}

impl RenderError {
    /// The line of the chart that the failure is at, where there is one.
    pub fn snippet(&self) -> Option<&Snippet> {
        match self {
            RenderError::Template(error) => error.snippet.as_ref(),
            _ => None,
        }
    }
}

impl RenderOptions {
    /// An install of this release at this time, with Helm's own capabilities and nothing to look up.
    pub fn new(release_name: impl Into<String>, namespace: impl Into<String>, now: jiff::Timestamp) -> Self {
        RenderOptions {
            release_name: release_name.into(),
            namespace: namespace.into(),
            revision: 1,
            is_upgrade: false,
            capabilities: Capabilities::default(),
            now,
            seed: 0,
            lookup: None,
            functions: Functions::new(),
            include_crds: false,
            sub_notes: false,
            skip_schema_validation: false,
            work: gotemplate::limits::DEFAULT_WORK,
        }
    }

    pub(crate) fn release(&self) -> Value {
        let fields = [
            ("Name", Value::str(&*self.release_name)),
            ("Namespace", Value::str(&*self.namespace)),
            ("IsUpgrade", Value::Bool(self.is_upgrade)),
            ("IsInstall", Value::Bool(!self.is_upgrade)),
            ("Revision", Value::int(self.revision)),
            ("Service", Value::str("Helm")),
        ];
        Value::Map(fields.into_iter().collect())
    }

    /// The functions of a render: Sprig's and Helm's, `lookup` if there is something to look in, and the caller's.
    pub(crate) fn function_table(&self) -> Functions {
        let rng = SharedRng::from_seed(self.seed);
        let mut table = functions::table(&FunctionEnv { now: self.now, rng });
        if let Some(lookup) = &self.lookup {
            table.set("lookup", lookup_function(lookup.clone()));
        }
        for (name, function) in self.functions.iter() {
            table.set(name, function.clone());
        }
        table
    }
}

/// Renders a chart with values over its defaults.
pub fn render(chart: &Chart, values: &Values, options: &RenderOptions) -> Result<Rendered, RenderError> {
    let mut coalescer = Coalescer::default();
    let mut chart = chart.clone();
    dependencies::process(&mut chart, &values.0, &mut coalescer).map_err(RenderError::Dependencies)?;
    let coalesced = coalescer.coalesce(&chart, &values.0).map_err(RenderError::Values)?;
    if !options.skip_schema_validation {
        schema::validate(&chart, &coalesced, &mut coalescer.warnings).map_err(RenderError::Schema)?;
    }
    let wanted = &chart.metadata.kube_version;
    let kube_version = &options.capabilities.kube_version;
    if !wanted.is_empty() && !semver::satisfies(wanted, &kube_version.normalized) {
        let (wanted, found) = (wanted.clone(), kube_version.version.clone());
        return Err(RenderError::KubeVersion { wanted, found });
    }
    let engine = Engine {
        functions: options.function_table(),
        strict: false,
        lint: false,
        work: options.work,
        marks: None,
    };
    let scope = Scope {
        values: coalesced,
        release: options.release(),
        capabilities: Value::object(options.capabilities.clone()),
    };
    let mut files = engine.render(&chart, &scope)?;
    let notes = take_notes(&mut files, chart.name(), options.sub_notes);
    let files: Vec<(String, Vec<u8>)> = files.into_iter().filter(|(_, content)| !is_blank(content)).collect();
    match manifest::sort(&files) {
        Ok((hooks, manifests)) => Ok(Rendered {
            manifests,
            hooks,
            notes,
            crds: chart.crds(),
            include_crds: options.include_crds,
            warnings: coalescer.warnings,
        }),
        Err(message) => {
            let text = |data: Vec<u8>| String::from_utf8_lossy(&data).into_owned();
            let files = files.into_iter().map(|(path, data)| (path, text(data))).collect();
            Err(RenderError::Yaml { message, files })
        }
    }
}

impl Rendered {
    /// The manifest of the release as Helm stores it: each document after a line that names its template.
    pub fn manifest(&self) -> String {
        let mut text = String::new();
        for crd in self.crds.iter().filter(|_| self.include_crds) {
            push_document(&mut text, &crd.path, &crd.content());
        }
        for manifest in &self.manifests {
            push_document(&mut text, &manifest.source, &manifest.content);
        }
        text
    }

    /// What `helm template` prints.
    pub fn to_template_output(&self) -> String {
        let mut text = self.manifest();
        // It begins with a document's line, if with anything.
        text.truncate(text.trim_end().len());
        text.push('\n');
        for hook in &self.hooks {
            push_document(&mut text, &hook.source, &hook.content);
        }
        text
    }

    /// The hooks of an event in the order in which they run: by kind, then weight, then name.
    pub fn hooks_for(&self, event: HookEvent) -> Vec<&Hook> {
        let mut hooks: Vec<&Hook> = self.hooks.iter().filter(|hook| hook.events.contains(&event)).collect();
        // The hooks are in the order of their kinds, which a stable sort keeps.
        hooks.sort_by(|a, b| (a.weight, &a.name).cmp(&(b.weight, &b.name)));
        hooks
    }
}

fn push_document(text: &mut String, source: &str, content: &str) {
    text.push_str("---\n# Source: ");
    text.push_str(source);
    text.push('\n');
    text.push_str(content);
    text.push('\n');
}

fn is_blank(content: &[u8]) -> bool {
    std::str::from_utf8(content).is_ok_and(|text| text.trim().is_empty())
}

/// Takes `NOTES.txt` out of the rendered files.
fn take_notes(
    files: &mut std::collections::BTreeMap<String, Vec<u8>>,
    chart: &str,
    sub_notes: bool,
) -> String {
    let own = format!("{chart}/templates/NOTES.txt");
    let paths: Vec<String> = files.keys().filter(|path| path.ends_with("NOTES.txt")).cloned().collect();
    let mut notes = String::new();
    for path in paths {
        let text = files.remove(&path).unwrap_or_default();
        if sub_notes || path == own {
            if !notes.is_empty() {
                notes.push('\n');
            }
            notes.push_str(&String::from_utf8_lossy(&text));
        }
    }
    notes
}

fn lookup_function(lookup: Arc<dyn Lookup>) -> Function {
    Function::new(&[Type::String, Type::String, Type::String, Type::String], move |_, args| {
        let text = |i: usize| args[i].as_str().map(|s| s.to_text()).unwrap_or_default();
        match lookup.lookup(&text(0), &text(1), &text(2), &text(3)) {
            Ok(Some(json)) => Ok(unstructured(&json)),
            Ok(None) => Ok(Value::Map(gotemplate::Map::new())),
            Err(message) => Err(FnError::new(message)),
        }
    })
}

/// JSON as Kubernetes' client reads it: integers are `int64`.
fn unstructured(json: &serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match json {
        Json::Number(n) => match n.as_i64() {
            Some(n) => Value::int64(n),
            None => Value::float(n.as_f64().unwrap_or(f64::NAN)),
        },
        Json::Array(items) => Value::list(items.iter().map(unstructured).collect()),
        Json::Object(entries) => {
            Value::Map(entries.iter().map(|(key, value)| (key.as_str(), unstructured(value))).collect())
        }
        other => crate::values::from_json(other),
    }
}
