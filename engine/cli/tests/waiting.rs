//! Runs that wait for somebody, run out of time, are stopped, or come at the wrong time: on a served estate, as processes.
#![allow(clippy::disallowed_methods)] // runs the program, and writes its files

mod running;
mod terminal;

use std::path::Path;

use opsrun_tests::{Outcome, Program, ServedEstate};
use running::Running;
use tempfile::TempDir;
use terminal::Terminal;

const LIBRARY: &str = r#"
fn settings(name) {
    k8s::apply(`{ apiVersion: v1, kind: ConfigMap, metadata: { name: ${name} }, data: { mode: fast } }`)
}
"#;

struct Stage {
    folder: TempDir,
    program: Program,
    _estate: ServedEstate,
}

impl Stage {
    /// With these keys of the target, and this playbook.
    fn with(target: &str, playbook: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        write(folder.path(), "opsrun.toml", &format!("[targets.shop]\ngrants = [\"k8s\"]\n{target}"));
        write(folder.path(), "deploy.rhai", &format!("{LIBRARY}{playbook}"));
        write(folder.path(), "estate.yaml", "k8s: {}\n");
        let program = Program::new(env!("CARGO_BIN_EXE_opsrun")).within(folder.path());
        let estate = ServedEstate::served_by(program.clone(), &folder.path().join("estate.yaml"), 1);
        let program = program.env("KUBECONFIG", estate.kubeconfig()).env("OPSRUN_USER", "ann").trusting(".");
        Stage { folder, program, _estate: estate }
    }

    fn opsrun(&self, words: &[&str]) -> Outcome {
        self.program.run(words)
    }

    fn start(&self) -> Running {
        Running::start(&self.program, &["deploy.rhai"])
    }

    /// The latest run's name and state.
    fn latest(&self) -> (String, String) {
        let listed = self.opsrun(&["runs", "list"]).ok();
        let mut deploys = listed.lines().filter(|line| line.contains("-deploy-"));
        let last = deploys.next_back().unwrap_or_else(|| panic!("no run in {listed}"));
        let mut parts = last.split("  ").map(str::to_owned);
        (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
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

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).expect("a file can be written");
}

#[test]
fn a_run_waits_for_an_approval_from_elsewhere_and_a_resumed_one_does_not_ask_again() {
    let stage = Stage::with(
        "",
        r#"
step("first", || settings("first").created);
let word = approve("cut-over", #{ message: "the replica has caught up" });
log(`approved by ${word.by}: ${word.reason}`);
step("second", || { settings("second"); sleep(if param("quick", #{ default: false }) { 0.s } else { 1.h }); });
"#,
    );
    let mut running = stage.start();
    let line =
        running.wait_for("waits for the approval `cut-over` (the replica has caught up): `opsrun approve ");
    let (run, _) = stage.latest();
    assert!(line.contains(&format!("`opsrun approve {run} cut-over`")), "{line}");
    let listed = stage.opsrun(&["approve", &run]).ok();
    assert!(
        listed.starts_with("cut-over  since ") && listed.contains(": the replica has caught up"),
        "{listed}"
    );
    let unknown = stage.opsrun(&["approve", &run, "other"]).with_code(2).stderr;
    assert!(unknown.contains("it waits for `cut-over`"), "{unknown}");

    let bob = stage.program.clone().env("OPSRUN_USER", "bob");
    bob.run(["approve", &run, "cut-over", "--reason", "I looked"]).ok();
    running.wait_for("approved by bob: I looked");
    running.wait_for("> second");
    running.wait_for("* k8s patch configmaps/second");
    running.kill();
    let shown = stage.opsrun(&["runs", "show", &run]).ok();
    assert!(shown.contains("`cut-over` is approved by bob: I looked"), "{shown}");

    let changed = std::fs::read_to_string(stage.folder.path().join("deploy.rhai")).expect("it is there");
    write(stage.folder.path(), "deploy.rhai", &changed.replace("{ 1.h }", "{ 1.ms }"));
    let resumed = stage.opsrun(&["resume", &run, "--changed"]).ok();
    assert!(resumed.contains("approved by bob: I looked") && !resumed.contains("waits for"), "{resumed}");
    let over = stage.opsrun(&["approve", &run, "cut-over"]).with_code(2).stderr;
    assert!(over.contains("it waits for none"), "{over}");
}

#[test]
fn who_runs_it_cannot_approve_where_somebody_else_has_to_and_a_refusal_takes_back() {
    let stage = Stage::with(
        "",
        r#"
step("first", || settings("first").created);
approve("cut-over", #{ by_other: true });
"#,
    );
    let mut running = stage.start();
    running.wait_for("by somebody else than ann: `opsrun approve ");
    let (run, _) = stage.latest();
    let own = stage.opsrun(&["approve", &run, "cut-over"]).with_code(2).stderr;
    assert!(own.contains("has to be approved by somebody else than ann"), "{own}");
    let bob = stage.program.clone().env("OPSRUN_USER", "bob");
    bob.run(["approve", &run, "cut-over", "--refuse", "--reason", "not on a Friday"]).ok();
    let (said, code) = running.ended();
    assert!(said.contains("`cut-over` was refused by bob") && said.contains("not on a Friday"), "{said}");
    assert!(said.contains("deploy.rhai:7:1"), "{said}");
    assert_eq!(code, Some(3));
    assert_eq!(stage.made(), Vec::<String>::new());
}

#[test]
fn an_approval_comes_in_time_or_not_at_all_and_in_a_rehearsal_as_the_estate_says() {
    let stage = Stage::with("", "approve(\"cut-over\", #{ expires: 1.s });\nlog(\"cut over\");\n");
    let late = stage.opsrun(&["deploy.rhai"]).with_code(1).stdout;
    assert!(late.contains("nobody approved of `cut-over` in time"), "{late}");

    let rehearse = |approvals: &str| {
        write(stage.folder.path(), "approvals.yaml", approvals);
        stage.opsrun(&["rehearse", "deploy.rhai", "--estate", "approvals.yaml"])
    };
    let at_once = rehearse("k8s: {}\n").ok();
    assert!(at_once.contains("cut over") && at_once.contains("done in 0s"), "{at_once}");
    let refused = rehearse("approvals: { cut-over: refused }\n").with_code(2).stdout;
    assert!(refused.contains("`cut-over` was refused by the estate"), "{refused}");
    let in_time = rehearse("approvals: { cut-over: 500ms }\n").ok();
    assert!(in_time.contains("done in 500ms"), "{in_time}");
    for late in ["never", "2h"] {
        let late = rehearse(&format!("approvals: {{ cut-over: {late} }}\n")).with_code(1).stdout;
        assert!(late.contains("failed after 1s") && late.contains("in time"), "{late}");
    }
    let wrong = rehearse("approvals: { cut-over: sometimes }\n").with_code(2).stderr;
    assert!(wrong.contains("`sometimes` is not what can become of an approval"), "{wrong}");
}

#[test]
fn who_sits_at_the_terminal_types_the_name() {
    let stage = Stage::with("", "approve(\"cut-over\");\nlog(\"cut over\");\n");
    let mut terminal = Terminal::start(&stage.program.command(["deploy.rhai"]), 120);
    terminal.wait_for("Type `cut-over` to approve, or `no` to refuse: ");
    terminal.enter("yes");
    terminal.wait_for("Neither `cut-over` nor `no`: ");
    terminal.enter("cut-over");
    terminal.wait_for("cut over\n");
    assert_eq!(terminal.ended(), Some(0));
}

#[test]
fn a_deadline_ends_what_is_waited_for_and_says_what_ran_out_where() {
    let stage = Stage::with(
        "",
        r#"
step("first", || settings("first").created);
step("second", #{ within: 2.s }, || k8s::wait("configmap/never", "exists", #{ within: 10.m }));
"#,
    );
    let (said, code) = stage.start().ended();
    let over = "the step `second` was to be done within 2s, which ran out in `k8s::wait`";
    assert!(said.contains(over) && said.contains("--> deploy.rhai:7:42"), "{said}");
    assert_eq!(code, Some(3));
    assert_eq!(stage.made(), Vec::<String>::new());

    let rehearsed = stage.opsrun(&["rehearse", "deploy.rhai", "--deadline", "1500ms"]).with_code(3).stdout;
    let over = "the run was to be done within 1s500ms, which ran out in `k8s::wait`";
    assert!(rehearsed.contains(over) && rehearsed.contains("failed after 1s500ms"), "{rehearsed}");
    assert!(rehearsed.contains("the estate is as it was"), "{rehearsed}");
    let wrong = stage.opsrun(&["deploy.rhai", "--deadline", "soon"]).with_code(2).stderr;
    assert!(wrong.contains("--deadline"), "{wrong}");
}

#[test]
fn told_to_stop_twice_it_stops_at_once_and_what_is_left_is_taken_back_from_the_journal() {
    let stage = Stage::with(
        "",
        r#"
step("first", || settings("first").created);
step("second", #{ undo: || { log("it is taken back slowly"); sleep(1.h); } }, || settings("second").created);
log("now it waits");
sleep(1.h);
"#,
    );
    let mut running = stage.start();
    running.wait_for("now it waits");
    running.interrupt();
    running.wait_for("it is taken back slowly");
    running.interrupt();
    let (said, code) = running.ended();
    assert!(said.contains("stopped at once") && said.contains("`opsrun undo` goes on"), "{said}");
    assert_eq!(code, Some(130));
    let (run, state) = stage.latest();
    assert_eq!(state, "broken off");
    // All that was written down can be read, and what was taken back was recorded.
    let shown = stage.opsrun(&["runs", "show", &run]);
    assert!(shown.stdout.contains("taking back: interrupted") && shown.stderr.is_empty(), "{shown}");
    assert_eq!(stage.made(), ["first"]);
    let refused = stage.opsrun(&["resume", &run]).with_code(2).stderr;
    assert!(refused.contains("broke off while it took back") && refused.contains("opsrun undo"), "{refused}");

    let mut undo = Running::start(&stage.program, &["undo", &run]);
    undo.wait_for("it is taken back slowly");
    undo.interrupt();
    let (_, code) = undo.ended();
    assert_eq!(code, Some(130));
    assert_eq!(stage.made(), ["first"]);
}

#[test]
fn a_live_run_begins_to_write_within_its_windows_only_unless_there_is_a_reason() {
    // On the one day of the week that is farthest away.
    let day = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).weekday();
    let other = (0..4).fold(day, |day, _| day.next());
    let name = &format!("{other:?}")[..3];
    let window = format!("windows = [\"{name} 09:00-17:00 UTC\"]\n");
    let stage = Stage::with(&window, "log(k8s::list(\"configmaps\").len());\nsettings(\"first\");\n");
    let refused = stage.opsrun(&["deploy.rhai"]).with_code(2).stdout;
    let expected = format!(
        "on the target `shop`: outside of its windows `{name} 09:00-17:00 UTC`; the next one opens at {name} "
    );
    assert!(refused.contains(&expected) && refused.contains(" 09:00 UTC"), "{refused}");
    assert!(refused.contains("--override-freeze"), "{refused}");
    assert_eq!(stage.made(), Vec::<String>::new());
    stage.opsrun(&["rehearse", "deploy.rhai"]).ok();

    let words = ["deploy.rhai", "--override-freeze", "the shop is down", "--audit", "audit.jsonl"];
    stage.opsrun(&words).ok();
    assert_eq!(stage.made(), ["first"]);
    let (run, _) = stage.latest();
    let shown = stage.opsrun(&["runs", "show", &run]).ok();
    assert!(shown.contains("ann writes on `shop` although outside of its windows"), "{shown}");
    let audit = std::fs::read_to_string(stage.folder.path().join("audit.jsonl")).expect("there is a log");
    let lines = audit.lines().map(|line| serde_json::from_str(line).expect("each line is JSON"));
    let overridden = lines.into_iter().find(|line: &serde_json::Value| line["event"] == "overridden");
    let overridden = overridden.expect("the log says so");
    assert_eq!((&overridden["who"], &overridden["reason"]), (&"ann".into(), &"the shop is down".into()));
    // What was done is taken back at any time.
    stage.opsrun(&["undo", &run]).ok();
    assert_eq!(stage.made(), Vec::<String>::new());

    let frozen = "freezes = [{ from = 2020-01-01T00:00:00Z, until = \"2999-01-01T00:00:00Z\", reason = \"the sale\" }]\n";
    let project = format!("[targets.shop]\ngrants = [\"k8s\"]\n{frozen}");
    write(stage.folder.path(), "opsrun.toml", &project);
    stage.opsrun(&["trust"]).ok();
    let refused = stage.opsrun(&["deploy.rhai"]).with_code(2).stdout;
    assert!(refused.contains("nothing is written until 2999-01-01T00:00:00Z: the sale"), "{refused}");
    for (wrong, why) in [
        ("windows = [\"Mon 9-17\"]\n", "it has days, hours and a time zone"),
        ("freezes = [{ from = \"yesterday\", until = \"x\", reason = \"y\" }]\n", "is not a moment"),
        ("freezes = [{ from = 2020-01-01T00:00:00Z }]\n", "missing field"),
    ] {
        write(stage.folder.path(), "opsrun.toml", &format!("[targets.shop]\n{wrong}"));
        let said = stage.opsrun(&["deploy.rhai"]).with_code(2).stderr;
        assert!(said.contains(why), "{said}");
    }
}
