//! Whether packs are as the index says.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, stream};

use super::{Checking, Subject};
use crate::codec::Codec;
use crate::index::PackContent;
use crate::pack::{self, BlobKey, LENGTH_FIELD, PackBlob};
use crate::repository::Repository;
use crate::{Error, File, Id, Kind, Listed, Result};

/// Of how many packs what they should have is looked up at a time.
const BATCH: usize = 2000;

/// What is wrong with a pack, and with which of its blobs.
struct Broken {
    problem: String,
    blobs: Vec<BlobKey>,
}

impl Repository {
    /// Notes what is wrong with packs, and which blobs have no whole copy because of it.
    pub(super) async fn check_packs(
        &self,
        checking: &mut Checking,
        listed: &[Listed],
        read_data: bool,
    ) -> Result<()> {
        let there: BTreeMap<Id, u64> = listed.iter().map(|pack| (pack.id, pack.size)).collect();
        let known: Vec<Id> = self.index().packs().into_iter().collect();
        let mut broken: BTreeMap<Id, Broken> = BTreeMap::new();
        for batch in known.chunks(BATCH) {
            let contents = self.index().contents(&batch.iter().copied().collect());
            let parallel = self.surroundings.parallel_jobs().max(1);
            let mut checks = stream::iter(contents)
                .map(|content| {
                    let size = there.get(&content.id).copied();
                    async move { (content.id, self.check_pack(content, size, read_data).await) }
                })
                .buffered(parallel);
            while let Some((pack, checked)) = checks.next().await {
                let (found, bytes) = checked?;
                checking.bytes_read += bytes;
                if let Some(found) = found {
                    broken.insert(pack, found);
                }
            }
        }
        let bad: BTreeSet<(Id, BlobKey)> =
            broken.iter().flat_map(|(pack, found)| found.blobs.iter().map(|key| (*pack, *key))).collect();
        for (pack, found) in broken {
            let subject = Subject::File(File::Named(Kind::Data, pack));
            for key in found.blobs {
                let has_whole = self.index().locations(key).any(|copy| !bad.contains(&(copy.pack, key)));
                if !has_whole {
                    checking.lost.entry(key).or_default().insert(subject);
                }
            }
            checking.problem(subject, found.problem);
        }
        Ok(())
    }

    /// What is wrong, and how much was read.
    async fn check_pack(
        &self,
        content: PackContent,
        size: Option<u64>,
        read_data: bool,
    ) -> Result<(Option<Broken>, u64)> {
        let expected = pack::size(content.blobs.iter().copied());
        let all = |content: &PackContent| content.blobs.iter().map(|blob| blob.key).collect();
        let Some(size) = size else {
            let broken = Broken { problem: "it is not there".to_owned(), blobs: all(&content) };
            return Ok((Some(broken), 0));
        };
        if !read_data {
            let problem = || format!("it has {size} bytes, and the index says {expected}");
            let broken = (size != expected).then(|| Broken { problem: problem(), blobs: all(&content) });
            return Ok((broken, 0));
        }
        let file = File::Named(Kind::Data, content.id);
        let bytes = match self.storage.read(file).await {
            Ok(bytes) => bytes,
            Err(error) => {
                let problem = Error::storage("reading", file)(error).to_string();
                return Ok((Some(Broken { problem, blobs: all(&content) }), 0));
            }
        };
        let length = bytes.len() as u64;
        Ok((self.compute(move |codec| read_pack(codec, &content, &bytes)).await?, length))
    }
}

fn read_pack(codec: &Codec, content: &PackContent, bytes: &[u8]) -> Option<Broken> {
    let is_whole = |blob: &&PackBlob| {
        let start = blob.offset as usize;
        let sealed = bytes.get(start..start.saturating_add(blob.length as usize));
        sealed.is_some_and(|sealed| codec.open_blob(blob.key.id, sealed, blob.uncompressed).is_ok())
    };
    let blobs: Vec<BlobKey> =
        content.blobs.iter().filter(|blob| !is_whole(blob)).map(|blob| blob.key).collect();
    let header = || {
        let size = bytes.len() as u64;
        let field = bytes.len().checked_sub(LENGTH_FIELD).ok_or("it has no header")?;
        let (offset, length) = pack::header_place(size, &bytes[field..])?;
        let start = usize::try_from(offset).map_err(|error| error.to_string())?;
        pack::read_header(codec.key(), offset, &bytes[start..start + length])
    };
    let problem = match header() {
        _ if !blobs.is_empty() => {
            format!("{} of its {} blobs are not as they were written", blobs.len(), content.blobs.len())
        }
        Err(problem) => problem,
        Ok(found) if found != content.blobs => "its header has other blobs than the index says".to_owned(),
        Ok(_) if Id::of(bytes) != content.id => "its content is not what its name says".to_owned(),
        Ok(_) => return None,
    };
    Some(Broken { problem, blobs })
}
