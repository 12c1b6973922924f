//! What is given to a backup.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use tokio::io::AsyncRead;

use crate::{Node, Time};

/// The content of a file, from its beginning.
pub type Reader = Pin<Box<dyn AsyncRead + Send>>;

type Open = Box<dyn FnOnce() -> BoxFuture<'static, io::Result<Reader>> + Send>;

/// A file, a folder or a symbolic link that is to be in the snapshot.
#[derive(Debug)]
pub struct Entry {
    /// Where the snapshot has it; a `/` in front makes no difference. Folders above it that are no entries themselves are made up.
    pub path: PathBuf,
    pub metadata: Metadata,
    pub kind: EntryKind,
}

#[derive(Debug)]
pub enum EntryKind {
    Folder,
    Symlink { target: OsString },
    File(Content),
}

/// A file's content.
pub enum Content {
    /// It is read, unless the parent snapshot has a file of the same size and `mtime` there.
    Read {
        /// `None` for a stream: it is always read, and its size is known in the end.
        size: Option<u64>,
        open: Open,
    },
    /// It is known to be as it was in the parent snapshot.
    Unchanged,
}

impl Content {
    /// A file that is opened only if it has to be read.
    pub fn file<F>(size: u64, open: impl FnOnce() -> F + Send + 'static) -> Self
    where
        F: Future<Output = io::Result<Reader>> + Send + 'static,
    {
        Content::Read { size: Some(size), open: Box::new(|| open().boxed()) }
    }

    /// What comes until it ends; a failure of it makes the backup fail.
    pub fn stream(reader: impl AsyncRead + Send + 'static) -> Self {
        Content::Read { size: None, open: Box::new(|| ready(Ok(Box::pin(reader) as Reader)).boxed()) }
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Content::Read { size, .. } => f.debug_struct("Read").field("size", size).finish_non_exhaustive(),
            Content::Unchanged => f.write_str("Unchanged"),
        }
    }
}

/// What is known of an entry besides its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// As Unix has it: `0o644`.
    pub mode: u32,
    pub mtime: Time,
    /// `mtime` where they are not known.
    pub atime: Option<Time>,
    pub ctime: Option<Time>,
    pub uid: u32,
    pub gid: u32,
    pub user: String,
    pub group: String,
    /// 0 where they are not known, as below.
    pub inode: u64,
    pub device_id: u64,
    pub links: u64,
}

impl Metadata {
    /// Of root's, and nothing else is known.
    pub fn new(mode: u32, mtime: Time) -> Self {
        Metadata {
            mode,
            mtime,
            atime: None,
            ctime: None,
            uid: 0,
            gid: 0,
            user: String::new(),
            group: String::new(),
            inode: 0,
            device_id: 0,
            links: 0,
        }
    }
}

impl From<Node> for Metadata {
    fn from(node: Node) -> Self {
        let Node { mode, mtime, atime, ctime, uid, gid, user, group, inode, device_id, links, .. } = node;
        let (atime, ctime) = (Some(atime), Some(ctime));
        Metadata { mode, mtime, atime, ctime, uid, gid, user, group, inode, device_id, links }
    }
}
