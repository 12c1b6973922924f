//! Where a test plays: runs on a real server, or on an estate, that may do what is said.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use opsrun_backup::Backup;
use opsrun_core::{Error, Result, Target, Value};
use opsrun_db::{Postgres, Redis};
use opsrun_gate::{Asked, Auditor, FaultRule, Files, Gate, Grants, Reply, Route};
use opsrun_runtime::{
    Branch, Estate, EstateFile, Event, Happening, MemoryJournal, Outcome, Registry, Run, Setup, Watcher,
    World,
};
use serde_json::json;
use tempfile::TempDir;

pub(crate) static REGISTRY: Registry = Registry::new(&[&Postgres, &Redis, &Backup]);

/// How runs reach a server.
#[derive(Clone)]
pub(crate) struct Stage {
    system: &'static str,
    /// Real servers, if it has none.
    estate: Option<Arc<(World, Estate)>>,
    folder: Arc<TempDir>,
    section: Value,
    /// Of other systems.
    others: BTreeMap<String, Value>,
    variables: BTreeMap<String, String>,
    grants: Vec<String>,
    faults: Vec<String>,
}

/// How a run on a stage ended.
pub(crate) struct Done {
    pub(crate) outcome: Outcome,
    lines: Vec<String>,
}

/// Calls a primitive by its path.
pub(crate) type Caller<'c> = &'c dyn Fn(&str, Value) -> Result<Value>;

impl Stage {
    /// With this section of a system in the target; the password is the variable `PASSWORD`.
    pub(crate) fn new(system: &'static str, section: Value, password: &str) -> Self {
        let grants = ["postgres", "redis", "secret", "file"].map(str::to_owned).to_vec();
        let variables = BTreeMap::from([("PASSWORD".to_owned(), password.to_owned())]);
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let others = BTreeMap::new();
        Stage { system, estate: None, folder, section, others, variables, grants, faults: Vec::new() }
    }

    /// With a repository for backups beside it.
    pub(crate) fn backed_up(mut self) -> Self {
        let repository = json!({ "store": "folder:repository", "password": "env:BACKUP_PASSWORD" });
        self.others.insert("backup".to_owned(), json!({ "repositories": { "default": repository } }));
        self.variables.insert("BACKUP_PASSWORD".to_owned(), "correct horse".to_owned());
        self
    }

    /// What the estate would call its state.
    pub(crate) fn snapshot(&self) -> BTreeMap<String, Value> {
        self.estate.as_ref().map(|estate| estate.1.snapshot()).unwrap_or_default()
    }

    /// On an estate with this section of the system, which all runs on it share.
    pub(crate) fn on_estate(system: &'static str, section: Value, of_estate: Value) -> Self {
        let file = EstateFile::default().with(system, of_estate);
        let world = World::simulated(file.start).unwrap();
        let estate =
            Estate::start(&file, REGISTRY, &world, 1).unwrap_or_else(|error| panic!("{}", error.report()));
        Stage { estate: Some(Arc::new((world, estate))), ..Stage::new(system, section, "") }
    }

    /// With this in its section, too; `Null` takes a key away.
    pub(crate) fn with(mut self, key: &str, value: Value) -> Self {
        match value {
            Value::Null => self.section.as_object_mut().unwrap().remove(key),
            value => self.section.as_object_mut().unwrap().insert(key.to_owned(), value),
        };
        self
    }

    /// The same server, and another database of it.
    pub(crate) fn database(self, name: &str) -> Self {
        let url = self.url();
        let server = url.rsplit_once('/').unwrap().0.to_owned();
        self.with("url", json!(format!("{server}/{name}")))
    }

    pub(crate) fn url(&self) -> String {
        self.section["url"].as_str().unwrap().to_owned()
    }

    pub(crate) fn password(mut self, password: &str) -> Self {
        self.variables.insert("PASSWORD".to_owned(), password.to_owned());
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

    /// A run that calls what `script` calls.
    pub(crate) fn run(&self, script: impl Fn(Caller<'_>) -> Result<Value> + Sync) -> Done {
        self.play(|branch| {
            script(&|path, arguments| {
                let declaration = REGISTRY
                    .primitive(path)
                    .ok_or_else(|| Error::failed(format!("there is no primitive `{path}`")))?;
                branch.call(declaration, arguments)
            })
        })
    }

    /// Lets so much of an estate's time pass.
    pub(crate) fn pass(&self, span: &str) {
        let span = span.parse().unwrap();
        self.play(|branch| branch.sleep(span).map(|()| Value::Null)).value();
    }

    fn play(&self, body: impl Fn(&Arc<Branch>) -> Result<Value> + Sync) -> Done {
        let (world, route) = match &self.estate {
            None => (World::live(), Route::live()),
            Some(estate) => (estate.0.clone(), estate.1.route()),
        };
        let told = Arc::new(Told::default());
        let mut sections = self.others.clone();
        sections.insert(self.system.to_owned(), self.section.clone());
        let target = Target { name: "test".to_owned(), sections, ..Target::default() };
        let grants = self.grants.iter().map(|grant| grant.parse().unwrap()).collect();
        let gate = Gate::new(REGISTRY.systems(), Grants::new(grants), world.clock(), route);
        gate.set_faults(self.faults.iter().map(|fault| fault.parse::<FaultRule>().unwrap()).collect());
        let journal = Arc::new(MemoryJournal::default());
        let run = Run::new(Setup {
            files: Files::new(self.folder.path()),
            watcher: told.clone(),
            target: Arc::new(target),
            variables: self.variables.clone(),
            journal: journal.clone(),
            seed: 1,
            ..Setup::new(REGISTRY, world.clone(), gate.audited(Some(told.clone())))
        });
        let outcome = run.execute("test".into(), |branch: &Arc<Branch>| body(branch));
        let lines = told.0.lock().unwrap().clone();
        Done { outcome: outcome.unwrap(), lines }
    }

    /// A run of one call.
    pub(crate) fn call(&self, path: &str, arguments: &Value) -> Done {
        self.run(|call| call(path, arguments.clone()))
    }

    /// The rows of a statement.
    #[track_caller]
    pub(crate) fn rows(&self, sql: &str) -> Value {
        self.call("postgres::query", &json!({ "sql": sql })).value()
    }

    /// Carries out statements that are not taken back.
    #[track_caller]
    pub(crate) fn exec(&self, sql: &str) -> Value {
        self.call("postgres::exec", &json!({ "sql": sql, "no_undo": "a test" })).value()
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
    pub(crate) fn error(&self) -> &Error {
        match self.outcome.error() {
            Some(error) => error,
            None => panic!("it went well: {}", self.report()),
        }
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
        lines.push(format!("asked {}", asked.access));
        Ok(lines.len() as u64)
    }

    fn answered(&self, _: u64, reply: &Reply, _: Option<&str>) -> Result<()> {
        self.0.lock().unwrap().push(format!("answered {reply:?}"));
        Ok(())
    }
}
