//! What the gate tells an auditor of each request, and how a run is stopped while a write is under way.
#![allow(clippy::unwrap_used)] // a test

mod bar;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bar::{PRIMITIVES, REGISTRY, Told, pour, rest, setup};
use opsrun_core::{Error, Result, Span, Value};
use opsrun_gate::{Asked, Auditor, FaultRule, Gate, Grants, Reply};
use opsrun_runtime::{Branch, Entry, Estate, EstateFile, MemoryJournal, Outcome, Run, World, WriteOutcome};
use serde_json::json;

/// What an auditor was told, a line each; it can be told only so much.
struct Heard {
    lines: Mutex<Vec<String>>,
    room: usize,
}

impl Heard {
    fn line(&self, line: String) -> Result<u64> {
        let mut lines = self.lines.lock().unwrap();
        if lines.len() >= self.room {
            return Err(Error::failed("there is no room"));
        }
        lines.push(line);
        Ok(u64::try_from(lines.len()).unwrap())
    }
}

impl Auditor for Heard {
    fn asked(&self, asked: &Asked<'_>) -> Result<u64> {
        self.line(format!("{} {}: {:?}", asked.call.path, asked.access, asked.decision))
    }

    fn answered(&self, number: u64, reply: &Reply, fault: Option<&str>) -> Result<()> {
        let fault = fault.map(|fault| format!(" by {fault}")).unwrap_or_default();
        self.line(format!("{number} {reply:?}{fault}")).map(drop)
    }
}

struct Done {
    outcome: Outcome,
    heard: Vec<String>,
    journal: Vec<opsrun_runtime::Record>,
    estate: BTreeMap<String, Value>,
}

fn audited(
    grants: &[&str],
    fault: Option<&str>,
    room: usize,
    script: impl FnOnce(&Arc<Branch>) -> Result<Value> + Send,
) -> Done {
    let file = EstateFile::default();
    let world = World::simulated(file.start).unwrap();
    let estate = Estate::start(&file, REGISTRY, &world, 1).unwrap();
    let grants = Grants::new(grants.iter().map(|grant| grant.parse().unwrap()).collect());
    let heard = Arc::new(Heard { lines: Mutex::default(), room });
    let gate = Gate::new(REGISTRY.systems(), grants, world.clock(), estate.route());
    let gate = gate.audited(Some(heard.clone()));
    gate.set_faults(fault.iter().map(|rule| rule.parse::<FaultRule>().unwrap()).collect());
    let journal = Arc::new(MemoryJournal::default());
    let run = Run::new(setup(world, gate, journal.clone(), Arc::new(Told::default())));
    let outcome = run.execute("test.rhai".into(), script).unwrap();
    let heard = heard.lines.lock().unwrap().clone();
    Done { outcome, heard, journal: journal.records(), estate: estate.snapshot() }
}

#[test]
fn an_auditor_hears_of_everything_that_is_asked_for_and_of_what_came_of_it() {
    let read = r#"bar::pour bar count a: Granted("bar")"#;
    let write = r#"bar::pour bar pour a: Granted("bar")"#;
    for (fault, answer) in [
        ("bar pour: 503 always", "Status(503) by bar pour: 503 always"),
        ("bar pour: refused", "NotSent("),
        ("bar pour: lost", "Lost("),
        ("bar pour: lost-answer", "Lost("),
        ("bar pour: slow 1m", "Status(200) by bar pour: slow 1m"),
    ] {
        let done = audited(&["bar"], Some(fault), 100, |branch| pour(branch, "a", 1));
        assert_eq!(done.heard[..3], [read, "1 Status(200)", write], "{fault}");
        assert!(done.heard[3].starts_with(&format!("3 {answer}")), "{fault}: {:?}", done.heard);
        assert!(done.heard[3].ends_with(&format!("by {fault}")), "{fault}: {:?}", done.heard);
    }
    let denied = audited(&["bar count"], None, 100, |branch| pour(branch, "a", 1));
    let why = r#"bar::pour bar pour a: Denied("`bar pour a` is not granted")"#;
    assert_eq!(denied.heard, [r#"bar::pour bar count a: Granted("bar count")"#, "1 Status(200)", why]);
    let held = audited(&["bar"], None, 100, |branch| {
        branch.run().gate().hold_writes(Some("say why".into()));
        pour(branch, "a", 1)
    });
    assert_eq!(held.heard[2], r#"bar::pour bar pour a: Held("`bar pour a` is a write")"#);
    assert_eq!(held.heard.len(), 3);
}

#[test]
fn what_the_auditor_cannot_keep_does_not_leave() {
    // Two requests of each of two calls, with an answer each.
    let all = audited(&["bar"], None, 100, |branch| pour(branch, "a", 1).and_then(|_| pour(branch, "b", 1)));
    assert_eq!((all.heard.len(), all.estate.len()), (8, 2));
    for room in 0..8 {
        let done = audited(&["bar"], None, room, |branch| {
            pour(branch, "a", 1)?;
            pour(branch, "b", 1)
        });
        assert!(done.outcome.error().unwrap().report().contains("there is no room"), "{room}");
        // A write is there if it was asked for while there was room; what takes it back has none.
        let written = usize::from(room >= 3) + usize::from(room >= 7);
        assert_eq!(done.estate.len(), written, "{room}: {:?}", done.heard);
    }
}

#[test]
fn a_run_that_is_told_to_stop_finishes_the_write_under_way_and_begins_no_other() {
    // Serving takes a second: the glasses are counted in the first, poured in the second.
    let stopped_after = |millis: u64| {
        audited(&["bar"], None, 100, |branch| {
            branch.parallel(
                vec![
                    Box::new(|branch| pour(branch, "a", 1)),
                    Box::new(move |branch| {
                        branch.call(&PRIMITIVES[3], json!({ "span": Span::from_millis(millis) }))?;
                        branch.run().stop();
                        Ok(Value::Null)
                    }),
                ],
                2,
            )?;
            rest(branch, "1h")
        })
    };
    let outcomes = |done: &Done| -> Vec<WriteOutcome> {
        let entries = done.journal.iter().filter_map(|record| match &record.entry {
            Entry::WriteOutcome { outcome, .. } => Some(outcome.clone()),
            _ => None,
        });
        entries.collect()
    };
    let reading = stopped_after(500);
    assert_eq!(reading.outcome.exit_code(), 130);
    assert_eq!(outcomes(&reading), []);
    let writing = stopped_after(1500);
    assert_eq!(writing.outcome.exit_code(), 130);
    // It was answered, and then taken back.
    assert_eq!(outcomes(&writing), [WriteOutcome::Status(200), WriteOutcome::Status(200)]);
    assert!(reading.estate.is_empty() && writing.estate.is_empty());
}
