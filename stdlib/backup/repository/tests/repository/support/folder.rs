//! A storage in a folder, and a folder's files as entries.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use futures::stream::{self, BoxStream, StreamExt};
use restic_repository::{
    Content, Entry, EntryKind, File, Id, Kind, Listed, Metadata, Reader, Storage, StorageResult, Time,
};

pub(crate) struct FolderStorage(pub(crate) PathBuf);

impl FolderStorage {
    fn list_now(&self, kind: Kind) -> StorageResult<Vec<Listed>> {
        let folder = self.0.join(kind.folder());
        let mut listed = Vec::new();
        let folders = match kind {
            Kind::Data => names(&folder)?.into_iter().map(|name| folder.join(name)).collect(),
            _ => vec![folder],
        };
        for folder in folders {
            for name in names(&folder)? {
                if let Ok(id) = name.to_string_lossy().parse::<Id>() {
                    listed.push(Listed { id, size: std::fs::metadata(folder.join(&name))?.len() });
                }
            }
        }
        Ok(listed)
    }

    fn part(&self, file: File, offset: u64, length: usize) -> StorageResult<Bytes> {
        let mut part = vec![0; length];
        std::fs::File::open(self.0.join(file.path()))?.read_exact_at(&mut part, offset)?;
        Ok(part.into())
    }

    fn write_now(&self, file: File, content: &[u8]) -> StorageResult<()> {
        let path = self.0.join(file.path());
        let folder = path.parent().expect("a file is in a folder");
        std::fs::create_dir_all(folder)?;
        let unfinished = path.with_extension("tmp");
        let mut written = std::fs::File::create(&unfinished)?;
        written.write_all(content)?;
        std::fs::rename(unfinished, path)?;
        Ok(())
    }
}

fn names(folder: &Path) -> io::Result<Vec<OsString>> {
    match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read?.map(|entry| Ok(entry?.file_name())).collect(),
    }
}

impl Storage for FolderStorage {
    fn list(&self, kind: Kind) -> BoxStream<'_, StorageResult<Listed>> {
        match self.list_now(kind) {
            Ok(listed) => stream::iter(listed).map(Ok).boxed(),
            Err(error) => stream::iter([Err(error)]).boxed(),
        }
    }

    fn read(&self, file: File) -> BoxFuture<'_, StorageResult<Bytes>> {
        ready(std::fs::read(self.0.join(file.path())).map(Bytes::from).map_err(Into::into)).boxed()
    }

    fn read_part(&self, file: File, offset: u64, length: usize) -> BoxFuture<'_, StorageResult<Bytes>> {
        ready(self.part(file, offset, length)).boxed()
    }

    fn write(&self, file: File, content: Bytes) -> BoxFuture<'_, StorageResult<()>> {
        ready(self.write_now(file, &content)).boxed()
    }

    fn remove(&self, file: File) -> BoxFuture<'_, StorageResult<()>> {
        ready(std::fs::remove_file(self.0.join(file.path())).map_err(Into::into)).boxed()
    }
}

/// Reads where it is asked, as tests may.
struct Blocking(std::fs::File);

impl tokio::io::AsyncRead for Blocking {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        let length = self.0.read(buffer.initialize_unfilled())?;
        buffer.advance(length);
        std::task::Poll::Ready(Ok(()))
    }
}

/// All that is in a folder, and the folder itself.
pub(crate) fn entries_of(folder: &Path) -> io::Result<Vec<Entry>> {
    let stat = std::fs::symlink_metadata(folder)?;
    let time = |seconds, nanoseconds: i64| {
        Time::from(jiff::Timestamp::new(seconds, nanoseconds as i32).expect("a file's time is one"))
    };
    let mtime = time(stat.mtime(), stat.mtime_nsec());
    let metadata = Metadata {
        atime: Some(time(stat.atime(), stat.atime_nsec())),
        ctime: Some(time(stat.ctime(), stat.ctime_nsec())),
        uid: stat.uid(),
        gid: stat.gid(),
        inode: stat.ino(),
        device_id: stat.dev(),
        links: stat.nlink(),
        ..Metadata::new(stat.mode() & 0o7777, mtime)
    };
    let (kind, below) = if stat.is_dir() {
        let mut names = names(folder)?;
        names.sort();
        (EntryKind::Folder, names)
    } else if stat.is_symlink() {
        (EntryKind::Symlink { target: std::fs::read_link(folder)?.into() }, Vec::new())
    } else {
        let path = folder.to_owned();
        let open = || async move { Ok(Box::pin(Blocking(std::fs::File::open(path)?)) as Reader) };
        (EntryKind::File(Content::file(stat.len(), open)), Vec::new())
    };
    let mut entries = vec![Entry { path: folder.to_owned(), metadata, kind }];
    for name in below {
        entries.extend(entries_of(&folder.join(name))?);
    }
    Ok(entries)
}
