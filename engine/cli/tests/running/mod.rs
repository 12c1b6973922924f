//! A run that goes on while the test does something else, read line by line.
#![allow(dead_code)] // each test file uses a part of it

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};

use opsrun_tests::Program;

pub(crate) struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    said: String,
}

impl Running {
    pub(crate) fn start(program: &Program, words: &[&str]) -> Self {
        let mut command = program.command(words);
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("opsrun starts");
        let stdout = child.stdout.take().expect("it was piped");
        Running { child, lines: BufReader::new(stdout).lines(), said: String::new() }
    }

    /// Reads on until a line has this text, and gives the line.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        for line in self.lines.by_ref().map_while(Result::ok) {
            self.said.push_str(&line);
            self.said.push('\n');
            if line.contains(text) {
                return line;
            }
        }
        panic!("it did not say `{text}`, but:\n{}", self.said);
    }

    /// Everything that it said, and its exit code.
    pub(crate) fn ended(mut self) -> (String, Option<i32>) {
        for line in self.lines.by_ref().map_while(Result::ok) {
            self.said.push_str(&line);
            self.said.push('\n');
        }
        (self.said, self.child.wait().expect("it ends").code())
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// As Ctrl-C does.
    pub(crate) fn interrupt(&self) {
        let told = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        assert!(told.expect("kill runs").success());
    }
}
