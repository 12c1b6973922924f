//! Files that a playbook names: inside the project's folder by default, elsewhere where granted. Reading only.

use std::io;
use std::path::{Path, PathBuf};

use opsrun_core::{Access, Effect, Error, ErrorKind, Result};

use crate::grant::Grants;

/// The files of a run.
#[derive(Debug, Clone)]
pub struct Files {
    root: PathBuf,
}

impl Files {
    /// `root`: the project's folder, from which relative paths count.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Files { root: root.into() }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The content of a file inside the project, or granted as `file read PATH`.
    ///
    /// # Errors
    /// `Denied`, `NotFound`, `Failed`.
    pub fn read(&self, grants: &Grants, path: &Path) -> Result<Vec<u8>> {
        read(&self.open(grants, path)?, path)
    }

    /// All files below `folder`, sorted, as paths from it.
    ///
    /// # Errors
    /// As [`Files::read`].
    pub fn list(&self, grants: &Grants, folder: &Path) -> Result<Vec<PathBuf>> {
        let real = self.open(grants, folder)?;
        let mut found = Vec::new();
        let mut folders = vec![real.clone()];
        while let Some(current) = folders.pop() {
            #[allow(clippy::disallowed_methods)] // this is the gate
            let entries = std::fs::read_dir(&current).map_err(|error| explain(error, folder))?;
            for entry in entries {
                let path = entry.map_err(|error| explain(error, folder))?.path();
                let target = path.canonicalize().map_err(|error| explain(error, &path))?;
                if !target.starts_with(&real) {
                    continue;
                }
                if target.is_dir() {
                    // A link to a folder around it would never end.
                    if !current.starts_with(&target) {
                        folders.push(path);
                    }
                } else if let Ok(relative) = path.strip_prefix(&real) {
                    found.push(relative.to_owned());
                }
            }
        }
        found.sort();
        Ok(found)
    }

    /// Any file that the operator's configuration names.
    ///
    /// # Errors
    /// `NotFound`, `Failed`.
    pub fn read_configuration(&self, path: &Path) -> Result<Vec<u8>> {
        read(&self.root.join(path), path)
    }

    /// Where `path` really is, if the run may read there.
    fn open(&self, grants: &Grants, path: &Path) -> Result<PathBuf> {
        let real = self.root.join(path).canonicalize().map_err(|error| explain(error, path))?;
        let root = self.root.canonicalize().map_err(|error| explain(error, &self.root))?;
        let access = Access {
            system: "file".into(),
            verb: "read".into(),
            resource: real.display().to_string(),
            name: None,
            namespace: None,
            effect: Effect::Read,
        };
        if real.starts_with(&root) || grants.allow(&access) {
            return Ok(real);
        }
        Err(Error::new(
            ErrorKind::Denied,
            format!("`{}` is outside of the project's folder `{}`", path.display(), root.display()),
        )
        .hint(format!(
            "allow it with `--allow '{0}'`, or in `opsrun.toml`: grants = [\"{0}\"]",
            Grants::narrowest(&access)
        )))
    }
}

fn read(real: &Path, shown: &Path) -> Result<Vec<u8>> {
    #[allow(clippy::disallowed_methods)] // this is the gate
    std::fs::read(real).map_err(|error| explain(error, shown))
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
