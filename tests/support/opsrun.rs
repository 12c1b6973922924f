//! The built `opsrun`, as a user runs it.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use crate::{Program, repository};

/// The command line, with a clean environment and a home of its own.
#[derive(Debug)]
pub struct Opsrun;

impl Opsrun {
    /// `opsrun` in the checkout's root: `Opsrun::program().env("KUBECONFIG", …).run(["rehearse", …])`.
    pub fn program() -> Program {
        Program::new(Self::path())
    }

    /// Where the executable is. Cargo tells only the tests of the package that owns it, so it is asked once, which also
    /// builds what is not up to date.
    pub fn path() -> PathBuf {
        static BUILT: OnceLock<PathBuf> = OnceLock::new();
        BUILT.get_or_init(build).clone()
    }
}

fn build() -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"));
    // Of the whole workspace, so that what the tests were built with serves this, too.
    cargo.args(["build", "--workspace", "--bin", "opsrun", "--message-format", "json"]);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    // What cargo tells a test of its own package is a changed environment to build scripts: they would be run again, and what
    // depends on them be built again, here and the next time outside.
    for (name, _) in std::env::vars_os() {
        let of_package = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"];
        if of_package.iter().any(|start| name.to_string_lossy().starts_with(start)) {
            cargo.env_remove(name);
        }
    }
    let output = cargo.current_dir(repository("")).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let messages = String::from_utf8_lossy(&output.stdout);
    let executable = messages.lines().filter_map(executable).next_back();
    executable.expect("cargo names the executable that it built")
}

fn executable(message: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    message["executable"].as_str().map(PathBuf::from)
}
