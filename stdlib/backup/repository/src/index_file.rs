//! Index files: JSON that says which packs there are, and which blobs are where in them.

use serde::{Deserialize, Serialize};

use crate::Id;
use crate::index::PackContent;
use crate::pack::{BlobKey, BlobType, PackBlob};

/// How many blobs stand in one file, as restic has it: it keeps files below 8 MiB.
pub(crate) const MOST_BLOBS: usize = 50_000;

#[derive(Serialize, Deserialize)]
struct IndexFile {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    supersedes: Vec<Id>,
    packs: Vec<Pack>,
}

#[derive(Serialize, Deserialize)]
struct Pack {
    id: Id,
    blobs: Vec<Blob>,
}

#[derive(Serialize, Deserialize)]
struct Blob {
    id: Id,
    #[serde(rename = "type")]
    kind: BlobType,
    offset: u32,
    length: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    uncompressed_length: u32,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

pub(crate) fn written(packs: &[PackContent]) -> Vec<u8> {
    let blob = |blob: &PackBlob| Blob {
        id: blob.key.id,
        kind: blob.key.kind,
        offset: blob.offset,
        length: blob.length,
        uncompressed_length: blob.uncompressed.unwrap_or(0),
    };
    let packs = packs.iter().map(|pack| Pack { id: pack.id, blobs: pack.blobs.iter().map(blob).collect() });
    let file = IndexFile { supersedes: Vec::new(), packs: packs.collect() };
    serde_json::to_vec(&file).expect("texts and numbers have a JSON form")
}

pub(crate) fn read(json: &[u8]) -> Result<Vec<PackContent>, String> {
    let file: IndexFile = serde_json::from_slice(json).map_err(|error| format!("it is no index: {error}"))?;
    let blob = |blob: Blob| PackBlob {
        key: BlobKey { id: blob.id, kind: blob.kind },
        offset: blob.offset,
        length: blob.length,
        uncompressed: (blob.uncompressed_length != 0).then_some(blob.uncompressed_length),
    };
    let pack = |pack: Pack| PackContent { id: pack.id, blobs: pack.blobs.into_iter().map(blob).collect() };
    Ok(file.packs.into_iter().map(pack).collect())
}
