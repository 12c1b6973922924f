//! A session file: lines that start with `$ ` are commands, the lines after each are what it answered, made comparable.
//! Commands run in bash, one after the other, in a namespace of the session's name.

use std::path::Path;

use opsrun_tests::Program;
use regex::Regex;
use similar::TextDiff;

pub(crate) struct Session {
    name: String,
    /// What stands before the first command: why the session is there.
    about: String,
    steps: Vec<Step>,
}

struct Step {
    command: String,
    answer: String,
}

impl Session {
    pub(crate) fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).expect("a session is text");
        let mut session = Session { name: stem(path), about: String::new(), steps: Vec::new() };
        for line in text.lines() {
            match (line.strip_prefix("$ "), session.steps.last_mut()) {
                (Some(command), _) => {
                    session.steps.push(Step { command: command.to_owned(), answer: String::new() });
                }
                (None, Some(step)) => step.answer += &format!("{line}\n"),
                (None, None) => session.about += &format!("{line}\n"),
            }
        }
        session
    }

    /// Runs the commands, and gives the session with what they answered this time.
    pub(crate) fn play(&self, shell: &Program) -> Self {
        let namespace = &self.name;
        let enter = format!(
            "kubectl create namespace {namespace} && kubectl config set-context --current --namespace={namespace}"
        );
        shell.run(["-c", &enter]).ok();
        let steps = self.steps.iter().map(|step| Step {
            command: step.command.clone(),
            answer: comparable(&run(shell, &step.command)),
        });
        let played = Session { name: self.name.clone(), about: self.about.clone(), steps: steps.collect() };
        shell.run(["-c", &format!("kubectl delete namespace {namespace} --wait=false")]).ok();
        played
    }

    pub(crate) fn difference(&self, played: &Session) -> Option<String> {
        let (expected, answered) = (self.text(), played.text());
        let diff = TextDiff::from_lines(&expected, &answered);
        (expected != answered).then(|| diff.unified_diff().context_radius(2).to_string())
    }

    pub(crate) fn write(&self, path: &Path) {
        std::fs::write(path, self.text()).expect("a session can be written");
    }

    fn text(&self) -> String {
        let steps = self.steps.iter().map(|step| format!("$ {}\n{}", step.command, step.answer));
        self.about.clone() + &steps.collect::<String>()
    }
}

fn run(shell: &Program, command: &str) -> String {
    let outcome = shell.run(["-c", &format!("set -o pipefail; {command}")]);
    let said = outcome.stdout + &outcome.stderr;
    match outcome.code {
        Some(0) => said,
        Some(code) => format!("{said}exit {code}\n"),
        None => format!("{said}ended by a signal\n"),
    }
}

/// Replaces what no two clusters have in common: generated names, addresses, times, and so the widths of columns.
fn comparable(text: &str) -> String {
    const DIFFERS: &[(&str, &str)] = &[
        (r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME"),
        (r"\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun)\w* [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}\b", "TIME"),
        (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "UID"),
        (r"\b10\.\d+\.\d+\.\d+\b", "IP"),
        (r"-[bcdf2456789]{8,10}-[bcdfghjklmnpqrstvwxz2456789]{5}\b", "-HASH-ID"),
        (r"-[bcdf2456789]{8,10}\b", "-HASH"),
        (r"\bpod-template-hash=\w+", "pod-template-hash=HASH"),
        (r"(?m)^((?:pod|job)\S*)-[bcdfghjklmnpqrstvwxz2456789]{5}\b", "$1-ID"),
        (r"\b(\d+[hm])?\d+(\.\d+)?m?s( ago)?\b", "AGE"),
        (r"[ \t]{2,}", "  "),
        (r"(?m)[ \t]+$", ""),
    ];
    DIFFERS.iter().fold(text.to_owned(), |text, (pattern, name)| {
        Regex::new(pattern).expect("the pattern is a constant").replace_all(&text, *name).into_owned()
    })
}

fn stem(path: &Path) -> String {
    path.file_stem().expect("a file has a name").to_string_lossy().into_owned()
}
