//! A repository's files in a folder.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use futures::stream::{self, BoxStream, StreamExt};
use restic_repository::{File, Kind, Listed, Storage, StorageResult};

pub(crate) struct FolderStorage(pub(crate) PathBuf);

impl FolderStorage {
    fn path(&self, file: File) -> PathBuf {
        self.0.join(file.path())
    }

    fn list_folder(folder: &Path, listed: &mut Vec<Listed>) -> io::Result<()> {
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            read => read?,
        };
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                Self::list_folder(&entry.path(), listed)?;
            } else if let Ok(id) = entry.file_name().to_string_lossy().parse() {
                listed.push(Listed { id, size: entry.metadata()?.len() });
            }
        }
        Ok(())
    }

    fn part(&self, file: File, offset: u64, length: usize) -> io::Result<Bytes> {
        let mut part = vec![0; length];
        fs::File::open(self.path(file))?.read_exact_at(&mut part, offset)?;
        Ok(part.into())
    }

    fn write_now(&self, file: File, content: &[u8]) -> io::Result<()> {
        let path = self.path(file);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let unfinished = path.with_extension("tmp");
        let mut written = fs::File::create(&unfinished)?;
        written.write_all(content)?;
        written.sync_all()?;
        fs::rename(unfinished, path)
    }
}

impl Storage for FolderStorage {
    fn list(&self, kind: Kind) -> BoxStream<'_, StorageResult<Listed>> {
        let mut listed = Vec::new();
        match Self::list_folder(&self.0.join(kind.folder()), &mut listed) {
            Ok(()) => stream::iter(listed).map(Ok).boxed(),
            Err(error) => stream::iter([Err(error.into())]).boxed(),
        }
    }

    fn read(&self, file: File) -> BoxFuture<'_, StorageResult<Bytes>> {
        ready(fs::read(self.path(file)).map(Bytes::from).map_err(Into::into)).boxed()
    }

    fn read_part(&self, file: File, offset: u64, length: usize) -> BoxFuture<'_, StorageResult<Bytes>> {
        ready(self.part(file, offset, length).map_err(Into::into)).boxed()
    }

    fn write(&self, file: File, content: Bytes) -> BoxFuture<'_, StorageResult<()>> {
        async move { self.write_now(file, &content).map_err(Into::into) }.boxed()
    }

    fn remove(&self, file: File) -> BoxFuture<'_, StorageResult<()>> {
        ready(fs::remove_file(self.path(file)).map_err(Into::into)).boxed()
    }
}
