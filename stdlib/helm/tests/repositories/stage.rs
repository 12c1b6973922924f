//! Where a test plays: a folder of its own, and runs on the real network that may do what is said.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use opsrun_core::{Error, Result, Target, Value};
use opsrun_gate::{Asked, Auditor, FaultRule, Files, Gate, Grants, Reply, Route};
use opsrun_helm::Helm;
use opsrun_k8s::Kubernetes;
use opsrun_runtime::{Branch, Event, Happening, Outcome, Registry, Run, Setup, Watcher, World};
use serde_json::json;
use tempfile::TempDir;

static REGISTRY: Registry = Registry::new(&[&Kubernetes, &Helm]);

/// A folder with charts, and how a run reaches others from there.
pub(crate) struct Stage {
    folder: TempDir,
    section: Value,
    variables: BTreeMap<String, String>,
    grants: Vec<String>,
    faults: Vec<String>,
}

/// How a run on a stage ended.
pub(crate) struct Done {
    outcome: Outcome,
    lines: Vec<String>,
}

/// Calls a primitive by its path.
pub(crate) type Caller<'c> = &'c dyn Fn(&str, Value) -> Result<Value>;

impl Stage {
    pub(crate) fn new() -> Self {
        let grants = ["helm", "file", "secret"].map(str::to_owned).to_vec();
        let home = tempfile::tempdir().unwrap();
        let variables = BTreeMap::from([("HOME".to_owned(), home.path().join("home").display().to_string())]);
        Stage { folder: home, section: json!({}), variables, grants, faults: Vec::new() }
    }

    /// With this `helm` section in its target.
    pub(crate) fn section(mut self, section: Value) -> Self {
        self.section = section;
        self
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// With these grants alone.
    pub(crate) fn granted(mut self, grants: &[&str]) -> Self {
        self.grants = grants.iter().map(|grant| (*grant).to_owned()).collect();
        self
    }

    pub(crate) fn fault(mut self, fault: &str) -> Self {
        self.faults.push(fault.to_owned());
        self
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, path: &str) -> String {
        self.folder.path().join(path).display().to_string()
    }

    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> Vec<u8> {
        let path = self.folder.path().join(path);
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// A run that calls what `script` calls.
    pub(crate) fn run(&self, script: impl Fn(Caller<'_>) -> Result<Value> + Sync) -> Done {
        let world = World::live();
        let told = Arc::new(Told::default());
        let target = Target {
            name: "real".to_owned(),
            sections: BTreeMap::from([("helm".to_owned(), self.section.clone())]),
            ..Target::default()
        };
        let grants = self.grants.iter().map(|grant| grant.parse().unwrap()).collect();
        let gate = Gate::new(REGISTRY.systems(), Grants::new(grants), world.clock(), Route::live());
        gate.set_faults(self.faults.iter().map(|fault| fault.parse::<FaultRule>().unwrap()).collect());
        let run = Run::new(Setup {
            files: Files::new(self.folder.path()),
            watcher: told.clone(),
            target: Arc::new(target),
            variables: self.variables.clone(),
            seed: 1,
            ..Setup::new(REGISTRY, world.clone(), gate.audited(Some(told.clone())))
        });
        let outcome = run.execute("test".into(), |branch: &Arc<Branch>| {
            script(&|path, arguments| {
                let declaration = REGISTRY
                    .primitive(path)
                    .ok_or_else(|| Error::failed(format!("there is no primitive `{path}`")))?;
                branch.call(declaration, arguments)
            })
        });
        let lines = told.0.lock().unwrap().clone();
        Done { outcome: outcome.unwrap(), lines }
    }

    /// A run of one call.
    pub(crate) fn call(&self, path: &str, arguments: &Value) -> Done {
        self.run(|call| call(path, arguments.clone()))
    }

    /// What `helm::template` says against this chart.
    pub(crate) fn refusal(&self, chart: &Value) -> String {
        self.call("helm::template", &json!({ "chart": chart })).error()
    }
}

impl Done {
    /// What the script gave, if it went well.
    #[track_caller]
    pub(crate) fn value(&self) -> Value {
        match &self.outcome {
            Outcome::Done(value) => value.clone(),
            _ => panic!("{}", self.report()),
        }
    }

    /// What the script failed with.
    #[track_caller]
    pub(crate) fn error(&self) -> String {
        match self.outcome.error() {
            Some(error) => error.report(),
            None => panic!("it went well: {}", self.report()),
        }
    }

    pub(crate) fn exit_code(&self) -> u8 {
        self.outcome.exit_code()
    }

    /// Everything that was told, and how it ended.
    pub(crate) fn report(&self) -> String {
        let end = match &self.outcome {
            Outcome::Done(value) => value.to_string(),
            Outcome::Undone { error, left } => format!("{}\nleft: {left:?}", error.report()),
            Outcome::UndoFailed { error, errors, .. } => {
                let errors: Vec<_> =
                    errors.iter().map(|(what, error)| format!("{what}: {}", error.report())).collect();
                format!("{}\nnot undone: {errors:#?}", error.report())
            }
            other => other.error().map(Error::report).unwrap_or_default(),
        };
        format!("{}\n{end}", self.lines.join("\n"))
    }
}

/// What whoever watches is told, and the auditor.
#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl Watcher for Told {
    fn event(&self, event: &Event) {
        let line = match &event.what {
            Happening::Wrote { access, status, .. } => format!("{access}: {status}"),
            Happening::Undone { what } => format!("undone {what}"),
            Happening::Note { note, .. } => format!("{note:?}"),
            _ => return,
        };
        self.0.lock().unwrap().push(line);
    }
}

impl Auditor for Told {
    fn asked(&self, asked: &Asked<'_>) -> Result<u64> {
        let mut lines = self.0.lock().unwrap();
        lines.push(format!("asked {}: {:?}", asked.access, asked.decision));
        Ok(lines.len() as u64)
    }

    fn answered(&self, _: u64, reply: &Reply, _: Option<&str>) -> Result<()> {
        self.0.lock().unwrap().push(format!("answered {reply:?}"));
        Ok(())
    }
}
