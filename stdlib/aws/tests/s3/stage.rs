//! Where a test plays: an estate, or a server that somebody else wrote, with a folder of files.

use std::any::Any;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use opsrun_aws::Aws;
use opsrun_core::{Error, Result, Simulator, Span, Target, Value};
use opsrun_gate::{FaultRule, Files, Gate, Grants, Route};
use opsrun_runtime::{
    Branch, Course, Entry, EstateFile, Event, Happening, Launch, MemoryJournal, Outcome, Past, Project,
    Record, Registry, Rehearsal, Run, Setup, Watcher, World,
};
use opsrun_tests::{Moto, skip};
use serde_json::json;
use tempfile::TempDir;

use crate::server;

static REGISTRY: Registry = Registry::new(&[&Aws]);

pub(crate) struct Stage {
    pub(crate) name: &'static str,
    folder: TempDir,
    place: Place,
}

enum Place {
    Estate(Box<Rehearsal>),
    /// Its address, and the key that it knows; the server ends with the value.
    Server(String, String, #[allow(dead_code)] Box<dyn Any>),
}

/// How a run on a stage ended.
pub(crate) struct Done {
    pub(crate) outcome: Outcome,
    told: Vec<String>,
    journal: Arc<MemoryJournal>,
}

/// Calls a primitive by its path.
pub(crate) type Caller<'c> = &'c dyn Fn(&str, Value) -> Result<Value>;

/// Plays it on the simulated S3, on moto, and on a server that keeps objects in files.
pub(crate) fn on_all(test: impl Fn(&Stage)) {
    test(&Stage::estate(json!({})));
    test(&Stage::in_files());
    match Moto::start() {
        Ok(moto) => test(&Stage::moto(moto)),
        Err(missing) => skip(missing),
    }
}

impl Stage {
    /// An estate whose default account has this `s3` section in `us-west-2`.
    pub(crate) fn estate(s3: Value) -> Self {
        Self::of_account(json!({ "regions": { "us-west-2": { "s3": s3 } } }))
    }

    pub(crate) fn of_account(account: Value) -> Self {
        Self::of_section(json!({ "accounts": { "111122223333": account } }))
    }

    pub(crate) fn of_section(section: Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let project = Project { root: folder.path().to_owned(), ..Project::default() };
        let file = EstateFile::default().with("aws", section);
        let rehearsal = Rehearsal::start(Launch::new(REGISTRY, project), &file, 1).unwrap();
        Stage { name: "estate", folder, place: Place::Estate(Box::new(rehearsal)) }
    }

    /// An estate in which time passes as on the wall, for programs that have a clock of their own.
    pub(crate) fn of_today(section: Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let project = Project { root: folder.path().to_owned(), ..Project::default() };
        let file = EstateFile::default().with("aws", section);
        let rehearsal = Rehearsal::start_in(Launch::new(REGISTRY, project), &file, 1, World::live()).unwrap();
        Stage { name: "estate", folder, place: Place::Estate(Box::new(rehearsal)) }
    }

    /// Lets time pass; of an estate.
    pub(crate) fn pass(&self, span: Span) {
        match &self.place {
            Place::Estate(rehearsal) => rehearsal.settle(span).unwrap(),
            Place::Server(..) => panic!("it is no estate"),
        }
    }

    /// The estate's AWS.
    pub(crate) fn simulator(&self) -> Arc<dyn Simulator> {
        match &self.place {
            Place::Estate(rehearsal) => rehearsal.estate().simulators().next().unwrap().1.clone(),
            Place::Server(..) => panic!("it is no estate"),
        }
    }

    pub(crate) fn moto(moto: Moto) -> Self {
        let endpoint = moto.endpoint();
        Stage {
            name: "moto",
            folder: tempfile::tempdir().unwrap(),
            place: Place::Server(endpoint, server::ACCESS_KEY.to_owned(), Box::new(moto)),
        }
    }

    pub(crate) fn in_files() -> Self {
        let server = server::Served::in_files();
        let endpoint = server.endpoint();
        Stage {
            name: "s3s-fs",
            folder: tempfile::tempdir().unwrap(),
            place: Place::Server(endpoint, server::ACCESS_KEY.to_owned(), Box::new(server)),
        }
    }

    /// Another estate's AWS, by way of somebody who changes on its way back what contains [`server::FRAGILE`].
    pub(crate) fn behind_a_bad_line(estate: &Stage) -> Self {
        let key = estate.simulator().section()["keys"]["access-key"].as_str().unwrap().to_owned();
        let server = server::Served::spoiling(estate.simulator());
        Stage {
            name: "a bad line",
            folder: tempfile::tempdir().unwrap(),
            place: Place::Server(server.endpoint(), key, Box::new(server)),
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// Everything that a user would call state; of an estate.
    pub(crate) fn snapshot(&self) -> BTreeMap<String, Value> {
        match &self.place {
            Place::Estate(rehearsal) => rehearsal.estate().snapshot(),
            Place::Server(..) => BTreeMap::new(),
        }
    }

    /// A run that calls what `script` calls.
    pub(crate) fn run(&self, script: impl Fn(Caller<'_>) -> Result<Value> + Sync) -> Done {
        self.run_with(&[], Past::default(), script)
    }

    /// The same with faults, going on where this past ended.
    pub(crate) fn run_with(
        &self,
        faults: &[&str],
        past: Past,
        script: impl Fn(Caller<'_>) -> Result<Value> + Sync,
    ) -> Done {
        let told = Arc::new(Told::default());
        let journal = Arc::new(MemoryJournal::default());
        let faults = faults.iter().map(|fault| fault.parse::<FaultRule>().unwrap()).collect();
        let run = match &self.place {
            Place::Estate(rehearsal) => {
                rehearsal.again(past, Course::Onward, journal.clone(), told.clone()).unwrap()
            }
            Place::Server(endpoint, key, _) => self.on_server((endpoint, key), journal.clone(), told.clone()),
        };
        run.gate().set_faults(faults);
        let outcome = run.execute("test".into(), |branch: &Arc<Branch>| {
            script(&|path, arguments| {
                let declaration = REGISTRY
                    .primitive(path)
                    .ok_or_else(|| Error::failed(format!("there is no primitive `{path}`")))?;
                branch.call(declaration, arguments)
            })
        });
        let told = told.0.lock().unwrap().clone();
        Done { outcome: outcome.unwrap(), told, journal }
    }

    fn on_server(
        &self,
        (endpoint, key): (&str, &str),
        journal: Arc<MemoryJournal>,
        told: Arc<Told>,
    ) -> Arc<Run> {
        let world = World::live();
        let section = json!({ "region": "us-west-2", "endpoint": endpoint });
        let target = Target {
            name: "server".to_owned(),
            sections: BTreeMap::from([("aws".to_owned(), section)]),
            ..Target::default()
        };
        let grants = ["aws", "file"].iter().map(|grant| grant.parse().unwrap()).collect();
        let gate = Gate::new(REGISTRY.systems(), Grants::new(grants), world.clock(), Route::live());
        let variables = [
            ("HOME", self.folder.path().join("home").display().to_string()),
            ("AWS_ACCESS_KEY_ID", key.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", server::SECRET_KEY.to_owned()),
        ];
        Run::new(Setup {
            files: Files::new(self.folder.path()),
            watcher: told,
            journal,
            target: Arc::new(target),
            variables: variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            seed: 1,
            ..Setup::new(REGISTRY, world.clone(), gate)
        })
    }

    /// A run of one call.
    pub(crate) fn call(&self, path: &str, arguments: &Value) -> Done {
        self.run(|call| call(path, arguments.clone()))
    }

    /// What a call gives.
    #[track_caller]
    pub(crate) fn value(&self, path: &str, arguments: Value) -> Value {
        self.call(path, &arguments).value()
    }

    /// What a call fails with.
    #[track_caller]
    pub(crate) fn error(&self, path: &str, arguments: Value) -> String {
        self.call(path, &arguments).error()
    }
}

impl Done {
    #[track_caller]
    pub(crate) fn value(&self) -> Value {
        match &self.outcome {
            Outcome::Done(value) => value.clone(),
            _ => panic!("{}", self.report()),
        }
    }

    #[track_caller]
    pub(crate) fn error(&self) -> String {
        match self.outcome.error() {
            Some(error) => error.report(),
            None => panic!("it went well: {}", self.report()),
        }
    }

    /// What could not be taken back.
    #[track_caller]
    pub(crate) fn left(&self) -> Vec<String> {
        match &self.outcome {
            Outcome::Undone { left, .. } => left.clone(),
            _ => panic!("it was not undone: {}", self.report()),
        }
    }

    /// The run as its journal has it if it was killed once its `number`th write (from 1) was sent.
    pub(crate) fn killed_at_write(&self, number: usize) -> Past {
        let records = self.journal.records();
        let is_intent = |record: &Record| matches!(record.entry, Entry::WriteIntent { .. });
        let mut intents = records.iter().enumerate().filter(|(_, record)| is_intent(record));
        let (at, _) = intents.nth(number - 1).expect("it wrote so often");
        Past::read(&records[..=at], REGISTRY)
    }

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
        format!("{}\n{end}", self.told.join("\n"))
    }

    /// The writes that left.
    pub(crate) fn writes(&self) -> usize {
        self.told.iter().filter(|line| line.starts_with("aws ")).count()
    }
}

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
