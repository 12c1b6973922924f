//! A program run with a clean environment and a home of its own, and what came of it.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use tempfile::TempDir;

use crate::repository;

/// A program that a test runs: nothing of the caller's environment but `PATH` reaches it, its home is an empty folder
/// that goes with the last clone, and it starts at the checkout's root.
#[derive(Debug, Clone)]
pub struct Program {
    path: PathBuf,
    home: Arc<TempDir>,
    folder: PathBuf,
    environment: Vec<(OsString, OsString)>,
    prelude: Option<String>,
}

/// What a program answered.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    command: String,
}

impl Program {
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let home = tempfile::tempdir().expect("a temporary folder can be made");
        Program {
            path: path.into(),
            home: Arc::new(home),
            folder: repository(""),
            environment: Vec::new(),
            prelude: None,
        }
    }

    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Starts it in this folder.
    #[must_use]
    pub fn within(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = folder.into();
        self
    }

    /// Starts it from a shell that does this first, and that it then takes the place of. A script in a file would not do:
    /// while it is written, a process that another test starts can have it open, and the kernel refuses to run it.
    #[must_use]
    pub fn after(mut self, prelude: impl Into<String>) -> Self {
        self.prelude = Some(prelude.into());
        self
    }

    /// Of `opsrun`: trusts the project that `path` belongs to, as its user does once. Until then its grants count in
    /// rehearsals only.
    #[must_use]
    pub fn trusting(self, path: impl AsRef<Path>) -> Self {
        self.run(["trust".as_ref(), path.as_ref().as_os_str()]).ok();
        self
    }

    /// Another program in the same environment and folder.
    #[must_use]
    pub fn with_path(&self, path: impl Into<PathBuf>) -> Self {
        Program { path: path.into(), ..self.clone() }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder that it takes for its user's home.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Runs it to its end, with an empty standard input.
    pub fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Outcome {
        self.run_with_input(arguments, "")
    }

    /// Runs it to its end with `input` on its standard input.
    pub fn run_with_input<A: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
        input: &str,
    ) -> Outcome {
        let mut command = self.command(arguments);
        let shown = format!("{command:?}");
        let failed = |error| panic!("{shown}: {error}");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(failed);
        let mut stdin = child.stdin.take().expect("it was piped");
        let output = std::thread::scope(|scope| {
            // A program that does not read its input breaks the pipe, which is its right.
            scope.spawn(move || drop(stdin.write_all(input.as_bytes())));
            child.wait_with_output().unwrap_or_else(|error| panic!("{shown}: {error}"))
        });
        Outcome {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            command: shown,
        }
    }

    /// The command, for a test that must signal it or read what it prints while it runs.
    pub fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = match &self.prelude {
            Some(prelude) => {
                let mut shell = Command::new("/bin/sh");
                shell.arg("-c").arg(format!("{prelude}; exec \"$0\" \"$@\"")).arg(&self.path);
                shell
            }
            None => Command::new(&self.path),
        };
        command.args(arguments).env_clear().current_dir(&self.folder);
        command.env("HOME", self.home.path()).env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}

impl Outcome {
    /// The standard output of a program that ended well.
    ///
    /// # Panics
    /// With everything that it said, where it did not.
    #[track_caller]
    pub fn ok(self) -> String {
        self.with_code(0).stdout
    }

    /// Itself, where it ended with this code.
    ///
    /// # Panics
    /// With everything that it said, where it did not.
    #[track_caller]
    pub fn with_code(self, code: i32) -> Self {
        assert!(self.code == Some(code), "expected exit code {code}\n{self}");
        self
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let code = self.code.map_or_else(|| "a signal".to_owned(), |code| code.to_string());
        write!(f, "$ {}\n{}{}exit: {code}", self.command, self.stdout, self.stderr)
    }
}
