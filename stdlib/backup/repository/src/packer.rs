//! Writing blobs: into packs, these into the storage, and what is there then into the index; always in this order.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures::future::{BoxFuture, Either, select};
use futures::stream::{FuturesUnordered, StreamExt};
use futures::{FutureExt, pin_mut};

use crate::codec::Sealed;
use crate::index::PackContent;
use crate::pack::{self, BlobKey, BlobType, PackBlob};
use crate::repository::Repository;
use crate::{Error, File, Id, Kind, Result, index_file};

/// When a pack is closed.
pub(crate) const PACK_SIZE: usize = 16 << 20;
/// How many packs are on their way to the storage at a time.
const UPLOADS: usize = 3;
/// After so many packs an index file is written, so that a backup that breaks off has not written all of them in vain.
const PACKS_BETWEEN_INDEX_FILES: usize = 64;

pub(crate) struct Packer<'r> {
    repository: &'r Repository,
    data: OpenPack,
    tree: OpenPack,
    uploads: FuturesUnordered<BoxFuture<'r, Result<PackContent>>>,
    /// In the storage, and in no index file yet.
    unindexed: Vec<PackContent>,
    unindexed_blobs: usize,
    /// Blobs that will be in the index.
    pending: BTreeSet<BlobKey>,
    pub(crate) added: Added,
}

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Added {
    pub(crate) data_blobs: u64,
    pub(crate) tree_blobs: u64,
    pub(crate) bytes: u64,
    pub(crate) packed: u64,
}

#[derive(Default)]
struct OpenPack {
    bytes: Vec<u8>,
    blobs: Vec<PackBlob>,
}

impl<'r> Packer<'r> {
    pub(crate) fn new(repository: &'r Repository) -> Self {
        Packer {
            repository,
            data: OpenPack::default(),
            tree: OpenPack::default(),
            uploads: FuturesUnordered::new(),
            unindexed: Vec::new(),
            unindexed_blobs: 0,
            pending: BTreeSet::new(),
            added: Added::default(),
        }
    }

    /// Whether the repository needs this blob; if so, the caller will [`Self::add`] it.
    pub(crate) fn claim(&mut self, key: BlobKey) -> bool {
        !self.repository.index().contains(key) && self.pending.insert(key)
    }

    /// The same for one that is to be written in another place as well.
    pub(crate) fn claim_again(&mut self, key: BlobKey) -> bool {
        self.pending.insert(key)
    }

    /// Adds a blob that was claimed. `plain` is the length of its plain text.
    pub(crate) async fn add(&mut self, key: BlobKey, plain: usize, sealed: &Sealed) -> Result<()> {
        self.added.bytes += plain as u64;
        self.added.packed += sealed.bytes.len() as u64;
        let open = match key.kind {
            BlobType::Data => {
                self.added.data_blobs += 1;
                &mut self.data
            }
            BlobType::Tree => {
                self.added.tree_blobs += 1;
                &mut self.tree
            }
        };
        let too_large = || Error::TooLarge { what: "a blob", size: sealed.bytes.len() };
        let offset = u32::try_from(open.bytes.len()).map_err(|_| too_large())?;
        let length = u32::try_from(sealed.bytes.len()).map_err(|_| too_large())?;
        if open.bytes.is_empty() && key.kind == BlobType::Data {
            open.bytes.reserve(PACK_SIZE + PACK_SIZE / 8);
        }
        open.bytes.extend_from_slice(&sealed.bytes);
        open.blobs.push(PackBlob { key, offset, length, uncompressed: sealed.uncompressed });
        if open.bytes.len() >= PACK_SIZE {
            let full = std::mem::take(open);
            self.close(full);
            while self.uploads.len() > UPLOADS {
                self.uploaded().await?;
            }
        }
        Ok(())
    }

    /// Waits for something, while packs are on their way.
    pub(crate) async fn meanwhile<T>(&mut self, waited_for: impl Future<Output = T>) -> Result<T> {
        pin_mut!(waited_for);
        loop {
            if self.uploads.is_empty() {
                return Ok(waited_for.await);
            }
            match select(self.uploads.next(), &mut waited_for).await {
                Either::Left((uploaded, _)) => self.keep(uploaded).await?,
                Either::Right((result, _)) => return Ok(result),
            }
        }
    }

    /// Writes what is left. All blobs that were added are in the index then.
    pub(crate) async fn finish(&mut self) -> Result<()> {
        for open in [std::mem::take(&mut self.data), std::mem::take(&mut self.tree)] {
            if !open.blobs.is_empty() {
                self.close(open);
            }
        }
        while !self.uploads.is_empty() {
            self.uploaded().await?;
        }
        self.write_index().await
    }

    fn close(&mut self, pack: OpenPack) {
        let repository = self.repository;
        let nonce = repository.nonce();
        let OpenPack { mut bytes, blobs } = pack;
        let closed = repository.compute(move |codec| {
            bytes.extend_from_slice(&pack::header(codec.key(), nonce, &blobs));
            (PackContent { id: Id::of(&bytes), blobs }, bytes)
        });
        let upload = async move {
            let (content, bytes) = closed.await?;
            let file = File::Named(Kind::Data, content.id);
            repository
                .storage
                .write(file, Bytes::from(bytes))
                .await
                .map_err(Error::storage("writing", file))?;
            Ok(content)
        };
        self.uploads.push(upload.boxed());
    }

    async fn uploaded(&mut self) -> Result<()> {
        let uploaded = self.uploads.next().await;
        self.keep(uploaded).await
    }

    async fn keep(&mut self, uploaded: Option<Result<PackContent>>) -> Result<()> {
        let Some(content) = uploaded.transpose()? else { return Ok(()) };
        self.unindexed_blobs += content.blobs.len();
        self.unindexed.push(content);
        let is_much = self.unindexed_blobs >= index_file::MOST_BLOBS
            || self.unindexed.len() >= PACKS_BETWEEN_INDEX_FILES;
        if is_much { self.write_index().await } else { Ok(()) }
    }

    async fn write_index(&mut self) -> Result<()> {
        if self.unindexed.is_empty() {
            return Ok(());
        }
        let packs = std::mem::take(&mut self.unindexed);
        self.unindexed_blobs = 0;
        let file = self.repository.write_json(Kind::Index, index_file::written(&packs)).await?;
        self.repository.index().add_file(file, &packs);
        for blob in packs.iter().flat_map(|pack| &pack.blobs) {
            self.pending.remove(&blob.key);
        }
        Ok(())
    }
}
