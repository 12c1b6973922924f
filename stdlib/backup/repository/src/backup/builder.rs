//! The second half of a backup: takes what was read, in order, and makes blobs, trees and in the end the root of it.

use std::collections::VecDeque;
use std::ffi::OsString;

use bytes::Bytes;
use futures::future::BoxFuture;

use super::Limit;
use super::entry::Metadata;
use crate::codec::Sealed;
use crate::pack::BlobKey;
use crate::packer::{Added, Packer};
use crate::repository::Repository;
use crate::tree::{Node, NodeKind, Tree};
use crate::{Error, Id, Result};

/// What a backup comes upon, in this order.
pub(super) enum Step {
    EnterFolder {
        name: OsString,
        metadata: Metadata,
        /// Its tree in the parent snapshot.
        before: Option<Id>,
    },
    LeaveFolder,
    /// A symbolic link, or a file that is taken over.
    Node(Node),
    EnterFile,
    /// A piece of the file, which is being hashed.
    Piece {
        hashed: BoxFuture<'static, Result<(Id, Bytes)>>,
        length: usize,
    },
    LeaveFile {
        name: OsString,
        metadata: Metadata,
        /// What the parent snapshot has there.
        before: Option<NodeKind>,
    },
}

/// Of files and folders.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) new: u64,
    pub(super) changed: u64,
    pub(super) unmodified: u64,
}

impl Counts {
    fn count<T: PartialEq>(&mut self, before: Option<&T>, now: &T) {
        *match before {
            None => &mut self.new,
            Some(before) if before == now => &mut self.unmodified,
            Some(_) => &mut self.changed,
        } += 1;
    }
}

pub(super) struct Builder<'r> {
    repository: &'r Repository,
    packer: Packer<'r>,
    limit: Limit,
    /// Folders that were entered and not left, the root first.
    folders: Vec<OpenFolder>,
    /// The file that was entered.
    file: (u64, Vec<Id>),
    /// Blobs that are being compressed and encrypted, in the order in which they will be written.
    sealing: VecDeque<Sealing>,
    sealing_bytes: usize,
    pub(super) files: Counts,
    pub(super) dirs: Counts,
    /// The sizes of all files, whether they were read or taken over.
    pub(super) bytes: u64,
}

struct OpenFolder {
    name: OsString,
    metadata: Metadata,
    before: Option<Id>,
    tree: Tree,
}

struct Sealing {
    key: BlobKey,
    length: usize,
    sealed: BoxFuture<'static, Result<Sealed>>,
}

impl<'r> Builder<'r> {
    pub(super) fn new(repository: &'r Repository, limit: Limit, root: Metadata) -> Self {
        let root = OpenFolder { name: OsString::new(), metadata: root, before: None, tree: Tree::default() };
        Builder {
            repository,
            packer: Packer::new(repository),
            limit,
            folders: vec![root],
            file: (0, Vec::new()),
            sealing: VecDeque::new(),
            sealing_bytes: 0,
            files: Counts::default(),
            dirs: Counts::default(),
            bytes: 0,
        }
    }

    /// Waits for something, while packs are on their way to the storage.
    pub(super) async fn meanwhile<T>(&mut self, waited_for: impl Future<Output = T>) -> Result<T> {
        self.packer.meanwhile(waited_for).await
    }

    pub(super) async fn take(&mut self, step: Step) -> Result<()> {
        match step {
            Step::EnterFolder { name, metadata, before } => {
                self.folders.push(OpenFolder { name, metadata, before, tree: Tree::default() });
            }
            Step::LeaveFolder => {
                let folder = self.folders.pop().expect("only what was entered is left");
                let tree = self.save_tree(folder.tree).await?;
                self.dirs.count(folder.before.as_ref(), &tree);
                self.push(node(folder.name, folder.metadata, NodeKind::Folder { tree }));
            }
            Step::Node(node) => {
                if matches!(node.kind, NodeKind::File { .. }) {
                    self.files.unmodified += 1;
                    self.bytes += node.size();
                }
                self.push(node);
            }
            Step::EnterFile => self.file = (0, Vec::new()),
            Step::Piece { hashed, length } => {
                let (id, data) = self.meanwhile(hashed).await??;
                self.file.0 += length as u64;
                self.file.1.push(id);
                self.save(BlobKey::data(id), data).await?;
            }
            Step::LeaveFile { name, metadata, before } => {
                let (size, content) = std::mem::take(&mut self.file);
                let kind = NodeKind::File { size, content };
                self.files.count(before.as_ref(), &kind);
                self.bytes += size;
                self.push(node(name, metadata, kind));
            }
        }
        Ok(())
    }

    /// Writes all that is left; gives the root's tree.
    pub(super) async fn finish(&mut self) -> Result<(Id, Added)> {
        let root = self.folders.pop().expect("the root is left last");
        let tree = self.save_tree(root.tree).await?;
        while !self.sealing.is_empty() {
            self.add_sealed().await?;
        }
        self.packer.finish().await?;
        Ok((tree, self.packer.added))
    }

    fn push(&mut self, node: Node) {
        self.folders.last_mut().expect("the root is open").tree.nodes.push(node);
    }

    async fn save_tree(&mut self, mut tree: Tree) -> Result<Id> {
        tree.nodes.sort_by(|a, b| a.name.cmp(&b.name));
        let bytes = tree.to_bytes();
        let id = Id::of(&bytes);
        self.save(BlobKey::tree(id), Bytes::from(bytes)).await?;
        Ok(id)
    }

    async fn save(&mut self, key: BlobKey, data: Bytes) -> Result<()> {
        if !self.packer.claim(key) {
            return Ok(());
        }
        if u32::try_from(data.len()).is_err() {
            return Err(Error::TooLarge { what: "a folder's tree", size: data.len() });
        }
        let nonce = self.repository.nonce();
        let length = data.len();
        let sealed = self.repository.compute(move |codec| codec.seal_blob(nonce, key.kind, &data));
        self.sealing.push_back(Sealing { key, length, sealed });
        self.sealing_bytes += length;
        while self.limit.is_passed(self.sealing_bytes, self.sealing.len()) {
            self.add_sealed().await?;
        }
        Ok(())
    }

    async fn add_sealed(&mut self) -> Result<()> {
        let Some(Sealing { key, length, sealed }) = self.sealing.pop_front() else { return Ok(()) };
        self.sealing_bytes -= length;
        let sealed = self.meanwhile(sealed).await??;
        self.packer.add(key, length, &sealed).await
    }
}

pub(super) fn node(name: OsString, metadata: Metadata, kind: NodeKind) -> Node {
    let Metadata { mode, mtime, atime, ctime, uid, gid, user, group, inode, device_id, links } = metadata;
    let (atime, ctime) = (atime.unwrap_or(mtime), ctime.unwrap_or(mtime));
    Node { name, kind, mode, mtime, atime, ctime, uid, gid, user, group, inode, device_id, links }
}
