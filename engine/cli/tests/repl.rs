//! `opsrun repl` as a person has it: on a terminal, with keys.
#![cfg(unix)]
#![allow(clippy::disallowed_methods)] // runs the program

mod terminal;

use std::path::Path;

use opsrun_tests::Program;
use tempfile::TempDir;
use terminal::{CTRL_C, CTRL_D, TAB, Terminal, UP};

const ESTATE: &str = r#"
k8s:
  images:
    - match: "*web:broken"
      crash: { after: 2s, exit: 1, log: ["FATAL no REDIS_URL"] }
  objects:
    - apiVersion: apps/v1
      kind: Deployment
      metadata: { name: api }
      spec:
        selector: { matchLabels: { app: api } }
        template:
          metadata: { labels: { app: api } }
          spec: { containers: [{ name: api, image: "shop/api:1.2" }] }
    - apiVersion: apps/v1
      kind: Deployment
      metadata: { name: web }
      spec:
        selector: { matchLabels: { app: web } }
        template:
          metadata: { labels: { app: web } }
          spec: { containers: [{ name: web, image: "shop/web:broken" }] }
"#;

/// A session on an estate of two pods, one of which crashes.
struct Session {
    terminal: Terminal,
    prompt: &'static str,
    /// Both go when the session ends.
    _folder: TempDir,
    _program: Program,
}

impl Session {
    fn rehearse(columns: u16) -> Self {
        Self::start(&["repl", "--estate", "estate.yaml"], columns, "shop (estate)> ")
    }

    fn live() -> Self {
        Self::start(&["repl"], 100, "shop> ")
    }

    fn start(arguments: &[&str], columns: u16, prompt: &'static str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        write(folder.path(), "estate.yaml", ESTATE);
        write(folder.path(), "opsrun.toml", "[targets.shop]\ngrants = [\"k8s write\"]\n");
        let program = Program::new(env!("CARGO_BIN_EXE_opsrun")).within(folder.path()).trusting(".");
        let mut terminal = Terminal::start(&program.command(arguments), columns);
        terminal.wait_for(prompt);
        Session { terminal, prompt, _folder: folder, _program: program }
    }

    /// Enters a line, and gives what is answered before the next prompt.
    #[track_caller]
    fn answer(&mut self, line: &str) -> String {
        self.terminal.enter(line);
        self.terminal.wait_for("\n");
        let answer = self.prompted();
        answer.trim_end_matches(self.prompt).trim().to_owned()
    }

    /// Waits for the next prompt.
    #[track_caller]
    fn prompted(&mut self) -> String {
        self.terminal.wait_for(self.prompt)
    }

    #[track_caller]
    fn leave(mut self) {
        self.terminal.press(CTRL_D);
        assert_eq!(self.terminal.ended(), Some(0));
    }
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).expect("a file can be written");
}

#[test]
fn an_entry_of_several_lines_is_one() {
    let mut session = Session::rehearse(100);
    session.terminal.enter("fn twice(n) {");
    session.terminal.enter("    n * 2");
    session.terminal.enter("}");
    session.terminal.enter("twice(21)");
    session.terminal.wait_for("\n42");
    session.prompted();
    // As one entry it comes back.
    session.terminal.press(UP);
    session.terminal.press(UP);
    session.terminal.wait_for("n * 2");
    session.terminal.press(CTRL_C);
    session.prompted();
    session.leave();
}

#[test]
fn what_is_pasted_is_one_entry() {
    let mut session = Session::rehearse(100);
    session.terminal.press("\x1b[200~let a = 1;\nlet b = 2;\na + b\x1b[201~");
    assert_eq!(session.answer("").lines().last(), Some("3"));
    session.leave();
}

#[test]
fn lines_that_are_typed_ahead_are_not_lost() {
    let mut session = Session::rehearse(100);
    session.terminal.press("let a = 20\rlet b = 1\ra + b\r");
    session.terminal.wait_for("\n21");
    session.prompted();
    session.leave();
}

#[test]
fn tab_completes_modules_primitives_and_options() {
    let mut session = Session::rehearse(100);
    session.terminal.press("k8");
    session.terminal.press(TAB);
    session.terminal.wait_for("k8s::");
    session.terminal.press("rollout_st");
    session.terminal.press(TAB);
    session.terminal.wait_for("rollout_status");
    session.terminal.press("(\"deployment/web\", #{ wit");
    session.terminal.press(TAB);
    session.terminal.wait_for("within");
    session.terminal.press(CTRL_C);
    session.prompted();
    // Several: they are listed, each with what it is for.
    session.terminal.press("k8s::rollout_");
    session.terminal.press(TAB);
    let listed = session.terminal.wait_for("rollout_undo");
    assert!(listed.contains("rollout_restart  "), "{listed}");
    // The line is shown again below the list; its prompt is not the next one.
    session.terminal.wait_for(&format!("{}k8s::rollout_", session.prompt));
    session.terminal.press(CTRL_C);
    session.prompted();
    session.leave();
}

#[test]
fn ctrl_c_stops_the_call_and_not_the_session() {
    let mut session = Session::live();
    session.answer("let before = 7");
    session.terminal.enter("{ log(\"waiting\"); sleep(1.h) }");
    session.terminal.wait_for("  waiting");
    session.terminal.press(CTRL_C);
    let stopped = session.prompted();
    assert!(stopped.contains("interrupted"), "{stopped}");
    assert_eq!(session.answer("before"), "7");
    // At the prompt it drops the line.
    session.terminal.press("before + ");
    session.terminal.press(CTRL_C);
    session.prompted();
    assert_eq!(session.answer("before"), "7");
    session.leave();
}

#[test]
fn ctrl_c_stops_a_loop() {
    let mut session = Session::rehearse(100);
    session.terminal.enter("{ log(\"begun\"); loop {} }");
    session.terminal.wait_for("  begun");
    session.terminal.press(CTRL_C);
    let stopped = session.prompted();
    assert!(stopped.contains("error: "), "{stopped}");
    assert_eq!(session.answer("1 + 1"), "2");
    session.leave();
}

#[test]
fn a_write_needs_a_reason_first() {
    let mut session = Session::rehearse(100);
    let refused = session.answer("k8s::delete(\"deployment/web\")");
    assert!(refused.contains("is a write") && refused.contains(":write \"reason\""), "{refused}");
    assert!(session.answer(":write").contains("say why"));
    session.prompt = "shop (estate, writes)> ";
    assert!(session.answer(":write \"web is broken\"").contains("writes are let through"));
    session.answer("k8s::delete(\"deployment/web\")");
    let left = session.answer("k8s::list(\"deployments\").map(|found| found.metadata.name)");
    assert_eq!(left, "- api");
    session.leave();
}

#[test]
fn pods_are_a_table() {
    let mut session = Session::rehearse(100);
    let table = session.answer("k8s::list(\"pods\")");
    let lines: Vec<_> = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).collect();
    assert_eq!(lines[0][..3], ["NAMESPACE", "NAME", "READY"], "{table}");
    let row = |name: &str| {
        lines.iter().find(|line| line.len() > 2 && line[1].starts_with(name)).map(|line| (line[0], line[2]))
    };
    assert_eq!(row("api-"), Some(("default", "true")), "{table}");
    assert_eq!(row("web-"), Some(("default", "false")), "{table}");
    assert!(table.lines().all(|line| line.chars().count() <= 100), "{table}");
    session.leave();
}

#[test]
fn a_table_fits_a_narrow_terminal() {
    let mut session = Session::rehearse(40);
    let table = session.answer("k8s::list(\"pods\")");
    assert!(table.lines().all(|line| line.chars().count() <= 40), "{table}");
    assert!(table.contains("api") && table.contains("READY"), "{table}");
    session.leave();
}
