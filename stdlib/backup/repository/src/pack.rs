//! Packs: sealed blobs one behind the other, a sealed header that says what they are, and its length in four bytes.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Id;
use crate::crypto::{MasterKey, Nonce, OVERHEAD};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BlobType {
    /// A piece of a file.
    Data,
    /// What is in a folder.
    Tree,
}

impl fmt::Display for BlobType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BlobType::Data => "data",
            BlobType::Tree => "tree",
        })
    }
}

/// What a blob is found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobKey {
    pub id: Id,
    pub kind: BlobType,
}

impl BlobKey {
    pub(crate) const fn data(id: Id) -> Self {
        BlobKey { id, kind: BlobType::Data }
    }

    pub(crate) const fn tree(id: Id) -> Self {
        BlobKey { id, kind: BlobType::Tree }
    }
}

impl fmt::Display for BlobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} blob {}", self.kind, self.id)
    }
}

/// A blob and its place in a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PackBlob {
    pub(crate) key: BlobKey,
    pub(crate) offset: u32,
    /// As it is stored.
    pub(crate) length: u32,
    /// The length of its plain text, if it is compressed.
    pub(crate) uncompressed: Option<u32>,
}

const DATA: u8 = 0;
const TREE: u8 = 1;
const COMPRESSED_DATA: u8 = 2;
const COMPRESSED_TREE: u8 = 3;

/// The last four bytes of a pack.
pub(crate) const LENGTH_FIELD: usize = 4;
/// No header is longer than restic writes at the most: this is some 400,000 blobs.
const LARGEST_HEADER: usize = 16 << 20;

/// How large a pack of these blobs is.
pub(crate) fn size(blobs: impl IntoIterator<Item = PackBlob>) -> u64 {
    let each = |blob: PackBlob| {
        let entry = if blob.uncompressed.is_some() { 41 } else { 37 };
        u64::from(blob.length) + entry
    };
    blobs.into_iter().map(each).sum::<u64>() + (OVERHEAD + LENGTH_FIELD) as u64
}

/// What is appended to the blobs of a pack.
pub(crate) fn header(key: &MasterKey, nonce: Nonce, blobs: &[PackBlob]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(blobs.len() * 41);
    for blob in blobs {
        plain.push(match (blob.key.kind, blob.uncompressed) {
            (BlobType::Data, None) => DATA,
            (BlobType::Tree, None) => TREE,
            (BlobType::Data, Some(_)) => COMPRESSED_DATA,
            (BlobType::Tree, Some(_)) => COMPRESSED_TREE,
        });
        plain.extend_from_slice(&blob.length.to_le_bytes());
        if let Some(uncompressed) = blob.uncompressed {
            plain.extend_from_slice(&uncompressed.to_le_bytes());
        }
        plain.extend_from_slice(blob.key.id.as_bytes());
    }
    let mut sealed = key.seal(nonce, &plain);
    let length = u32::try_from(sealed.len()).expect("a pack has far fewer blobs");
    sealed.extend_from_slice(&length.to_le_bytes());
    sealed
}

/// Where a pack of this size has its header, by its last four bytes: offset and length.
pub(crate) fn header_place(pack_size: u64, length_field: &[u8]) -> Result<(u64, usize), String> {
    let field: [u8; LENGTH_FIELD] = length_field.try_into().map_err(|_| "it has no header".to_owned())?;
    let length = u32::from_le_bytes(field) as usize;
    let room = pack_size.saturating_sub(LENGTH_FIELD as u64);
    match room.checked_sub(length as u64) {
        Some(offset) if (OVERHEAD..=LARGEST_HEADER).contains(&length) => Ok((offset, length)),
        _ => Err(format!("a header of {length} bytes cannot be in its {pack_size}")),
    }
}

/// Reads a header; its blobs have to fill the pack up to `header_offset`.
pub(crate) fn read_header(
    key: &MasterKey,
    header_offset: u64,
    sealed: &[u8],
) -> Result<Vec<PackBlob>, String> {
    let plain = key.open(sealed).map_err(|_| "its header is not as it was sealed".to_owned())?;
    let mut blobs = Vec::new();
    let mut rest = &plain[..];
    let mut offset = 0_u64;
    while let Some((kind, after)) = rest.split_first() {
        let (kind, is_compressed) = match *kind {
            DATA => (BlobType::Data, false),
            TREE => (BlobType::Tree, false),
            COMPRESSED_DATA => (BlobType::Data, true),
            COMPRESSED_TREE => (BlobType::Tree, true),
            other => return Err(format!("its header has a blob of the unknown type {other}")),
        };
        rest = after;
        let length = number(&mut rest)?;
        let uncompressed = if is_compressed { Some(number(&mut rest)?) } else { None };
        let id = Id::from_bytes(*taken(&mut rest)?);
        let at = u32::try_from(offset).map_err(|_| "it is larger than 4 GiB".to_owned())?;
        blobs.push(PackBlob { key: BlobKey { id, kind }, offset: at, length, uncompressed });
        offset += u64::from(length);
    }
    if offset != header_offset {
        return Err(format!("the blobs of its header take {offset} bytes, and it has {header_offset}"));
    }
    Ok(blobs)
}

fn number(rest: &mut &[u8]) -> Result<u32, String> {
    taken(rest).map(|bytes| u32::from_le_bytes(*bytes))
}

fn taken<'a, const N: usize>(rest: &mut &'a [u8]) -> Result<&'a [u8; N], String> {
    let (first, after) = rest.split_first_chunk().ok_or("its header ends within a blob")?;
    *rest = after;
    Ok(first)
}
