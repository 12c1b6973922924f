//! Files that a playbook names: read inside the project's folder by default, elsewhere where granted. [`crate::written`] writes.

use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use opsrun_core::{Access, Call, Effect, Error, ErrorKind, EstateFiles, FileFacts, FileWalk, Result};

use crate::audit::Reply;
use crate::gate::Gate;
use crate::walk;
use crate::written::{Imagined, real_path};

/// Under which name grants speak of files.
pub(crate) const SYSTEM: &str = "file";

/// The files of a run.
#[derive(Debug, Clone)]
pub struct Files {
    root: PathBuf,
    /// Where the root really is; asked once, as every read asks for it.
    real_root: OnceLock<PathBuf>,
    imagined: Option<Arc<Imagined>>,
}

impl Files {
    /// `root`: the project's folder, from which relative paths count.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Files { root: root.into(), real_root: OnceLock::new(), imagined: None }
    }

    /// The same for a run on an estate: what it writes stays in memory.
    #[must_use]
    pub fn imagined_writes(self) -> Self {
        Files { imagined: Some(Arc::default()), ..self }
    }

    /// The same with what was written so far, and from now on apart.
    #[must_use]
    pub fn fork(&self) -> Self {
        let imagined = self.imagined.as_ref().map(|imagined| Arc::new(imagined.fork()));
        Files { imagined, ..self.clone() }
    }

    pub(crate) fn imagined(&self) -> Option<&Imagined> {
        self.imagined.as_deref()
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The content of a file inside the project, or granted as `file read PATH`.
    ///
    /// # Errors
    /// `Denied`, `NotFound`, `Failed`.
    pub fn read(&self, gate: &Gate, call: &Call, path: &Path) -> Result<Vec<u8>> {
        self.reach(gate, call, path, |real| match self.imagined().and_then(|imagined| imagined.get(real)) {
            Some(Some(memory)) => Ok(memory.content.into()),
            Some(None) => Err(explain(io::ErrorKind::NotFound.into(), path)),
            None => read(real, path),
        })
    }

    /// All files below `folder`, sorted, as paths from it. Links are followed.
    ///
    /// # Errors
    /// As [`Files::read`]; `Denied` for a link that leads out of the folder.
    pub fn list(&self, gate: &Gate, call: &Call, folder: &Path) -> Result<Vec<PathBuf>> {
        self.reach(gate, call, folder, |real| match self.imagined() {
            None => list(real, folder),
            Some(imagined) => {
                let found = match list(real, folder) {
                    Err(_) if imagined.has_folder(real) => Vec::new(),
                    found => found?,
                };
                Ok(imagined.over(real, found))
            }
        })
    }

    /// What is known of a file that [`Files::read`] would read.
    ///
    /// # Errors
    /// As [`Files::read`].
    pub fn facts(&self, gate: &Gate, call: &Call, path: &Path) -> Result<FileFacts> {
        self.reach(gate, call, path, |real| match self.imagined().and_then(|imagined| imagined.get(real)) {
            Some(Some(memory)) => Ok(walk::of_memory(path, &memory)),
            Some(None) => Err(explain(io::ErrorKind::NotFound.into(), path)),
            None => walk::facts(real, path),
        })
    }

    /// So much of a file; less where it ends.
    ///
    /// # Errors
    /// As [`Files::read`].
    pub fn read_part(
        &self,
        gate: &Gate,
        call: &Call,
        path: &Path,
        offset: u64,
        length: usize,
    ) -> Result<Vec<u8>> {
        self.reach(gate, call, path, |real| match self.imagined().and_then(|imagined| imagined.get(real)) {
            Some(Some(memory)) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX).min(memory.content.len());
                let end = start.saturating_add(length).min(memory.content.len());
                Ok(memory.content[start..end].to_vec())
            }
            Some(None) => Err(explain(io::ErrorKind::NotFound.into(), path)),
            None => read_part(real, offset, length).map_err(|error| explain(error, path)),
        })
    }

    /// The files below `folder` with what is known of them, in the order of their paths' bytes. Links are followed.
    ///
    /// # Errors
    /// As [`Files::list`]; also those of the walk itself.
    pub fn walk(&self, gate: &Gate, call: &Call, folder: &Path) -> Result<FileWalk> {
        self.reach(gate, call, folder, |real| match self.imagined() {
            None => walk::walk(real, folder),
            Some(imagined) => walk::over(real, folder, imagined),
        })
    }

    /// Any file that the operator's configuration names.
    ///
    /// # Errors
    /// `NotFound`, `Failed`.
    pub fn read_configuration(&self, gate: &Gate, call: &Call, path: &Path) -> Result<Vec<u8>> {
        let whole = self.root.join(path);
        let admitted = gate.admit_freely(call, &access(&whole), "configuration")?;
        let content = read(&whole, path);
        gate.reply(admitted, &reply(&content), None)?;
        content
    }

    fn real_root(&self) -> Result<&Path> {
        if let Some(known) = self.real_root.get() {
            return Ok(known);
        }
        let real = self.root.canonicalize().map_err(|error| explain(error, &self.root))?;
        Ok(self.real_root.get_or_init(|| real))
    }

    /// Does something with `path`, if the run may.
    fn reach<T>(
        &self,
        gate: &Gate,
        call: &Call,
        path: &Path,
        with: impl FnOnce(&Path) -> Result<T>,
    ) -> Result<T> {
        let whole = self.root.join(path);
        let real = match self.imagined() {
            None => whole.canonicalize(),
            // What was written need not exist.
            Some(_) => real_path(&whole),
        };
        let real = real.map_err(|error| explain(error, path))?;
        let root = self.real_root()?;
        let access = access(&real);
        let admitted = if real.starts_with(root) {
            gate.admit_freely(call, &access, "inside of the project")?
        } else {
            gate.admit(call, &access, None).map_err(|error| match error.kind() {
                ErrorKind::Denied => outside(path, root, &error),
                _ => error,
            })?
        };
        let result = with(&real);
        gate.reply(admitted, &reply(&result), None)?;
        result
    }
}

/// What reading this file asks for.
fn access(path: &Path) -> Access {
    Access {
        system: SYSTEM.into(),
        verb: "read".into(),
        resource: path.display().to_string(),
        name: None,
        namespace: None,
        effect: Effect::Read,
    }
}

fn outside(path: &Path, root: &Path, denied: &Error) -> Error {
    let message = format!("`{}` is outside of the project's folder `{}`", path.display(), root.display());
    let error = Error::new(ErrorKind::Denied, message);
    denied.hint_text().into_iter().fold(error, |error, hint| error.hint(hint))
}

fn reply<T>(result: &Result<T>) -> Reply {
    result.as_ref().map_or_else(|error| Reply::Failed(error.report()), |_| Reply::Read)
}

fn list(real: &Path, folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    // Each with where it really is.
    let mut folders = vec![(real.to_owned(), real.to_owned())];
    while let Some((current, current_target)) = folders.pop() {
        #[allow(clippy::disallowed_methods)] // this is the gate
        let entries = std::fs::read_dir(&current).map_err(|error| explain(error, folder))?;
        for entry in entries {
            let entry = entry.map_err(|error| explain(error, folder))?;
            let path = entry.path();
            let mut kind = entry.file_type().map_err(|error| explain(error, &path))?;
            let target = if kind.is_symlink() {
                let target = path.canonicalize().map_err(|error| explain(error, &path))?;
                kind = target.metadata().map_err(|error| explain(error, &path))?.file_type();
                target
            } else {
                current_target.join(entry.file_name())
            };
            if !target.starts_with(real) {
                let shown = folder.join(path.strip_prefix(real).unwrap_or(&path));
                let (shown, folder) = (shown.display(), folder.display());
                let out = format!("`{shown}` is a link that leads out of `{folder}`");
                return Err(Error::new(ErrorKind::Denied, out).hint("put there what it leads to"));
            }
            if kind.is_dir() {
                // A link to a folder around it would never end.
                if !current.starts_with(&target) {
                    folders.push((path, target));
                }
            } else if let Ok(relative) = path.strip_prefix(real) {
                found.push(relative.to_owned());
            }
        }
    }
    found.sort();
    Ok(found)
}

fn read(real: &Path, shown: &Path) -> Result<Vec<u8>> {
    #[allow(clippy::disallowed_methods)] // this is the gate
    std::fs::read(real).map_err(|error| explain(error, shown))
}

fn read_part(real: &Path, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    #[allow(clippy::disallowed_methods)] // this is the gate
    let mut file = std::fs::File::open(real)?;
    file.seek(io::SeekFrom::Start(offset))?;
    let mut content = Vec::new();
    // What may not be there is not made room for.
    let there = file.metadata()?.len().saturating_sub(offset);
    content.reserve_exact(usize::try_from(there).unwrap_or(length).min(length));
    file.take(length as u64).read_to_end(&mut content)?;
    Ok(content)
}

#[allow(clippy::needless_pass_by_value)] // for `map_err`
pub(crate) fn explain(error: io::Error, path: &Path) -> Error {
    let path = path.display();
    match error.kind() {
        io::ErrorKind::NotFound => Error::not_found(format!("`{path}` does not exist")),
        io::ErrorKind::PermissionDenied => {
            Error::new(ErrorKind::Forbidden, format!("`{path}` cannot be read: permission denied"))
        }
        _ => Error::failed(format!("`{path}` cannot be read: {error}")),
    }
}

/// Files that an estate file names, read by whoever operates the machine: they need no grant.
#[derive(Debug, Clone)]
pub struct EstateFolder(PathBuf);

impl EstateFolder {
    /// `folder`: the estate file's.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        EstateFolder(folder.into())
    }
}

impl EstateFiles for EstateFolder {
    fn read(&self, path: &Path) -> Result<Vec<u8>> {
        read(&self.0.join(path), path)
    }

    fn list(&self, folder: &Path) -> Result<Vec<PathBuf>> {
        let real = self.0.join(folder).canonicalize().map_err(|error| explain(error, folder))?;
        list(&real, folder)
    }
}
