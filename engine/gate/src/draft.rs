//! Files that are too large to be held while they are written: under another name first, then in place of what was there.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use opsrun_core::{Call, Result};

use crate::file::Files;
use crate::gate::{Gate, Recorder};
use crate::written::{MODE, Memory, access, failed};

/// Tells drafts of one file apart.
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// A file that is being written.
#[derive(Debug)]
pub struct Draft {
    real: PathBuf,
    shown: PathBuf,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Disk { file: File, part: PathBuf },
    Memory(Mutex<Vec<u8>>, AtomicU32),
}

impl Draft {
    /// # Errors
    /// `Failed`.
    pub fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        match &self.content {
            Content::Disk { file, .. } => {
                file.write_all_at(bytes, offset).map_err(|error| failed(&self.shown, &error))
            }
            Content::Memory(content, _) => {
                let mut content = content.lock().unwrap_or_else(PoisonError::into_inner);
                let too_far = || failed(&self.shown, &"it is too large");
                let start = usize::try_from(offset).map_err(|_| too_far())?;
                let end = start.checked_add(bytes.len()).ok_or_else(too_far)?;
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[start..end].copy_from_slice(bytes);
                Ok(())
            }
        }
    }
}

impl Draft {
    /// # Errors
    /// `Failed`.
    pub fn set_mode(&self, mode: u32) -> Result<()> {
        match &self.content {
            Content::Disk { file, .. } => file
                .set_permissions(Permissions::from_mode(mode & 0o7777))
                .map_err(|error| failed(&self.shown, &error)),
            Content::Memory(_, memory) => {
                memory.store(mode & 0o7777, Ordering::Relaxed);
                Ok(())
            }
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Content::Disk { part, .. } = &self.content {
            // It is not there any more if it was put in place.
            #[allow(clippy::disallowed_methods)] // this is the gate
            let _ = std::fs::remove_file(part);
        }
    }
}

impl Files {
    /// Begins to write a file. Nobody is told yet.
    ///
    /// # Errors
    /// `Denied`, `Failed`.
    pub fn draft(&self, gate: &Gate, call: &Call, path: &Path) -> Result<Draft> {
        let real = self.place(path)?;
        gate.permit(call, &access(&real))?;
        let content = match self.imagined() {
            Some(_) => Content::Memory(Mutex::default(), AtomicU32::new(MODE)),
            None => begin(&real).map_err(|error| failed(path, &error))?,
        };
        Ok(Draft { real, shown: path.to_owned(), content })
    }

    /// Puts a draft in its place, as [`Files::write`] does with a content.
    ///
    /// # Errors
    /// As [`Files::write`].
    pub async fn keep(
        &self,
        gate: &Gate,
        recorder: &dyn Recorder,
        call: &Arc<Call>,
        draft: Draft,
        modified: Option<Timestamp>,
    ) -> Result<()> {
        let now = gate.now();
        let put = || match (&draft.content, self.imagined()) {
            (Content::Memory(content, mode), Some(imagined)) => {
                let content = std::mem::take(&mut *content.lock().unwrap_or_else(PoisonError::into_inner));
                let mode = mode.load(Ordering::Relaxed);
                let memory = Memory { content: content.into(), modified: modified.unwrap_or(now), mode };
                imagined.put(&draft.real, Some(memory));
                Ok(())
            }
            (Content::Disk { file, part }, _) => {
                put(file, part, &draft.real, modified).map_err(|error| failed(&draft.shown, &error))
            }
            (Content::Memory(..), None) => Err(failed(&draft.shown, &"it is in memory")),
        };
        self.carry_out(gate, recorder, call, (&draft.real, &draft.shown), put).await
    }
}

#[allow(clippy::disallowed_methods)] // this is the gate
fn begin(real: &Path) -> io::Result<Content> {
    let (folder, name) = match (real.parent(), real.file_name()) {
        (Some(folder), Some(name)) if !real.is_dir() => (folder, name.to_string_lossy()),
        _ => return Err(io::Error::from(io::ErrorKind::IsADirectory)),
    };
    std::fs::create_dir_all(folder)?;
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let part = folder.join(format!(".{name}.{}-{number}.part", std::process::id()));
    Ok(Content::Disk { file: File::create(&part)?, part })
}

#[allow(clippy::disallowed_methods)] // this is the gate
fn put(file: &File, part: &Path, real: &Path, modified: Option<Timestamp>) -> io::Result<()> {
    if let Some(modified) = modified {
        file.set_modified(modified.into())?;
    }
    std::fs::rename(part, real)
}
