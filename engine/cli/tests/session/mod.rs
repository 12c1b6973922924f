//! A session at the shell, with the files it works on and what the program answered, in one text file:
//! a sentence, `== FILE` with the content of each file, `== session` with `$ opsrun …`, the answers and the exit codes.
//! Its projects are trusted, unless it says itself what it trusts. Words before `opsrun` are environment variables; `^C` at the end interrupts the program as soon as it waits.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use opsrun_tests::{Outcome, Program, ServedEstate};
use regex::Regex;
use tempfile::TempDir;

use crate::server::{Server, TlsServer};

/// A session file, and where it is played.
pub(crate) struct Session {
    path: PathBuf,
    text: String,
    folder: TempDir,
    /// What stands for something else from run to run: `{closed}`, and the text it stands for.
    names: Vec<(&'static str, String)>,
    program: Program,
    estate: Option<ServedEstate>,
    _tls: Option<TlsServer>,
}

impl Session {
    /// Writes the session's files to a folder of their own and starts the servers that they name.
    pub(crate) fn begin(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).expect("a session can be read");
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let program = Program::new(env!("CARGO_BIN_EXE_opsrun")).within(folder.path());
        let real = folder.path().canonicalize().expect("the folder exists").display().to_string();
        let mut names = vec![("{folder}", real), ("{home}", program.home().display().to_string())];
        names.extend(Server::all_in(&text));
        let tls = text.contains("{tls}").then(|| TlsServer::start(folder.path()));
        names.extend(tls.iter().map(|server| ("{tls}", server.address().to_owned())));
        let mut session =
            Session { path: path.to_owned(), text, folder, names, program, estate: None, _tls: tls };
        session.write_files();
        session.trust_projects();
        if session.text.contains("{estate}") {
            let file = session.folder.path().join("estate.yaml");
            let estate = ServedEstate::served_by(session.program.clone(), &file, 1);
            session.names.push(("{estate}", estate.kubeconfig().display().to_string()));
            let kubeconfig = std::fs::read_to_string(estate.kubeconfig()).expect("it is a file");
            let address = kubeconfig.split("http://").nth(1).and_then(|rest| rest.split('"').next());
            session.names.push(("{served}", address.expect("it names the server").to_owned()));
            session.estate = Some(estate);
        }
        session
    }

    /// Plays the session; `Err` shows what was answered otherwise. `UPDATE_EXPECTED=1` writes the answers.
    pub(crate) fn play(&self) -> Result<(), String> {
        let (head, conversation) =
            self.text.split_once("== session\n").expect("a session file has a part `== session`");
        let mut played = format!("{head}== session\n");
        for command in conversation.lines().filter_map(|line| line.strip_prefix("$ ")) {
            played.push_str(&format!("$ {command}\n{}", self.answer(command)));
        }
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            std::fs::write(&self.path, &played).expect("a session can be written");
        }
        let expected = std::fs::read_to_string(&self.path).expect("a session can be read");
        match expected == played {
            true => Ok(()),
            false => Err(format!(
                "{} differs (UPDATE_EXPECTED=1 writes it)\n--- expected\n{expected}\n--- actual\n{played}",
                self.path.display()
            )),
        }
    }

    fn write_files(&self) {
        for part in self.text.split("\n== ").skip(1) {
            let (name, content) = part.split_once('\n').expect("a part has a name");
            let path = self.folder.path().join(name);
            if name != "session" {
                std::fs::create_dir_all(path.parent().expect("it is in the folder"))
                    .expect("a folder can be made");
                std::fs::write(path, self.with_texts(content.to_owned()) + "\n")
                    .expect("a file can be written");
            }
        }
    }

    /// As the owner of a project does once; a session about trust does it itself.
    fn trust_projects(&self) {
        if self.text.lines().any(|line| line == "$ opsrun trust" || line.starts_with("$ opsrun trust ")) {
            return;
        }
        let files = self.text.lines().filter_map(|line| line.strip_prefix("== "));
        for file in files.filter(|file| file.ends_with("opsrun.toml")) {
            // What cannot be read cannot be trusted, which is then what the session is about.
            self.program.run(["trust", file]);
        }
    }

    fn answer(&self, command: &str) -> String {
        let mut words = words(&self.with_texts(command.to_owned()));
        let interrupted = words.pop_if(|word| word == "^C").is_some();
        let name = words.iter().position(|word| word == "opsrun").expect("a session runs `opsrun`");
        let mut program = self.program.clone();
        for variable in words.drain(..=name).filter(|word| word != "opsrun") {
            let (name, value) = variable.split_once('=').expect("a variable has a value");
            program = program.env(name, value);
        }
        let rehearsed = words.first().is_some_and(|word| word == "rehearse");
        let (said, code) = match interrupted {
            true => interrupt(program.command(words)),
            false => said(program.run(words)),
        };
        let said = self.with_names(said);
        let said = if rehearsed { without_real_time(&said) } else { without_times(&said) };
        format!("{said}[exit {code}]\n")
    }

    fn with_texts(&self, text: String) -> String {
        self.names.iter().fold(text, |text, (name, value)| text.replace(name, value))
    }

    fn with_names(&self, text: String) -> String {
        self.names.iter().fold(text, |text, (name, value)| text.replace(value, name))
    }
}

fn said(outcome: Outcome) -> (String, String) {
    let code = outcome.code.map_or_else(|| "by a signal".to_owned(), |code| code.to_string());
    (outcome.stdout + &outcome.stderr, code)
}

/// Sends the signal of Ctrl-C when the program says what it waits for.
fn interrupt(mut command: Command) -> (String, String) {
    let mut running = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("opsrun starts");
    let mut stdout = BufReader::new(running.stdout.take().expect("it was piped"));
    let mut text = String::new();
    while !text.contains('…') && stdout.read_line(&mut text).expect("it says text") > 0 {}
    let told = Command::new("kill").args(["-INT", &running.id().to_string()]).status().expect("kill runs");
    assert!(told.success(), "it ended before it could be interrupted: {text}");
    stdout.read_to_string(&mut text).expect("it says text");
    running.stderr.take().expect("it was piped").read_to_string(&mut text).expect("it says text");
    let code = running.wait().expect("it ends").code();
    (text, code.map_or_else(|| "by a signal".to_owned(), |code| code.to_string()))
}

/// Real time, and what is named after it.
fn without_times(text: &str) -> String {
    let patterns = [
        (r"(?m)^ *\d[\dhm]*(\.\d)?s  ", "   [time]  "),
        (r"\d{8}T\d{6}Z-([\w-]+)-[0-9a-f]{4}", "[time]-$1"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "[time]"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "[time]"),
        (r"\b\d\d:\d\d:\d\d\b", "[time]"),
        (r"(done in|failed after|, after|things? in) [\d.hmsu]+", "$1 [span]"),
        (r"\| [\d.hmsu]+s \|", "| [span] |"),
        (r"(✓ .*|✗ .*)\([\d.hms]+\)", "$1([span])"),
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "[uid]"),
    ];
    patterns.iter().fold(text.to_owned(), |text, (pattern, name)| {
        Regex::new(pattern).expect("the pattern is one").replace_all(&text, *name).into_owned()
    })
}

/// A rehearsal's time is its own, but for what the rehearsals took together.
fn without_real_time(text: &str) -> String {
    Regex::new(r"(rehearsals in) \S+")
        .expect("the pattern is one")
        .replace_all(text, "$1 [span]")
        .into_owned()
}

/// As a shell splits a line that quotes with `'` only.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (number, part) in line.split('\'').enumerate() {
        match number % 2 {
            0 => words.extend(part.split_whitespace().map(str::to_owned)),
            _ => words.push(part.to_owned()),
        }
    }
    words
}
