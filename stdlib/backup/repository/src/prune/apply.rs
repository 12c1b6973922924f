//! Carrying out a plan: new packs, new index files, old index files away, old packs away.

use std::collections::BTreeSet;

use futures::{StreamExt, TryStreamExt, stream};

use super::PrunePlan;
use crate::codec::Sealed;
use crate::fetch::Fetcher;
use crate::index::{Index, Location};
use crate::lock::ExclusiveLock;
use crate::packer::Packer;
use crate::repository::Repository;
use crate::{Error, Id, Kind, Result, index_file};

/// So many index files that are small are merged.
const MANY_FILES: usize = 16;
/// How many files are removed at a time.
const REMOVALS: usize = 8;

/// Those worth merging: none, if there are few.
pub(super) fn small_index_files(index: &Index) -> Vec<Id> {
    let counts = index.blob_counts();
    let is_small = |file: &Id| {
        let packs = index.packs_of(*file);
        packs.iter().map(|pack| counts.get(pack).copied().unwrap_or(0)).sum::<usize>()
            < index_file::MOST_BLOBS / 2
    };
    let small: Vec<Id> = index.files().filter(is_small).collect();
    if small.len() >= MANY_FILES { small } else { Vec::new() }
}

impl Repository {
    /// Does what was planned, and removes what writes that broke off have left.
    ///
    /// # Errors
    /// Those of the storage, and of a pack that cannot be read. Whenever it ends, nothing is lost, and the next prune removes what is left.
    pub async fn prune(&self, _lock: &ExclusiveLock<'_>, plan: &PrunePlan) -> Result<()> {
        let gone: BTreeSet<Id> =
            [&plan.unused, &plan.missing, &plan.repack].into_iter().flatten().copied().collect();
        self.repack(&plan.kept).await?;
        let replaced: BTreeSet<Id> = {
            let index = self.index();
            let names_gone = |file: &Id| index.packs_of(*file).iter().any(|pack| gone.contains(pack));
            index.files().filter(|file| names_gone(file) || plan.merge.contains(file)).collect()
        };
        self.rewrite_index(&replaced, &gone).await?;
        self.remove_all(Kind::Index, replaced).await?;
        let packs = [&plan.unreferenced, &plan.unused, &plan.repack];
        self.remove_all(Kind::Data, packs.into_iter().flatten().copied()).await?;
        self.storage.tidy().await.map_err(|source| Error::Storage {
            doing: "removing",
            what: "what writes that broke off have left".to_owned(),
            source,
        })?;
        // What was loaded names packs that are gone.
        self.load_index().await
    }

    /// Writes blobs into new packs, each as it was sealed, once it was seen that it is whole.
    async fn repack(&self, kept: &[Location]) -> Result<()> {
        let mut packer = Packer::new(self);
        let mut blobs = Fetcher::new(self, |codec, blob, sealed| {
            codec.open_blob(blob.key.id, sealed, blob.uncompressed)?;
            Ok(Sealed { bytes: sealed.to_vec(), uncompressed: blob.uncompressed })
        });
        let mut asked = kept.iter();
        for location in kept {
            while !blobs.is_full()
                && let Some(next) = asked.next()
            {
                blobs.ask(*next);
            }
            let fetched = packer.meanwhile(blobs.next()).await?;
            let key = location.blob.key;
            let sealed = match fetched {
                Some(Ok(sealed)) => sealed,
                // From another copy, if there is one; without any, nothing is removed.
                _ => {
                    let plain =
                        self.read_blob(key).await.map_err(|error| Error::PruneRefused(Box::new(error)))?;
                    let nonce = self.nonce();
                    self.compute(move |codec| codec.seal_blob(nonce, key.kind, &plain)).await?
                }
            };
            if packer.claim_again(key) {
                let plain = location.blob.uncompressed.unwrap_or(location.blob.length);
                packer.add(key, plain as usize, &sealed).await?;
            }
        }
        packer.finish().await
    }

    /// Writes anew what these index files say of packs that stay.
    async fn rewrite_index(&self, replaced: &BTreeSet<Id>, gone: &BTreeSet<Id>) -> Result<()> {
        let mut staying: Vec<(Id, usize)> = {
            let index = self.index();
            let packs: BTreeSet<Id> = replaced.iter().flat_map(|file| index.packs_of(*file)).collect();
            let counts = index.blob_counts();
            packs.difference(gone).map(|pack| (*pack, counts.get(pack).copied().unwrap_or(0))).collect()
        };
        while !staying.is_empty() {
            let mut blobs = 0;
            let fits = staying.iter().take_while(|(_, count)| {
                blobs += count;
                blobs <= index_file::MOST_BLOBS
            });
            let part = fits.count().max(1);
            let packs: BTreeSet<Id> = staying.drain(..part).map(|(pack, _)| pack).collect();
            let contents = self.index().contents(&packs);
            self.write_json(Kind::Index, index_file::written(&contents)).await?;
        }
        Ok(())
    }

    pub(crate) async fn remove_all(&self, kind: Kind, files: impl IntoIterator<Item = Id>) -> Result<()> {
        let files: Vec<Id> = files.into_iter().collect();
        stream::iter(files).map(|file| self.remove(kind, file)).buffered(REMOVALS).try_collect().await
    }
}
