//! The real restic.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use super::PASSWORD;

/// restic on the repository in a folder. It is not let near the user's cache.
pub(crate) struct Restic(PathBuf);

impl Restic {
    /// `None`, and a line that says so, where there is no restic.
    pub(crate) fn of(repository: &Path) -> Option<Self> {
        let found = Command::new("restic").arg("version").output().is_ok();
        if !found {
            println!("skipped: needs restic (tests/servers/install gets it, or says why it cannot)");
        }
        found.then(|| Restic(repository.to_owned()))
    }

    pub(crate) fn try_run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("restic");
        command.arg("--no-cache").arg("--repo").arg(&self.0).args(arguments);
        command.env("RESTIC_PASSWORD", PASSWORD).env("TZ", "UTC").env_remove("RESTIC_REPOSITORY");
        command.output().expect("restic is there")
    }

    /// Its standard output; fails with what it said if it did.
    pub(crate) fn run(&self, arguments: &[&str]) -> Vec<u8> {
        let output = self.try_run(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "restic {}: {said}", arguments.join(" "));
        output.stdout
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat());
        serde_json::from_slice(&output).expect("restic writes JSON")
    }

    /// Reads everything.
    pub(crate) fn check(&self) {
        let said = self.run(&["check", "--read-data"]);
        let said = String::from_utf8_lossy(&said);
        assert!(said.contains("no errors were found"), "{said}");
    }
}
