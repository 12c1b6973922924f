//! Going through the files of a folder without holding them all: one folder's names at a time, in the order of the paths' bytes.

use std::fs::{DirEntry, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use opsrun_core::{Error, ErrorKind, FileFacts, FileWalk, Result};

use crate::file::explain;
use crate::written::{Imagined, Memory};

/// The files below `real`, which errors call `shown`.
pub(crate) fn walk(real: &Path, shown: &Path) -> Result<FileWalk> {
    let mut walk = Walk { root: real.to_owned(), shown: shown.to_owned(), ahead: Vec::new() };
    walk.enter(real)?;
    Ok(Box::new(walk))
}

/// The same under what was written in memory.
pub(crate) fn over(real: &Path, shown: &Path, imagined: &Imagined) -> Result<FileWalk> {
    let mut found: Vec<FileFacts> = match walk(real, shown) {
        Err(_) if imagined.has_folder(real) => Vec::new(),
        found => found?.collect::<Result<_>>()?,
    };
    for (path, memory) in imagined.below(real) {
        found.retain(|facts| facts.path != path);
        found.extend(memory.map(|memory| of_memory(&path, &memory)));
    }
    found.sort_by(|a, b| a.path.as_os_str().as_bytes().cmp(b.path.as_os_str().as_bytes()));
    Ok(Box::new(found.into_iter().map(Ok)))
}

pub(crate) fn facts(real: &Path, shown: &Path) -> Result<FileFacts> {
    #[allow(clippy::disallowed_methods)] // this is the gate
    let metadata = std::fs::metadata(real).map_err(|error| explain(error, shown))?;
    of_metadata(shown, &metadata)
}

pub(crate) fn of_memory(path: &Path, memory: &Memory) -> FileFacts {
    FileFacts {
        path: path.to_owned(),
        size: memory.content.len() as u64,
        modified: memory.modified,
        mode: memory.mode,
    }
}

fn of_metadata(path: &Path, metadata: &Metadata) -> Result<FileFacts> {
    if metadata.is_dir() {
        return Err(Error::invalid(format!("`{}` is a folder", path.display())));
    }
    let modified = metadata.modified().map_err(|error| explain(error, path))?;
    // A time that no calendar has is as good as none.
    let modified = Timestamp::try_from(modified).unwrap_or(Timestamp::UNIX_EPOCH);
    let mode = metadata.permissions().mode() & 0o7777;
    Ok(FileFacts { path: path.to_owned(), size: metadata.len(), modified, mode })
}

struct Walk {
    root: PathBuf,
    shown: PathBuf,
    /// What is still to come, the next one last.
    ahead: Vec<Entry>,
}

/// Of a folder's files and folders one; sorted by its name, that of a folder with a `/` after it.
struct Entry {
    order: Vec<u8>,
    path: PathBuf,
    /// `None`: a folder.
    file: Option<Metadata>,
}

impl Walk {
    fn enter(&mut self, folder: &Path) -> Result<()> {
        #[allow(clippy::disallowed_methods)] // this is the gate
        let listed = std::fs::read_dir(folder).map_err(|error| explain(error, &self.place(folder)))?;
        let begins = self.ahead.len();
        for entry in listed {
            let entry = entry.map_err(|error| explain(error, &self.place(folder)))?;
            if let Some(entry) = self.entry(folder, &entry)? {
                self.ahead.push(entry);
            }
        }
        self.ahead[begins..].sort_by(|a, b| b.order.cmp(&a.order));
        Ok(())
    }

    /// As the playbook would name it.
    fn place(&self, path: &Path) -> PathBuf {
        self.shown.join(path.strip_prefix(&self.root).unwrap_or(path))
    }

    /// `None` for what is no file, and for a link to a folder around it, which would never end.
    fn entry(&self, folder: &Path, entry: &DirEntry) -> Result<Option<Entry>> {
        let path = entry.path();
        let failed = |error| explain(error, &self.place(&path));
        let mut metadata = entry.metadata().map_err(failed)?;
        if metadata.is_symlink() {
            let target = path.canonicalize().map_err(failed)?;
            if !target.starts_with(&self.root) {
                let (shown, folder) = (self.place(&path), self.shown.display());
                let out = format!("`{}` is a link that leads out of `{folder}`", shown.display());
                return Err(Error::new(ErrorKind::Denied, out).hint("put there what it leads to"));
            }
            if folder.starts_with(&target) {
                return Ok(None);
            }
            #[allow(clippy::disallowed_methods)] // this is the gate
            let of_target = std::fs::metadata(&target);
            metadata = of_target.map_err(failed)?;
        }
        let mut order = entry.file_name().as_bytes().to_vec();
        if metadata.is_dir() {
            order.push(b'/');
            return Ok(Some(Entry { order, path, file: None }));
        }
        Ok(metadata.is_file().then_some(Entry { order, path, file: Some(metadata) }))
    }
}

impl Iterator for Walk {
    type Item = Result<FileFacts>;

    fn next(&mut self) -> Option<Result<FileFacts>> {
        loop {
            let entry = self.ahead.pop()?;
            match &entry.file {
                Some(metadata) => {
                    let relative = entry.path.strip_prefix(&self.root).unwrap_or(&entry.path);
                    return Some(of_metadata(relative, metadata));
                }
                None => {
                    if let Err(error) = self.enter(&entry.path) {
                        return Some(Err(error));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods)] // a test
    use super::*;

    #[test]
    fn files_come_in_the_order_of_their_paths_bytes() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("it exists");
        for path in ["a/z", "a-b", "a.txt", "a/b/c", "b", "a0"] {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().expect("it has one")).expect("a folder");
            std::fs::write(path, "x").expect("a file");
        }
        std::os::unix::fs::symlink(&root, root.join("a/around")).expect("a link");
        let paths: Vec<String> = walk(&root, Path::new("."))
            .expect("a walk")
            .map(|facts| facts.expect("a file").path.display().to_string())
            .collect();
        assert_eq!(paths, ["a-b", "a.txt", "a/b/c", "a/z", "a0", "b"]);
        std::os::unix::fs::symlink("/etc/hostname", root.join("c")).expect("a link");
        let error = walk(&root, Path::new("here")).err().expect("it leads out");
        assert_eq!(error.message(), "`here/c` is a link that leads out of `here`");
    }
}
