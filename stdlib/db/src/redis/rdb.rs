//! A snapshot as it comes over a replication stream: where it ends, and whether it is whole. What is in it is not looked at.
//!
//! It is announced by its length, `$1234`, or by what ends it, `$EOF:` and forty bytes; either is followed by the file itself, which ends
//! with a checksum of its own (CRC-64, little-endian; zero if the server makes none).

use bytes::{Bytes, BytesMut};
use crc_fast::{CrcAlgorithm, Digest};
use opsrun_core::Error;

use crate::redis::error::Failure;

/// How the end is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Payload {
    Length(u64),
    Until(Vec<u8>),
}

/// What has come of a snapshot.
pub(crate) struct Arrived {
    payload: Payload,
    digest: Digest,
    bytes: u64,
    /// The first nine bytes, `REDIS0011`, and the last eight.
    head: Vec<u8>,
    tail: Vec<u8>,
    whole: bool,
}

const HEAD: usize = 9;
const CHECKSUM: usize = 8;
const DELIMITER: usize = 40;

impl Payload {
    pub(crate) fn announced(line: &str) -> Result<Self, Failure> {
        let announced = line.strip_prefix('$').and_then(|rest| match rest.strip_prefix("EOF:") {
            Some(delimiter) => {
                (delimiter.len() == DELIMITER).then(|| Payload::Until(delimiter.as_bytes().to_vec()))
            }
            None => rest.parse().ok().map(Payload::Length),
        });
        match line.strip_prefix('-') {
            Some(said) => Err(Failure::Refused(said.to_owned())),
            None => announced.ok_or_else(|| Failure::unexpected(&format!("`{line}` instead of a snapshot"))),
        }
    }
}

impl Arrived {
    pub(crate) fn new(payload: Payload) -> Self {
        let digest = Digest::new(CrcAlgorithm::Crc64Redis);
        Arrived { payload, digest, bytes: 0, head: Vec::new(), tail: Vec::new(), whole: false }
    }

    /// How many bytes of the file have been taken.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.whole
    }

    /// Takes what belongs to the file, as far as that can be told.
    pub(crate) fn take(&mut self, inbox: &mut BytesMut) -> Bytes {
        let piece = match &self.payload {
            Payload::Length(length) => {
                let left = usize::try_from(length - self.bytes).unwrap_or(usize::MAX);
                inbox.split_to(left.min(inbox.len()))
            }
            // The last forty bytes may be the end.
            Payload::Until(delimiter) => {
                self.whole = inbox.ends_with(delimiter);
                inbox.split_to(inbox.len().saturating_sub(DELIMITER))
            }
        };
        self.bytes += piece.len() as u64;
        if let Payload::Length(length) = self.payload {
            self.whole = self.bytes == length;
        }
        self.head.extend(piece.iter().take(HEAD - self.head.len()));
        self.tail.extend_from_slice(&piece);
        let summed = self.tail.len().saturating_sub(CHECKSUM);
        self.digest.update(&self.tail[..summed]);
        self.tail.drain(..summed);
        piece.freeze()
    }

    /// The size and the form of a snapshot that has come whole.
    ///
    /// # Errors
    /// `Failed` for what is no snapshot, or not the one that was sent.
    pub(crate) fn checked(&self) -> Result<(u64, u32), Error> {
        let version = self
            .head
            .strip_prefix(b"REDIS")
            .and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        let version = version.ok_or_else(|| Error::failed("what the server sent is no snapshot of Redis"))?;
        let checksum = <[u8; CHECKSUM]>::try_from(self.tail.as_slice()).map(u64::from_le_bytes);
        match checksum {
            Ok(0) => Ok((self.bytes, version)),
            Ok(checksum) if checksum == self.digest.finalize() => Ok((self.bytes, version)),
            _ => Err(Error::failed("the snapshot was damaged on its way: its checksum is another one")
                .hint("nothing was kept; try again")),
        }
    }
}
