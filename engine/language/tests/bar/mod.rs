//! A system for tests: a bar that keeps glasses on tables, and its simulator. Nothing of it is special to the engine.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, unreachable_pub, dead_code)] // a test

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, Weak};

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::Full;
use opsrun_core::{
    Access, Cx, Declaration, Effect, Endpoint, Error, Inverse, Module, Primitive, Result, Simulator, Span,
    Surroundings, System, Target, Undo, Value, body, serve,
};
use opsrun_derive::Args;
use opsrun_gate::{FaultRule, Gate, Grants};
use opsrun_language::{Limits, Playbook, Sources};
use opsrun_runtime::{Estate, EstateFile, Event, Happening, Registry, Run, Setup, Watcher, World};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::io::DuplexStream;

/// Sets a number of glasses on a table.
///
/// What stood there before comes back when the run is undone.
///
/// ```rhai
/// bar::pour("window", 2, #{ within: 1.m });
/// ```
#[derive(Deserialize, JsonSchema, Args)]
struct Pour {
    /// The table.
    #[arg(positional)]
    table: String,
    /// How many.
    #[arg(positional)]
    glasses: u32,
    /// How long it may take.
    within: Option<Span>,
    /// What is put on the rim.
    garnish: Option<Garnish>,
    /// Who gets the bill.
    bill: Option<Bill>,
}

#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Garnish {
    Lemon,
    Olive,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)] // decoded only
struct Bill {
    name: String,
    #[serde(default)]
    tip: u32,
}

/// Counts the glasses of a table.
///
/// ```rhai
/// let n = bar::count("window").glasses;
/// ```
#[derive(Deserialize, JsonSchema, Args)]
struct Count {
    /// The table.
    #[arg(positional)]
    table: String,
}

/// Waits until it is quiet.
///
/// ```rhai
/// bar::rest(5.m);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
struct Rest {
    /// How long.
    #[arg(positional)]
    span: Span,
}

/// Mixes whatever it is given, and gives it back.
///
/// ```rhai
/// assert(bar::mix(#{ gin: 4 }).gin == 4, "the recipe");
/// ```
#[derive(Deserialize, JsonSchema, Args)]
struct Mix {
    /// The recipe, of any kind.
    #[arg(positional)]
    recipe: Value,
    /// What it is called.
    #[arg(positional)]
    name: Option<String>,
    /// Shaken, not stirred.
    #[serde(default)]
    #[allow(dead_code)] // decoded only
    shaken: bool,
}

#[derive(Serialize, JsonSchema)]
struct Glasses {
    table: String,
    glasses: u32,
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
        let glasses = ask(cx, "PUT", &self.table, self.glasses).await?;
        Ok(Glasses { table: self.table, glasses })
    }
}

impl Primitive for Count {
    const PATH: &'static str = "bar::count";
    const EFFECT: Effect = Effect::Read;
    type Out = Glasses;

    async fn run(self, cx: &Cx) -> Result<Glasses> {
        let glasses = ask(cx, "GET", &self.table, 0).await?;
        Ok(Glasses { table: self.table, glasses })
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

impl Primitive for Mix {
    const PATH: &'static str = "bar::mix";
    const EFFECT: Effect = Effect::None;
    type Out = Value;

    async fn run(self, _: &Cx) -> Result<Value> {
        Ok(match self.name {
            None => self.recipe,
            Some(name) => json!({ "name": name, "recipe": self.recipe }),
        })
    }
}

async fn ask(cx: &Cx, method: &str, table: &str, glasses: u32) -> Result<u32> {
    let to = Arc::new(Endpoint::from(Uri::from_static("http://bar:80")));
    let request = Request::builder()
        .method(method)
        .uri(format!("/{table}?{glasses}"))
        .body(body(Full::new(Bytes::new())))
        .unwrap();
    let (parts, incoming) = cx.send("bar", &to, request).await?.into_parts();
    let text = http_body_util::BodyExt::collect(incoming).await.unwrap().to_bytes();
    match parts.status {
        StatusCode::OK => Ok(String::from_utf8_lossy(&text).parse().unwrap()),
        status => Err(Error::failed(format!("the bar says {status}"))
            .detail(format!("asked for {glasses} glasses"))
            .hint("try another bar")
            .data(json!({ "status": status.as_u16() }))
            .because(Error::failed("the keg is empty"))
            .context(format!("table `{table}` cannot be served"))),
    }
}

pub struct Bar;

static PRIMITIVES: &[Declaration] = &[
    Declaration::of::<Pour>(),
    Declaration::of::<Count>(),
    Declaration::of::<Rest>(),
    Declaration::of::<Mix>(),
];
static MODULES: &[Module] =
    &[Module { path: "bar", doc: "A bar, its tables and glasses.", primitives: PRIMITIVES }];
pub static REGISTRY: Registry = Registry::new(&[&Bar]);

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
        _: Option<&Value>,
        surroundings: &Surroundings,
    ) -> Result<Option<Arc<dyn Simulator>>> {
        Ok(Some(Arc::new(SimulatedBar { tables: Arc::default(), surroundings: surroundings.clone() })))
    }
}

struct SimulatedBar {
    tables: Arc<Mutex<BTreeMap<String, u32>>>,
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

/// What happened, one line each, with the seconds since the start. A message `stop` stops the run, as Ctrl-C does.
#[derive(Default)]
pub struct Told {
    lines: Mutex<Vec<String>>,
    run: OnceLock<Weak<Run>>,
}

impl Told {
    pub fn lines(&self) -> Vec<String> {
        std::mem::take(&mut self.lines.lock().unwrap())
    }
}

impl Watcher for Told {
    fn event(&self, event: &Event) {
        let seconds = event.at.duration_since(EstateFile::default().start).as_secs();
        let what = match &event.what {
            Happening::StepBegun => "begun".to_owned(),
            Happening::StepKept => "was done before".to_owned(),
            Happening::CallKept { path } => format!("{path} was done before"),
            Happening::StepEnded { took, error } => {
                format!("ended after {took}{}", if error.is_some() { ", failed" } else { "" })
            }
            Happening::Wrote { access, status, .. } => format!("{access}: {status}"),
            Happening::Log { level, text, fields } if fields.is_null() => format!("{level:?}: {text}"),
            Happening::Log { level, text, fields } => format!("{level:?}: {text} {fields}"),
            Happening::Retry { attempt, of, wait, .. } => {
                format!("attempt {attempt} of {of} failed, again in {wait}")
            }
            Happening::UndoBegun { because, entries } => format!("undo {entries} because {because}"),
            Happening::Undone { what } => format!("undone {what}"),
            Happening::Left { what, why } => format!("left {what}: {why}"),
            Happening::UndoFailed { what, error } => format!("not undone {what}: {}", error.report()),
            other => format!("{other:?}"),
        };
        let steps = event.steps.join("/");
        let line = if steps.is_empty() {
            format!("{seconds:>4}s {what}")
        } else {
            format!("{seconds:>4}s [{steps}] {what}")
        };
        self.lines.lock().unwrap().push(line);
        if matches!(&event.what, Happening::Log { text, .. } if text == "stop") {
            self.run.get().and_then(Weak::upgrade).unwrap().stop();
        }
    }
}

/// A run on a simulated bar, and what is told of it.
pub fn rehearsal(faults: &[String]) -> (Arc<Run>, Arc<Told>, Estate) {
    let file = EstateFile::default();
    let world = World::simulated(file.start).unwrap();
    let estate = Estate::start(&file, REGISTRY, &world, 1).unwrap();
    let grants = Grants::new(vec!["bar".parse().unwrap(), "secret read".parse().unwrap()]);
    let gate = Gate::new(REGISTRY.systems(), grants, world.clock(), estate.route());
    gate.set_faults(faults.iter().map(|rule| rule.parse::<FaultRule>().unwrap()).collect());
    let told = Arc::new(Told::default());
    let run = Run::new(Setup {
        watcher: told.clone(),
        targets: BTreeMap::from([(
            "annex".to_owned(),
            Arc::new(Target { name: "annex".into(), ..Target::default() }),
        )]),
        seed: 1,
        ..Setup::new(REGISTRY, world, gate)
    });
    told.run.set(Arc::downgrade(&run)).unwrap();
    (run, told, estate)
}

/// The files below a folder of the tests, by their path from there.
pub struct Folder(pub std::path::PathBuf);

impl Sources for Folder {
    fn read(&self, path: &str) -> Result<String> {
        std::fs::read_to_string(self.0.join(path))
            .map_err(|_| Error::not_found(format!("there is no file `{path}`")))
    }
}

fn settings<'s>(source: &'s str, name: &str) -> Vec<&'s str> {
    let mark = format!("// {name}: ");
    source.lines().filter_map(|line| line.strip_prefix(&mark)).collect()
}

/// What a person would see of a run: the events, the outcome, the report, and what is left in the estate.
pub fn transcript(folder: &Path, name: &str) -> String {
    let playbook = match Playbook::load(name, &Folder(folder.to_owned()), REGISTRY) {
        Ok(playbook) => playbook,
        Err(refusal) => return format!("refused\n{}", refusal.report()),
    };
    let source = playbook.source(name).unwrap().to_owned();
    let settings = |name| settings(&source, name);
    let given: Vec<_> = settings("given")
        .into_iter()
        .map(|pair| pair.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())).unwrap())
        .collect();
    let arguments = match playbook.arguments(&given) {
        Ok(arguments) => arguments,
        Err(error) => return format!("refused\nerror: {}\n", error.report()),
    };
    let mut limits = Limits::default();
    let limit = |name| settings(name).first().map(|number| number.parse::<usize>().unwrap());
    limits.operations = limit("operations").map_or(limits.operations, |number| number as u64);
    limits.items = limit("items").unwrap_or(limits.items);
    limits.entries = limit("entries").unwrap_or(limits.entries);
    limits.text = limit("text").unwrap_or(limits.text);
    let faults: Vec<_> = settings("fault").into_iter().map(str::to_owned).collect();
    let (executed, told, estate) = rehearsal(&faults);
    let playbook = playbook.limited(limits);
    let ended = opsrun_language::run(&playbook, &arguments, &executed).unwrap();
    let mut text = told.lines().into_iter().map(|line| line + "\n").collect::<String>();
    text.push_str(&format!("{} (exit {})\n", ended.outcome.word(), ended.outcome.exit_code()));
    if let opsrun_runtime::Outcome::Done(value) = &ended.outcome
        && !value.is_null()
    {
        text.push_str(&format!("value: {value}\n"));
    }
    text.push_str(&ended.report(&playbook));
    for (name, value) in estate.snapshot() {
        text.push_str(&format!("estate: {name} = {value}\n"));
    }
    text
}

/// Compares with the expected output in `path`; with `UPDATE_EXPECTED` set, writes it.
pub fn expect(path: &Path, actual: &str) -> Result<(), String> {
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(path, actual).unwrap();
        return Ok(());
    }
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    match expected == actual {
        true => Ok(()),
        false => Err(format!(
            "{} differs (UPDATE_EXPECTED=1 writes it)\n--- expected\n{expected}\n--- actual\n{actual}",
            path.display()
        )),
    }
}

/// The playbooks directly in a folder, sorted by name.
pub fn playbooks(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".rhai"))
        .collect();
    names.sort();
    assert!(!names.is_empty());
    names
}
