//! Runs over a system of the tests' own: steps, undo, branches, retries, grants, faults, stops.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // a test

mod bar;

use std::collections::BTreeMap;
use std::sync::Arc;

use bar::{PRIMITIVES, REGISTRY, Told, pour, rest, setup};
use opsrun_core::{Error, ErrorKind, Result, Span, Value};
use opsrun_gate::{FaultRule, Gate, Grants};
use opsrun_runtime::{
    Branch, Entry, Estate, EstateFile, MemoryJournal, Outcome, ParallelBody, RetryOptions, Run, World,
    WriteOutcome,
};
use serde_json::json;

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
    let done = rehearse(&[], |branch| branch.call(&PRIMITIVES[5], json!({})));
    let message = done.outcome.error().unwrap().message().to_owned();
    assert_eq!(message, "`bar::peek` is declared to read only, and was about to `bar pour floor`");
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
