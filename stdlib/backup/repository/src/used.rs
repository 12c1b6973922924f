//! Which blobs the snapshots consist of.

use crate::index::{Index, Marks};
use crate::pack::BlobKey;
use crate::repository::Repository;
use crate::tree::NodeKind;
use crate::{Error, Id, Result};

impl Repository {
    /// Marks the first entry of each blob that these trees, and all below them, consist of. Nothing may be added to the index meanwhile.
    ///
    /// # Errors
    /// If a tree cannot be read, or a blob is in no index: then it cannot be told what is used.
    pub(crate) async fn used_blobs(&self, roots: impl IntoIterator<Item = Id>) -> Result<Marks<bool>> {
        let mut used = self.index().marks(false);
        let mut trees: Vec<Id> = roots.into_iter().collect();
        while let Some(id) = trees.pop() {
            if !self.mark(&mut used, BlobKey::tree(id))? {
                continue;
            }
            for node in self.read_tree(id).await?.nodes {
                match node.kind {
                    NodeKind::Folder { tree } => trees.push(tree),
                    NodeKind::File { content, .. } => {
                        for id in content {
                            self.mark(&mut used, BlobKey::data(id))?;
                        }
                    }
                    NodeKind::Symlink { .. } | NodeKind::Other(_) => {}
                }
            }
        }
        Ok(used)
    }

    /// Whether it was not marked before.
    fn mark(&self, used: &mut Marks<bool>, key: BlobKey) -> Result<bool> {
        let index = self.index();
        let slot = index.slots(key).next().ok_or_else(|| not_indexed(&index, key))?;
        Ok(!std::mem::replace(used.at(slot), true))
    }
}

pub(crate) fn not_indexed(index: &Index, key: BlobKey) -> Error {
    Error::NotIndexed { blob: key, unread: index.unread().keys().copied().collect() }
}
