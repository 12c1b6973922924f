//! Copying snapshots to another repository: only what it does not have is read and written.

use std::collections::{BTreeSet, VecDeque};

use crate::fetch::Fetcher;
use crate::lock::Lock;
use crate::pack::BlobKey;
use crate::packer::Packer;
use crate::repository::Repository;
use crate::snapshot::{NamedSnapshot, Snapshot};
use crate::tree::{NodeKind, Tree};
use crate::{Error, Id, Result};

/// What became of a snapshot that was to be copied.
#[derive(Debug, Clone, PartialEq)]
pub struct Copied {
    pub source: Id,
    /// As the other repository has it.
    pub copy: NamedSnapshot,
    /// Whether it had it before.
    pub was_there: bool,
    /// Bytes that were written, as they are stored.
    pub bytes: u64,
}

impl Repository {
    /// Copies snapshots to `target`. One is the same there if it comes from the same one and says the same.
    ///
    /// # Errors
    /// `SameRepository`; if something of a snapshot cannot be read, which is then not written, while those before it are; those of both storages.
    pub async fn copy_to(
        &self,
        _lock: &Lock<'_>,
        target: &Repository,
        _target_lock: &Lock<'_>,
        snapshots: &[NamedSnapshot],
    ) -> Result<Vec<Copied>> {
        if self.config().id() == target.config().id() {
            return Err(Error::SameRepository);
        }
        let there = target.snapshots().await?.readable;
        self.load_index().await?;
        target.load_index().await?;
        let mut copied = Vec::with_capacity(snapshots.len());
        // Trees that are whole in the target, with all below them.
        let mut whole = BTreeSet::new();
        for source in snapshots {
            let snapshot =
                Snapshot { parent: None, original: Some(source.origin()), ..source.snapshot.clone() };
            let is_it = |named: &&NamedSnapshot| {
                named.origin() == source.origin()
                    && Snapshot { parent: None, original: snapshot.original, ..named.snapshot.clone() }
                        == snapshot
            };
            if let Some(copy) = there.iter().find(is_it) {
                copied.push(Copied { source: source.id, copy: copy.clone(), was_there: true, bytes: 0 });
                continue;
            }
            let mut copying = Copying {
                source: self,
                target,
                packer: Packer::new(target),
                blobs: Fetcher::new(self, |codec, blob, sealed| {
                    codec.unseal(blob.key.id, sealed, blob.uncompressed)
                }),
                asked: VecDeque::new(),
            };
            copying.tree(snapshot.tree, &mut whole).await?;
            let bytes = copying.finish().await?;
            let copy = target.write_snapshot(snapshot).await?;
            copied.push(Copied { source: source.id, copy, was_there: false, bytes });
        }
        Ok(copied)
    }
}

struct Copying<'r> {
    source: &'r Repository,
    target: &'r Repository,
    packer: Packer<'r>,
    blobs: Fetcher<'r, crate::codec::Unsealed>,
    /// What was asked of `blobs`.
    asked: VecDeque<BlobKey>,
}

impl Copying<'_> {
    /// Each tree is looked into, also where the target has it: a copy that broke off may have left it without what it names.
    async fn tree(&mut self, root: Id, whole: &mut BTreeSet<Id>) -> Result<()> {
        let mut trees = vec![root];
        while let Some(id) = trees.pop() {
            if !whole.insert(id) {
                continue;
            }
            let source = self.source;
            let tree: Tree = self.packer.meanwhile(source.read_tree(id)).await??;
            for node in tree.nodes {
                match node.kind {
                    NodeKind::Folder { tree } => trees.push(tree),
                    NodeKind::File { content, .. } => {
                        for id in content {
                            self.blob(BlobKey::data(id)).await?;
                        }
                    }
                    NodeKind::Symlink { .. } | NodeKind::Other(_) => {}
                }
            }
            self.blob(BlobKey::tree(id)).await?;
        }
        Ok(())
    }

    async fn blob(&mut self, key: BlobKey) -> Result<()> {
        if !self.packer.claim(key) {
            return Ok(());
        }
        self.blobs.ask(self.source.locations(key)?[0]);
        self.asked.push_back(key);
        while self.blobs.is_full() {
            self.add_one().await?;
        }
        Ok(())
    }

    async fn add_one(&mut self) -> Result<()> {
        let Some(key) = self.asked.pop_front() else { return Ok(()) };
        let fetched = self.packer.meanwhile(self.blobs.next()).await?;
        let nonce = self.target.nonce();
        let (length, sealed) = match fetched {
            Some(Ok(unsealed)) => {
                let seal = move |codec: &crate::codec::Codec| {
                    (unsealed.plain().len(), codec.seal_as_it_is(nonce, key.kind, &unsealed))
                };
                self.target.compute(seal).await?
            }
            _ => {
                let plain = self.source.read_blob(key).await?;
                let seal = move |codec: &crate::codec::Codec| {
                    (plain.len(), codec.seal_blob(nonce, key.kind, &plain))
                };
                self.target.compute(seal).await?
            }
        };
        self.packer.add(key, length, &sealed).await
    }

    async fn finish(mut self) -> Result<u64> {
        while !self.asked.is_empty() {
            self.add_one().await?;
        }
        self.packer.finish().await?;
        Ok(self.packer.added.packed)
    }
}
