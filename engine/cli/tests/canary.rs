//! Secrets of every scheme go through the shipped playbooks, rehearsed and live; then all that was printed, written and sent is
//! searched for them, in the forms in which they could have come there. That the search finds a leak is tested, too.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // a test

mod canaries;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use canaries::{Canary, Receiver, leak};
use opsrun_tests::{Outcome, Program, ServedEstate, repository};
use tempfile::TempDir;

/// The shipped playbooks in a folder of their own, beside secrets that nobody else may see.
struct Stage {
    folder: TempDir,
    program: Program,
    /// Who is to be told: what it gets at its hooks is meant for it.
    receiver: Receiver,
    canaries: Vec<Canary>,
    /// What was printed, by command.
    said: Vec<(String, String)>,
}

/// What Vault is asked with.
const TOKEN: &str = "hvs.canary-of-the-token";

const GRANTS: &[&str] = &["secret read", "program run cat", "vault read", "k8s get secrets/hooks"];

impl Stage {
    fn set_up() -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy(&repository("playbooks"), folder.path());
        // The simulated nodes have no images but those they pull.
        let values = folder.path().join("workflow-platform/values-test.yaml");
        let text = std::fs::read_to_string(&values).unwrap();
        write(&values, &text.replace("pullPolicy: Never", "pullPolicy: IfNotPresent"));
        write(&folder.path().join("canary-estate.yaml"), include_str!("canaries/estate.yaml"));
        let receiver = Receiver::start();
        let canaries = Canary::one_for_each_scheme(receiver.address());
        let mut program = Program::new(env!("CARGO_BIN_EXE_opsrun")).within(folder.path());
        for canary in &canaries {
            match canary.reference.split_once(':').unwrap_or_default() {
                ("env", name) => program = program.env(name, &canary.value),
                ("vault", _) => receiver.serve_as_vault(&canary.value),
                ("file", path) => write(&folder.path().join(path), &canary.value),
                ("command", command) => {
                    write(&folder.path().join(command.split(' ').nth(1).unwrap()), &canary.value);
                }
                _ => {}
            }
        }
        let program =
            program.env("VAULT_ADDR", format!("http://{}", receiver.address())).env("VAULT_TOKEN", TOKEN);
        let program = program.trusting(".");
        Stage { folder, program, receiver, canaries, said: Vec::new() }
    }

    fn opsrun(&mut self, words: &[&str]) -> Outcome {
        let outcome = self.program.run(words);
        self.said.push((words.join(" "), format!("{}{}", outcome.stdout, outcome.stderr)));
        outcome
    }

    fn canary(&self, scheme: &str) -> Canary {
        self.canaries.iter().find(|canary| canary.reference.starts_with(scheme)).unwrap().clone()
    }

    /// Everything that a canary must not be in: where it came from, and whom it was meant for, are left out.
    fn everything(&self) -> Vec<(String, String)> {
        let mut all = self.said.clone();
        for root in [self.folder.path(), self.program.home()] {
            let of_secrets = |path: &Path| path.starts_with(self.folder.path().join("secrets"));
            for path in files(root).into_iter().filter(|path| !of_secrets(path)) {
                let bytes = std::fs::read(&path).unwrap();
                all.push((path.display().to_string(), String::from_utf8_lossy(&bytes).into_owned()));
            }
        }
        all.extend(self.receiver.beside_the_hooks());
        all
    }

    #[track_caller]
    fn assert_tight(&self) {
        let everything = self.everything();
        assert!(everything.len() > 20, "there is something to be searched: {}", everything.len());
        let token = Canary { reference: "VAULT_TOKEN".to_owned(), value: TOKEN.to_owned() };
        for canary in self.canaries.iter().chain([&token]) {
            for (place, text) in &everything {
                if let Some(form) = leak(text, &canary.value) {
                    panic!("the secret {} is in {place}, {form}:\n{text}", canary.reference);
                }
            }
        }
    }
}

#[test]
fn no_canary_is_found_after_rehearsals_and_none_was_asked_for() {
    let mut stage = Stage::set_up();
    let allow: Vec<&str> = GRANTS.iter().flat_map(|grant| ["--allow", grant]).collect();
    let given: Vec<String> = stage.canaries.iter().map(Canary::given).collect();
    for given in &given {
        let rollback = ["rehearse", "rollback.rhai", "--revision", "1", "--slack", given, "--output", "json"];
        stage.opsrun(&[&rollback[..], &allow].concat()).ok();
    }
    let deploy = ["rehearse", "deploy-prod.rhai", "--observe", "1s", "--slack"];
    let told = stage.opsrun(&[&deploy[..], &["env:SLACK_URL"], &allow].concat()).ok();
    assert!(told.contains("* http POST hooks.slack.com/‹env:SLACK_URL›"), "{told}");
    let broken = ["--version", "0.0.0-broken"];
    stage.opsrun(&[&deploy[..], &["env:SLACK_URL"], &allow, &broken].concat()).with_code(3);
    stage.opsrun(&["rehearse", "scale.rhai", "--component", "ws", "--replicas", "5"]).ok();
    for name in ["deploy-prod", "rollback", "scale", "estate-setup"] {
        stage.opsrun(&["check", &format!("{name}.rhai")]).ok();
    }
    stage.assert_tight();
    assert_eq!(stage.receiver.requests(), Vec::<String>::new(), "a rehearsal asks nobody");
}

#[test]
fn no_canary_is_found_after_runs_that_succeed_fail_and_are_killed() {
    let mut stage = Stage::set_up();
    let estate =
        ServedEstate::served_by(stage.program.clone(), &stage.folder.path().join("canary-estate.yaml"), 10);
    stage.program = stage.program.clone().env("KUBECONFIG", estate.kubeconfig());
    let receiver = format!("http POST {}", stage.receiver.address());
    let mut allow: Vec<&str> = GRANTS.iter().flat_map(|grant| ["--allow", grant]).collect();
    allow.extend(["--allow", &receiver]);
    let deploy = |version: &'static str, slack: &str| -> Vec<String> {
        let words =
            ["deploy-prod.rhai", "--target", "test", "--environment", "test", "--url", "", "--observe", "1s"];
        let words = [&words[..], &["--version", version, "--slack", slack], &allow].concat();
        words.into_iter().map(str::to_owned).collect()
    };
    let run = |stage: &mut Stage, words: &[String]| {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        stage.opsrun(&words)
    };

    // Another run leaves the Secret that the next ones read: the value goes from the environment into the cluster.
    write(
        &stage.folder.path().join("hooks.rhai"),
        "k8s::apply(#{ apiVersion: \"v1\", kind: \"Secret\", metadata: #{ name: \"hooks\" }, stringData: #{ url: secret(\"env:K8S_HOOK\") } });",
    );
    let of_cluster = stage.canary("k8s").value;
    stage.program = stage.program.clone().env("K8S_HOOK", of_cluster);
    stage.opsrun(&[&["hooks.rhai", "--target", "test"][..], &allow].concat()).ok();

    let told = |stage: &Stage| stage.receiver.told();
    let words = deploy("1.0.0", &stage.canary("env").reference);
    run(&mut stage, &words).ok();
    assert_eq!(told(&stage).last().unwrap(), &stage.canary("env").value, "the real value arrives");
    let words = deploy("0.0.0-broken", &stage.canary("file").reference);
    run(&mut stage, &words).with_code(3);
    assert_eq!(told(&stage).last().unwrap(), &stage.canary("file").value, "also from an undo");

    let words = deploy("1.1.0", &stage.canary("command").reference);
    let killed = kill_when(&mut stage, &words, "> observe");
    let again = ["resume", killed.as_str()];
    stage.opsrun(&[&again[..], &allow].concat()).ok();
    assert_eq!(told(&stage).last().unwrap(), &stage.canary("command").value, "a resumed run reads it anew");
    stage.opsrun(&["runs", "show", &killed]).ok();
    stage.opsrun(&["runs", "show", &killed, "--output", "json"]).ok();

    let reference = stage.canary("vault").reference;
    let words = ["rollback.rhai", "--target", "test", "--url", "", "--slack", &reference];
    stage.opsrun(&[&words[..], &allow].concat()).ok();
    assert_eq!(told(&stage).last().unwrap(), &stage.canary("vault").value);
    assert_eq!(stage.receiver.tokens_of_vault(), [TOKEN]);

    write(
        &stage.folder.path().join("tell.rhai"),
        "import \"lib/platform\" as platform;\nplatform::tell(param(\"slack\", #{ secret: true }), \"hello\");",
    );
    let reference = stage.canary("k8s").reference;
    let tell = [&["tell.rhai", "--target", "test", "--slack", &reference][..], &allow].concat();
    stage.opsrun(&tell).ok();
    assert_eq!(told(&stage).last().unwrap(), &stage.canary("k8s").value);

    // Given as it is, it is hidden all the same, and comes back when the run goes on.
    let plain = stage.canary("plain").value;
    let words = deploy("1.0.0", &plain);
    let killed = kill_when(&mut stage, &words, "> observe");
    stage.opsrun(&[&["resume", killed.as_str()][..], &allow].concat()).ok();
    assert_eq!(told(&stage).last().unwrap(), &plain);
    let run = stage.opsrun(&["undo", &killed, "--allow", "secret read"]);
    assert_eq!(run.code, Some(0), "{run}");

    // The former content of a Secret is what takes a change of it back.
    write(
        &stage.folder.path().join("change.rhai"),
        "k8s::patch(\"secret/hooks\", #{ data: #{ url: () , other: \"b3RoZXI=\" } }); log(\"now it waits\"); sleep(1.h);",
    );
    let words: Vec<String> =
        ["change.rhai", "--target", "test"].iter().map(|word| (*word).to_owned()).collect();
    let killed = kill_when(&mut stage, &words, "now it waits");
    stage.opsrun(&["undo", &killed]).ok();
    stage.opsrun(&tell).ok();
    assert_eq!(told(&stage).last().unwrap(), &stage.canary("k8s").value, "it is there again");
    let scale =
        ["scale.rhai", "--target", "test", "--component", "ws", "--replicas", "3", "--output", "json"];
    stage.opsrun(&scale).ok();
    stage.assert_tight();

    // With another key, nothing is taken back, and it says why.
    let killed = kill_when(
        &mut stage,
        &["change.rhai".to_owned(), "--target".to_owned(), "test".to_owned()],
        "now it waits",
    );
    std::fs::write(stage.program.home().join(".local/state/opsrun/key"), [7; 32]).unwrap();
    let refused = stage.opsrun(&["undo", &killed]).with_code(2).stderr;
    assert!(refused.contains("was sealed with the key of another machine or user"), "{refused}");
    stage.assert_tight();
}

#[test]
fn a_plan_has_names_alone_and_the_run_that_it_bounds_gets_the_values() {
    let mut stage = Stage::set_up();
    let estate =
        ServedEstate::served_by(stage.program.clone(), &stage.folder.path().join("canary-estate.yaml"), 1);
    stage.program = stage.program.clone().env("KUBECONFIG", estate.kubeconfig());
    let hook = stage.canary("env");
    let receiver = format!("http POST {}", stage.receiver.address());
    let allow = ["--allow", "secret read", "--allow", "vault read", "--allow", &receiver];
    write(
        &stage.folder.path().join("planned.rhai"),
        "let hook = param(\"hook\", #{ secret: true });\n\
         let url = secret(\"vault:secret/data/hooks#url\");\n\
         k8s::apply(#{ apiVersion: \"v1\", kind: \"Secret\", metadata: #{ name: \"hooks\" }, stringData: #{ url: url } });\n\
         notify::slack(hook, \"planned\");",
    );
    let plan = ["plan", "planned.rhai", "--target", "test", "-o", "plan.json", "--hook"];
    let refused = stage.opsrun(&[&plan[..], &[hook.value.as_str()], &allow].concat()).with_code(2).stderr;
    assert!(refused.contains("a plan cannot hold the secret `--hook` as it is"), "{refused}");
    stage.opsrun(&[&plan[..], &[hook.reference.as_str()], &allow].concat()).ok();
    assert_eq!(stage.receiver.told(), Vec::<String>::new());
    assert_eq!(stage.receiver.requests().len(), 1, "the Vault is asked, and nobody else");

    stage.opsrun(&[&["run", "--plan", "plan.json"][..], &allow].concat()).ok();
    assert_eq!(stage.receiver.told(), [hook.value]);
    stage.assert_tight();
}

#[test]
fn the_search_finds_what_a_playbook_lets_out() {
    let mut stage = Stage::set_up();
    let estate = "k8s: { objects: [{ apiVersion: v1, kind: Secret, metadata: { name: hooks }, stringData: { url: \"CANARY\" } }] }";
    let canary = stage.canary("k8s");
    write(&stage.folder.path().join("secrets/leaking.yaml"), &estate.replace("CANARY", &canary.value));
    // It is read as data, so nobody knows that it is a secret.
    write(
        &stage.folder.path().join("leak.rhai"),
        "log(k8s::get(\"secret/hooks\", #{ namespace: \"default\" }).data.url);",
    );
    stage.opsrun(&["rehearse", "leak.rhai", "--estate", "secrets/leaking.yaml"]).ok();
    let found =
        stage.everything().into_iter().find_map(|(place, text)| Some((leak(&text, &canary.value)?, place)));
    assert_eq!(found, Some(("in base64", "rehearse leak.rhai --estate secrets/leaking.yaml".to_owned())));
}

/// Starts a run, and kills it when it prints a line with `mark`. Gives the run's name.
fn kill_when(stage: &mut Stage, words: &[String], mark: &str) -> String {
    let mut child =
        stage.program.command(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut said = Vec::new();
    let reached = lines.any(|line| {
        said.push(line);
        said.last().is_some_and(|line| line.contains(mark))
    });
    assert!(reached, "the run gets to `{mark}`: {}", said.join("\n"));
    child.kill().unwrap();
    let errors = child.wait_with_output().unwrap().stderr;
    said.push(String::from_utf8_lossy(&errors).into_owned());
    stage.said.push((format!("{} (killed)", words.join(" ")), said.join("\n")));
    let listed = stage.opsrun(&["runs", "list"]).ok();
    let run =
        listed.lines().rfind(|line| line.contains("  broken off ")).unwrap_or_else(|| panic!("{listed}"));
    run.split_whitespace().next().unwrap().to_owned()
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found
}

fn copy(from: &Path, to: &Path) {
    for path in files(from) {
        let to = to.join(path.strip_prefix(from).unwrap());
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(&path, to).unwrap();
    }
}
