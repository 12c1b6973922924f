//! Runs over a system of the test's own: a bar that keeps glasses, with its simulator.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // a test

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::Full;
use opsrun_core::{
    Access, Cx, Declaration, Effect, Endpoint, Error, ErrorKind, Inverse, Module, Primitive, Result,
    Simulator, Span, Surroundings, System, Undo, Value, body, serve,
};
use opsrun_derive::Args;
use opsrun_gate::{FaultRule, Gate, Grants};
use opsrun_runtime::{
    Branch, Entry, Estate, EstateFile, Event, FileJournal, Happening, Journal, MemoryJournal, Outcome,
    ParallelBody, Registry, RetryOptions, Run, Setup, Watcher, World, WriteOutcome, read_journal,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::io::DuplexStream;

/// Sets a number of glasses on a table.
#[derive(Deserialize, JsonSchema, Args)]
struct Pour {
    /// The table.
    #[arg(positional)]
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
    let request = Request::builder()
        .method(method)
        .uri(format!("/{table}?{glasses}"))
        .body(body(Full::new(Bytes::new())))
        .unwrap();
    let response = cx.send("bar", &to, request).await?;
    let (parts, incoming) = response.into_parts();
    let text = http_body_util::BodyExt::collect(incoming).await.unwrap().to_bytes();
    match parts.status {
        StatusCode::OK => Ok(String::from_utf8_lossy(&text).parse().unwrap()),
        status => Err(Error::failed(format!("the bar says {status}"))),
    }
}

struct Bar;

static PRIMITIVES: &[Declaration] = &[
    Declaration::of::<Pour>(),
    Declaration::of::<Count>(),
    Declaration::of::<Spill>(),
    Declaration::of::<Rest>(),
];
static MODULES: &[Module] = &[Module { path: "bar", doc: "A bar.", primitives: PRIMITIVES }];
static REGISTRY: Registry = Registry::new(&[&Bar]);

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
    fn connect(&self, system: &str, _: &str) -> Option<DuplexStream> {
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

/// What happened, one line each, with the seconds since the start.
#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl Watcher for Told {
    fn event(&self, event: &Event) {
        let seconds = event.at.duration_since(EstateFile::default().start).as_secs();
        let steps = event.steps.join("/");
        let what = match &event.what {
            Happening::StepBegun => "begun".to_owned(),
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

struct Done {
    outcome: Outcome,
    told: Vec<String>,
    journal: Vec<opsrun_runtime::Record>,
    estate: BTreeMap<String, Value>,
}

fn rehearse(faults: &[&str], script: impl FnOnce(&Arc<Branch>) -> Result<Value> + Send) -> Done {
    rehearse_with(Grants::new(vec!["bar".parse().unwrap()]), faults, script)
}

fn rehearse_with(
    grants: Grants,
    faults: &[&str],
    script: impl FnOnce(&Arc<Branch>) -> Result<Value> + Send,
) -> Done {
    let file = EstateFile::default();
    let world = World::simulated(file.start).unwrap();
    let estate = Estate::start(&file, REGISTRY, &world, 1).unwrap();
    let gate = Gate::new(REGISTRY.systems(), grants, world.clock(), estate.route());
    gate.set_faults(faults.iter().map(|rule| rule.parse::<FaultRule>().unwrap()).collect());
    let (told, journal) = (Arc::new(Told::default()), Arc::new(MemoryJournal::default()));
    let run = Run::new(setup(world, gate, journal.clone(), told.clone()));
    let outcome = run.execute("test.rhai".into(), script).unwrap();
    Done {
        outcome,
        told: told.0.lock().unwrap().clone(),
        journal: journal.records(),
        estate: estate.snapshot(),
    }
}

fn setup(world: World, gate: Gate, journal: Arc<dyn Journal>, watcher: Arc<dyn Watcher>) -> Setup {
    Setup { journal, watcher, seed: 1, ..Setup::new(REGISTRY, world, gate) }
}

fn pour(branch: &Arc<Branch>, table: &str, glasses: u64) -> Result<Value> {
    branch.call(&PRIMITIVES[0], json!({ "table": table, "glasses": glasses }))
}

fn rest(branch: &Arc<Branch>, span: &str) -> Result<Value> {
    branch.call(&PRIMITIVES[3], json!({ "span": span }))
}

#[test]
fn a_run_that_succeeds_keeps_what_it_did_and_takes_virtual_time() {
    let done = rehearse(&[], |branch| {
        branch.step("serve", None, &mut |branch| {
            pour(branch, "a", 2)?;
            rest(branch, "4h")?;
            pour(branch, "b", 3)
        })
    });
    assert_eq!(done.outcome.exit_code(), 0);
    assert_eq!(
        done.told,
        [
            "0s serve: begun",
            "2s serve: bar pour a: 200",
            "14404s serve: bar pour b: 200",
            "14404s serve: ended after 4h4s"
        ]
    );
    assert_eq!(done.estate, BTreeMap::from([("bar a".to_owned(), json!(2)), ("bar b".to_owned(), json!(3))]));
}

#[test]
fn a_run_that_fails_takes_back_everything_latest_first() {
    let done = rehearse(&[], |branch| {
        pour(branch, "a", 1)?;
        branch.step(
            "outer",
            Some(Box::new(|branch| pour(branch, "undone", 1).map(drop))),
            &mut |branch| {
                pour(branch, "a", 2)?;
                branch.step("inner", None, &mut |branch| pour(branch, "b", 3))
            },
        )?;
        Err(Error::failed("the guests left"))
    });
    assert_eq!(done.outcome.exit_code(), 3);
    let undone: Vec<_> = done.told.iter().filter(|line| line.contains("undo")).map(String::as_str).collect();
    assert_eq!(
        undone,
        [
            "6s : undo 4 because the guests left",
            "8s : undone `bar::pour` by `bar::pour(glasses: 0, table: \"b\")` of step `outer / inner`",
            "10s : undone `bar::pour` by `bar::pour(glasses: 1, table: \"a\")` of step `outer`",
            "12s outer: bar pour undone: 200",
            "12s : undone step `outer`",
            "14s : undone `bar::pour` by `bar::pour(glasses: 0, table: \"a\")`",
        ]
    );
    assert_eq!(done.estate, BTreeMap::from([("bar undone".to_owned(), json!(1))]));
}

#[test]
fn an_error_while_undoing_is_reported_and_hides_neither_the_first_error_nor_the_rest_of_the_undoing() {
    let done = rehearse(&["bar pour b: 503 after 1"], |branch| {
        pour(branch, "a", 1)?;
        pour(branch, "b", 1)?;
        Err(Error::failed("the guests left"))
    });
    let Outcome::UndoFailed { error, errors, .. } = &done.outcome else { panic!("{:?}", done.outcome) };
    assert_eq!(error.message(), "the guests left");
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].1.message(), "the bar says 503 Service Unavailable");
    assert_eq!(done.outcome.exit_code(), 1);
    assert_eq!(done.estate, BTreeMap::from([("bar b".to_owned(), json!(1))]));
}

#[test]
fn every_write_has_its_intent_and_outcome_in_the_journal_and_its_inverse_before_them() {
    let done = rehearse(&["bar pour b: lost-answer"], |branch| {
        pour(branch, "a", 1)?;
        pour(branch, "b", 1)
    });
    let lines: Vec<String> = done
        .journal
        .iter()
        .filter_map(|record| match &record.entry {
            Entry::Inverse { call, .. } => Some(format!("inverse of {call}")),
            Entry::WriteIntent { call, write, access } => Some(format!("intent {write} of {call}: {access}")),
            Entry::WriteOutcome { write, outcome: WriteOutcome::Status(status) } => {
                Some(format!("outcome {write}: {status}"))
            }
            Entry::WriteOutcome { write, outcome } => {
                assert!(matches!(outcome, WriteOutcome::Lost(_)), "{outcome:?}");
                Some(format!("outcome {write}: lost"))
            }
            _ => None,
        })
        .collect();
    assert_eq!(
        lines,
        [
            "inverse of 1",
            "intent 1 of 1: bar pour a",
            "outcome 1: 200",
            "inverse of 2",
            "intent 2 of 2: bar pour b",
            "outcome 2: lost",
            // The undoing, latest first; what takes it back is recorded as of any other call.
            "inverse of 3",
            "intent 3 of 3: bar pour b",
            "outcome 3: 200",
            "inverse of 4",
            "intent 4 of 4: bar pour a",
            "outcome 4: 200",
        ]
    );
    assert!(done.estate.is_empty(), "{:?}", done.estate);
    assert!(done.outcome.error().unwrap().message().contains("connection lost before the answer came"));
}

#[test]
fn branches_run_at_once_in_virtual_time_and_the_same_way_every_time() {
    let once = || {
        rehearse(&[], |branch| {
            let bodies: Vec<ParallelBody<'_>> = (0..8u64)
                .map(|n| {
                    let body: ParallelBody<'_> = Box::new(move |branch| {
                        branch.step(&format!("branch {n}"), None, &mut |branch| {
                            pour(branch, &format!("t{n}"), n + 1)?;
                            rest(branch, if n % 2 == 0 { "10s" } else { "5s" })?;
                            pour(branch, "shared", n)
                        })
                    });
                    body
                })
                .collect();
            let results = branch.parallel(bodies, 3)?;
            assert!(results.iter().all(Result::is_ok));
            Ok(Value::Null)
        })
    };
    let first = once();
    assert_eq!(first.outcome.exit_code(), 0);
    // Three at a time: 9 or 14 seconds each.
    let end = first.told.last().unwrap();
    assert!(end.starts_with("37s") || end.starts_with("32s") || end.starts_with("33s"), "{end}");
    for _ in 0..10 {
        assert_eq!(once().told, first.told);
    }
}

#[test]
fn a_wait_for_something_that_never_happens_is_an_error_and_not_a_hang() {
    let done = rehearse(&[], |branch| branch.block_on(Box::pin(std::future::pending::<Value>())));
    let error = done.outcome.error().unwrap();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.message().contains("will never happen"), "{error}");
}

#[test]
fn a_retry_pauses_longer_each_time_and_gives_up_with_the_last_error() {
    let options = RetryOptions { times: 3, every: Span::from_secs(10), backoff: 2.0 };
    let done = rehearse(&["bar count: 500 2 times"], |branch| {
        branch.retry(options, &mut |branch| branch.call(&PRIMITIVES[1], json!({ "table": "a" })))
    });
    assert_eq!(done.outcome.exit_code(), 0, "{:?}", done.outcome);
    assert_eq!(
        done.told,
        ["0s : attempt 1 of 3 failed, again in 10s", "10s : attempt 2 of 3 failed, again in 20s"]
    );
    let done = rehearse(&["bar count: 500 always"], |branch| {
        branch.retry(options, &mut |branch| branch.call(&PRIMITIVES[1], json!({ "table": "a" })))
    });
    let report = done.outcome.error().unwrap().report();
    assert_eq!(report, "given up after 3 attempts\n  caused by: the bar says 500 Internal Server Error");
}

#[test]
fn what_is_deferred_runs_at_the_end_of_its_step_also_after_an_error() {
    let done = rehearse(&[], |branch| {
        branch.step("open", None, &mut |branch| {
            branch.defer(Box::new(|branch| pour(branch, "first", 1).map(drop)));
            branch.defer(Box::new(|branch| pour(branch, "second", 1).map(drop)));
            Err(Error::failed("closed early"))
        })
    });
    let poured: Vec<_> =
        done.told.iter().filter(|line| line.contains("bar pour")).take(2).map(String::as_str).collect();
    assert_eq!(poured, ["2s open: bar pour second: 200", "4s open: bar pour first: 200"]);
    assert_eq!(done.outcome.error().unwrap().message(), "closed early");
}

#[test]
fn the_gate_lets_nothing_pass_that_was_not_granted_or_has_no_way_back() {
    let done =
        rehearse_with(Grants::new(vec!["bar read".parse().unwrap()]), &[], |branch| pour(branch, "a", 1));
    assert_eq!(done.outcome.exit_code(), 2);
    assert_eq!(
        done.outcome.error().unwrap().report(),
        "`bar pour a` is not granted\n  hint: allow it with `--allow 'bar pour a'`, or in `opsrun.toml`: grants = [\"bar pour a\"]"
    );
    let done = rehearse(&[], |branch| branch.call(&PRIMITIVES[2], json!({})));
    let message = done.outcome.error().unwrap().message().to_owned();
    assert_eq!(
        message,
        "`bar::spill` was about to `bar pour floor` without having recorded how to take it back"
    );
    assert!(done.estate.is_empty());
}

#[test]
fn a_stopped_run_is_undone_and_says_that_it_was_interrupted() {
    let done = rehearse(&[], |branch| {
        pour(branch, "a", 1)?;
        branch.run().stop();
        rest(branch, "1h")
    });
    assert!(matches!(done.outcome, Outcome::Undone { .. }), "{:?}", done.outcome);
    assert_eq!(done.outcome.exit_code(), 130);
    assert!(done.estate.is_empty());
}

#[test]
fn a_journal_on_disk_reads_back_and_a_torn_last_line_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Arc::new(FileJournal::create(folder.path(), "r1", Arc::default()).unwrap());
    let path = journal.path().to_owned();
    let world = World::live();
    let gate = Gate::new(REGISTRY.systems(), Grants::default(), world.clock(), opsrun_gate::Route::live());
    let run = Run::new(setup(world, gate, journal, Arc::new(opsrun_runtime::Unwatched)));
    let outcome =
        run.execute("test.rhai".into(), |branch| branch.step("one", None, &mut |_| Ok(json!(1)))).unwrap();
    assert_eq!(outcome.exit_code(), 0);
    let records = read_journal(&path).unwrap();
    assert_eq!(records.len(), 4);
    assert!(matches!(&records[3].entry, Entry::RunEnded { outcome, .. } if outcome == "done"));
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, &text[..text.len() - 5]).unwrap();
    assert_eq!(read_journal(&path).unwrap().len(), 3);
    std::fs::write(&path, text.replacen('{', "x", 1)).unwrap();
    assert!(read_journal(&path).unwrap_err().message().contains("line 1"));
}
