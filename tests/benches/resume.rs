//! What it takes to go on with a long run: one with many calls in its journal, of which only the last is left to do.
//! Run with `cargo bench -p opsrun-tests --bench resume`; a goal that is missed is said, and is no failure.
#![allow(clippy::disallowed_methods, clippy::print_stdout)] // a benchmark times real programs, and speaks to who runs it

mod timing;

use std::path::Path;
use std::sync::Arc;

use opsrun_core::{Access, Effect, Inverse};
use opsrun_runtime::{Entry, FileJournal, Part, Record, Scope, WriteOutcome};
use opsrun_tests::Opsrun;
use serde_json::json;
use timing::{Samples, load, shown, timed};

const CALLS: u64 = 10_000;
const RUNS: usize = 5;
const PROJECT: &str = "[targets.shop]\ngrants = [\"k8s\"]\nk8s = { server = \"http://127.0.0.1:1\" }\n";
const PLAYBOOK: &str =
    "step(\"all\", || {\n    for number in 0..10000 { k8s::scale(`deployment/web-${number}`, 3); }\n});\n";

fn main() {
    println!("load {}", load());
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    for (name, text) in [("opsrun.toml", PROJECT), ("many.rhai", PLAYBOOK)] {
        std::fs::write(folder.path().join(name), text).expect("a file can be written");
    }
    let program = Opsrun::program().within(folder.path()).trusting(".");
    let runs = program.home().join(".local/state/opsrun/runs");
    let mut took = Samples::default();
    let mut memory = 0;
    for number in 0..RUNS {
        let name = format!("many-{number}");
        write_journal(&runs, &name);
        let peak = folder.path().join("peak");
        // GNU time tells the peak of the memory.
        let script =
            format!("exec time -f %M -o '{}' '{}' resume {name}", peak.display(), program.path().display());
        let mut command = std::process::Command::new("sh");
        command.args(["-c", &script]).current_dir(folder.path()).env("HOME", program.home());
        let (time, output) = timed(|| command.output().expect("a shell"));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success() && said.contains("done in"),
            "{said}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        took.add(time);
        memory = memory
            .max(std::fs::read_to_string(&peak).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0));
    }
    let size = std::fs::metadata(runs.join("many-0.jsonl")).map_or(0, |file| file.len());
    println!("going on with a run of {CALLS} calls, {RUNS} times; its journal has {} MB", size >> 20);
    println!("  opsrun resume  {took} (goal: 1 s)");
    println!("  memory         {} MB at most (goal: 100 MB)", memory / 1024);
    println!("  a call         {}", shown(took.median() / CALLS as f64));
    println!("load {}", load());
}

/// The journal of a run that broke off after its last call.
fn write_journal(folder: &Path, run: &str) {
    let journal = FileJournal::create(folder, run, Arc::default(), Arc::default()).expect("a journal");
    let at = "2026-03-02T03:00:00Z".parse().expect("a time");
    let append = |entry| journal.append_now(&Record { at, entry }).expect("it is written");
    let scope: Scope = serde_json::from_value(json!([Part::Step("all".to_owned(), 1)])).expect("a scope");
    append(Entry::RunBegun {
        format: 1,
        run: run.to_owned(),
        playbook: "many.rhai".to_owned(),
        files: [("many.rhai".to_owned(), PLAYBOOK.to_owned())].into(),
        target: "shop".to_owned(),
        params: json!({}),
        version: "0".to_owned(),
        plan: None,
        who: String::new(),
    });
    let record = |entry: Entry, durable: bool| {
        let appended = opsrun_runtime::Journal::append(&journal, &Record { at, entry }, durable);
        // What need not be durable is handed over at once.
        futures::FutureExt::now_or_never(appended).expect("at once").expect("it can be written");
    };
    record(Entry::StepBegun { scope: scope.clone(), undo: false }, false);
    for call in 1..=CALLS {
        let name = format!("web-{}", call - 1);
        let was = json!({ "parts": { "patch": { "spec": { "replicas": 2 } }, "managed": [{ "manager": "helm", "operation": "Apply",
            "apiVersion": "apps/v1", "fieldsType": "FieldsV1", "fieldsV1": { "f:spec": { "f:replicas": {} } } }] } });
        let inverse = Inverse::call(
            "k8s::restore",
            json!({ "objects": [{ "apiVersion": "apps/v1", "kind": "Deployment", "namespace": "default", "name": name, "was": was }] }),
        );
        let arguments = json!({ "workload": format!("deployment/{name}"), "replicas": 3 });
        let (path, undoes) = ("k8s::scale".to_owned(), None);
        record(Entry::CallBegun { call, path, scope: scope.clone(), number: 1, arguments, undoes }, false);
        record(Entry::Inverse { call, slot: 0, inverse: Some(inverse.clone()) }, false);
        record(Entry::WriteIntent { call, write: call, access: patch(&name) }, false);
        record(Entry::WriteOutcome { write: call, outcome: WriteOutcome::Status(200) }, false);
        record(Entry::Inverse { call, slot: 0, inverse: Some(inverse) }, false);
        record(Entry::CallEnded { call, error: None, value: json!({ "from": 2, "to": 3 }) }, false);
    }
    drop(journal);
}

fn patch(name: &str) -> Access {
    Access {
        system: "k8s".into(),
        verb: "patch".into(),
        resource: "deployments/scale".into(),
        name: Some(name.into()),
        namespace: Some("default".into()),
        effect: Effect::Write,
    }
}
