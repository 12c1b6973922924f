//! Runs that are killed with SIGKILL on a served estate, and gone on with or taken back by another process.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout)] // a test, which says what it counted

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::Stdio;

use opsrun_tests::{Outcome, Program, ServedEstate};
use tempfile::TempDir;

const PROJECT: &str = "[targets.shop]\ngrants = [\"k8s\"]\n";

const PLAYBOOK: &str = r#"
let pause = param("pause", #{ default: 1.h, help: "how long the second step waits" });

fn settings(name) {
    k8s::apply(`{ apiVersion: v1, kind: ConfigMap, metadata: { name: ${name} }, data: { mode: fast } }`)
}

step("first", || settings("first").created);
step("second", #{ undo: || log("second is taken back") }, || {
    settings("second");
    log("now it waits");
    sleep(pause);
});
step("third", || settings("third").created);
"#;

/// A served estate, and a project beside it.
struct Stage {
    folder: TempDir,
    _estate: ServedEstate,
    program: Program,
}

impl Stage {
    fn set_up() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in
            [("opsrun.toml", PROJECT), ("deploy.rhai", PLAYBOOK), ("estate.yaml", "k8s: {}\n")]
        {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let program = Program::new(env!("CARGO_BIN_EXE_opsrun")).within(folder.path());
        let estate = ServedEstate::served_by(program.clone(), &folder.path().join("estate.yaml"), 1);
        let program = program.env("KUBECONFIG", estate.kubeconfig()).trusting(".");
        Stage { folder, _estate: estate, program }
    }

    fn opsrun(&self, words: &[&str]) -> Outcome {
        self.program.run(words)
    }

    /// Starts the playbook, and kills the process in the second step. Gives the run's name.
    fn kill_in_the_second_step(&self) -> String {
        let mut child = self.program.command(["deploy.rhai"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        assert!(lines.any(|line| line.contains("now it waits")), "the playbook gets to the second step");
        let listed = self.opsrun(&["runs", "list"]).ok();
        let run =
            listed.lines().find(|line| line.contains("  running ")).unwrap_or_else(|| panic!("{listed}"));
        child.kill().unwrap();
        child.wait().unwrap();
        let name = run.split_whitespace().next().unwrap();
        let listed = self.opsrun(&["runs", "list"]).ok();
        assert!(listed.contains(&format!("{name}  broken off ")), "{listed}");
        name.to_owned()
    }

    /// The program, whose files may have so many bytes; `first` is what the shell does before it.
    fn limited(&self, bytes: usize, first: &str) -> Program {
        self.program.clone().after(format!("{first}ulimit -c 0; prlimit --fsize={bytes} --pid $$"))
    }

    /// All runs, by name.
    fn runs(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.program.home().join(".local/state/opsrun/runs"));
        let names =
            entries.into_iter().flatten().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.map(|name| name.trim_end_matches(".jsonl").to_owned()).collect()
    }

    /// Runs it, and gives the run's name as well.
    fn run(&self, program: &Program, words: &[&str]) -> (Outcome, Option<String>) {
        let before = self.runs();
        let outcome = program.run(words);
        (outcome, self.runs().into_iter().find(|run| !before.contains(run)))
    }

    fn journal(&self, run: &str) -> PathBuf {
        self.program.home().join(format!(".local/state/opsrun/runs/{run}.jsonl"))
    }

    /// The names of the ConfigMaps that the playbook made.
    fn made(&self) -> Vec<String> {
        let script = self.folder.path().join("look.rhai");
        std::fs::write(&script, "k8s::list(\"configmaps\").map(|map| map.metadata.name)").unwrap();
        let said = self.opsrun(&["look.rhai", "--output", "json"]).ok();
        let mut events = said.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let ended = events.find(|event| event["event"] == "ended").unwrap();
        let names = ended["value"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned());
        names.filter(|name| name != "kube-root-ca.crt").collect()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).unwrap();
    }
}

#[test]
fn a_killed_run_goes_on_and_does_nothing_twice() {
    let stage = Stage::set_up();
    let run = stage.kill_in_the_second_step();
    assert_eq!(stage.made(), ["first", "second"]);

    let changed = PLAYBOOK.replace("sleep(pause)", "sleep(1.ms)");
    stage.write("deploy.rhai", &changed);
    let refused = stage.opsrun(&["resume", &run]).with_code(2).stderr;
    assert!(refused.contains("`deploy.rhai` was changed since the run"), "{refused}");
    assert!(refused.contains("-    sleep(pause);") && refused.contains("+    sleep(1.ms);"), "{refused}");

    let said = stage.opsrun(&["resume", &run, "--changed"]).ok();
    assert!(said.contains("= first: done before"), "{said}");
    assert!(said.contains("= k8s::apply: done before"), "{said}");
    assert_eq!(said.matches("* k8s patch configmaps").count(), 1, "{said}");
    assert_eq!(stage.made(), ["first", "second", "third"]);

    assert!(stage.opsrun(&["runs", "list"]).ok().contains("  done "));
    let again = stage.opsrun(&["resume", &run]).with_code(2).stderr;
    assert!(again.contains("has ended: done"), "{again}");
}

#[test]
fn a_killed_run_is_taken_back_by_another_process_with_its_steps_undo() {
    let stage = Stage::set_up();
    let run = stage.kill_in_the_second_step();
    // What is on the disk now is not asked.
    stage.write("deploy.rhai", "this is no playbook any more");
    let said = stage.opsrun(&["undo", &run]).ok();
    assert!(said.contains("second is taken back"), "{said}");
    assert!(said.contains("took back 3 things"), "{said}");
    assert_eq!(stage.made(), Vec::<String>::new());
    let again = stage.opsrun(&["undo", &run]).with_code(2).stderr;
    assert!(again.contains("has been taken back already"), "{again}");
}

#[test]
fn somebody_can_say_what_became_of_a_step_or_give_a_run_up() {
    let stage = Stage::set_up();
    let run = stage.kill_in_the_second_step();
    let unknown =
        stage.opsrun(&["runs", "mark", &run, "fourth", "done", "--reason", "x"]).with_code(2).stderr;
    assert!(unknown.contains("its steps are `first`, `second`"), "{unknown}");
    let mark = ["runs", "mark", &run, "second", "done", "--reason", "I waited for it"];
    stage.opsrun(&mark).ok();
    let said = stage.opsrun(&["resume", &run]).ok();
    assert!(said.contains("= second: done before"), "{said}");
    let shown = stage.opsrun(&["runs", "show", &run]).ok();
    assert!(shown.contains("step second is done, somebody says: I waited for it"), "{shown}");

    let other = stage.kill_in_the_second_step();
    stage.opsrun(&["runs", "abandon", &other, "--reason", "nobody needs it"]).ok();
    let refused = stage.opsrun(&["resume", &other]).with_code(2).stderr;
    assert!(refused.contains("has ended: abandoned"), "{refused}");
}

/// Three writes, two of them in a nested step with an undo of its own.
const SHORT: &str = r#"
fn settings(name) {
    k8s::apply(`{ apiVersion: v1, kind: ConfigMap, metadata: { name: ${name} }, data: { mode: fast } }`).created
}

step("first", || settings("first"));
step("second", #{ undo: || log("second is taken back") }, || {
    step("inner", || settings("inner"));
    settings("second")
});
"#;

/// What a run that was killed did is gone on with, and then taken back.
fn gone_on_with_and_taken_back(stage: &Stage, run: &str) {
    stage.opsrun(&["resume", run]).ok();
    assert_eq!(stage.made(), ["first", "inner", "second"]);
    stage.opsrun(&["undo", run]).ok();
    assert_eq!(stage.made(), Vec::<String>::new());
}

#[test]
fn a_process_that_is_killed_at_any_write_of_its_journal_leaves_a_run_that_goes_on_and_back() {
    let stage = Stage::set_up();
    stage.write("deploy.rhai", SHORT);
    let whole = stage.run(&stage.program, &["deploy.rhai"]).1.unwrap();
    let lines: Vec<usize> =
        std::fs::read_to_string(stage.journal(&whole)).unwrap().lines().map(|line| line.len() + 1).collect();
    stage.opsrun(&["undo", &whole]).ok();

    // The kernel kills whoever writes beyond the limit: at the end of each record, and in its middle.
    let (mut end, mut points) = (0, std::collections::BTreeSet::new());
    for (number, length) in lines.iter().enumerate() {
        for limit in [end + length / 2, end + length] {
            let (killed, run) = stage.run(&stage.limited(limit, ""), &["deploy.rhai"]);
            let run = run.unwrap_or_else(|| panic!("{killed}"));
            let text = std::fs::read(stage.journal(&run)).unwrap();
            let records = text.iter().filter(|byte| **byte == b'\n').count();
            points.insert((records, text.last() != Some(&b'\n')));
            match (killed.code, records) {
                (Some(0), _) => drop(stage.opsrun(&["undo", &run]).ok()),
                (None, 1..) => gone_on_with_and_taken_back(&stage, &run),
                // It had not begun, so there is nothing to go on with.
                (None, 0) => assert_eq!((number, stage.made()), (0, Vec::new())),
                _ => panic!("{killed}"),
            }
        }
        end += length;
    }
    println!(
        "killed at {} of {} places: before and in each of {} records",
        points.len(),
        2 * lines.len(),
        lines.len()
    );
    // Times differ in length, and with them the places, a little from run to run.
    assert!(points.len() >= lines.len() / 2, "{points:?}");
}

#[test]
fn a_full_disk_stops_a_run_before_its_next_write_and_what_it_did_is_taken_back_later() {
    let stage = Stage::set_up();
    stage.write("deploy.rhai", SHORT);
    let mut stopped = 0;
    for limit in (0..12_000).step_by(700) {
        // Without the signal, a write beyond the limit is an error, as on a full disk.
        let (outcome, run) = stage.run(&stage.limited(limit, "trap '' XFSZ; "), &["deploy.rhai"]);
        if outcome.code == Some(0) {
            stage.opsrun(&["undo", &run.unwrap()]).ok();
            continue;
        }
        stopped += 1;
        let said = format!("{}{}", outcome.stdout, outcome.stderr);
        assert!(
            said.contains("the journal `") && said.contains("cannot be written: File too large"),
            "{said}"
        );
        assert_eq!(outcome.code, Some(1), "{said}");
        let records = run
            .as_ref()
            .map_or(0, |run| std::fs::read_to_string(stage.journal(run)).unwrap().matches("\n").count());
        if records > 0 {
            stage.opsrun(&["undo", &run.unwrap()]).ok();
        }
        assert_eq!(stage.made(), Vec::<String>::new(), "with room for {limit} bytes: {said}");
    }
    assert!(stopped > 4, "the disk was full {stopped} times");
}

#[test]
fn a_journal_of_an_earlier_form_goes_on_and_back() {
    let stage = Stage::set_up();
    let folder = stage.program.home().join(".local/state/opsrun/runs");
    std::fs::create_dir_all(&folder).unwrap();
    let run = "20260302T030000Z-deploy-0001";
    let form_1 = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/journals/form-1.jsonl");
    std::fs::copy(form_1, folder.join(format!("{run}.jsonl"))).unwrap();
    assert!(stage.opsrun(&["runs", "list"]).ok().contains(&format!("{run}  broken off ")));
    stage.write("deploy.rhai", &PLAYBOOK.replace("sleep(pause)", "sleep(1.ms)"));
    let said = stage.opsrun(&["resume", run, "--changed"]).ok();
    assert!(said.contains("= first: done before"), "{said}");
    assert_eq!(stage.made(), ["third"], "the others had been made, elsewhere");
    let exported = stage.opsrun(&["runs", "export", run]).ok();
    let exported: serde_json::Value = serde_json::from_str(&exported).unwrap();
    assert_eq!((&exported["format"], &exported["outcome"]), (&1.into(), &"done".into()));
    assert_eq!(exported["calls"][0]["writes"][0]["outcome"], serde_json::json!({ "status": 201 }));
    stage.opsrun(&["undo", run]).ok();
    assert_eq!(stage.made(), Vec::<String>::new());
}

#[test]
fn the_difference_of_two_runs_names_parameters_playbook_steps_writes_and_outcome() {
    let stage = Stage::set_up();
    let playbook = "let mode = param(\"mode\", #{ default: \"fast\" });\n\
        step(\"set\", || k8s::apply(#{ apiVersion: \"v1\", kind: \"ConfigMap\", metadata: #{ name: \"a\" }, data: #{ mode: mode } }).created);\n";
    stage.write("deploy.rhai", playbook);
    let first = stage.run(&stage.program, &["deploy.rhai"]).1.unwrap();
    stage.write("deploy.rhai", &format!("{playbook}step(\"end\", || fail(\"no more\"));\n"));
    let (failed, second) = stage.run(&stage.program, &["deploy.rhai", "--mode", "slow"]);
    assert_eq!(failed.code, Some(3), "{failed}");
    let second = second.unwrap();
    let said = stage.opsrun(&["runs", "diff", &first, &second]).ok();
    for part in
        ["outcome:", "parameters:", "playbook:", "steps:", "writes:", "+step(\"end\"", "no more", "\"slow\""]
    {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    let same = stage.opsrun(&["runs", "diff", &first, &first]).ok();
    assert!(same.contains("they do not differ"), "{same}");
    let json = stage.opsrun(&["runs", "diff", &first, &second, "--output", "json"]).ok();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["runs"][1]["outcome"], "undone");
    assert_eq!(json["params"][0]["name"], "mode");
}

#[test]
fn a_damaged_journal_is_told_and_its_run_does_not_simply_go_on() {
    let stage = Stage::set_up();
    let run = stage.kill_in_the_second_step();
    let journal = stage.journal(&run);
    let text = std::fs::read_to_string(&journal).unwrap();
    std::fs::write(&journal, text.replacen("\"first\"", "\"fjrst\"", 1)).unwrap();
    let listed = stage.opsrun(&["runs", "list"]).ok();
    assert!(listed.contains("  damaged "), "{listed}");
    let shown = stage.opsrun(&["runs", "show", &run]);
    assert!(shown.stderr.contains("is damaged: its checksum is wrong"), "{shown}");
    assert!(shown.stdout.contains("> second"), "{shown}");
    for words in [["resume", &run], ["undo", &run]] {
        let refused = stage.opsrun(&words).with_code(2).stderr;
        assert!(refused.contains("is damaged: its checksum is wrong"), "{refused}");
    }
}
