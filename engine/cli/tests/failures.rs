//! Playbooks whose writes fail one after the other, in every way: they cope, are taken back, or go on after they were killed.
#![allow(clippy::disallowed_methods)] // runs the program

use opsrun_tests::{Outcome, Program};
use serde_json::Value;

/// In the checkout's root, as the README has it.
fn failing(playbook: &str, more: &[&str]) -> Outcome {
    let words = ["rehearse", playbook, "--fail-everywhere", "--output", "json"];
    Program::new(env!("CARGO_BIN_EXE_opsrun")).run(words.iter().chain(more))
}

/// Plays it and gives how many writes there are and what became of each case; all of them are well.
#[track_caller]
fn all_is_well(playbook: &str, more: &[&str]) -> (usize, Vec<Value>) {
    let outcome = failing(playbook, more);
    let report: Value =
        serde_json::from_str(&outcome.stdout).unwrap_or_else(|why| panic!("{why}: {outcome}"));
    let cases = report["cases"].as_array().expect("a list of cases").clone();
    let wrong: Vec<_> = cases.iter().filter(|case| case["held"] != true).collect();
    assert!(wrong.is_empty(), "{:#}", Value::from_iter(wrong.into_iter().cloned()));
    assert_eq!((outcome.code, &report["held"]), (Some(0), &true.into()));
    (report["writes"].as_array().expect("a list of writes").len(), cases)
}

fn count(cases: &[Value], member: &str, word: &str) -> usize {
    cases.iter().filter(|case| case[member] == word).count()
}

#[test]
fn scaling_a_component_survives_every_failure() {
    let (writes, cases) = all_is_well("playbooks/scale.rhai", &["--component", "ws", "--replicas", "5"]);
    assert_eq!((writes, cases.len()), (1, 10));
    assert_eq!((count(&cases, "ended", "undone"), count(&cases, "ended", "same")), (6, 4));
}

// The other two have some 300 cases, of which each so many-th is played here: 10 ways to fail and steps that are prime to 10
// meet every one of them, at writes from the first to the last. `opsrun rehearse --fail-everywhere` plays all.

#[test]
fn a_deployment_survives_every_failure() {
    let (writes, cases) = all_is_well("playbooks/deploy-prod.rhai", &["--sample", "27"]);
    assert!(writes >= 28 && cases.len() >= 10, "{writes} writes, {} cases", cases.len());
    for failure in ["refused", "lost", "lost-answer", "slow", "killed-unsent-resume", "killed-answered-undo"]
    {
        assert!(count(&cases, "failure", failure) > 0, "{failure} is among the cases");
    }
}

#[test]
fn a_rollback_survives_every_failure() {
    let estate = ["--estate", "engine/cli/tests/shipped/upgraded.yaml", "--sample", "23"];
    let (writes, cases) = all_is_well("playbooks/rollback.rhai", &estate);
    assert!(writes >= 25 && cases.len() >= 10, "{writes} writes, {} cases", cases.len());
}

/// The release's last write, when the autoscalers have changed what the rollback had set.
#[test]
fn taking_a_rollback_back_waits_until_the_pods_are_as_many_as_they_were() {
    let estate = ["--estate", "engine/cli/tests/shipped/upgraded.yaml", "--fail-at", "25:refused"];
    let words = ["rehearse", "playbooks/rollback.rhai"];
    let outcome = Program::new(env!("CARGO_BIN_EXE_opsrun")).run(words.iter().chain(&estate)).ok();
    assert!(outcome.contains("undone"), "{outcome}");
}

#[test]
fn the_report_is_the_same_each_time_whichever_case_ends_first() {
    let report = || failing("playbooks/scale.rhai", &["--component", "api", "--replicas", "4"]).ok();
    assert_eq!(report(), report());
}
