//! What backups cost beside stock restic, in turn, on the same files, with repositories on the same disk: a first backup, the same again,
//! and a restore; wall and processor time, and memory, also of three times as much. It measures the crate of repositories by its example,
//! a program with nothing else in it. Goals that are missed are said, and are no failure. It needs 12 GiB of disk. Run with
//! `cargo bench -p opsrun-tests --bench repository`.
#![allow(clippy::disallowed_methods, clippy::print_stdout)] // a benchmark times real programs, and speaks to who runs it

mod memory;
mod timing;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use memory::memory;
use opsrun_tests::{Program, repository};
use timing::{Samples, load, timed};

const FILES: usize = 3_000;
const SIZE: usize = 1 << 30;
const ROUNDS: usize = 3;
/// How many times as much memory is looked at with.
const LARGER: usize = 3;

const PASSWORD: &str = "a password of the benchmark";
const GOAL: &str = "no more wall or cpu than restic";
const MEMORY_GOAL: &str = "under 250 MB, and no more for three times as much";

fn main() {
    println!("load {}", load());
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let files = folder.path().join("files");
    make_files(&files, FILES);
    let bench = Bench::new(folder.path());
    bench.timed(&files);
    bench.memory("1 GiB", &files);
    make_files(&files, FILES * LARGER);
    bench.memory("3 GiB", &files);
    println!("load {}", load());
}

/// Half of them random, half of them lines of a log; those that are there stay as they are.
fn make_files(folder: &Path, count: usize) {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for number in 0..count {
        let path = folder.join(format!("{:02}", number % 40)).join(format!("{number:05}"));
        let mut content = Vec::with_capacity(SIZE / FILES + 200);
        while content.len() < SIZE / FILES {
            let value = random();
            match number % 2 {
                0 => content.extend_from_slice(&value.to_le_bytes()),
                _ => writeln!(
                    content,
                    "2026-11-28T06:{:02}:{:02}Z INFO request {:08x} path=/api/v1/orders/{} took {} ms: ok",
                    value % 60,
                    value / 60 % 60,
                    value >> 32,
                    value % 100_000,
                    value % 500
                )
                .expect("memory takes it"),
            }
        }
        content.truncate(SIZE / FILES);
        std::fs::create_dir_all(path.parent().expect("it has one")).expect("a folder can be made");
        if !path.exists() {
            std::fs::write(path, content).expect("it can be written to");
        }
    }
}

/// A program, and how it is told what.
struct Tool {
    name: &'static str,
    program: Program,
    init: fn(&str) -> Vec<String>,
    backup: fn(&str, &str) -> Vec<String>,
    restore: fn(&str, &str) -> Vec<String>,
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Ours, built as it is released.
fn example() -> PathBuf {
    let build = ["build", "--release", "-p", "restic-repository", "--example", "folder"];
    let output = Command::new(env!("CARGO"))
        .args(build)
        .args(["--message-format", "json"])
        .current_dir(repository(""))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let messages = String::from_utf8_lossy(&output.stdout);
    let executable = |line: &str| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        message["executable"].as_str().map(PathBuf::from)
    };
    messages.lines().filter_map(executable).next_back().expect("cargo names the executable that it built")
}

struct Bench {
    base: PathBuf,
    /// Ours first.
    tools: Vec<Tool>,
}

impl Bench {
    fn new(base: &Path) -> Self {
        let with_password = |program: Program| program.env("RESTIC_PASSWORD", PASSWORD);
        let mut tools = vec![Tool {
            name: "ours",
            program: with_password(Program::new(example())),
            init: |at| words(&["init", at]),
            backup: |at, files| words(&["backup", at, files]),
            restore: |at, to| words(&["restore", at, to]),
        }];
        match Command::new("restic").arg("version").output() {
            Ok(_) => tools.push(Tool {
                name: "restic",
                program: with_password(Program::new("restic")),
                init: |at| words(&["--no-cache", "-q", "-r", at, "init"]),
                backup: |at, files| words(&["--no-cache", "-q", "-r", at, "backup", files]),
                restore: |at, to| words(&["--no-cache", "-q", "-r", at, "restore", "latest", "--target", to]),
            }),
            Err(_) => {
                println!("skipped: needs restic (tests/servers/install gets it, or says why it cannot)");
            }
        }
        Bench { base: base.to_owned(), tools }
    }

    fn timed(&self, files: &Path) {
        println!("{FILES} files, {} MiB in all, {ROUNDS} rounds, each tool in turn", SIZE >> 20);
        let samples = || self.tools.iter().map(|_| Samples::default()).collect::<Vec<Samples>>();
        let (mut first, mut again, mut restored) = (samples(), samples(), samples());
        // Nothing is removed meanwhile: for some minutes ext4 passes over the places of all that was, whenever a file is made.
        let mut done = Vec::new();
        for round in 0..ROUNDS {
            for turn in 0..self.tools.len() {
                let at = (round + turn) % self.tools.len();
                let tool = &self.tools[at];
                let [place, back] = self.places(&format!("{}-{round}", tool.name));
                let run = |words: Vec<String>| timed(|| tool.program.run(words).ok()).0;
                run((tool.init)(&place));
                settle();
                first[at].add(run((tool.backup)(&place, &shown(files))));
                settle();
                again[at].add(run((tool.backup)(&place, &shown(files))));
                settle();
                restored[at].add(run((tool.restore)(&place, &back)));
                compare(files, &back);
                done.extend([place, back]);
            }
        }
        self.show("first backup", &first);
        self.show("the same again", &again);
        self.show("restore", &restored);
        remove(&done);
    }

    fn memory(&self, what: &str, files: &Path) {
        println!("  memory with {what} (goal: {MEMORY_GOAL})");
        for tool in &self.tools {
            let [place, back] = self.places(&format!("{}-memory", tool.name));
            tool.program.run((tool.init)(&place)).ok();
            let backup = memory(&tool.program, &(tool.backup)(&place, &shown(files)));
            let restore = memory(&tool.program, &(tool.restore)(&place, &back));
            println!("    {:<8}backup {backup}, restore {restore}", tool.name);
            remove(&[place, back]);
        }
    }

    fn places(&self, name: &str) -> [String; 2] {
        ["repository", "back"].map(|what| shown(&self.base.join(format!("{what}-{name}"))))
    }

    fn show(&self, what: &str, samples: &[Samples]) {
        println!("  {what} (goal: {GOAL})");
        let ours = &samples[0];
        for (tool, theirs) in self.tools.iter().zip(samples) {
            let (wall, cpu) = (ours.median() / theirs.median(), ours.cpu() / theirs.cpu());
            let missed = if wall > 1.0 || cpu > 1.0 { "; MISSED" } else { "" };
            println!(
                "    {:<8}{theirs}; ours takes {wall:.2}x its wall time, {cpu:.2}x its cpu{missed}",
                tool.name
            );
        }
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// So that nobody has to write what another one has left to be written.
fn settle() {
    Command::new("sync").status().expect("a Unix machine has it");
}

/// Every byte of some, and that all are there; both restore below the target as it was.
fn compare(files: &Path, back: &str) {
    let below = files.strip_prefix("/").expect("it is absolute");
    let back = Path::new(back).join(below);
    for number in 0..FILES {
        let name = format!("{:02}/{number:05}", number % 40);
        let found = std::fs::metadata(back.join(&name)).map(|file| file.len()).ok();
        assert_eq!(found, Some((SIZE / FILES) as u64), "{name} did not come back");
        if number % 50 == 0 {
            let read = |folder: &Path| std::fs::read(folder.join(&name)).expect("it can be read");
            assert!(read(&back) == read(files), "{name} came back as something else");
        }
    }
}

fn remove(folders: &[String]) {
    for folder in folders {
        std::fs::remove_dir_all(folder).expect("it can be removed");
    }
}
