//! A repository's files in a folder, read and written by threads of tokio's.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use futures::stream::{self, BoxStream, StreamExt};
use restic_repository::{File, Kind, Listed, Storage, StorageResult};
use tokio::task::spawn_blocking;

pub(crate) struct FolderStorage {
    root: PathBuf,
    /// Whether a write waits for the disk.
    synced: bool,
}

impl FolderStorage {
    pub(crate) fn new(root: impl Into<PathBuf>) -> Self {
        FolderStorage { root: root.into(), synced: true }
    }

    /// For what is to outlive a process, and not the machine's power.
    #[allow(dead_code)] // tests have this file, too
    pub(crate) fn unsynced(self) -> Self {
        FolderStorage { synced: false, ..self }
    }

    fn path(&self, file: File) -> PathBuf {
        self.root.join(file.path())
    }

    fn list_folder(folder: &Path, listed: &mut Vec<Listed>) -> io::Result<()> {
        for entry in entries(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                Self::list_folder(&entry.path(), listed)?;
            } else if let Ok(id) = entry.file_name().to_string_lossy().parse() {
                listed.push(Listed { id, size: entry.metadata()?.len() });
            }
        }
        Ok(())
    }
}

fn part(path: &Path, offset: u64, length: usize) -> io::Result<Bytes> {
    let mut part = vec![0; length];
    fs::File::open(path)?.read_exact_at(&mut part, offset)?;
    Ok(part.into())
}

fn write(path: &Path, content: &[u8], synced: bool) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let unfinished = unfinished(path);
    let written = fs::File::create(&unfinished)
        .and_then(|mut file| {
            file.write_all(content)?;
            if synced { file.sync_all() } else { Ok(()) }
        })
        .and_then(|()| fs::rename(&unfinished, path))
        // Else the name could be lost with the machine's power.
        .and_then(|()| if synced { fs::File::open(folder)?.sync_all() } else { Ok(()) });
    if written.is_err() {
        // It would take up room; what counts is why it was not written.
        let _ = fs::remove_file(&unfinished);
    }
    written
}

fn remove_unfinished(folder: &Path) -> io::Result<()> {
    for entry in entries(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            remove_unfinished(&path)?;
        } else if path.extension().is_some_and(|extension| extension == UNFINISHED) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// None, if there is no such folder.
fn entries(folder: &Path) -> io::Result<impl Iterator<Item = io::Result<fs::DirEntry>>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        read => Some(read?),
    };
    Ok(entries.into_iter().flatten())
}

const UNFINISHED: &str = "tmp";

/// What a file is called until it is whole.
pub(crate) fn unfinished(path: &Path) -> PathBuf {
    path.with_extension(UNFINISHED)
}

async fn elsewhere<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> StorageResult<T> {
    Ok(spawn_blocking(work).await.map_err(io::Error::other)??)
}

impl Storage for FolderStorage {
    fn list(&self, kind: Kind) -> BoxStream<'_, StorageResult<Listed>> {
        let mut listed = Vec::new();
        match Self::list_folder(&self.root.join(kind.folder()), &mut listed) {
            Ok(()) => stream::iter(listed).map(Ok).boxed(),
            Err(error) => stream::iter([Err(error.into())]).boxed(),
        }
    }

    fn read(&self, file: File) -> BoxFuture<'_, StorageResult<Bytes>> {
        let path = self.path(file);
        elsewhere(move || fs::read(path).map(Bytes::from)).boxed()
    }

    fn read_part(&self, file: File, offset: u64, length: usize) -> BoxFuture<'_, StorageResult<Bytes>> {
        let path = self.path(file);
        elsewhere(move || part(&path, offset, length)).boxed()
    }

    fn write(&self, file: File, content: Bytes) -> BoxFuture<'_, StorageResult<()>> {
        let (path, synced) = (self.path(file), self.synced);
        elsewhere(move || write(&path, &content, synced)).boxed()
    }

    fn remove(&self, file: File) -> BoxFuture<'_, StorageResult<()>> {
        ready(fs::remove_file(self.path(file)).map_err(Into::into)).boxed()
    }

    fn tidy(&self) -> BoxFuture<'_, StorageResult<()>> {
        let folders = [Kind::Data, Kind::Index, Kind::Snapshot].map(|kind| self.root.join(kind.folder()));
        elsewhere(move || folders.iter().try_for_each(|folder| remove_unfinished(folder))).boxed()
    }
}
