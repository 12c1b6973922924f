//! Runs that are killed with SIGKILL on a served estate, and gone on with or taken back by another process.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // a test

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
