//! Blobs and files as they are stored: compressed where the format has that and it helps, and sealed. Used by jobs in several threads.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use zstd::bulk::{Compressor, Decompressor};

use crate::crypto::{MasterKey, NONCE, Nonce, OVERHEAD};
use crate::{BlobType, Id};

/// zstd's own usual one; what restic's `auto` comes to.
const LEVEL: i32 = 3;
/// The first byte of a file that is compressed; others begin with the bracket of their JSON.
const COMPRESSED: u8 = 2;
/// A file of JSON that says it is larger is not taken at its word.
const LARGEST_FILE: usize = 1 << 30;

pub(crate) struct Codec {
    key: MasterKey,
    compresses: bool,
    /// Those that no job has at the moment: making one takes longer than compressing a small file.
    compressors: Mutex<Vec<Compressor<'static>>>,
    decompressors: Mutex<Vec<Decompressor<'static>>>,
}

/// A blob as it stands in a pack.
#[derive(Clone)]
pub(crate) struct Sealed {
    pub(crate) bytes: Vec<u8>,
    /// The length of the plain text, if it is compressed.
    pub(crate) uncompressed: Option<u32>,
}

impl fmt::Debug for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Codec").field("compresses", &self.compresses).finish_non_exhaustive()
    }
}

impl Codec {
    pub(crate) fn new(key: MasterKey, version: u32) -> Self {
        Codec {
            key,
            compresses: version >= 2,
            compressors: Mutex::default(),
            decompressors: Mutex::default(),
        }
    }

    pub(crate) fn key(&self) -> &MasterKey {
        &self.key
    }

    /// A tree is always compressed, as restic's `prune` takes one that is not for a leftover of version 1.
    pub(crate) fn seal_blob(&self, nonce: Nonce, kind: BlobType, plain: &[u8]) -> Sealed {
        let uncompressed = u32::try_from(plain.len()).ok().filter(|length| self.compresses && *length > 0);
        if let Some(length) = uncompressed
            && let Some(bytes) = self.compressed(&nonce, plain)
            && (kind == BlobType::Tree || bytes.len() < NONCE + plain.len())
        {
            return Sealed { bytes: self.sealed(bytes), uncompressed: Some(length) };
        }
        Sealed { bytes: self.key.seal(nonce, plain), uncompressed: None }
    }

    /// Seals anew what another repository's codec has unsealed, without compressing it again.
    pub(crate) fn seal_as_it_is(&self, nonce: Nonce, kind: BlobType, unsealed: &Unsealed) -> Sealed {
        match unsealed.compressed {
            true if self.compresses => Sealed {
                bytes: self.key.seal(nonce, &unsealed.stored),
                uncompressed: u32::try_from(unsealed.plain().len()).ok(),
            },
            _ => self.seal_blob(nonce, kind, unsealed.plain()),
        }
    }

    /// Opens a blob, and sees whether it is the one of this name.
    pub(crate) fn open_blob(
        &self,
        id: Id,
        sealed: &[u8],
        uncompressed: Option<u32>,
    ) -> Result<Vec<u8>, String> {
        Ok(self.unseal(id, sealed, uncompressed)?.into_plain())
    }

    pub(crate) fn unseal(
        &self,
        id: Id,
        sealed: &[u8],
        uncompressed: Option<u32>,
    ) -> Result<Unsealed, String> {
        let stored = self.key.open(sealed).map_err(|_| "a blob in it is not as it was sealed".to_owned())?;
        let plain = match uncompressed {
            None => None,
            Some(length) => Some(self.decompressed(&stored, length as usize)?),
        };
        let unsealed = Unsealed { stored, plain, compressed: uncompressed.is_some() };
        match Id::of(unsealed.plain()) {
            found if found == id => Ok(unsealed),
            found => Err(format!("the blob {id} in it has the content of {found}")),
        }
    }

    /// A file of JSON.
    pub(crate) fn seal_file(&self, nonce: Nonce, json: &[u8]) -> Vec<u8> {
        if self.compresses {
            let mut begin = nonce.to_vec();
            begin.push(COMPRESSED);
            if let Some(bytes) = self.compressed(&begin, json) {
                return self.sealed(bytes);
            }
        }
        self.key.seal(nonce, json)
    }

    pub(crate) fn open_file(&self, sealed: &[u8]) -> Result<Vec<u8>, String> {
        let stored = self.key.open(sealed).map_err(|_| "it is not as it was sealed".to_owned())?;
        match stored.first() {
            Some(&COMPRESSED) => {
                let length = zstd::zstd_safe::get_frame_content_size(&stored[1..]).ok().flatten();
                match length.and_then(|length| usize::try_from(length).ok()) {
                    Some(length) if length > LARGEST_FILE => {
                        Err(format!("it says that it holds {length} bytes"))
                    }
                    Some(length) => self.decompressed(&stored[1..], length),
                    None => zstd::stream::decode_all(&stored[1..])
                        .map_err(|error| format!("it does not decompress: {error}")),
                }
            }
            Some(b'{' | b'[') => Ok(stored),
            Some(other) => {
                Err(format!("it begins with {other}, which is no form of a file that is known here"))
            }
            None => Err("it is empty".to_owned()),
        }
    }

    fn sealed(&self, mut nonce_and_text: Vec<u8>) -> Vec<u8> {
        self.key.seal_in_place(&mut nonce_and_text);
        nonce_and_text
    }

    /// `begin`, and what `plain` is compressed to; with room for a tag.
    fn compressed(&self, begin: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
        let pooled = pop(&self.compressors);
        let mut compressor = pooled.or_else(|| Compressor::new(LEVEL).ok())?;
        let mut bytes =
            Vec::with_capacity(zstd::zstd_safe::compress_bound(plain.len()) + begin.len() + OVERHEAD);
        bytes.extend_from_slice(begin);
        bytes.resize(bytes.capacity(), 0);
        let length = compressor.compress_to_buffer(plain, &mut bytes[begin.len()..]).ok()?;
        bytes.truncate(begin.len() + length);
        push(&self.compressors, compressor);
        Some(bytes)
    }

    fn decompressed(&self, stored: &[u8], length: usize) -> Result<Vec<u8>, String> {
        let failed = |error: std::io::Error| format!("what is in it does not decompress: {error}");
        let mut decompressor = match pop(&self.decompressors) {
            Some(decompressor) => decompressor,
            None => Decompressor::new().map_err(failed)?,
        };
        let plain = decompressor.decompress(stored, length).map_err(failed)?;
        push(&self.decompressors, decompressor);
        match plain.len() {
            found if found == length => Ok(plain),
            found => Err(format!("a blob in it has {found} bytes for {length}")),
        }
    }
}

/// A blob that was opened and found to be the right one.
pub(crate) struct Unsealed {
    stored: Vec<u8>,
    /// Unless it was stored as it is.
    plain: Option<Vec<u8>>,
    compressed: bool,
}

impl Unsealed {
    pub(crate) fn plain(&self) -> &[u8] {
        self.plain.as_ref().unwrap_or(&self.stored)
    }

    fn into_plain(self) -> Vec<u8> {
        self.plain.unwrap_or(self.stored)
    }
}

fn pop<T>(pool: &Mutex<Vec<T>>) -> Option<T> {
    pool.lock().unwrap_or_else(PoisonError::into_inner).pop()
}

fn push<T>(pool: &Mutex<Vec<T>>, item: T) {
    pool.lock().unwrap_or_else(PoisonError::into_inner).push(item);
}
