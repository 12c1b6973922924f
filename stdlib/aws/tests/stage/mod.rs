//! Where a test plays: an estate with a simulated AWS, and runs on it.
#![allow(dead_code, clippy::disallowed_methods, clippy::disallowed_types)] // each test program uses what it needs

use std::sync::{Arc, Mutex};

use opsrun_aws::Aws;
use opsrun_core::{Error, Result, Span, Target, Value};
use opsrun_gate::{Gate, Grants, Route};
use opsrun_runtime::{
    Branch, Estate, EstateFile, Event, FaultRule, Happening, Launch, Outcome, Project, Registry, Rehearsal,
    Run, Setup, Trial, Watcher, World, changes, without_kept,
};
use serde_json::json;

pub(crate) static REGISTRY: Registry = Registry::new(&[&Aws]);

/// An estate that outlives the runs on it.
pub(crate) struct Stage {
    rehearsal: Rehearsal,
}

/// How a run on a stage ended.
pub(crate) struct Done {
    outcome: Outcome,
    told: Vec<String>,
    kept: std::collections::BTreeMap<String, String>,
}

/// Calls a primitive by its path.
pub(crate) type Caller<'c> = &'c dyn Fn(&str, Value) -> Result<Value>;

/// What a test does in a run.
pub(crate) type Script<'s> = &'s (dyn Fn(Caller<'_>) -> Result<Value> + Sync);

fn rehearsal(section: &Value) -> Result<Rehearsal> {
    let file = EstateFile::default().with("aws", section.clone());
    Rehearsal::start(Launch::new(REGISTRY, Project::default()), &file, 1)
}

pub(crate) fn call(branch: &Arc<Branch>, path: &str, arguments: Value) -> Result<Value> {
    let declaration =
        REGISTRY.primitive(path).ok_or_else(|| Error::failed(format!("there is no primitive `{path}`")))?;
    branch.call(declaration, arguments)
}

impl Stage {
    /// An estate with this `aws` section.
    pub(crate) fn new(section: &Value) -> Self {
        Stage { rehearsal: rehearsal(section).unwrap() }
    }

    pub(crate) fn estate(&self) -> &Estate {
        self.rehearsal.estate()
    }

    pub(crate) fn world(&self) -> &World {
        self.rehearsal.world()
    }

    /// Lets time pass.
    pub(crate) fn pass(&self, span: &str) {
        self.rehearsal.settle(span.parse::<Span>().unwrap()).unwrap();
    }

    /// What a user would call state, by name.
    pub(crate) fn state(&self) -> Value {
        serde_json::to_value(self.estate().snapshot()).unwrap()
    }

    /// A run that calls what `script` calls, with these faults.
    pub(crate) fn run_with(&self, faults: &[&str], script: Script<'_>) -> Done {
        self.go(faults, &|branch| script(&|path, arguments| call(branch, path, arguments)))
    }

    /// A run of what calls of primitives alone do not make, which reads the estate's secrets as if they were real.
    pub(crate) fn run_branch(&self, body: &(dyn Fn(&Arc<Branch>) -> Result<Value> + Sync)) -> Done {
        let grants = ["aws", "secret read"].map(|grant| grant.parse().unwrap()).to_vec();
        let (estate, world) = (self.estate(), self.world().clone());
        let gate = Gate::new(REGISTRY.systems(), Grants::new(grants), world.clock(), estate.route());
        let told = Arc::new(Told::default());
        let run = Run::new(Setup {
            watcher: told.clone(),
            target: Arc::new(estate.adopt(Target::default())),
            seed: 1,
            ..Setup::new(REGISTRY, world, gate)
        });
        Stage::execute(&run, &told, body)
    }

    fn go(&self, faults: &[&str], body: &(dyn Fn(&Arc<Branch>) -> Result<Value> + Sync)) -> Done {
        let told = Arc::new(Told::default());
        let faults = faults.iter().map(|fault| fault.parse::<FaultRule>().unwrap()).collect();
        let run = self.rehearsal.run(told.clone(), faults).unwrap();
        Stage::execute(&run, &told, body)
    }

    fn execute(run: &Arc<Run>, told: &Told, body: &(dyn Fn(&Arc<Branch>) -> Result<Value> + Sync)) -> Done {
        let outcome = run.execute("test".into(), |branch: &Arc<Branch>| body(branch));
        // As it is written out: what prints it passes it through here.
        let told = told.0.lock().unwrap().iter().map(|line| run.redactor().show(line).into_owned()).collect();
        let kept = run.kept();
        Done { outcome: outcome.unwrap(), told, kept }
    }

    pub(crate) fn run(&self, script: Script<'_>) -> Done {
        self.run_with(&[], script)
    }

    /// A run of one call.
    pub(crate) fn call(&self, path: &str, arguments: &Value) -> Done {
        self.run(&|call| call(path, arguments.clone()))
    }

    /// Runs the script and fails at its end: everything must be as it was, but for what is kept on purpose.
    #[track_caller]
    pub(crate) fn undoes(&self, script: Script<'_>) -> Done {
        let before = self.estate().snapshot();
        let done = self.run(&|call| {
            script(call)?;
            Err(Error::failed("and now back"))
        });
        // 1 if there was nothing to take back.
        assert!([1, 3].contains(&done.exit_code()) && done.error() == "and now back", "{}", done.report());
        // What has begun to go comes to its end.
        self.pass("1h");
        let after = self.estate().snapshot();
        let (changes, _) = without_kept(changes(&before, &after), &done.kept);
        assert!(changes.is_empty(), "{changes:#?}\n{}", done.report());
        done
    }
}

/// What `body` gives on moto, once these things were made there; `None`, and said so, where there is no moto.
///
/// A thing is a service, as it is signed for, and a request of it: a form, or a target of a JSON protocol and its input.
pub(crate) fn on_moto(things: &[Thing], script: Script<'_>) -> Option<Done> {
    on_moto_by(things, &|endpoint| json!({ "region": "us-west-2", "endpoint": endpoint }), script)
}

/// The same where the target's section is made of moto's address.
pub(crate) fn on_moto_by(
    things: &[Thing],
    section: &dyn Fn(&str) -> Value,
    script: Script<'_>,
) -> Option<Done> {
    let moto = match opsrun_tests::Moto::start() {
        Ok(moto) => moto,
        Err(missing) => {
            opsrun_tests::skip(missing);
            return None;
        }
    };
    let endpoint = moto.endpoint();
    things.iter().for_each(|thing| make(&endpoint, thing));
    let target = Target {
        name: "moto".to_owned(),
        sections: [("aws".to_owned(), section(&endpoint))].into(),
        ..Target::default()
    };
    let keys = [("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "secret")];
    // It is at once where AWS takes minutes, and is asked every few seconds.
    let world = World::faster(50.0);
    let gate = Gate::new(
        REGISTRY.systems(),
        Grants::new(vec!["aws".parse().unwrap()]),
        world.clock(),
        Route::live(),
    );
    let told = Arc::new(Told::default());
    let run = Run::new(Setup {
        watcher: told.clone(),
        target: Arc::new(target),
        variables: keys.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        seed: 1,
        ..Setup::new(REGISTRY, world, gate)
    });
    Some(Stage::execute(&run, &told, &|branch| script(&|path, arguments| call(branch, path, arguments))))
}

/// Something that a test makes without a primitive.
pub(crate) enum Thing {
    Form(&'static str, &'static str),
    Json(&'static str, &'static str, Value),
    /// A path and a body.
    Rest(&'static str, &'static str, String),
}

fn make(endpoint: &str, thing: &Thing) {
    use std::io::{Read, Write};
    let host = endpoint.trim_start_matches("http://");
    let (service, kind, target, body) = match thing {
        Thing::Form(service, form) => {
            (service, "application/x-www-form-urlencoded", String::new(), (*form).to_owned())
        }
        Thing::Json(service, target, input) => {
            (service, "application/x-amz-json-1.1", format!("X-Amz-Target: {target}\r\n"), input.to_string())
        }
        Thing::Rest(service, _, body) => (service, "text/xml", String::new(), body.clone()),
    };
    let path = if let Thing::Rest(_, path, _) = thing { path } else { "/" };
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: {kind}\r\n{target}Content-Length: {}\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260302/us-west-2/{service}/aws4_request, SignedHeaders=host, Signature=0\r\n\r\n{body}",
        body.len()
    );
    let mut server = std::net::TcpStream::connect(host).unwrap();
    server.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    server.read_to_string(&mut answer).unwrap();
    assert!(answer.lines().next().unwrap_or_default().contains(" 20"), "{body}: {answer}");
}

/// Fails the script at each of its writes, in every way in which a write can fail, on an estate with this section: it copes, is taken
/// back, or goes on after its process was killed.
#[track_caller]
pub(crate) fn fails_everywhere(section: &Value, script: Script<'_>) {
    let start = || rehearsal(section);
    let play = |run: &Arc<Run>| {
        run.execute("test".into(), |branch: &Arc<Branch>| {
            script(&|path, arguments| call(branch, path, arguments))
        })
    };
    let trial = Trial::begin(&start, &play).unwrap_or_else(|error| panic!("{}", error.report()));
    assert!(!trial.writes().is_empty());
    let wrong: Vec<_> = trial.cases(&trial.all(), 2).into_iter().filter(|case| !case.held()).collect();
    assert!(wrong.is_empty(), "{} of {}: {wrong:#?}", wrong.len(), trial.all().len());
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

    pub(crate) fn succeeded(&self) -> bool {
        matches!(self.outcome, Outcome::Done(_))
    }

    pub(crate) fn exit_code(&self) -> u8 {
        self.outcome.exit_code()
    }

    pub(crate) fn told(&self) -> &[String] {
        &self.told
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
        format!("{}\n{end}", self.told.join("\n"))
    }
}

/// What whoever watches is told.
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
