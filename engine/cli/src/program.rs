//! What every command starts from: the systems, the environment, the project around the playbook.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use opsrun_core::{Error, Redactor, Result};
use opsrun_gate::TemporaryFolder;
use opsrun_language::{Playbook, Sources};
use opsrun_runtime::{Launch, Project, Registry};

/// The running program.
pub(crate) struct Program {
    registry: Registry,
    variables: BTreeMap<String, String>,
    redactor: Arc<Redactor>,
}

impl Program {
    pub(crate) fn new(registry: Registry, variables: BTreeMap<String, String>) -> Self {
        Program { registry, variables, redactor: Arc::default() }
    }

    pub(crate) fn registry(&self) -> Registry {
        self.registry
    }

    /// Knows what nothing of the program may write out.
    pub(crate) fn redactor(&self) -> Arc<Redactor> {
        self.redactor.clone()
    }

    pub(crate) fn variables(&self) -> &BTreeMap<String, String> {
        &self.variables
    }

    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// For the project of the current folder.
    ///
    /// # Errors
    /// `Invalid` for an `opsrun.toml` that cannot be read.
    pub(crate) fn launch(&self) -> Result<Launch> {
        self.launch_from(Path::new("."))
    }

    /// For the project that a playbook belongs to.
    ///
    /// # Errors
    /// As [`Program::launch`].
    pub(crate) fn launch_from(&self, playbook: &Path) -> Result<Launch> {
        let project = Project::find(playbook)?;
        let (variables, redactor) = (self.variables.clone(), self.redactor.clone());
        Ok(Launch { variables, redactor, ..Launch::new(self.registry, project) })
    }

    /// Reads a playbook with everything that it imports.
    ///
    /// # Errors
    /// What the parser says, with places.
    pub(crate) fn load(&self, path: &Path) -> Result<Arc<Playbook>, opsrun_language::Refusal> {
        Playbook::load(&path.display().to_string(), &Disk, self.registry).map(Arc::new)
    }

    /// Reads and checks a playbook that is to run: what cannot work does not begin.
    ///
    /// # Errors
    /// The findings, rendered.
    pub(crate) fn load_checked(&self, path: &Path) -> Result<Arc<Playbook>, String> {
        opsrun_language::check(&path.display().to_string(), &Disk, self.registry)
            .into_playbook()
            .map(Arc::new)
    }

    /// A folder of this process alone, gone when it is dropped.
    ///
    /// # Errors
    /// `Failed` if it cannot be made.
    pub(crate) fn temporary_folder(&self) -> Result<TemporaryFolder> {
        let base = self.variable("XDG_RUNTIME_DIR").or_else(|| self.variable("TMPDIR")).unwrap_or("/tmp");
        TemporaryFolder::create(Path::new(base), "opsrun")
    }
}

/// Playbooks are read from the disk as they are named.
pub(crate) struct Disk;

impl Sources for Disk {
    fn read(&self, path: &str) -> Result<String> {
        opsrun_gate::read_text(&PathBuf::from(path)).map_err(|error| match error.kind() {
            opsrun_core::ErrorKind::NotFound => Error::not_found(format!("there is no playbook `{path}`")),
            _ => error,
        })
    }
}
