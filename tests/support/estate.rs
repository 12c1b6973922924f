//! `opsrun estate up`: the simulated estate, served to kubectl and helm until the value is dropped.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::{Opsrun, Program};

/// A served estate.
#[derive(Debug)]
pub struct ServedEstate {
    kubeconfig: PathBuf,
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
        let exports = BufReader::new(stdout).lines().map_while(Result::ok);
        let kubeconfig =
            exports.filter_map(|line| line.strip_prefix("export KUBECONFIG=").map(PathBuf::from)).next();
        let Some(kubeconfig) = kubeconfig else {
            let mut said = String::new();
            server.stderr.take().expect("it was piped").read_to_string(&mut said).expect("it says text");
            server.wait().expect("it ends");
            panic!("the estate was not served: {said}");
        };
        ServedEstate { kubeconfig, program, server }
    }

    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
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
