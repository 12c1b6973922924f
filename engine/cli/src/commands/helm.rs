//! `opsrun helm`: what Helm's own command line does to a chart, and what it tells of releases. Nothing is written.

use std::path::{Path, PathBuf};

use opsrun_core::{Error, Result, Value};
use serde_json::{Map, json};

use super::call::Call;
use crate::output::{Form, print};
use crate::program::Program;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Helm {
    /// Renders a chart as `helm template` does.
    Template {
        /// The release's name.
        name: String,
        #[command(flatten)]
        chart: ChartOptions,
        /// The release's namespace.
        #[arg(short, long, default_value = "default")]
        namespace: String,
        /// With the chart's custom resource definitions.
        #[arg(long)]
        include_crds: bool,
    },
    /// Looks for mistakes in a chart as `helm lint` does, and gives advice of opsrun's own.
    Lint {
        #[command(flatten)]
        chart: ChartOptions,
        /// Take warnings for mistakes.
        #[arg(long)]
        strict: bool,
        /// The version of Kubernetes that the chart is meant for.
        #[arg(long)]
        kube_version: Option<String>,
        /// Helm's rules only.
        #[arg(long)]
        no_advice: bool,
        #[arg(long, value_enum, default_value = "text")]
        output: Form,
    },
    /// Shows what an upgrade would change in the cluster.
    Diff {
        /// The release's name.
        release: String,
        #[command(flatten)]
        chart: ChartOptions,
        #[command(flatten)]
        place: Place,
        /// Put the values over those of the former revision, and these over the former chart's defaults.
        #[arg(long)]
        reuse_values: bool,
        /// Put the values over those of the former revision, and these over this chart's defaults.
        #[arg(long)]
        reset_then_reuse_values: bool,
        /// Take none of the former revision's values, even if none are given.
        #[arg(long)]
        reset_values: bool,
    },
    /// Lists the revisions of a release.
    History {
        /// The release's name.
        release: String,
        #[command(flatten)]
        place: Place,
    },
    /// Tells of a release: its newest revision, or another.
    Status {
        /// The release's name.
        release: String,
        #[command(flatten)]
        place: Place,
        /// The revision.
        #[arg(long)]
        revision: Option<u32>,
        /// With values, manifest and hooks.
        #[arg(long)]
        all: bool,
    },
}

/// Where a release is, and how to tell of it.
#[derive(Debug, clap::Args)]
pub(crate) struct Place {
    /// The release's namespace; the target's if left out.
    #[arg(short, long)]
    namespace: Option<String>,
    /// The target of `opsrun.toml`.
    #[arg(long)]
    target: Option<String>,
    #[arg(long, value_enum, default_value = "text")]
    output: Form,
}

/// A chart and its values.
#[derive(Debug, clap::Args)]
pub(crate) struct ChartOptions {
    /// A chart: its folder, archive or address (`oci://HOST/PATH:TAG`), or with `--repo` its name.
    chart: PathBuf,
    /// The repository that the chart is of.
    #[arg(long, value_name = "ADDRESS")]
    repo: Option<String>,
    /// Of a chart in a repository or registry: a version, or a range such as `^1.2`.
    #[arg(long, value_name = "RANGE")]
    version: Option<String>,
    /// A file of values; a later one goes before an earlier one.
    #[arg(short = 'f', long = "values", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// A value: `a.b=c`; goes before all files.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// A value that is text: `tag=1.10`.
    #[arg(long, value_name = "KEY=TEXT")]
    set_string: Vec<String>,
    /// A value as JSON: `tags=["a"]`.
    #[arg(long, value_name = "KEY=JSON")]
    set_json: Vec<String>,
    /// A value from a file: `tls.crt=PATH`.
    #[arg(long, value_name = "KEY=PATH")]
    set_file: Vec<String>,
    /// A value that is text up to its end: `note=a,b`.
    #[arg(long, value_name = "KEY=TEXT")]
    set_literal: Vec<String>,
}

impl Helm {
    pub(crate) fn carry_out(&self, program: &Program) -> Result<u8> {
        let text = match self {
            Helm::Template { name, chart, namespace, include_crds } => {
                let more = json!({ "release": name, "namespace": namespace, "include_crds": include_crds });
                let out = on_chart("helm::template", chart, more).made(program)?;
                out.as_str().ok_or_else(|| Error::failed("`helm::template` gave no text"))?.to_owned()
            }
            Helm::Lint { chart, strict, kube_version, no_advice, output } => {
                let more = json!({ "strict": strict, "kube_version": kube_version, "no_advice": no_advice });
                let found = on_chart("helm::lint", chart, more).made(program)?;
                match output {
                    Form::Text => lint(&found),
                    Form::Json => as_json(&found)?,
                }
            }
            Helm::Diff { release, chart, place, reuse_values, reset_then_reuse_values, reset_values } => {
                let more = json!({
                    "release": release,
                    "reuse_values": reuse_values,
                    "reset_then_reuse_values": reset_then_reuse_values,
                    "reset_values": reset_values,
                });
                place.tell(on_chart("helm::diff", chart, more), program, diff)?
            }
            Helm::History { release, place } => {
                place.tell(Call::of("helm::history", json!({ "release": release })), program, history)?
            }
            Helm::Status { release, place, revision, all } => {
                let arguments = json!({ "release": release, "revision": revision });
                place.tell(Call::of("helm::status", arguments), program, |found| status(found, *all))?
            }
        };
        print(&text)?;
        Ok(0)
    }
}

impl Place {
    /// What a call gave, as `text` tells it or as JSON.
    fn tell(&self, mut call: Call, program: &Program, text: impl Fn(&Value) -> String) -> Result<String> {
        if let Some(namespace) = &self.namespace {
            call.arguments.insert("namespace".into(), namespace.clone().into());
        }
        call.target.clone_from(&self.target);
        let found = call.made(program)?;
        match self.output {
            Form::Text => Ok(text(&found)),
            Form::Json => as_json(&found),
        }
    }
}

fn as_json(value: &Value) -> Result<String> {
    serde_json::to_string_pretty(value)
        .map(|text| text + "\n")
        .map_err(|error| Error::failed(error.to_string()))
}

fn lint(found: &Value) -> String {
    let mut text = String::new();
    for message in found["messages"].as_array().into_iter().flatten() {
        let part = |key: &str| message[key].as_str().unwrap_or_default();
        let line = message["line"].as_u64().map(|line| format!(":{line}")).unwrap_or_default();
        let severity = part("severity").to_uppercase();
        text.push_str(&format!("[{severity}] {}{line}: {}\n", part("path"), part("text")));
    }
    if text.is_empty() { "nothing found\n".to_owned() } else { text }
}

fn diff(found: &Value) -> String {
    let mut text = String::new();
    for object in found["objects"].as_array().into_iter().flatten() {
        let part = |key: &str| object[key].as_str().unwrap_or_default();
        if part("change") != "unchanged" {
            let namespace =
                object["namespace"].as_str().map(|name| format!(" in {name}")).unwrap_or_default();
            text.push_str(&format!("{} {}{namespace}\n{}\n", part("change"), part("object"), part("diff")));
        }
    }
    if text.is_empty() { "nothing would change\n".to_owned() } else { text }
}

fn history(found: &Value) -> String {
    let mut text = String::new();
    for revision in found.as_array().into_iter().flatten() {
        text.push_str(&format!("{}\n", revision_line(revision)));
    }
    text
}

fn revision_line(revision: &Value) -> String {
    let part = |key: &str| revision[key].as_str().unwrap_or_default();
    format!(
        "{:<4} {}  {:<16} {}  {}",
        revision["revision"],
        part("updated"),
        part("status"),
        part("chart"),
        part("description")
    )
}

fn status(found: &Value, all: bool) -> String {
    let part = |key: &str| found[key].as_str().unwrap_or_default();
    let mut text = format!("{} in {}\n{}\n", part("release"), part("namespace"), revision_line(found));
    let mut section = |title: &str, body: &str| {
        if !body.trim().is_empty() {
            text.push_str(&format!("\n{title}:\n{}\n", body.trim_end()));
        }
    };
    section("notes", part("notes"));
    if all {
        section("values", &opsrun_core::yaml::to_string(&found["values"]).unwrap_or_default());
        section("manifest", part("manifest"));
        for hook in found["hooks"].as_array().into_iter().flatten() {
            let name = hook["name"].as_str().unwrap_or_default();
            section(&format!("hook {name}"), hook["manifest"].as_str().unwrap_or_default());
        }
    }
    text
}

impl ChartOptions {
    fn arguments(&self) -> Map<String, Value> {
        let mut arguments = Map::new();
        let chart = match (&self.repo, &self.version) {
            (None, None) => json!(absolute(&self.chart)),
            (repo, version) => json!({ "chart": self.chart, "repo": repo, "version": version }),
        };
        arguments.insert("chart".into(), chart);
        let files: Vec<_> = self.files.iter().map(|path| absolute(path)).collect();
        arguments.insert("values_files".into(), json!(files));
        // In the order in which Helm applies them, whatever the order on the command line.
        let of = |kind: &'static str, all: &[String]| {
            all.iter().map(move |text| json!({ kind: text })).collect::<Vec<_>>()
        };
        let file_settings: Vec<String> = self.set_file.iter().map(|text| with_absolute_paths(text)).collect();
        let mut set = of("json", &self.set_json);
        set.extend(self.set.iter().map(|text| json!(text)));
        set.extend(of("string", &self.set_string));
        set.extend(of("file", &file_settings));
        set.extend(of("literal", &self.set_literal));
        arguments.insert("set".into(), set.into());
        arguments
    }

    /// Everything that the command line names.
    fn paths(&self) -> Vec<PathBuf> {
        let named = self.set_file.iter().flat_map(|text| text.split(','));
        let named = named.filter_map(|part| part.split_once('=')).map(|(_, path)| Path::new(path));
        let given = self.files.iter().map(PathBuf::as_path).chain([self.chart.as_path()]);
        given.chain(named).map(absolute).collect()
    }
}

/// `a=x,b=y` with the paths seen from anywhere.
fn with_absolute_paths(settings: &str) -> String {
    let parts = settings.split(',').map(|part| match part.split_once('=') {
        Some((key, path)) => format!("{key}={}", absolute(Path::new(path)).display()),
        None => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join(",")
}

/// As given, seen from anywhere. What does not exist is told by the primitive.
fn absolute(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// A call about a chart, whose files the command line names.
fn on_chart(path: &'static str, chart: &ChartOptions, more: Value) -> Call {
    let mut call = Call::of(path, more);
    call.arguments.extend(chart.arguments());
    Call { files: chart.paths(), ..call }
}
