//! What a playbook needs to be allowed, what it asked for, and whose word counts, on a served estate.
#![allow(clippy::disallowed_methods)] // runs the program, and writes its files

use std::path::Path;

use opsrun_tests::{Outcome, Program, ServedEstate};
use serde_json::Value;
use tempfile::TempDir;

const ESTATE: &str = r#"
k8s:
  images:
    - { match: "*tidy*", log: ["tidied up"] }
  objects:
    - apiVersion: apps/v1
      kind: Deployment
      metadata: { name: api }
      spec:
        replicas: 2
        selector: { matchLabels: { app: api } }
        template:
          metadata: { labels: { app: api } }
          spec: { containers: [{ name: api, image: "shop/api:1.2" }] }
    - apiVersion: batch/v1
      kind: CronJob
      metadata: { name: tidy }
      spec:
        schedule: "0 3 * * *"
        jobTemplate:
          spec:
            template: { spec: { restartPolicy: Never, containers: [{ name: tidy, image: "shop/tidy:1" }] } }
"#;

const PLAYBOOK: &str = r#"
step("settings", || k8s::apply(#{ apiVersion: "v1", kind: "ConfigMap", metadata: #{ name: "settings" }, data: #{ mode: "fast" } }));
step("scale", || k8s::scale("deployment/api", 3, #{ wait: 5.m }));
step("tidy", || { k8s::job_from_cronjob("cronjob/tidy", #{ within: 5.m }); });
"#;

/// A project beside a served estate.
struct Stage {
    folder: TempDir,
    program: Program,
    _estate: ServedEstate,
}

impl Stage {
    fn with(project: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        write(folder.path(), "opsrun.toml", project);
        write(folder.path(), "deploy.rhai", PLAYBOOK);
        write(folder.path(), "estate.yaml", ESTATE);
        let program = Program::new(env!("CARGO_BIN_EXE_opsrun")).within(folder.path());
        let estate = ServedEstate::served_by(program.clone(), &folder.path().join("estate.yaml"), 20);
        let program = program.env("KUBECONFIG", estate.kubeconfig()).env("OPSRUN_USER", "ann");
        Stage { folder, program, _estate: estate }
    }

    fn opsrun(&self, words: &[&str]) -> Outcome {
        self.program.run(words)
    }

    fn write(&self, name: &str, text: &str) {
        write(self.folder.path(), name, text);
    }

    /// The lines of an audit log.
    fn audited(&self, name: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.path().join(name)).expect("there is a log");
        text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
    }
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).expect("a file can be written");
}

#[test]
fn what_a_playbook_needs_is_enough_and_nothing_of_it_is_too_much() {
    let stage = Stage::with("[targets.shop]\n");
    let needs = stage.opsrun(&["grants", "deploy.rhai", "--estate", "estate.yaml"]).ok();
    assert!(needs.contains("[targets.shop]\ngrants = [\n"), "{needs}");
    stage.write("all.toml", &needs);
    stage.opsrun(&["deploy.rhai", "--grants", "all.toml"]).ok();

    // Without any of it something is otherwise, on the way there or back.
    let rehearsed = |grants: &str| {
        let rehearse = ["rehearse", "deploy.rhai", "--estate", "estate.yaml", "--grants", grants];
        let there = stage.opsrun(&rehearse);
        let back = stage.opsrun(&[&rehearse[..], &["--fault", "k8s create jobs: 403"]].concat());
        (there.stdout, back.stdout)
    };
    let undisturbed = rehearsed("all.toml");
    let grants: Vec<&str> = needs.lines().filter(|line| line.starts_with("    \"")).collect();
    assert!(grants.len() > 5, "{needs}");
    for grant in grants {
        stage.write("fewer.toml", &needs.replace(&format!("{grant}\n"), ""));
        assert!(rehearsed("fewer.toml") != undisturbed, "nothing needs {grant}\n{needs}");
    }
}

#[test]
fn the_audit_log_tells_everything_that_was_asked_for_and_what_came_of_it() {
    let grants = r#"["k8s read", "k8s patch configmaps", "k8s patch deployments/scale in default"]"#;
    let stage = Stage::with(&format!("audit = \"audit.jsonl\"\n[targets.shop]\ngrants = {grants}\n"));
    let program = stage.program.clone().trusting(stage.folder.path());
    // Neither a job nor what takes the settings back is granted.
    let outcome = program.run(["deploy.rhai"]).with_code(1);
    assert!(
        outcome.stdout.contains("`k8s delete configmaps/settings in default` is not granted"),
        "{outcome}"
    );

    let lines = stage.audited("audit.jsonl");
    let asked: Vec<&Value> = lines.iter().filter(|line| line["event"] == "asked").collect();
    let run = asked[0]["run"].as_str().expect("it names the run");
    assert!(run.contains("-deploy-"), "{run}");
    assert!(asked.iter().all(|line| line["run"] == run && line["who"] == "ann" && line["uid"].is_u64()));
    assert!(asked.iter().all(|line| line["target"] == "shop"));

    let find = |verb: &str, resource: &str| {
        let found = asked.iter().find(|line| line["verb"] == verb && line["resource"] == resource);
        *found.unwrap_or_else(|| panic!("no {verb} {resource} in {asked:#?}"))
    };
    let written = find("patch", "configmaps");
    assert_eq!(written["decision"], "granted");
    assert_eq!(written["grant"], "k8s patch configmaps");
    assert_eq!(written["steps"][0], "settings");
    assert_eq!(written["primitive"], "k8s::apply");
    assert_eq!((&written["name"], &written["namespace"]), (&"settings".into(), &"default".into()));
    assert_eq!(written["effect"], "write");
    let answer = lines.iter().find(|line| line["event"] == "answered" && line["number"] == written["number"]);
    assert_eq!(answer.expect("it was answered")["status"], 201);
    assert_eq!(find("get", "deployments")["grant"], "k8s read");

    for (verb, resource) in [("create", "jobs"), ("delete", "configmaps")] {
        let denied = find(verb, resource);
        assert_eq!(denied["decision"], "denied");
        assert!(denied["why"].as_str().expect("it says why").ends_with("is not granted"), "{denied}");
        assert!(!lines.iter().any(|line| line["event"] == "answered" && line["number"] == denied["number"]));
    }
    // Everything that left was answered, and nothing else was.
    let left =
        asked.iter().filter(|line| line["decision"] == "granted" || line["decision"] == "free").count();
    assert_eq!(left, lines.iter().filter(|line| line["event"] == "answered").count());
    // What the operator's configuration names is read without a grant, and told.
    let configuration = asked.iter().find(|line| line["system"] == "file").expect("a kubeconfig is read");
    assert_eq!(
        (&configuration["decision"], &configuration["why"]),
        (&"free".into(), &"configuration".into())
    );
}

#[test]
fn looking_resuming_and_undoing_are_audited_and_held_back_writes_are_told() {
    let stage = Stage::with("[targets.shop]\ngrants = [\"k8s\"]\n");
    let program = stage.program.clone().trusting(stage.folder.path());
    program.run(["doctor", "--audit", "doctor.jsonl"]).ok();
    assert!(stage.audited("doctor.jsonl").iter().any(|line| line["resource"] == "namespaces"));

    let entries = "k8s::scale(\"deployment/api\", 4)\n";
    program.run_with_input(["repl", "--audit", "repl.jsonl"], entries);
    let held = stage.audited("repl.jsonl");
    let held = held.iter().find(|line| line["decision"] == "held-back").expect("the write was held back");
    assert_eq!((&held["verb"], &held["resource"]), (&"patch".into(), &"deployments/scale".into()));

    program.run(["deploy.rhai"]).ok();
    let run = program.run(["runs", "list"]).ok();
    let run = run.lines().find(|line| line.contains("-deploy-")).expect("it is listed");
    let run = run.split_whitespace().next().expect("it has a name");
    program.run(["undo", run, "--audit", "undo.jsonl"]).ok();
    let undone = stage.audited("undo.jsonl");
    assert!(undone.iter().any(|line| line["verb"] == "delete" && line["resource"] == "configmaps"));
    assert!(undone.iter().all(|line| line["run"] == run));
}

#[test]
fn a_project_that_was_changed_is_shown_as_a_diff_and_needs_trust_anew() {
    let stage = Stage::with("[targets.shop]\ngrants = [\"k8s read\", \"k8s patch configmaps\"]\n");
    let program = stage.program.clone().trusting(stage.folder.path());
    let changed = "[targets.shop]\ngrants = [\"k8s read\", \"k8s write\"]\n";
    stage.write("opsrun.toml", changed);
    let refused = program.run(["deploy.rhai"]).with_code(2);
    assert!(refused.stderr.contains("it was changed since it was trusted"), "{refused}");
    assert!(refused.stderr.contains("-on `shop`: k8s patch configmaps"), "{refused}");
    assert!(refused.stderr.contains("+on `shop`: k8s write"), "{refused}");
    assert!(!refused.stderr.contains("k8s read"), "what is the same is no difference\n{refused}");
    assert!(refused.stderr.contains("opsrun trust opsrun.toml"), "{refused}");

    let trusted = program.run(["trust"]).ok();
    assert!(trusted.contains("  +on `shop`: k8s write\n"), "{trusted}");
    program.run(["deploy.rhai"]).ok();
    let listed = program.run(["trust", "--list"]).ok();
    assert_eq!(listed.lines().count(), 1, "{listed}");
    assert!(listed.trim_end().ends_with("/opsrun.toml"), "{listed}");

    // Another change than of its grants needs it, too: it may lead elsewhere.
    stage.write("opsrun.toml", &changed.replace("[targets.shop]", "[targets.shop]\nprotected = false"));
    let refused = program.run(["deploy.rhai"]).with_code(2);
    assert!(refused.stderr.contains("its grants are the same, something else in it is not"), "{refused}");
    // And the owner alone reads what is trusted.
    let store = program.home().join(".local/state/opsrun/trusted");
    let mode = std::os::unix::fs::PermissionsExt::mode(&store.metadata().expect("it is there").permissions());
    assert_eq!(mode & 0o777, 0o600);
}
