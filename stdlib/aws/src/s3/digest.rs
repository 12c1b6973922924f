//! Checksums of contents, as S3 keeps them.

use crc_fast::CrcAlgorithm;
use md5::{Digest, Md5};

/// The checksums of a content, read piece by piece in order.
pub(crate) struct Digests {
    crc: Crc,
    md5: Md5,
    /// Of each part of [`super::upload::part_size`].
    parts: Vec<[u8; 16]>,
    part: Md5,
    part_size: u64,
    filled: u64,
}

/// The CRC of 64 bits of a piece that comes bit by bit.
pub(crate) struct Crc(crc_fast::Digest);

impl Crc {
    pub(crate) fn new() -> Self {
        Crc(crc_fast::Digest::new(CrcAlgorithm::Crc64Nvme))
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn value(&self) -> u64 {
        self.0.finalize()
    }
}

/// Of one piece.
pub(crate) fn crc64(bytes: &[u8]) -> u64 {
    crc_fast::checksum(CrcAlgorithm::Crc64Nvme, bytes)
}

/// Of two pieces one after the other, of which the second has this length.
pub(crate) fn joined(first: u64, second: u64, length: u64) -> u64 {
    crc_fast::checksum_combine(CrcAlgorithm::Crc64Nvme, first, second, length)
}

/// As S3 writes a CRC of 64 bits.
pub(crate) fn written(crc: u64) -> String {
    base64(&crc.to_be_bytes())
}

pub(crate) fn md5(bytes: &[u8]) -> [u8; 16] {
    Md5::digest(bytes).into()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The tag of an object that was uploaded in these parts.
pub(crate) fn tag_of_parts(parts: &[[u8; 16]]) -> String {
    format!("{}-{}", hex(&md5(&parts.concat())), parts.len())
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    aws_smithy_types::base64::encode(bytes)
}

impl Digests {
    pub(crate) fn new(part_size: u64) -> Self {
        Digests {
            crc: Crc::new(),
            md5: Md5::new(),
            parts: Vec::new(),
            part: Md5::new(),
            part_size,
            filled: 0,
        }
    }

    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        self.crc.update(bytes);
        self.md5.update(bytes);
        while !bytes.is_empty() {
            let room = usize::try_from(self.part_size - self.filled).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.part.update(now);
            self.filled += now.len() as u64;
            if self.filled == self.part_size {
                self.parts.push(self.part.finalize_reset().into());
                self.filled = 0;
            }
            bytes = later;
        }
    }

    /// Whether an object with this tag, and this CRC of 64 bits of all of it if it has one, has this content. `None`: they do not say.
    pub(crate) fn fits(mut self, tag: &str, crc: Option<&str>) -> Option<bool> {
        if let Some(crc) = crc {
            return Some(written(self.crc.value()) == crc);
        }
        if tag.len() == 32 {
            // The tag of what is encrypted with a key of KMS is no digest: then they only seem to differ.
            return Some(hex(&self.md5.finalize()) == tag);
        }
        if self.filled > 0 {
            self.parts.push(self.part.finalize().into());
        }
        let count = tag.rsplit_once('-').and_then(|(_, count)| count.parse().ok());
        // Who uploaded it may have cut it otherwise.
        (count == Some(self.parts.len())).then(|| tag_of_parts(&self.parts) == tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_is_known_by_each_of_its_checksums() {
        let bytes = b"hello world";
        let digests = || {
            let mut digests = Digests::new(4);
            digests.update(&bytes[..3]);
            digests.update(&bytes[3..]);
            digests
        };
        // As `aws s3api` tells them.
        assert_eq!(digests().fits("", Some("jSnVw/bqjr4=")), Some(true));
        assert_eq!(digests().fits("5eb63bbbe01eeed093cb22bb8f5acdc3", None), Some(true));
        let parts = [md5(b"hell"), md5(b"o wo"), md5(b"rld")];
        assert_eq!(digests().fits(&tag_of_parts(&parts), None), Some(true));
        assert_eq!(digests().fits(&tag_of_parts(&parts[..2]), None), None);
        assert_eq!(joined(crc64(b"hello "), crc64(b"world"), 5), crc64(bytes));
    }
}
