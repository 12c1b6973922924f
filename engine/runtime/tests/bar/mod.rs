//! A system of the tests' own: a bar that keeps glasses on tables and hears a bell, with its simulator.
#![allow(dead_code)] // each test file uses a part of it

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use http::{Request, Response, StatusCode, Uri};
use opsrun_core::{
    Access, Cx, Declaration, Effect, Endpoint, Error, Inverse, Module, Primitive, Result, Settle, Simulator,
    Span, Surroundings, System, Undo, Value, serve,
};
use opsrun_derive::Args;
use opsrun_gate::Gate;
use opsrun_runtime::{Branch, EstateFile, Event, Happening, Journal, Registry, Setup, Watcher, World};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::io::DuplexStream;

/// Sets a number of glasses on a table.
#[derive(Deserialize, JsonSchema, Args)]
struct Pour {
    /// The table.
    #[arg(positional, secret)]
    table: String,
    /// How many.
    #[arg(positional)]
    glasses: u64,
}

/// Counts the glasses of a table.
#[derive(Deserialize, JsonSchema, Args)]
struct Count {
    /// The table.
    #[arg(positional)]
    table: String,
}

/// Pours without a way back, and without saying so.
#[derive(Deserialize, JsonSchema, Args)]
struct Spill {}

/// Looks into a glass, and pours while it does.
#[derive(Deserialize, JsonSchema, Args)]
struct Peek {}

/// Rings the bell: one more time each time.
#[derive(Deserialize, JsonSchema, Args)]
struct Ring {}

/// Waits for a while.
#[derive(Deserialize, JsonSchema, Args)]
struct Rest {
    /// How long.
    #[arg(positional)]
    span: Span,
}

#[derive(Serialize, JsonSchema)]
struct Glasses {
    glasses: u64,
}

impl Primitive for Pour {
    const PATH: &'static str = "bar::pour";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By("bar::pour");
    type Out = Glasses;

    async fn run(self, cx: &Cx) -> Result<Glasses> {
        let before = ask(cx, "GET", &self.table, 0).await?;
        let _ =
            cx.undo(Inverse::call("bar::pour", json!({ "table": self.table, "glasses": before }))).await?;
        Ok(Glasses { glasses: ask(cx, "PUT", &self.table, self.glasses).await? })
    }
}

impl Primitive for Count {
    const PATH: &'static str = "bar::count";
    const EFFECT: Effect = Effect::Read;
    type Out = Glasses;

    async fn run(self, cx: &Cx) -> Result<Glasses> {
        Ok(Glasses { glasses: ask(cx, "GET", &self.table, 0).await? })
    }
}

impl Primitive for Spill {
    const PATH: &'static str = "bar::spill";
    const EFFECT: Effect = Effect::Write;
    type Out = Glasses;

    async fn run(self, cx: &Cx) -> Result<Glasses> {
        Ok(Glasses { glasses: ask(cx, "PUT", "floor", 1).await? })
    }
}

impl Primitive for Peek {
    const PATH: &'static str = "bar::peek";
    const EFFECT: Effect = Effect::Read;
    type Out = Glasses;

    async fn run(self, cx: &Cx) -> Result<Glasses> {
        Ok(Glasses { glasses: ask(cx, "PUT", "floor", 1).await? })
    }
}

impl Primitive for Ring {
    const PATH: &'static str = "bar::ring";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::Never("the bell was heard");
    const SETTLE: Settle = Settle::Look("how often the bell was heard");
    type Out = Glasses;

    async fn run(self, cx: &Cx) -> Result<Glasses> {
        Ok(Glasses { glasses: ask(cx, "PUT", "bell", 1).await? })
    }
}

impl Primitive for Rest {
    const PATH: &'static str = "bar::rest";
    const EFFECT: Effect = Effect::None;
    type Out = ();

    async fn run(self, cx: &Cx) -> Result<()> {
        cx.sleep(self.span).await
    }
}

async fn ask(cx: &Cx, method: &str, table: &str, glasses: u64) -> Result<u64> {
    let to = Arc::new(Endpoint::from(Uri::from_static("http://bar:80")));
    let request = Request::builder().method(method).uri(format!("/{table}?{glasses}")).body("").unwrap();
    let answer = cx.ask("bar", &to, request).await?;
    match answer.status() {
        StatusCode::OK => Ok(String::from_utf8_lossy(answer.body()).parse().unwrap()),
        status => Err(Error::failed(format!("the bar says {status}"))),
    }
}

pub(crate) struct Bar;

pub(crate) static PRIMITIVES: &[Declaration] = &[
    Declaration::of::<Pour>(),
    Declaration::of::<Count>(),
    Declaration::of::<Spill>(),
    Declaration::of::<Rest>(),
    Declaration::of::<Ring>(),
    Declaration::of::<Peek>(),
];
static MODULES: &[Module] = &[Module { path: "bar", doc: "A bar.", primitives: PRIMITIVES }];
pub(crate) static REGISTRY: Registry = Registry::new(&[&Bar]);

impl System for Bar {
    fn name(&self) -> &'static str {
        "bar"
    }

    fn modules(&self) -> &'static [Module] {
        MODULES
    }

    fn access(&self, request: &http::request::Parts) -> Access {
        let write = request.method == "PUT";
        Access {
            system: "bar".into(),
            verb: if write { "pour" } else { "count" }.into(),
            resource: request.uri.path().trim_start_matches('/').into(),
            name: None,
            namespace: None,
            effect: if write { Effect::Write } else { Effect::Read },
        }
    }

    fn simulator(
        &self,
        section: Option<&Value>,
        surroundings: &Surroundings,
    ) -> Result<Option<Arc<dyn Simulator>>> {
        if let Some(section) = section
            && !section.is_object()
        {
            return Err(Error::invalid("a bar is a map of tables"));
        }
        Ok(Some(Arc::new(SimulatedBar { tables: Arc::default(), surroundings: surroundings.clone() })))
    }
}

struct SimulatedBar {
    tables: Arc<Mutex<BTreeMap<String, u64>>>,
    surroundings: Surroundings,
}

impl Simulator for SimulatedBar {
    fn connect(&self, system: &str, _: &http::Uri) -> Option<DuplexStream> {
        let (tables, surroundings) = (self.tables.clone(), self.surroundings.clone());
        let answer = move |request: Request<_>| {
            let (tables, clock) = (tables.clone(), surroundings.clock.clone());
            async move {
                // Serving takes a second.
                clock.sleep_until(Span::from_secs(1).after(clock.now())).await;
                let table = request.uri().path().trim_start_matches('/').to_owned();
                let mut tables = tables.lock().unwrap();
                if request.method() == "PUT" {
                    match request.uri().query().unwrap().parse().unwrap() {
                        times if table == "bell" => {
                            let heard = tables.get("bell").copied().unwrap_or_default();
                            tables.insert(table.clone(), heard + times)
                        }
                        0 => tables.remove(&table),
                        glasses => tables.insert(table.clone(), glasses),
                    };
                }
                Response::new(tables.get(&table).copied().unwrap_or_default().to_string())
            }
        };
        (system == "bar").then(|| serve(answer))
    }

    fn snapshot(&self) -> BTreeMap<String, Value> {
        self.tables.lock().unwrap().iter().map(|(table, glasses)| (table.clone(), json!(glasses))).collect()
    }
}

/// What happened, one line each, with the seconds since the start.
#[derive(Default)]
pub(crate) struct Told(pub(crate) Mutex<Vec<String>>);

impl Watcher for Told {
    fn event(&self, event: &Event) {
        let seconds = event.at.duration_since(EstateFile::default().start).as_secs();
        let steps = event.steps.join("/");
        let what = match &event.what {
            Happening::StepBegun => "begun".to_owned(),
            Happening::StepKept => "was done before".to_owned(),
            Happening::CallKept { path } => format!("{path} was done before"),
            Happening::StepEnded { took, error } => {
                format!("ended after {took}{}", if error.is_some() { " in error" } else { "" })
            }
            Happening::Wrote { access, status, .. } => format!("{access}: {status}"),
            Happening::Log { text, .. } => format!("log {text}"),
            Happening::Retry { attempt, of, wait, .. } => {
                format!("attempt {attempt} of {of} failed, again in {wait}")
            }
            Happening::UndoBegun { because, entries } => format!("undo {entries} because {because}"),
            Happening::Undone { what } => format!("undone {what}"),
            Happening::Left { what, why } => format!("left {what}: {why}"),
            Happening::UndoFailed { what, error } => format!("not undone {what}: {}", error.report()),
            Happening::Note { note, .. } => format!("{note:?}"),
        };
        self.0.lock().unwrap().push(format!("{seconds}s {steps}: {what}"));
    }
}

pub(crate) fn setup(world: World, gate: Gate, journal: Arc<dyn Journal>, watcher: Arc<dyn Watcher>) -> Setup {
    let secrets = BTreeMap::from([("env:TABLE".to_owned(), "reserved-table".to_owned())]);
    let estate_secrets = matches!(world, World::Simulated(_)).then_some(secrets);
    Setup { journal, watcher, seed: 1, estate_secrets, ..Setup::new(REGISTRY, world, gate) }
}

pub(crate) fn pour(branch: &Arc<Branch>, table: &str, glasses: u64) -> Result<Value> {
    branch.call(&PRIMITIVES[0], json!({ "table": table, "glasses": glasses }))
}

pub(crate) fn rest(branch: &Arc<Branch>, span: &str) -> Result<Value> {
    branch.call(&PRIMITIVES[3], json!({ "span": span }))
}

pub(crate) fn ring(branch: &Arc<Branch>) -> Result<Value> {
    branch.call(&PRIMITIVES[4], json!({}))
}
