//! Reading files: fetched a little ahead of who reads, and however large they are, not more than that is in memory.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::vec;

use bytes::Bytes;

use crate::fetch::Fetcher;
use crate::pack::BlobKey;
use crate::repository::Repository;
use crate::tree::{Node, NodeKind};
use crate::walk::{Walk, Walked};
use crate::{Error, Id, Result};

/// How many things are looked up ahead, where files are small.
const MOST_AHEAD: usize = 4096;

/// What comes of a restore, in order.
#[derive(Debug)]
pub enum Restored {
    /// A folder, a symbolic link, or a file, whose content follows.
    Entry { path: PathBuf, node: Node },
    /// The next piece of the file that came last.
    Content(Bytes),
    /// All that is in a folder has come; now its times can be set.
    Leave { path: PathBuf, node: Node },
    /// The rest of this file, or what is in this folder, cannot be read. What comes next is something else.
    Failed { path: PathBuf, error: Error },
}

/// Gives what a walk comes upon, and the content of the files.
pub struct Restore<'r> {
    repository: &'r Repository,
    walk: Option<Walk<'r>>,
    /// What is still to be asked for of the file that the walk came upon last.
    file: Option<(Arc<Path>, vec::IntoIter<Id>)>,
    ahead: VecDeque<Ahead>,
    /// The blobs of `ahead`.
    blobs: Fetcher<'r, Bytes>,
    /// The file that came last has failed.
    skipping: bool,
}

enum Ahead {
    Restored(Box<Restored>),
    Blob { path: Arc<Path>, key: BlobKey },
}

impl Repository {
    /// Reads what is gone through.
    pub fn restore<'r>(&'r self, walk: Walk<'r>) -> Restore<'r> {
        let blobs = Fetcher::new(self, |codec, blob, sealed| {
            codec.open_blob(blob.key.id, sealed, blob.uncompressed).map(Bytes::from)
        });
        Restore {
            repository: self,
            walk: Some(walk),
            file: None,
            ahead: VecDeque::new(),
            blobs,
            skipping: false,
        }
    }

    /// The content of a file of a snapshot.
    pub fn content(&self, node: Node, path: &Path) -> FileContent<'_> {
        FileContent(self.restore(self.walk_node(node, path)))
    }
}

impl std::fmt::Debug for Restore<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Restore").field("ahead", &self.ahead.len()).finish_non_exhaustive()
    }
}

/// A file's content, piece by piece.
#[derive(Debug)]
pub struct FileContent<'r>(Restore<'r>);

impl FileContent<'_> {
    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// `NotIndexed`, `Unreadable`: there is no more of the file then.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            match self.0.next().await {
                None => return Ok(None),
                Some(Restored::Content(piece)) => return Ok(Some(piece)),
                Some(Restored::Failed { error, .. }) => return Err(error),
                Some(Restored::Entry { .. } | Restored::Leave { .. }) => {}
            }
        }
    }
}

impl Restore<'_> {
    pub async fn next(&mut self) -> Option<Restored> {
        loop {
            self.look_ahead().await;
            let (path, key) = match self.ahead.pop_front()? {
                Ahead::Blob { path, key } => (path, key),
                Ahead::Restored(restored) => {
                    if matches!(*restored, Restored::Entry { .. }) {
                        self.skipping = false;
                    }
                    return Some(*restored);
                }
            };
            let fetched = self.blobs.next().await;
            if self.skipping {
                continue;
            }
            let read = match fetched {
                Some(Ok(plain)) => Ok(plain),
                // Other copies are tried, and what is wrong with each is told.
                _ => self.repository.read_blob(key).await.map(Bytes::from),
            };
            return Some(match read {
                Ok(plain) => Restored::Content(plain),
                Err(error) => {
                    self.skipping = true;
                    Restored::Failed { path: path.to_path_buf(), error }
                }
            });
        }
    }

    async fn look_ahead(&mut self) {
        while !self.blobs.is_full() && self.ahead.len() < MOST_AHEAD {
            if let Some((path, content)) = &mut self.file {
                let next = content.next().map(|id| (path.clone(), BlobKey::data(id)));
                match next {
                    Some((path, key)) => self.ask(path, key),
                    None => self.file = None,
                }
                continue;
            }
            let Some(walk) = &mut self.walk else { return };
            let restored = match walk.next().await {
                Some(Walked::Entry { path, node }) => {
                    if let NodeKind::File { content, .. } = &node.kind {
                        self.file = Some((path.as_path().into(), content.clone().into_iter()));
                    }
                    Restored::Entry { path, node }
                }
                Some(Walked::Leave { path, node }) => Restored::Leave { path, node },
                Some(Walked::Failed { path, error }) => Restored::Failed { path, error },
                None => {
                    self.walk = None;
                    return;
                }
            };
            self.ahead.push_back(Ahead::Restored(Box::new(restored)));
        }
    }

    fn ask(&mut self, path: Arc<Path>, key: BlobKey) {
        let next = match self.repository.locations(key) {
            Ok(locations) => {
                self.blobs.ask(locations[0]);
                Ahead::Blob { path, key }
            }
            Err(error) => {
                self.file = None;
                Ahead::Restored(Box::new(Restored::Failed { path: path.to_path_buf(), error }))
            }
        };
        self.ahead.push_back(next);
    }
}
