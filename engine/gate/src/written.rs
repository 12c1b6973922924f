//! Files that a playbook's primitives write: by grant only, whole or not at all. On an estate they are kept in memory, where the
//! run reads them again.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::StatusCode;
use jiff::Timestamp;
use opsrun_core::{Access, Call, Effect, Error, ErrorKind, Result};

use crate::audit::Reply;
use crate::fault::Action;
use crate::file::{Files, SYSTEM, explain};
use crate::gate::{Gate, Outcome, Recorder};

/// What a run on an estate has written, by real path; `None` where it took a file away.
#[derive(Debug, Default)]
pub(crate) struct Imagined(Mutex<BTreeMap<PathBuf, Option<Memory>>>);

/// A file that is in memory only.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    pub(crate) content: Bytes,
    pub(crate) modified: Timestamp,
    pub(crate) mode: u32,
}

/// What files are made with, mostly.
pub(crate) const MODE: u32 = 0o644;

impl Imagined {
    fn all(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Option<Memory>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn fork(&self) -> Self {
        Imagined(Mutex::new(self.all().clone()))
    }

    /// What was written there; `None`: nothing was.
    pub(crate) fn get(&self, path: &Path) -> Option<Option<Memory>> {
        self.all().get(path).cloned()
    }

    /// The files below `folder` as they are now, given those of the machine.
    pub(crate) fn over(&self, folder: &Path, mut found: Vec<PathBuf>) -> Vec<PathBuf> {
        for (path, content) in self.all().iter() {
            let Ok(relative) = path.strip_prefix(folder) else { continue };
            found.retain(|known| known != relative);
            if content.is_some() {
                found.push(relative.to_owned());
            }
        }
        found.sort();
        found
    }

    /// Everything that was written below `folder`, by path from it.
    pub(crate) fn below(&self, folder: &Path) -> Vec<(PathBuf, Option<Memory>)> {
        let all = self.all();
        let below = all.iter().filter_map(|(path, memory)| Some((path.strip_prefix(folder).ok()?, memory)));
        below.map(|(path, memory)| (path.to_owned(), memory.clone())).collect()
    }

    pub(crate) fn put(&self, real: &Path, memory: Option<Memory>) {
        self.all().insert(real.to_owned(), memory);
    }

    pub(crate) fn has_folder(&self, folder: &Path) -> bool {
        self.all().iter().any(|(path, content)| content.is_some() && path.starts_with(folder))
    }
}

/// Where a path leads that need not exist: what does of it is taken for what it is, the rest as it is written.
pub(crate) fn real_path(whole: &Path) -> io::Result<PathBuf> {
    let mut rest = Vec::new();
    let mut known = whole;
    loop {
        match known.canonicalize() {
            Ok(real) => return Ok(rest.iter().rev().fold(real, |path, part| path.join(part))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        // A link that leads nowhere is no place to write to.
        let is_link = known.symlink_metadata().is_ok();
        match (known.components().next_back(), known.parent()) {
            (Some(Component::Normal(part)), Some(parent)) if !is_link => {
                rest.push(part);
                known = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
            }
            _ => return Err(io::Error::from(io::ErrorKind::NotFound)),
        }
    }
}

impl Files {
    /// Puts `content` in place of what is at `path`, or takes the file away; granted as `file write PATH`, also inside of the project.
    ///
    /// # Errors
    /// `Denied`, `Failed`.
    pub async fn write(
        &self,
        gate: &Gate,
        recorder: &dyn Recorder,
        call: &Arc<Call>,
        path: &Path,
        content: Option<Vec<u8>>,
    ) -> Result<()> {
        let real = self.place(path)?;
        let now = gate.now();
        self.carry_out(gate, recorder, call, (&real, path), || self.put(&real, path, content, now)).await
    }

    /// Where a file would be written.
    pub(crate) fn place(&self, path: &Path) -> Result<PathBuf> {
        real_path(&self.root().join(path)).map_err(|error| explain(error, path))
    }

    /// Does a write of a file if the run may, with what comes with it.
    pub(crate) async fn carry_out(
        &self,
        gate: &Gate,
        recorder: &dyn Recorder,
        call: &Arc<Call>,
        (real, path): (&Path, &Path),
        put: impl FnOnce() -> Result<()> + Send,
    ) -> Result<()> {
        let access = access(real);
        let admitted = gate.admit(call, &access, None)?;
        let ticket = match recorder.intent(call, &access).await {
            Ok(ticket) => ticket,
            Err(error) => {
                gate.reply(admitted, &Reply::NotSent(error.report()), None)?;
                return Err(error);
            }
        };
        let fault = gate.fault(&access);
        let injected = || Err(failed(path, &"injected fault"));
        let done = match fault.as_ref().map(|(action, _)| *action) {
            None => put(),
            Some(Action::Delay(span)) => {
                gate.sleep(span).await;
                put()
            }
            Some(Action::LoseAnswer) => put().and_then(|()| injected()),
            Some(Action::Status(_) | Action::Refuse | Action::Lose) => injected(),
        };
        let lost = matches!(fault, Some((Action::Lose | Action::LoseAnswer, _)));
        let outcome = match &done {
            Ok(()) => Outcome::Answered(StatusCode::OK),
            Err(error) if lost => Outcome::Lost(error.report()),
            Err(error) => Outcome::NotSent(error.report()),
        };
        let audited = gate.reply(admitted, &(&outcome).into(), fault.as_ref().map(|(_, rule)| rule.as_str()));
        recorder.outcome(ticket, outcome).await?;
        audited.and(done)
    }

    fn put(&self, real: &Path, shown: &Path, content: Option<Vec<u8>>, now: Timestamp) -> Result<()> {
        if let Some(imagined) = self.imagined() {
            imagined.put(
                real,
                content.map(|content| Memory { content: content.into(), modified: now, mode: MODE }),
            );
            return Ok(());
        }
        let done = match &content {
            Some(content) => replace(real, content),
            None => remove(real),
        };
        done.map_err(|error| failed(shown, &error))
    }
}

/// What writing this file asks for.
pub(crate) fn access(real: &Path) -> Access {
    Access {
        system: SYSTEM.into(),
        verb: "write".into(),
        resource: real.display().to_string(),
        name: None,
        namespace: None,
        effect: Effect::Write,
    }
}

pub(crate) fn failed(path: &Path, why: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorKind::Failed, format!("`{}` cannot be written: {why}", path.display()))
}

/// Under another name first, so that nobody reads half of it.
#[allow(clippy::disallowed_methods)] // this is the gate
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let (folder, name) = match (path.parent(), path.file_name()) {
        (Some(folder), Some(name)) if !path.is_dir() => (folder, name.to_string_lossy()),
        _ => return Err(io::Error::from(io::ErrorKind::IsADirectory)),
    };
    std::fs::create_dir_all(folder)?;
    let part = folder.join(format!(".{name}.{}.part", std::process::id()));
    let written = std::fs::File::create(&part)
        .and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&part, path))
        // Else the name could be lost with the machine's power, and the content with it.
        .and_then(|()| std::fs::File::open(folder)?.sync_all());
    if written.is_err() {
        // It may not have been made; what counts is why.
        let _ = std::fs::remove_file(&part);
    }
    written
}

#[allow(clippy::disallowed_methods)] // this is the gate
fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_does_not_exist_is_known_by_what_of_it_does() {
        let folder = tempfile::tempdir().expect("a folder");
        let base = folder.path().canonicalize().expect("it exists");
        assert_eq!(real_path(&base.join("a/b.tgz")).expect("a path"), base.join("a/b.tgz"));
        assert!(real_path(&base.join("a/../b.tgz")).is_err(), "what is not there has no parent");
        std::os::unix::fs::symlink("/nowhere/at/all", base.join("link")).expect("a link");
        assert!(real_path(&base.join("link")).is_err());
    }
}
