//! Files of opsrun's own: the journal, the project's configuration. Not for what a playbook names: that is [`crate::Files`].
#![allow(clippy::disallowed_methods)] // this is the gate

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use opsrun_core::{Error, ErrorKind, Result};

use crate::file::explain;

/// A file that only grows, and that nobody else writes to while this lives.
#[derive(Debug)]
pub struct AppendFile(File);

impl AppendFile {
    /// Writes all of `bytes`, and has them on the disk when it returns.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)?;
        self.0.sync_data()
    }

    /// Cuts off what comes after the first `length` bytes.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn cut(&mut self, length: u64) -> io::Result<()> {
        self.0.set_len(length)?;
        self.0.sync_all()
    }
}

/// Makes a new file, together with its folder, and has its name on the disk.
///
/// # Errors
/// `Failed` if it exists or cannot be made.
pub fn append_file(path: &Path) -> Result<AppendFile> {
    let failed = |error: io::Error| Error::failed(format!("`{}` cannot be written: {error}", path.display()));
    // What takes writes back may hold secrets: nobody else reads it.
    let file = OpenOptions::new().create_new(true).append(true).mode(0o600).open(path).map_err(failed)?;
    file.lock().map_err(failed)?;
    if let Some(folder) = path.parent() {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
    }
    Ok(AppendFile(file))
}

/// Goes on with a file; `None` while another process writes to it. The lock goes with the process, however that ends.
///
/// # Errors
/// `NotFound`; `Failed` if it cannot be written.
pub fn reopen_file(path: &Path) -> Result<Option<AppendFile>> {
    let file = OpenOptions::new().append(true).open(path).map_err(|error| explain(error, path))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(AppendFile(file))),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(explain(error, path)),
    }
}

/// A file of lines that several processes may append to at once.
#[derive(Debug)]
pub struct LogFile(File);

impl LogFile {
    /// Makes the file, which nobody else may read, or goes on with it.
    ///
    /// # Errors
    /// `Failed`, `Forbidden`.
    pub fn open(path: &Path) -> Result<Self> {
        let failed =
            |error: io::Error| Error::failed(format!("`{}` cannot be written: {error}", path.display()));
        let file = OpenOptions::new().create(true).read(true).append(true).mode(0o600).open(path);
        let mut log = LogFile(file.map_err(failed)?);
        let length = log.0.metadata().map_err(failed)?.len();
        // A line that was broken off, by a full disk, must not swallow the next one.
        let mut last = [b'\n'];
        if length > 0 {
            log.0
                .seek(SeekFrom::Start(length - 1))
                .and_then(|_| log.0.read_exact(&mut last))
                .map_err(failed)?;
        }
        if last != [b'\n'] {
            log.append(b"\n", false).map_err(failed)?;
        }
        Ok(log)
    }

    /// Appends a line, whole, where the file ends now; if `durable`, it is on the disk when this returns.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn append(&self, line: &[u8], durable: bool) -> io::Result<()> {
        (&self.0).write_all(line)?;
        if durable { self.0.sync_data() } else { Ok(()) }
    }
}

/// Replaces the content of a file of opsrun's own, which nobody else may read: whole, or not at all.
///
/// # Errors
/// `Failed`.
pub fn replace_text(path: &Path, text: &str) -> Result<()> {
    let failed = |error: io::Error| Error::failed(format!("`{}` cannot be written: {error}", path.display()));
    let new = path.with_extension(format!("new-{}", std::process::id()));
    let written = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&new);
    let written = written.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
    written.and_then(|()| std::fs::rename(&new, path)).map_err(failed)
}

/// Changes a small file of opsrun's own, which nobody else may read, while no other process does: `change` is given its text, and
/// gives the new one or `None` to leave it.
///
/// # Errors
/// `Failed`; those of `change`.
pub fn update_text(path: &Path, change: impl FnOnce(Option<String>) -> Result<Option<String>>) -> Result<()> {
    let failed = |error: io::Error| Error::failed(format!("`{}` cannot be written: {error}", path.display()));
    if let Some(folder) = path.parent() {
        create_folder(folder)?;
    }
    let lock = path.with_extension("lock");
    let lock = OpenOptions::new().create(true).append(true).mode(0o600).open(lock).map_err(failed)?;
    // It goes with the file, however this ends.
    lock.lock().map_err(failed)?;
    let text = match read_text(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        text => Some(text?),
    };
    change(text)?.map_or(Ok(()), |text| replace_text(path, &text))
}

/// The user of this process, as the machine numbers them.
pub fn user_id() -> u32 {
    rustix::process::getuid().as_raw()
}

/// Makes a folder and those around it.
///
/// # Errors
/// `Failed`.
pub fn create_folder(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path)
        .map_err(|error| Error::failed(format!("the folder `{}` cannot be made: {error}", path.display())))
}

/// The files of a folder, sorted; none if there is no such folder.
///
/// # Errors
/// `Failed`.
pub fn list_folder(path: &Path) -> Result<Vec<PathBuf>> {
    match std::fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(explain(error, path)),
        Ok(entries) => {
            let mut paths = entries
                .map(|entry| entry.map(|entry| entry.path()))
                .collect::<io::Result<Vec<_>>>()
                .map_err(|error| explain(error, path))?;
            paths.sort();
            Ok(paths)
        }
    }
}

/// A file of opsrun's own, whatever is in it.
///
/// # Errors
/// `NotFound`, `Failed`.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| explain(error, path))
}

/// A file that only its owner reads; made of what `make` gives, if there is none yet. Who makes it at the same time gets
/// the same.
///
/// # Errors
/// `Forbidden` if others can read it; `Failed`; those of `make`.
pub fn owners_file(path: &Path, make: impl FnOnce() -> Result<Vec<u8>>) -> Result<Vec<u8>> {
    let failed = |error: io::Error| Error::failed(format!("`{}` cannot be written: {error}", path.display()));
    if !path.exists() {
        let content = make()?;
        if let Some(folder) = path.parent() {
            create_folder(folder)?;
        }
        // Under another name first, so that nobody reads half of it.
        let part = path.with_extension(format!("{}.part", std::process::id()));
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&part)
            .map_err(failed)?;
        let linked = file
            .write_all(&content)
            .and_then(|()| file.sync_all())
            .and_then(|()| std::fs::hard_link(&part, path));
        std::fs::remove_file(&part).map_err(failed)?;
        match linked {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
            _ => {}
        }
    }
    let mut file = File::open(path).map_err(|error| explain(error, path))?;
    let mode = file.metadata().map_err(|error| explain(error, path))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(Error::new(
            ErrorKind::Forbidden,
            format!("`{}` can be read by others than its owner", path.display()),
        )
        .hint(format!("`chmod 600 {}`, and think of who may have read it", path.display())));
    }
    let mut content = Vec::new();
    file.read_to_end(&mut content).map_err(|error| explain(error, path))?;
    Ok(content)
}

/// A text file.
///
/// # Errors
/// `NotFound`, `Failed`.
pub fn read_text(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|error| explain(error, path))
}

/// Writes a file that somebody asked for, in place of what was there.
///
/// # Errors
/// `Failed`.
pub fn write_file(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text)
        .map_err(|error| Error::failed(format!("`{}` cannot be written: {error}", path.display())))
}

/// A folder for as long as this lives, readable by this user alone.
#[derive(Debug)]
pub struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    /// Makes `BASE/PREFIX-PID`.
    ///
    /// # Errors
    /// `Failed` if it cannot be made, or somebody else has made it.
    pub fn create(base: &Path, prefix: &str) -> Result<Self> {
        use std::os::unix::fs::DirBuilderExt;
        let path = base.join(format!("{prefix}-{}", std::process::id()));
        let made = std::fs::DirBuilder::new().mode(0o700).create(&path);
        made.map(|()| TemporaryFolder(path.clone())).map_err(|error| {
            Error::failed(format!("the folder `{}` cannot be made: {error}", path.display()))
        })
    }

    /// Writes a file in it and gives its path.
    ///
    /// # Errors
    /// `Failed`.
    pub fn write(&self, name: &str, content: &str) -> Result<String> {
        let path = self.0.join(name);
        std::fs::write(&path, content)
            .map_err(|error| Error::failed(format!("`{}` cannot be written: {error}", path.display())))?;
        Ok(path.display().to_string())
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        // What cannot be removed is left to the system's cleaning.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
