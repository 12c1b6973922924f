//! Backups: entries and streams become blobs, trees and a snapshot. Any error of a source makes the backup fail, and no snapshot is written.

mod builder;
mod entry;

use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt};
use tokio::io::AsyncReadExt;

use crate::chunker::{self, Chunker};
use crate::lock::Lock;
use crate::pack::BlobKey;
use crate::repository::Repository;
use crate::snapshot::{NamedSnapshot, Snapshot, Summary};
use crate::tree::{Node, NodeKind, Tree, is_name};
use crate::{Error, Id, Result};
use builder::{Builder, Step, node};
pub use entry::{Content, Entry, EntryKind, Metadata, Reader};

/// How much is asked of a reader at a time.
const READ: usize = 1 << 20;
/// How much has to come before the end of a piece is looked for again.
const SEARCH: usize = 256 << 10;

type SourceError = Box<dyn std::error::Error + Send + Sync>;

/// What stands in the snapshot besides its tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BackupOptions {
    /// What was backed up: retention groups snapshots by it, and `latest` is looked for by it. Absolute.
    pub paths: Vec<PathBuf>,
    pub tags: Vec<String>,
    /// Instead of this host's name.
    pub host: Option<String>,
    /// The snapshot whose files are taken over if they have not changed; usually the last one of the same host and paths.
    pub parent: Option<Id>,
    /// `opsrun 1.0.0`
    pub program_version: String,
}

impl Repository {
    /// Backs up entries, and writes a snapshot of them. A folder's entries come together, behind the folder; their order is free.
    ///
    /// # Errors
    /// `Sources` if the entries fail; `Source` if one cannot be read; `InvalidEntry`; those of the storage and of the parent snapshot's file.
    pub async fn backup<S>(
        &self,
        _lock: &Lock<'_>,
        options: BackupOptions,
        entries: S,
    ) -> Result<NamedSnapshot>
    where
        S: Stream<Item = std::result::Result<Entry, SourceError>> + Send,
    {
        let start = self.surroundings.now();
        let before = match options.parent {
            Some(parent) => Some(self.read_snapshot(parent).await?.tree),
            None => None,
        };
        self.load_index().await?;
        let limit = Limit::of(self.surroundings.parallel_jobs());
        let mut backup = Backup {
            repository: self,
            builder: Builder::new(self, limit, Metadata::new(0o755, start)),
            limit,
            steps: VecDeque::new(),
            hashing_bytes: 0,
            chunker: Chunker::new(self.config().polynomial()),
            open: vec![OpenFolder {
                name: OsString::new(),
                before: self.tree_before(before).await,
                seen: BTreeSet::new(),
            }],
            made_up: Metadata::new(0o755, start),
        };
        let mut entries = std::pin::pin!(entries);
        while let Some(entry) = backup.builder.meanwhile(entries.next()).await? {
            backup.read(entry.map_err(Error::Sources)?).await?;
        }
        let (tree, summary) = backup.finish(start).await?;
        let user = self.surroundings.user();
        let snapshot = Snapshot {
            time: start,
            parent: options.parent,
            tree,
            paths: options.paths.iter().map(|path| path.to_string_lossy().into_owned()).collect(),
            hostname: options.host.unwrap_or(user.host),
            username: user.name,
            uid: user.uid,
            gid: user.gid,
            excludes: Vec::new(),
            tags: options.tags,
            original: None,
            program_version: options.program_version,
            summary: Some(summary),
            other: serde_json::Map::new(),
        };
        self.write_snapshot(snapshot).await
    }

    /// A tree of the parent snapshot. What cannot be read is not there to be taken over, and the files below are read.
    async fn tree_before(&self, tree: Option<Id>) -> Option<Tree> {
        self.read_tree(tree?).await.ok()
    }
}

/// How much is being worked on at a time in each half.
#[derive(Debug, Clone, Copy)]
struct Limit {
    bytes: usize,
    pieces: usize,
}

impl Limit {
    /// Enough that each worker has a large piece, or many small ones; nothing where the work was done when it was given.
    fn of(parallel_jobs: usize) -> Self {
        match parallel_jobs {
            0 | 1 => Limit { bytes: 0, pieces: 0 },
            _ => Limit { bytes: parallel_jobs * chunker::MAX, pieces: parallel_jobs * 64 },
        }
    }

    fn is_passed(self, bytes: usize, pieces: usize) -> bool {
        pieces > 0 && (bytes > self.bytes || pieces > self.pieces)
    }
}

/// The first half: reads, cuts, and has pieces hashed.
struct Backup<'r> {
    repository: &'r Repository,
    builder: Builder<'r>,
    limit: Limit,
    steps: VecDeque<Step>,
    hashing_bytes: usize,
    chunker: Chunker,
    /// The folders that the last entry is in, the root first.
    open: Vec<OpenFolder>,
    /// For folders that are no entries.
    made_up: Metadata,
}

struct OpenFolder {
    name: OsString,
    before: Option<Tree>,
    /// Names in it that there have been.
    seen: BTreeSet<OsString>,
}

impl Backup<'_> {
    async fn read(&mut self, entry: Entry) -> Result<()> {
        let invalid = |problem| Error::InvalidEntry { path: entry.path.clone(), problem };
        let mut names = names(&entry.path).ok_or_else(|| invalid("its path has `..` in it, or is none"))?;
        let name = names.pop().ok_or_else(|| invalid("it is the root of the snapshot itself"))?;
        let is_open = |(folder, name): &(&OpenFolder, &OsString)| folder.name == **name;
        let common = self.open[1..].iter().zip(&names).take_while(is_open).count();
        while self.open.len() > common + 1 {
            self.leave_folder().await?;
        }
        for folder in names.drain(common..) {
            self.enter_folder(folder, None, &entry.path).await?;
        }
        let metadata = entry.metadata;
        match entry.kind {
            EntryKind::Folder => self.enter_folder(name, Some(metadata), &entry.path).await,
            EntryKind::Symlink { target } => {
                self.see(&name, &entry.path)?;
                self.push(Step::Node(node(name, metadata, NodeKind::Symlink { target })), 0).await
            }
            EntryKind::File(content) => {
                self.see(&name, &entry.path)?;
                self.file(&entry.path, name, metadata, content).await
            }
        }
    }

    fn here(&mut self) -> &mut OpenFolder {
        self.open.last_mut().expect("the root is never left")
    }

    fn see(&mut self, name: &OsString, path: &Path) -> Result<()> {
        match self.here().seen.insert(name.clone()) {
            true => Ok(()),
            false => Err(Error::InvalidEntry {
                path: path.to_owned(),
                problem: "it, or the folder it is in, has come before; a folder's entries have to come together",
            }),
        }
    }

    fn before(&mut self, name: &OsString) -> Option<Node> {
        self.here().before.as_ref().and_then(|tree| tree.get(name)).cloned()
    }

    /// One that is no entry is as it was in the parent snapshot, so that its tree stays the same.
    async fn enter_folder(&mut self, name: OsString, metadata: Option<Metadata>, path: &Path) -> Result<()> {
        self.see(&name, path)?;
        let folder_before = |node: Node| match node.kind {
            NodeKind::Folder { tree } => Some((tree, Metadata::from(node))),
            _ => None,
        };
        let (before, metadata_before) = self.before(&name).and_then(folder_before).unzip();
        let metadata = metadata.or(metadata_before).unwrap_or_else(|| self.made_up.clone());
        let repository = self.repository;
        let tree_before = self.builder.meanwhile(repository.tree_before(before)).await?;
        self.open.push(OpenFolder { name: name.clone(), before: tree_before, seen: BTreeSet::new() });
        self.push(Step::EnterFolder { name, metadata, before }, 0).await
    }

    async fn leave_folder(&mut self) -> Result<()> {
        self.open.pop();
        self.push(Step::LeaveFolder, 0).await
    }

    async fn file(
        &mut self,
        path: &Path,
        name: OsString,
        metadata: Metadata,
        content: Content,
    ) -> Result<()> {
        let before = self.before(&name).filter(|node| matches!(node.kind, NodeKind::File { .. }));
        let (size, open) = match content {
            Content::Read { size, open } => (size, Some(open)),
            Content::Unchanged => (None, None),
        };
        if let Some(before) = &before
            && (open.is_none() || size == Some(before.size()) && metadata.mtime == before.mtime)
            && self.is_whole(&before.kind)
        {
            return self.push(Step::Node(node(name, metadata, before.kind.clone())), 0).await;
        }
        let Some(open) = open else {
            let problem =
                "it is said to be unchanged, but the parent snapshot does not have it, or not whole";
            return Err(Error::InvalidEntry { path: path.to_owned(), problem });
        };
        let failed = |source: std::io::Error| Error::Source { path: path.to_owned(), source: source.into() };
        let mut reader = self.builder.meanwhile(open()).await?.map_err(failed)?;
        self.push(Step::EnterFile, 0).await?;
        // One more than expected, so that the end is seen without more room.
        let expected = size
            .and_then(|size| usize::try_from(size).ok())
            .map_or(READ, |size| size.saturating_add(1).min(READ));
        let mut buffer = BytesMut::with_capacity(expected);
        let mut searched = 0;
        loop {
            if buffer.len() == buffer.capacity() {
                buffer.reserve(READ);
            }
            let length = self.builder.meanwhile(reader.read_buf(&mut buffer)).await?.map_err(failed)?;
            let at_end = length == 0;
            if at_end || buffer.len() - searched >= SEARCH {
                while let Some(end) = self.chunker.end(&buffer, searched) {
                    self.piece(buffer.split_to(end).freeze()).await?;
                    searched = 0;
                }
                searched = buffer.len();
            }
            if at_end {
                break;
            }
        }
        if !buffer.is_empty() {
            self.piece(buffer.freeze()).await?;
        }
        self.push(Step::LeaveFile { name, metadata, before: before.map(|node| node.kind) }, 0).await
    }

    /// Whether the repository has all that a file consists of.
    fn is_whole(&self, kind: &NodeKind) -> bool {
        let NodeKind::File { content, .. } = kind else { return false };
        let index = self.repository.index();
        content.iter().all(|id| index.contains(BlobKey::data(*id)))
    }

    async fn piece(&mut self, data: Bytes) -> Result<()> {
        let length = data.len();
        let hashed = self.repository.compute(move |_| (Id::of(&data), data));
        self.push(Step::Piece { hashed, length }, length).await
    }

    async fn push(&mut self, step: Step, bytes: usize) -> Result<()> {
        self.steps.push_back(step);
        self.hashing_bytes += bytes;
        while self.limit.is_passed(self.hashing_bytes, self.steps.len()) {
            self.take_one().await?;
        }
        Ok(())
    }

    async fn take_one(&mut self) -> Result<()> {
        let Some(step) = self.steps.pop_front() else { return Ok(()) };
        if let Step::Piece { length, .. } = step {
            self.hashing_bytes -= length;
        }
        self.builder.take(step).await
    }

    async fn finish(mut self, start: crate::Time) -> Result<(Id, Summary)> {
        while self.open.len() > 1 {
            self.leave_folder().await?;
        }
        while !self.steps.is_empty() {
            self.take_one().await?;
        }
        let (tree, added) = self.builder.finish().await?;
        let (files, dirs) = (self.builder.files, self.builder.dirs);
        let summary = Summary {
            backup_start: start,
            backup_end: self.repository.surroundings.now(),
            files_new: files.new,
            files_changed: files.changed,
            files_unmodified: files.unmodified,
            dirs_new: dirs.new,
            dirs_changed: dirs.changed,
            dirs_unmodified: dirs.unmodified,
            data_blobs: added.data_blobs,
            tree_blobs: added.tree_blobs,
            data_added: added.bytes,
            data_added_packed: added.packed,
            total_files_processed: files.new + files.changed + files.unmodified,
            total_bytes_processed: self.builder.bytes,
        };
        Ok((tree, summary))
    }
}

/// The names that a path consists of.
fn names(path: &Path) -> Option<Vec<OsString>> {
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::RootDir | Component::CurDir => {}
            Component::Normal(name) if is_name(name.as_bytes()) => names.push(name.to_owned()),
            _ => return None,
        }
    }
    Some(names)
}
