//! Reading what packs say of themselves, and mending an index by that.

use std::collections::BTreeSet;

use futures::{StreamExt, stream};

use crate::index::PackContent;
use crate::lock::ExclusiveLock;
use crate::pack::{self, LENGTH_FIELD, PackBlob};
use crate::repository::Repository;
use crate::{Error, File, Id, Kind, Listed, Result, index_file};

/// What mending the index did.
#[derive(Debug, Default)]
pub struct Repaired {
    /// Packs that were in no index, and are now.
    pub added: Vec<Id>,
    /// Index files that could not be read, and are removed.
    pub removed: Vec<Id>,
    /// Packs that are in no index, and do not say what is in them.
    pub unreadable: Vec<(Id, Error)>,
}

impl Repository {
    /// Puts into the index what packs have that are in no index file, and removes index files that cannot be read.
    ///
    /// # Errors
    /// Those of the storage.
    pub async fn repair_index(&self, _lock: &ExclusiveLock<'_>) -> Result<Repaired> {
        self.load_index().await?;
        let mut repaired =
            Repaired { removed: self.index().unread().keys().copied().collect(), ..Repaired::default() };
        let missing: Vec<Listed> = self
            .list(Kind::Data)
            .await?
            .into_iter()
            .filter(|pack| !self.index().knows_pack(pack.id))
            .collect();
        let mut contents: Vec<PackContent> = Vec::new();
        let mut headers =
            stream::iter(missing).map(|pack| async move { (pack.id, self.header(pack).await) }).buffered(8);
        while let Some((pack, header)) = headers.next().await {
            match header {
                Ok(blobs) => {
                    repaired.added.push(pack);
                    contents.push(PackContent { id: pack, blobs });
                    if contents.iter().map(|pack| pack.blobs.len()).sum::<usize>() >= index_file::MOST_BLOBS {
                        self.write_index(&std::mem::take(&mut contents)).await?;
                    }
                }
                Err(error @ Error::Damaged { .. }) => repaired.unreadable.push((pack, error)),
                Err(error) => return Err(error),
            }
        }
        if !contents.is_empty() {
            self.write_index(&contents).await?;
        }
        self.remove_all(Kind::Index, repaired.removed.clone()).await?;
        self.load_index().await?;
        Ok(repaired)
    }

    async fn write_index(&self, packs: &[PackContent]) -> Result<()> {
        let file = self.write_json(Kind::Index, index_file::written(packs)).await?;
        self.index().add_file(file, packs);
        Ok(())
    }

    /// What a pack says is in it.
    ///
    /// # Errors
    /// `Damaged`; those of the storage.
    pub(crate) async fn header(&self, pack: Listed) -> Result<Vec<PackBlob>> {
        let file = File::Named(Kind::Data, pack.id);
        let part = async |offset, length| {
            self.storage.read_part(file, offset, length).await.map_err(Error::storage("reading", file))
        };
        let damaged = |problem: String| Error::damaged(file, problem);
        let Some(field) = pack.size.checked_sub(LENGTH_FIELD as u64) else {
            return Err(damaged(format!("it has {} bytes and no header", pack.size)));
        };
        let (offset, length) =
            pack::header_place(pack.size, &part(field, LENGTH_FIELD).await?).map_err(damaged)?;
        let sealed = part(offset, length).await?;
        pack::read_header(self.master_key(), offset, &sealed).map_err(damaged)
    }

    /// Those of `packs` that are in no index.
    pub(crate) fn unindexed(&self, packs: &[Listed]) -> Vec<Listed> {
        let known: BTreeSet<Id> = self.index().packs();
        packs.iter().filter(|pack| !known.contains(&pack.id)).copied().collect()
    }
}
