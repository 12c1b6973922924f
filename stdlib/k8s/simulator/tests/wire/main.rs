//! Recorded answers of a real API server (Kubernetes 1.34) against the simulated one, in process, on virtual time.
//! The scenarios and the rules of comparison are those of `k8s-wire` beside the repository; needs `OPSRUN_SHARED`.
#![allow(clippy::disallowed_methods, clippy::print_stdout)] // a test reads its cases and reports on standard output

mod normalise;
mod pointer;
mod runner;

use std::path::{Path, PathBuf};

use serde_json::Value;

/// How many scenarios are known to pass: raised whenever more do.
const FLOOR: usize = 137;

#[test]
fn the_simulated_server_answers_like_a_real_one() {
    let Some(cases) = cases() else {
        println!("skipped: needs k8s-wire (set OPSRUN_SHARED)");
        return;
    };
    let only = std::env::var("WIRE_ONLY").unwrap_or_default();
    let mut names: Vec<String> = files(&cases.join("scenarios"));
    names.retain(|name| only.is_empty() || only.split(',').any(|part| name.starts_with(part)));
    let mut failures = Vec::new();
    for name in &names {
        let scenario = read(&cases.join("scenarios").join(name));
        let answers = read(&cases.join("answers").join(name));
        // One that panics fails; the rest still run.
        let run = std::panic::catch_unwind(|| runner::differs(&scenario, &answers));
        if let Some(difference) = run.unwrap_or_else(|_| Some("panicked".to_owned())) {
            failures.push(format!("{}: {difference}", name.trim_end_matches(".json")));
        }
    }
    let identical = names.len() - failures.len();
    for failure in &failures {
        println!("{failure}");
    }
    println!("{identical} of {} identical", names.len());
    assert!(
        !only.is_empty() || identical >= FLOOR,
        "{identical} scenarios are identical, {FLOOR} were before"
    );
}

fn cases() -> Option<PathBuf> {
    let shared = std::env::var_os("OPSRUN_SHARED").map(PathBuf::from).into_iter();
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|dir| dir.join("../shared"));
    shared.chain(beside).map(|dir| dir.join("k8s-wire")).find(|dir| dir.join("scenarios").is_dir())
}

fn files(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).expect("a folder of scenarios");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("a file").file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| name.ends_with(".json"));
    names.sort();
    names
}

fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}
