//! A folder's files as entries, one at a time.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};

use jiff::Timestamp;
use restic_repository::{Content, Entry, EntryKind, Metadata, Reader};
use tokio::io::{AsyncRead, ReadBuf};

/// The folder, and all that is in it, each folder before what is in it.
pub(crate) struct Entries {
    /// What is still to come, the next one last.
    paths: Vec<PathBuf>,
}

impl Entries {
    pub(crate) fn of(folder: &Path) -> Self {
        Entries { paths: vec![folder.to_owned()] }
    }

    fn entry(&mut self, path: PathBuf) -> io::Result<Entry> {
        let stat = fs::symlink_metadata(&path)?;
        let time = |seconds: i64, nanoseconds: i64| {
            let nanoseconds = i32::try_from(nanoseconds).map_err(io::Error::other)?;
            Ok::<_, io::Error>(Timestamp::new(seconds, nanoseconds).map_err(io::Error::other)?.into())
        };
        let metadata = Metadata {
            atime: Some(time(stat.atime(), stat.atime_nsec())?),
            ctime: Some(time(stat.ctime(), stat.ctime_nsec())?),
            uid: stat.uid(),
            gid: stat.gid(),
            inode: stat.ino(),
            device_id: stat.dev(),
            links: stat.nlink(),
            ..Metadata::new(stat.mode() & 0o7777, time(stat.mtime(), stat.mtime_nsec())?)
        };
        let kind = if stat.is_dir() {
            let mut below: Vec<PathBuf> = fs::read_dir(&path)?
                .map(|entry| entry.map(|entry| entry.path()))
                .collect::<Result<_, _>>()?;
            below.sort_unstable_by(|a, b| b.cmp(a));
            self.paths.extend(below);
            EntryKind::Folder
        } else if stat.is_symlink() {
            EntryKind::Symlink { target: fs::read_link(&path)?.into() }
        } else {
            let opened = path.clone();
            let open = || async move { Ok(Box::pin(Blocking(fs::File::open(opened)?)) as Reader) };
            EntryKind::File(Content::file(stat.len(), open))
        };
        Ok(Entry { path, metadata, kind })
    }
}

impl Iterator for Entries {
    type Item = Result<Entry, Box<dyn std::error::Error + Send + Sync>>;

    fn next(&mut self) -> Option<Self::Item> {
        let path = self.paths.pop()?;
        Some(self.entry(path.clone()).map_err(|error| format!("{}: {error}", path.display()).into()))
    }
}

/// Reads where it is asked: the work is done in other threads.
struct Blocking(fs::File);

impl AsyncRead for Blocking {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let length = self.0.read(buffer.initialize_unfilled())?;
        buffer.advance(length);
        Poll::Ready(Ok(()))
    }
}
