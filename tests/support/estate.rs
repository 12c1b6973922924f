//! `opsrun estate up`: the simulated estate, served to kubectl, helm and aws until the value is dropped.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::{Opsrun, Program};

/// A served estate.
#[derive(Debug)]
pub struct ServedEstate {
    variables: BTreeMap<String, String>,
    program: Program,
    server: Child,
}

impl ServedEstate {
    /// Serves the estate of `file`, where time passes `speed` times faster than on the wall.
    ///
    /// # Panics
    /// With what `opsrun` said, where it does not come up.
    pub fn up(file: &Path, speed: u32) -> Self {
        Self::served_by(Opsrun::program(), file, speed)
    }

    /// The same with an `opsrun` that was built before.
    ///
    /// # Panics
    /// As [`ServedEstate::up`].
    pub fn served_by(program: Program, file: &Path, speed: u32) -> Self {
        let mut server = program
            .command(["estate", "up", "--listen", "127.0.0.1:0"])
            .arg("--estate")
            .arg(file)
            .args(["--speed", &speed.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("opsrun starts");
        let stdout = server.stdout.take().expect("it was piped");
        // All of them are written at once, and then it serves.
        let mut stdout = BufReader::new(stdout);
        let exports = String::from_utf8_lossy(stdout.fill_buf().expect("it can be read")).into_owned();
        let exports = exports.lines().filter_map(|line| line.strip_prefix("export ")?.split_once('='));
        let variables: BTreeMap<String, String> =
            exports.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        if variables.is_empty() {
            let mut said = String::new();
            server.stderr.take().expect("it was piped").read_to_string(&mut said).expect("it says text");
            server.wait().expect("it ends");
            panic!("the estate was not served: {said}");
        }
        ServedEstate { variables, program, server }
    }

    pub fn kubeconfig(&self) -> &Path {
        Path::new(self.variable("KUBECONFIG"))
    }

    /// The value of a variable that leads other programs to it.
    ///
    /// # Panics
    /// If it gives none of this name.
    pub fn variable(&self, name: &str) -> &str {
        self.variables.get(name).unwrap_or_else(|| panic!("{name} is not among {:?}", self.variables))
    }

    /// A program that works on it.
    #[must_use]
    pub fn reached_by(&self, program: Program) -> Program {
        self.variables.iter().fold(program, |program, (name, value)| program.env(name, value))
    }

    /// The `opsrun` that serves it, with its home.
    pub fn program(&self) -> &Program {
        &self.program
    }
}

impl Drop for ServedEstate {
    fn drop(&mut self) {
        // As a user ends it, so that what it does at the end is run, too.
        let told = Command::new("kill").arg(self.server.id().to_string()).status();
        let ended = told.and_then(|_| self.server.wait());
        if !std::thread::panicking() {
            let status = ended.expect("it can be told to end");
            assert!(status.success(), "the served estate ended with {status}");
        }
    }
}
