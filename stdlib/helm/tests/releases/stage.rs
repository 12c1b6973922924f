//! Where a test plays: a namespace of a real cluster.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use opsrun_core::{Error, Result, Target, Value};
use opsrun_gate::{Files, Gate, Grants, Route};
use opsrun_helm::Helm;
use opsrun_k8s::Kubernetes;
use opsrun_runtime::{Branch, Event, Happening, Outcome, Registry, Run, Setup, Watcher, World};
use opsrun_tests::{Missing, Mode, Outcome as Ran, Program, RealCluster, skip};
use serde_json::json;

static REGISTRY: Registry = Registry::new(&[&Kubernetes, &Helm]);

/// A namespace that a test may do with as it likes.
pub(crate) struct Stage {
    world: World,
    sections: BTreeMap<String, Value>,
    pub(crate) namespace: String,
    pub(crate) cluster: &'static RealCluster,
}

/// How a run on a stage ended.
pub(crate) struct Done {
    outcome: Outcome,
    told: Vec<String>,
}

/// The real Helm, beside which ours works.
pub(crate) struct RealHelm {
    helm: Program,
    namespace: String,
}

impl RealHelm {
    pub(crate) fn with(&self, variable: &str, value: &str) -> RealHelm {
        RealHelm { helm: self.helm.clone().env(variable, value), namespace: self.namespace.clone() }
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> std::process::Command {
        self.helm.command([&["--namespace", &self.namespace], arguments].concat())
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.helm.run([&["--namespace", &self.namespace], arguments].concat())
    }

    /// What it prints, once it went well.
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        self.run(arguments).ok()
    }
}

/// Calls a primitive by its path.
pub(crate) type Caller<'c> = &'c dyn Fn(&str, Value) -> Result<Value>;

/// Runs the test on a real API server.
pub(crate) fn on_real(test: impl Fn(&Stage)) {
    match RealCluster::shared(Mode::Api) {
        Err(missing) => skip(missing),
        Ok(cluster) => {
            let namespace = cluster.namespace("helm");
            let section = json!({ "kubeconfig": cluster.kubeconfig(), "namespace": namespace.name() });
            let namespace = namespace.name().to_owned();
            let sections = BTreeMap::from([("k8s".to_owned(), section)]);
            test(&Stage { world: World::live(), sections, namespace, cluster });
        }
    }
}

impl Stage {
    /// The same, where releases are kept in ConfigMaps.
    pub(crate) fn with_config_maps(&self) -> Stage {
        self.with_section("helm", json!({ "storage": "configmaps" }))
    }

    /// The same with another section of the target.
    pub(crate) fn with_section(&self, system: &str, section: Value) -> Stage {
        let mut sections = self.sections.clone();
        sections.insert(system.to_owned(), section);
        Stage { world: World::live(), sections, namespace: self.namespace.clone(), cluster: self.cluster }
    }

    /// The real Helm in the namespace; says that it is skipped where there is none.
    pub(crate) fn helm(&self) -> Option<RealHelm> {
        self.real(self.cluster.helm())
    }

    /// The last Helm of version 3, likewise.
    pub(crate) fn helm3(&self) -> Option<RealHelm> {
        self.real(self.cluster.helm3())
    }

    fn real(&self, helm: Result<Program, Missing>) -> Option<RealHelm> {
        match helm {
            Ok(helm) => Some(RealHelm { helm, namespace: self.namespace.clone() }),
            Err(missing) => {
                skip(missing);
                None
            }
        }
    }

    /// A run that calls what `script` calls.
    pub(crate) fn run(&self, script: impl Fn(Caller<'_>) -> Result<Value> + Sync) -> Done {
        let grants = ["k8s", "file"].iter().map(|grant| grant.parse().unwrap()).collect();
        let told = Arc::new(Told::default());
        let target = Target { name: "real".to_owned(), sections: self.sections.clone(), ..Target::default() };
        let gate = Gate::new(REGISTRY.systems(), Grants::new(grants), self.world.clock(), Route::live());
        let run = Run::new(Setup {
            files: Files::new(env!("CARGO_MANIFEST_DIR")),
            watcher: told.clone(),
            target: Arc::new(target),
            seed: 1,
            ..Setup::new(REGISTRY, self.world.clone(), gate)
        });
        let outcome = run.execute("test".into(), |branch: &Arc<Branch>| {
            script(&|path, arguments| {
                let declaration = REGISTRY
                    .primitive(path)
                    .ok_or_else(|| Error::failed(format!("there is no primitive `{path}`")))?;
                branch.call(declaration, arguments)
            })
        });
        let told = told.0.lock().unwrap().clone();
        Done { outcome: outcome.unwrap(), told }
    }
}

impl Done {
    /// What the script gave, if it went well.
    pub(crate) fn value(&self) -> Value {
        match &self.outcome {
            Outcome::Done(value) => value.clone(),
            _ => panic!("{}", self.report()),
        }
    }

    pub(crate) fn exit_code(&self) -> u8 {
        self.outcome.exit_code()
    }

    pub(crate) fn report(&self) -> String {
        let end = match &self.outcome {
            Outcome::Done(value) => value.to_string(),
            Outcome::Failed(error) => error.report(),
            Outcome::Undone { error, left } => format!("{}\nleft: {left:?}", error.report()),
            Outcome::TakenBack { count, left } => format!("took back {count}; left: {left:?}"),
            Outcome::BrokenOff { error, left } => format!("{}\nleft: {left}", error.report()),
            Outcome::UndoFailed { error, errors, .. } => {
                let errors: Vec<_> =
                    errors.iter().map(|(what, error)| format!("{what}: {}", error.report())).collect();
                format!("{}\nnot undone: {errors:#?}", error.report())
            }
        };
        format!("{end}\n{}", self.told.join("\n"))
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
