//! Where a test plays: a simulated cluster, or a namespace of a real one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use opsrun_core::{Error, Result, System, Target, Value};
use opsrun_gate::{Files, Gate, Grants, Route};
use opsrun_k8s::Kubernetes;
use opsrun_runtime::{
    Branch, Estate, EstateFile, Event, Happening, Outcome, Registry, Run, Setup, Watcher, World,
};
use opsrun_tests::{Mode, RealCluster, skip};
use serde_json::json;

static REGISTRY: Registry = Registry::new(&[&Kubernetes]);

/// A cluster that a test may do with as it likes.
pub(crate) struct Stage {
    name: &'static str,
    world: World,
    estate: Option<Estate>,
    section: Value,
    grants: Vec<String>,
}

/// How a run on a stage ended.
pub(crate) struct Done {
    outcome: Outcome,
    told: Vec<String>,
}

/// Calls a primitive by its path.
pub(crate) type Caller<'c> = &'c dyn Fn(&str, Value) -> Result<Value>;

/// Runs the test on the simulated cluster and on a real API server.
pub(crate) fn on_each(test: impl Fn(&Stage)) {
    let world = World::simulated(EstateFile::default().start).unwrap();
    let estate = Estate::start(&EstateFile::default(), REGISTRY, &world, 1).unwrap();
    let section = Kubernetes.name();
    let section = estate.adopt(Target::default()).section(section).clone();
    test(&Stage { name: "simulated", estate: Some(estate), ..Stage::of_world(world, section) });
    match RealCluster::shared(Mode::Api) {
        Err(missing) => skip(missing),
        Ok(cluster) => {
            let namespace = cluster.namespace("k8s");
            let section = json!({ "kubeconfig": cluster.kubeconfig(), "namespace": namespace.name() });
            test(&Stage::live(section));
        }
    }
}

/// Runs the test on a real cluster with a node that runs pods.
pub(crate) fn on_a_node(test: impl Fn(&Stage)) {
    match RealCluster::shared(Mode::Node) {
        Err(missing) => skip(missing),
        Ok(cluster) => {
            let namespace = cluster.namespace("k8s");
            let section = json!({ "kubeconfig": cluster.kubeconfig(), "namespace": namespace.name() });
            test(&Stage::live(section));
        }
    }
}

impl Stage {
    /// Whatever the `k8s` section of a target leads to.
    pub(crate) fn live(section: Value) -> Self {
        Stage::of_world(World::live(), section)
    }

    fn of_world(world: World, section: Value) -> Self {
        let grants = vec!["k8s".to_owned(), "file".to_owned()];
        Stage { name: "real", world, estate: None, section, grants }
    }

    /// With a further grant.
    pub(crate) fn granted(mut self, grant: impl Into<String>) -> Self {
        self.grants.push(grant.into());
        self
    }

    /// A run that calls what `script` calls.
    pub(crate) fn run(&self, script: impl Fn(Caller<'_>) -> Result<Value> + Sync) -> Done {
        let route = self.estate.as_ref().map_or_else(Route::live, Estate::route);
        let grants = self.grants.iter().map(|grant| grant.parse().unwrap()).collect();
        let told = Arc::new(Told::default());
        let target = Target {
            name: self.name.to_owned(),
            sections: BTreeMap::from([("k8s".to_owned(), self.section.clone())]),
            ..Target::default()
        };
        let gate = Gate::new(REGISTRY.systems(), Grants::new(grants), self.world.clock(), route);
        let run = Run::new(Setup {
            files: Files::new("."),
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

    /// What a user would compare, with who manages which fields.
    pub(crate) fn objects(&self) -> Value {
        let kinds = ["configmaps", "secrets", "deployments"];
        let found = self.run(|call| {
            kinds.iter().map(|kind| call("k8s::list", json!({ "kind": kind }))).collect::<Result<Value>>()
        });
        let mut found = found.value();
        for list in found.as_array_mut().unwrap() {
            for object in list.as_array_mut().unwrap() {
                object.as_object_mut().unwrap().remove("status");
                let metadata = object["metadata"].as_object_mut().unwrap();
                for counted in ["resourceVersion", "generation", "uid", "creationTimestamp"] {
                    metadata.remove(counted);
                }
                if let Some(annotations) = metadata.get_mut("annotations") {
                    annotations.as_object_mut().unwrap().remove("deployment.kubernetes.io/revision");
                }
                if metadata.get("annotations") == Some(&json!({})) {
                    metadata.remove("annotations");
                }
                let managed = metadata.get_mut("managedFields").and_then(Value::as_array_mut);
                let Some(managed) = managed else { continue };
                managed.retain(|entry| entry["subresource"] != "status");
                managed.iter_mut().for_each(|entry| {
                    entry.as_object_mut().unwrap().remove("time");
                });
                managed.sort_by_key(Value::to_string);
            }
        }
        found
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
