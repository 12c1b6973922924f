//! Reading trees: they lie close together, so what lies around one is read with it, as one request costs more than a megabyte.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use crate::index::Location;
use crate::pack::BlobKey;
use crate::repository::Repository;
use crate::tree::{Node, NodeKind, Tree};
use crate::{Error, File, Id, Kind, Result};

const REGION: u32 = 1 << 20;
const REGIONS: usize = 24;

/// Parts of packs as they are stored, the last used ones last.
#[derive(Debug, Default)]
pub(crate) struct Regions(Mutex<VecDeque<Region>>);

#[derive(Debug, Clone)]
struct Region {
    pack: Id,
    offset: u32,
    bytes: Bytes,
}

impl Region {
    fn part(&self, location: &Location) -> Option<Bytes> {
        let start = location.blob.offset.checked_sub(self.offset)? as usize;
        let end = start + location.blob.length as usize;
        (self.pack == location.pack && end <= self.bytes.len()).then(|| self.bytes.slice(start..end))
    }
}

impl Regions {
    fn get(&self, location: &Location) -> Option<Bytes> {
        let mut regions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, part) =
            regions.iter().enumerate().find_map(|(at, region)| Some((at, region.part(location)?)))?;
        let used = regions.remove(at)?;
        regions.push_back(used);
        Some(part)
    }

    pub(crate) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn put(&self, region: Region) {
        let mut regions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if regions.len() == REGIONS {
            regions.pop_front();
        }
        regions.push_back(region);
    }
}

impl Repository {
    /// What is in a folder, in the order of the names' bytes.
    ///
    /// # Errors
    /// `NotIndexed`, `Unreadable`, `NoTree`.
    pub async fn folder(&self, tree: Id) -> Result<Vec<Node>> {
        self.load_index_once().await?;
        Ok(self.read_tree(tree).await?.nodes)
    }

    /// What a snapshot has at a path, from the root of its tree.
    ///
    /// # Errors
    /// `NoPath`; those of the trees on the way.
    pub async fn at_path(&self, tree: Id, path: &Path) -> Result<Node> {
        self.load_index_once().await?;
        let no_path = || Error::NoPath(path.to_owned());
        let mut names = path.components().filter_map(|component| match component {
            std::path::Component::Normal(name) => Some(name),
            _ => None,
        });
        let mut tree = tree;
        let mut name: &OsStr = names.next().ok_or_else(no_path)?;
        loop {
            let node = self.read_tree(tree).await?.get(name).cloned().ok_or_else(no_path)?;
            let Some(next) = names.next() else { return Ok(node) };
            let NodeKind::Folder { tree: below } = node.kind else { return Err(no_path()) };
            (tree, name) = (below, next);
        }
    }

    pub(crate) async fn read_tree(&self, id: Id) -> Result<Tree> {
        let key = BlobKey::tree(id);
        let plain = match self.read_near(key).await? {
            Some(plain) => plain,
            // Other copies are tried, and what is wrong is told.
            None => self.read_blob(key).await?,
        };
        Tree::read(&plain).map_err(|problem| Error::NoTree { blob: key, problem })
    }

    async fn read_near(&self, key: BlobKey) -> Result<Option<Vec<u8>>> {
        let Some(location) = self.index().locations(key).next() else { return Ok(None) };
        let sealed = match self.regions.get(&location) {
            Some(sealed) => sealed,
            None => {
                let offset = location.blob.offset - location.blob.offset % REGION;
                let blob_end = location.blob.offset + location.blob.length;
                let end =
                    self.index().pack_end(location.pack).min(offset.saturating_add(REGION)).max(blob_end);
                let file = File::Named(Kind::Data, location.pack);
                let read = self.storage.read_part(file, u64::from(offset), (end - offset) as usize);
                let Ok(bytes) = read.await else { return Ok(None) };
                let region = Region { pack: location.pack, offset, bytes };
                let Some(sealed) = region.part(&location) else { return Ok(None) };
                self.regions.put(region);
                sealed
            }
        };
        let uncompressed = location.blob.uncompressed;
        Ok(self.compute(move |codec| codec.open_blob(key.id, &sealed, uncompressed)).await?.ok())
    }
}
