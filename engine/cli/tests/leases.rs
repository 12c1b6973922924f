//! Runs that want the same lease, on a served estate and on this machine: they wait or fail, outlive each other, and who
//! loses a lease writes nothing more.
#![allow(clippy::disallowed_methods)] // runs the program, and writes its files

mod running;

use std::path::Path;

use opsrun_tests::{Outcome, Program, ServedEstate};
use running::Running;
use tempfile::TempDir;

const PROJECT: &str = r#"
[targets.shop]
grants = ["k8s"]
k8s = { namespace = "default" }
[targets.here]
[targets.elsewhere]
grants = ["k8s"]
k8s = { namespace = "kube-public" }
"#;

const PLAYBOOK: &str = r#"
let wait = param("wait", #{ default: 0.s, help: "how long to wait for the lease" });
let hold = param("hold", #{ default: 0.s, help: "how long to hold it" });
let write = param("write", #{ default: true, help: "whether something is written under it" });
let name = param("name", #{ default: "first", help: "what is written" });

fn settings(name) {
    k8s::apply(`{ apiVersion: v1, kind: ConfigMap, metadata: { name: ${name} }, data: { mode: fast } }`)
}

lease("deploy", #{ reason: `making ${name}`, expiry: 3.s, wait: wait }, || {
    step("first", || { if write { settings(name); } });
    log("it is held");
    sleep(hold);
    step("second", || { if write { settings(`${name}-2`); } });
});
"#;

struct Stage {
    folder: TempDir,
    program: Program,
    estate: ServedEstate,
}

impl Stage {
    fn set_up() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        write(folder.path(), "opsrun.toml", &format!("default-target = \"shop\"\n{PROJECT}"));
        write(folder.path(), "deploy.rhai", PLAYBOOK);
        write(folder.path(), "estate.yaml", "k8s: {}\n");
        let program = Program::new(env!("CARGO_BIN_EXE_opsrun")).within(folder.path());
        let estate = ServedEstate::served_by(program.clone(), &folder.path().join("estate.yaml"), 1);
        let program = program.env("KUBECONFIG", estate.kubeconfig()).env("OPSRUN_USER", "ann").trusting(".");
        Stage { folder, program, estate }
    }

    fn opsrun(&self, words: &[&str]) -> Outcome {
        self.program.run(words)
    }

    /// Starts a run that holds the lease for an hour, and waits until it does.
    fn holding(&self, words: &[&str]) -> Running {
        let mut running = Running::start(&self.program, &[&["deploy.rhai", "--hold", "1h"], words].concat());
        running.wait_for("it is held");
        running
    }

    /// The names of the ConfigMaps that runs made.
    fn made(&self) -> Vec<String> {
        write(self.folder.path(), "look.rhai", "k8s::list(\"configmaps\").map(|map| map.metadata.name)");
        let said = self.opsrun(&["look.rhai", "--output", "json"]).ok();
        let mut events = said.lines().map(|line| serde_json::from_str(line).expect("each line is JSON"));
        let ended: serde_json::Value =
            events.find(|event: &serde_json::Value| event["event"] == "ended").expect("it ends");
        let names = ended["value"].as_array().expect("names").iter().filter_map(|name| name.as_str());
        names.filter(|name| *name != "kube-root-ca.crt").map(str::to_owned).collect()
    }
}

/// Interrupts a run, and gives its exit code.
fn interrupted(run: Running) -> Option<i32> {
    run.interrupt();
    run.ended().1
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).expect("a file can be written");
}

#[test]
fn a_second_run_fails_or_waits_as_it_says_and_another_name_space_or_target_is_another_lease() {
    let stage = Stage::set_up();
    let first = stage.holding(&[]);
    let refused = stage.opsrun(&["deploy.rhai", "--name", "other"]).with_code(1);
    let held = "the lease `deploy` is held by ";
    assert!(refused.stdout.contains(held) && refused.stdout.contains("(ann)"), "{refused}");
    assert!(refused.stdout.contains("for: making first"), "{refused}");
    assert!(refused.stdout.contains("opsrun lease break deploy"), "{refused}");
    assert_eq!(stage.made(), ["first"]);

    let listed = stage.opsrun(&["lease", "list"]).ok();
    assert!(listed.starts_with("deploy  ") && listed.contains(": making first"), "{listed}");
    stage.opsrun(&["deploy.rhai", "--target", "elsewhere", "--name", "there"]).ok();
    stage.opsrun(&["deploy.rhai", "--target", "here", "--write", "false"]).ok();

    // It waits until the first has ended, and with it what that took back.
    let mut second = Running::start(&stage.program, &["deploy.rhai", "--name", "other", "--wait", "5m"]);
    second.wait_for(held);
    assert_eq!(interrupted(first), Some(130));
    second.wait_for("it is held");
    assert_eq!(second.ended().1, Some(0));
    assert_eq!(stage.made(), ["other", "other-2"]);
    let listed = stage.opsrun(&["lease", "list"]).ok();
    assert!(listed.starts_with("deploy  free since "), "{listed}");
}

#[test]
fn a_lease_outlives_its_run_by_its_expiry_only() {
    let stage = Stage::set_up();
    stage.holding(&[]).kill();
    let refused = stage.opsrun(&["deploy.rhai", "--name", "other"]).with_code(1);
    assert!(refused.stdout.contains("is held by"), "{refused}");
    stage.opsrun(&["deploy.rhai", "--name", "other", "--wait", "1m"]).ok();
    assert_eq!(stage.made(), ["first", "other", "other-2"]);
}

#[test]
fn who_loses_a_lease_writes_nothing_more_and_can_be_taken_back_later() {
    let stage = Stage::set_up();
    let mut running = Running::start(&stage.program, &["deploy.rhai", "--hold", "8s"]);
    running.wait_for("it is held");
    let broken = stage.opsrun(&["lease", "break", "deploy", "--reason", "an emergency"]).ok();
    assert!(broken.contains("the lease `deploy` is taken from "), "{broken}");
    running.wait_for("the lease `deploy` was lost: broken by ann: an emergency");
    running.wait_for("does not leave: the lease `deploy` was lost");
    running.wait_for("NOT everything could be taken back");
    running.wait_for("opsrun undo ");
    assert_eq!(running.ended().1, Some(1));
    assert_eq!(stage.made(), ["first"]);

    let again = stage.opsrun(&["lease", "break", "deploy", "--reason", "x"]).with_code(2);
    assert!(again.stderr.contains("nobody holds the lease `deploy`"), "{again}");

    let listed = stage.opsrun(&["runs", "list"]).ok();
    let run = listed.lines().find(|line| line.contains("undo-failed")).unwrap_or_else(|| panic!("{listed}"));
    let run = run.split_whitespace().next().expect("it has a name");
    // Not while somebody else has it.
    let other = stage.holding(&["--name", "other"]);
    let mut waiting = Running::start(&stage.program, &["undo", run]);
    waiting.wait_for("the lease `deploy` is held by");
    assert_eq!(interrupted(other), Some(130));
    assert_eq!(waiting.ended().1, Some(0));
    assert_eq!(stage.made(), Vec::<String>::new());
}

#[test]
fn a_lease_that_cannot_be_renewed_runs_out_before_anybody_else_can_have_it() {
    let stage = Stage::set_up();
    let mut running = Running::start(&stage.program, &["deploy.rhai", "--hold", "6s"]);
    running.wait_for("it is held");
    // The cluster is gone, and with it what the lease is kept in.
    drop(stage.estate);
    running.wait_for("the lease `deploy` was lost: it could not be renewed, and ran out at ");
    assert_eq!(running.ended().1, Some(1));
}

#[test]
fn without_a_cluster_a_lease_is_kept_on_this_machine() {
    let stage = Stage::set_up();
    let here = ["--target", "here", "--write", "false"];
    let first = stage.holding(&here);
    let refused = stage.opsrun(&[&["deploy.rhai"], &here[..]].concat()).with_code(1);
    assert!(refused.stdout.contains("the lease `deploy` is held by "), "{refused}");
    let listed = stage.opsrun(&["lease", "list", "--target", "here"]).ok();
    assert!(listed.contains("(ann)"), "{listed}");
    assert_eq!(interrupted(first), Some(130));
    stage.opsrun(&[&["deploy.rhai"], &here[..]].concat()).ok();
}

#[test]
fn a_rehearsal_holds_a_lease_as_long_as_it_takes_and_gives_it_back() {
    let stage = Stage::set_up();
    let words = ["rehearse", "deploy.rhai", "--estate", "estate.yaml", "--hold", "10m"];
    let said = stage.opsrun(&words).ok();
    assert!(said.contains("holds the lease `deploy`, as its holder number 1"), "{said}");
    assert!(said.contains("done in 10m"), "{said}");
    assert!(!said.contains("* k8s update leases"), "that it is renewed is no news\n{said}");
    // It cannot be taken there, so nothing is begun.
    let refused = stage.opsrun(&[&words[..], &["--fault", "k8s create leases: 403"]].concat()).with_code(1);
    assert!(!refused.stdout.contains("> first"), "{refused}");
    // It cannot be renewed any more.
    let lost =
        stage.opsrun(&[&words[..], &["--fault", "k8s update leases: 500 always"]].concat()).with_code(1);
    assert!(lost.stdout.contains("it could not be renewed, and ran out"), "{lost}");
}
