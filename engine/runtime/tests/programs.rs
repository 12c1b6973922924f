//! Programs: streamed, by grant, in the journal if they write, and on an estate those that a simulator has.
#![allow(clippy::unwrap_used)] // a test

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use opsrun_core::{
    BoxFuture, Cx, Declaration, Effect, Module, Primitive, Program, ProgramEnd, Result, Simulator,
    Surroundings, System, Undo, Value,
};
use opsrun_derive::Args;
use opsrun_gate::{FaultRule, Gate, Grants, Programs, Route};
use opsrun_runtime::{Entry, Estate, EstateFile, MemoryJournal, Outcome, Registry, Run, Setup, World};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

/// Gives a program an input, and tells what it printed.
#[derive(Deserialize, JsonSchema, Args)]
struct Pipe {
    /// The program.
    #[arg(positional)]
    program: String,
    /// Its arguments.
    #[arg(positional)]
    args: Vec<String>,
    /// So often the letter `x`.
    #[serde(default)]
    input: usize,
}

#[derive(Serialize, JsonSchema)]
struct Printed {
    code: Option<i32>,
    bytes: usize,
    stderr: String,
}

impl Primitive for Pipe {
    const PATH: &'static str = "tool::pipe";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::Never("what was printed was printed");
    type Out = Printed;

    async fn run(self, cx: &Cx) -> Result<Printed> {
        let program = Program { name: self.program, args: self.args, writes: true, ..Program::default() };
        let output = cx.run_program(program, "x".repeat(self.input).as_bytes()).await?;
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        Ok(Printed { code: output.code, bytes: output.stdout.len(), stderr })
    }
}

struct Tool;

static PRIMITIVES: &[Declaration] = &[Declaration::of::<Pipe>()];
static MODULES: &[Module] = &[Module { path: "tool", doc: "A tool.", primitives: PRIMITIVES }];
static REGISTRY: Registry = Registry::new(&[&Tool]);

impl System for Tool {
    fn name(&self) -> &'static str {
        "tool"
    }

    fn modules(&self) -> &'static [Module] {
        MODULES
    }

    fn simulator(&self, _: Option<&Value>, _: &Surroundings) -> Result<Option<Arc<dyn Simulator>>> {
        Ok(Some(Arc::new(Doubling(Arc::default()))))
    }
}

/// Has the program `double`, which prints everything twice.
struct Doubling(Arc<Mutex<u64>>);

impl Simulator for Doubling {
    fn connect(&self, _: &str, _: &http::Uri) -> Option<DuplexStream> {
        None
    }

    fn program(&self, program: &Program, mut stream: DuplexStream) -> Option<BoxFuture<'static, ProgramEnd>> {
        let runs = self.0.clone();
        (program.name == "double").then(|| {
            let run: BoxFuture<'static, ProgramEnd> = Box::pin(async move {
                *runs.lock().unwrap() += 1;
                let mut input = Vec::new();
                stream.read_to_end(&mut input).await.unwrap();
                stream.write_all(&input).await.unwrap();
                stream.write_all(&input).await.unwrap();
                ProgramEnd { code: Some(0), stderr: b"doubled".to_vec() }
            });
            run
        })
    }

    fn snapshot(&self) -> BTreeMap<String, Value> {
        BTreeMap::from([("runs".to_owned(), json!(*self.0.lock().unwrap()))])
    }
}

/// How a call ended, the journal's writes, and the estate, if there is one.
fn pipe(estate: bool, fault: Option<&str>, arguments: Value) -> (Outcome, Vec<String>, Option<Value>) {
    let file = EstateFile::default();
    let world = if estate { World::simulated(file.start).unwrap() } else { World::live() };
    let on = estate.then(|| Estate::start(&file, REGISTRY, &world, 1).unwrap());
    let route = on.as_ref().map_or_else(Route::live, Estate::route);
    let grants = Grants::new(vec!["program run cat,sh,double".parse().unwrap(), "program".parse().unwrap()]);
    let gate = Gate::new(REGISTRY.systems(), grants, world.clock(), route);
    gate.set_faults(fault.iter().map(|rule| rule.parse::<FaultRule>().unwrap()).collect());
    let journal = Arc::new(MemoryJournal::default());
    let programs = Programs::new(vec![("PATH".to_owned(), "/usr/bin:/bin".to_owned())]);
    let run = Run::new(Setup { journal: journal.clone(), programs, ..Setup::new(REGISTRY, world, gate) });
    let outcome = run.execute("test".into(), |branch| branch.call(&PRIMITIVES[0], arguments)).unwrap();
    let writes = journal.records().into_iter().filter_map(|record| match record.entry {
        Entry::WriteIntent { access, .. } => Some(access.to_string()),
        Entry::WriteOutcome { outcome, .. } => Some(format!("{outcome:?}")),
        _ => None,
    });
    (outcome, writes.collect(), on.map(|estate| estate.snapshot()["tool runs"].clone()))
}

fn value(outcome: &Outcome) -> &Value {
    match outcome {
        Outcome::Done(value) => value,
        other => panic!("{other:?}"),
    }
}

#[test]
fn more_than_a_pipe_holds_goes_through_a_program() {
    let (outcome, writes, _) = pipe(false, None, json!({ "program": "cat", "args": [], "input": 1 << 20 }));
    assert_eq!(*value(&outcome), json!({ "code": 0, "bytes": 1 << 20, "stderr": "" }));
    assert_eq!(writes, ["program run cat", "Status(200)"]);
}

#[test]
fn what_a_program_says_before_it_fails_is_told() {
    let script = "head -c 200000 /dev/zero | tr '\\0' a >&2; echo out; echo the end >&2; exit 3";
    let (outcome, writes, _) = pipe(false, None, json!({ "program": "sh", "args": ["-c", script] }));
    let value = value(&outcome);
    assert_eq!((&value["code"], &value["bytes"]), (&json!(3), &json!(4)));
    let stderr = value["stderr"].as_str().unwrap();
    assert!(stderr.ends_with("the end\n") && stderr.len() == 64 << 10, "{}", stderr.len());
    assert_eq!(writes, ["program run sh", "Status(500)"]);
    let (outcome, writes, _) = pipe(false, None, json!({ "program": "no-such", "args": [] }));
    assert_eq!(outcome.error().unwrap().report().lines().next(), Some("there is no program `no-such`"));
    assert!(writes[1].starts_with("NotSent("), "{writes:?}");
}

#[test]
fn an_estate_has_the_programs_of_its_simulators_and_faults_strike_them() {
    let arguments = || json!({ "program": "double", "args": [], "input": 100_000 });
    let (outcome, writes, runs) = pipe(true, None, arguments());
    assert_eq!(*value(&outcome), json!({ "code": 0, "bytes": 200_000, "stderr": "doubled" }));
    assert_eq!((writes[1].as_str(), runs), ("Status(200)", Some(json!(1))));
    let (outcome, ..) = pipe(true, None, json!({ "program": "cat", "args": [] }));
    let error = outcome.error().unwrap().report();
    assert!(error.contains("the estate has no program `cat`"), "{error}");
    for (fault, told, runs) in [
        ("program run double: refused", "NotSent(", 0),
        ("program run double: lost", "Lost(", 0),
        ("program run double: lost-answer", "Lost(", 1),
    ] {
        let (outcome, writes, ran) = pipe(true, Some(fault), arguments());
        let error = outcome.error().unwrap().report();
        assert!(error.contains("`double` failed (injected fault)"), "{fault}: {error}");
        assert!(writes[1].starts_with(told) && ran == Some(json!(runs)), "{fault}: {writes:?} {ran:?}");
    }
}
