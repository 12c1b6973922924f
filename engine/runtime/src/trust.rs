//! Which project files may grant something on this machine. A file comes with a checkout; what it grants counts in a live
//! run only after its owner has said so, for exactly this content.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use opsrun_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use similar::TextDiff;

use crate::launch::state_folder;
use crate::project::Project;

/// The files that are trusted on this machine: `$XDG_STATE_HOME/opsrun/trusted`, which only its owner reads.
#[derive(Debug)]
pub struct TrustStore(Option<PathBuf>);

/// A file that is trusted, as a line of the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trusted {
    /// The SHA-256 of its content.
    pub digest: String,
    pub path: PathBuf,
    pub at: Timestamp,
    /// What it granted then.
    pub grants: Vec<String>,
}

impl TrustStore {
    /// The one of this environment.
    pub fn of(variables: &BTreeMap<String, String>) -> Self {
        TrustStore(state_folder(variables).map(|folder| folder.join("trusted")))
    }

    /// All that are trusted, by path.
    ///
    /// # Errors
    /// `Invalid` for a store that was damaged, `Failed` if it cannot be read.
    pub fn list(&self) -> Result<Vec<Trusted>> {
        let Some(store) = &self.0 else { return Ok(Vec::new()) };
        let text = match opsrun_gate::read_text(store) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            text => text?,
        };
        let read = |(number, line): (usize, &str)| {
            serde_json::from_str(line).map_err(|error| {
                Error::invalid(format!(
                    "line {} of `{}` cannot be read: {error}",
                    number + 1,
                    store.display()
                ))
                .hint("remove the line, and trust the file anew with `opsrun trust`")
            })
        };
        text.lines().enumerate().map(read).collect()
    }

    /// Refuses a project whose file grants something and is not trusted as it is now.
    ///
    /// # Errors
    /// `Denied`, with what it would grant, or what of that is new.
    pub fn check(&self, project: &Project) -> Result<()> {
        let grants = project.shown_grants();
        let (Some(file), false) = (&project.file, grants.is_empty()) else { return Ok(()) };
        let known = self.entry(project)?;
        if known.as_ref().is_some_and(|known| known.digest == digest(&project.text)) {
            return Ok(());
        }
        let file = file.display();
        let error = match &known {
            None => {
                let error = format!("`{file}` grants nothing on this machine: nobody has trusted it yet");
                let error = Error::new(ErrorKind::Denied, error).detail("it would grant:");
                grants.iter().fold(error, |error, grant| error.detail(format!("  {grant}")))
            }
            Some(known) => {
                let error =
                    format!("`{file}` grants nothing on this machine: it was changed since it was trusted");
                let error = Error::new(ErrorKind::Denied, error);
                difference(known, &grants).into_iter().fold(error, Error::detail)
            }
        };
        Err(error.hint(format!(
            "read it, and trust it as it is now with `opsrun trust {file}`; `--grants FILE` takes grants of your own \
             instead, and `opsrun rehearse` needs neither"
        )))
    }

    /// Trusts a project's file as it is now; gives what was trusted of it before.
    ///
    /// # Errors
    /// `Invalid` if there is no file or no place for the store; `Failed`.
    pub fn trust(&self, project: &Project, at: Timestamp) -> Result<Option<Trusted>> {
        let before = self.entry(project)?;
        let now = Trusted {
            digest: digest(&project.text),
            path: path_of(project)?,
            at,
            grants: project.shown_grants(),
        };
        self.change(|all| {
            all.retain(|known| known.path != now.path);
            all.push(now);
            true
        })?;
        Ok(before)
    }

    /// Trusts a file no longer, whatever is in it; `false` if it was not trusted.
    ///
    /// # Errors
    /// As [`TrustStore::trust`].
    pub fn revoke(&self, path: &Path) -> Result<bool> {
        let mut revoked = false;
        self.change(|all| {
            let count = all.len();
            all.retain(|known| known.path != path);
            revoked = all.len() < count;
            revoked
        })?;
        Ok(revoked)
    }

    /// What is trusted of a project's file, as it is now or as it was.
    ///
    /// # Errors
    /// As [`TrustStore::list`].
    pub fn entry(&self, project: &Project) -> Result<Option<Trusted>> {
        let path = path_of(project)?;
        Ok(self.list()?.into_iter().find(|known| known.path == path))
    }

    /// Changes the store while no other process does, if `change` says so.
    fn change(&self, change: impl FnOnce(&mut Vec<Trusted>) -> bool) -> Result<()> {
        let store = self.0.as_ref().ok_or_else(|| {
            Error::invalid("there is no place to remember what is trusted").hint("set HOME or XDG_STATE_HOME")
        })?;
        opsrun_gate::update_text(store, |text| {
            let mut all = text.map(|text| read(store, &text)).transpose()?.unwrap_or_default();
            if !change(&mut all) {
                return Ok(None);
            }
            all.sort_by(|one, other| one.path.cmp(&other.path));
            let lines = all.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>();
            let lines = lines.map_err(|error| Error::failed(error.to_string()))?;
            Ok(Some(lines.into_iter().map(|line| line + "\n").collect()))
        })
    }
}

fn read(store: &Path, text: &str) -> Result<Vec<Trusted>> {
    let read = |(number, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|error| {
            Error::invalid(format!("line {} of `{}` cannot be read: {error}", number + 1, store.display()))
                .hint("remove the line, and trust the file anew with `opsrun trust`")
        })
    };
    text.lines().enumerate().map(read).collect()
}

/// What of the grants is otherwise than it was trusted, as lines of a diff.
pub fn difference(before: &Trusted, grants: &[String]) -> Vec<String> {
    let (old, new) = (before.grants.join("\n"), grants.join("\n"));
    if old == new {
        return vec!["its grants are the same, something else in it is not".to_owned()];
    }
    let diff = TextDiff::from_lines(&old, &new);
    let changed = diff.iter_all_changes().filter(|change| change.tag() != similar::ChangeTag::Equal);
    changed.map(|change| format!("{}{}", change.tag(), change.value().trim_end())).collect()
}

fn path_of(project: &Project) -> Result<PathBuf> {
    match &project.file {
        Some(file) => Ok(project.root.join(file.file_name().unwrap_or_default())),
        None => Err(Error::invalid("there is no `opsrun.toml` here or above: there is nothing to trust")),
    }
}

fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
