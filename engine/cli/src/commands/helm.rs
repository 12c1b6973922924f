//! `opsrun helm`: what Helm's own command line does to a chart without a cluster.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use opsrun_core::{Error, Result, Value};
use opsrun_runtime::Unwatched;
use serde_json::{Map, json};

use crate::output::print;
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
    /// Looks for mistakes in a chart as `helm lint` does.
    Lint {
        #[command(flatten)]
        chart: ChartOptions,
    },
}

/// A chart and its values.
#[derive(Debug, clap::Args)]
pub(crate) struct ChartOptions {
    /// A chart's folder or archive.
    chart: PathBuf,
    /// A file of values; a later one goes before an earlier one.
    #[arg(short = 'f', long = "values", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// A value: `a.b=c`; goes before all files.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

impl Helm {
    pub(crate) fn carry_out(&self, program: &Program) -> Result<u8> {
        match self {
            Helm::Template { name, chart, namespace, include_crds } => {
                let mut arguments = chart.arguments();
                arguments.insert("release".into(), name.clone().into());
                arguments.insert("namespace".into(), namespace.clone().into());
                arguments.insert("include_crds".into(), (*include_crds).into());
                let out = call(program, chart, "helm::template", arguments)?;
                let text = out.as_str().or_else(|| out["manifest"].as_str());
                print(text.ok_or_else(|| Error::failed("`helm::template` gave no text"))?)?;
                Ok(0)
            }
            Helm::Lint { chart } => {
                let out = call(program, chart, "helm::lint", chart.arguments())?;
                print(
                    &serde_json::to_string_pretty(&out).map_err(|error| Error::failed(error.to_string()))?,
                )?;
                Ok(0)
            }
        }
    }
}

impl ChartOptions {
    fn arguments(&self) -> Map<String, Value> {
        let mut arguments = Map::new();
        arguments.insert("chart".into(), json!(absolute(&self.chart)));
        if !self.files.is_empty() {
            arguments.insert(
                "values_files".into(),
                json!(self.files.iter().map(|path| absolute(path)).collect::<Vec<_>>()),
            );
        }
        if !self.set.is_empty() {
            arguments.insert("set".into(), json!(self.set));
        }
        arguments
    }
}

/// As given, seen from anywhere. What does not exist is told by the primitive.
fn absolute(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// Calls a primitive that reads files only, and those that the command line names.
fn call(program: &Program, chart: &ChartOptions, path: &str, arguments: Map<String, Value>) -> Result<Value> {
    let mut launch = program.launch()?;
    for file in chart.files.iter().chain([&chart.chart]) {
        let file = absolute(file);
        for pattern in [format!("file read {}", file.display()), format!("file read {}/*", file.display())] {
            launch.allow.push(pattern.parse().map_err(|error| Error::invalid(format!("{error}")))?);
        }
    }
    let declaration =
        program.registry().primitive(path).ok_or_else(|| Error::failed(format!("there is no `{path}`")))?;
    let run = launch.looking(Arc::new(Unwatched))?;
    let result = Mutex::new(Value::Null);
    let outcome = run.execute(path.into(), |branch| {
        *result.lock().unwrap_or_else(PoisonError::into_inner) =
            branch.call(declaration, Value::Object(arguments))?;
        Ok(Value::Null)
    })?;
    match outcome.error() {
        Some(error) => Err(error.clone()),
        None => Ok(result.into_inner().unwrap_or_else(PoisonError::into_inner)),
    }
}
