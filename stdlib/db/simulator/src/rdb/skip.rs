//! Where a value ends: its bytes are looked at only as far as that needs.

use super::{RdbError, kind};

/// Reads from the beginning of bytes that may not all be there yet.
pub(super) struct Cursor<'b> {
    bytes: &'b [u8],
    at: usize,
    /// How far from the beginning of the file they begin.
    from: u64,
}

/// A length, or that a string is kept in a special way.
pub(super) enum Length {
    Plain(u64),
    Special(u8),
}

const NUMBER_8: u8 = 0;
const NUMBER_16: u8 = 1;
const NUMBER_32: u8 = 2;
const COMPRESSED: u8 = 3;

/// A value is given to a server in one piece, of which it takes no more.
const LARGEST: u64 = 512 << 20;

impl<'b> Cursor<'b> {
    pub(super) fn new(bytes: &'b [u8], from: u64) -> Self {
        Cursor { bytes, at: 0, from }
    }

    /// How much has been read.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn malformed(&self, what: impl Into<String>) -> RdbError {
        RdbError::Malformed { at: self.from.saturating_add(self.at as u64), what: what.into() }
    }

    /// # Errors
    /// `Short` where they are not all there yet.
    pub(super) fn bytes(&mut self, count: u64) -> Result<&'b [u8], RdbError> {
        let end = (self.at as u64).saturating_add(count);
        if end > LARGEST {
            return Err(self.malformed("a value of more than 512 MiB, which no server takes in one piece"));
        }
        let end = usize::try_from(end).unwrap_or(usize::MAX);
        let bytes = self.bytes.get(self.at..end).ok_or(RdbError::Short { wanted: end })?;
        self.at = end;
        Ok(bytes)
    }

    pub(super) fn byte(&mut self) -> Result<u8, RdbError> {
        Ok(self.bytes(1)?[0])
    }

    pub(super) fn length(&mut self) -> Result<Length, RdbError> {
        let first = self.byte()?;
        let low = u64::from(first & 0x3f);
        Ok(match first >> 6 {
            0 => Length::Plain(low),
            1 => Length::Plain((low << 8) | u64::from(self.byte()?)),
            3 => Length::Special(first & 0x3f),
            _ => {
                let width = match first {
                    0x80 => 4,
                    0x81 => 8,
                    _ => return Err(self.malformed("a length of no known kind")),
                };
                let bytes = self.bytes(width)?;
                Length::Plain(bytes.iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte)))
            }
        })
    }

    pub(super) fn plain(&mut self) -> Result<u64, RdbError> {
        match self.length()? {
            Length::Plain(length) => Ok(length),
            Length::Special(_) => Err(self.malformed("a string where a length is expected")),
        }
    }

    /// A string, as it is meant.
    pub(super) fn string(&mut self) -> Result<Vec<u8>, RdbError> {
        match self.length()? {
            Length::Plain(length) => Ok(self.bytes(length)?.to_vec()),
            Length::Special(special @ (NUMBER_8 | NUMBER_16 | NUMBER_32)) => {
                let bytes = self.bytes(1 << special)?;
                let number = match special {
                    NUMBER_8 => i64::from(i8::from_le_bytes([bytes[0]])),
                    NUMBER_16 => i64::from(i16::from_le_bytes([bytes[0], bytes[1]])),
                    _ => i64::from(i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])),
                };
                Ok(number.to_string().into_bytes())
            }
            Length::Special(COMPRESSED) => {
                let (short, long) = (self.plain()?, self.plain()?);
                let bytes = self.bytes(short)?;
                let long = usize::try_from(long).unwrap_or(usize::MAX);
                super::lzf::decompress(bytes, long)
                    .ok_or_else(|| self.malformed("a compressed string that is none"))
            }
            Length::Special(_) => Err(self.malformed("a string of no known kind")),
        }
    }

    /// Past a string.
    pub(super) fn pass(&mut self) -> Result<(), RdbError> {
        let length = match self.length()? {
            Length::Plain(length) => length,
            Length::Special(special @ (NUMBER_8 | NUMBER_16 | NUMBER_32)) => 1 << special,
            Length::Special(COMPRESSED) => {
                let short = self.plain()?;
                self.plain()?;
                short
            }
            Length::Special(_) => return Err(self.malformed("a string of no known kind")),
        };
        self.bytes(length).map(drop)
    }

    fn strings(&mut self, count: u64) -> Result<(), RdbError> {
        (0..count).try_for_each(|_| self.pass())
    }

    /// A fraction as text, of a length of one byte.
    pub(super) fn old_score(&mut self) -> Result<f64, RdbError> {
        match self.byte()? {
            253 => Ok(f64::NAN),
            254 => Ok(f64::INFINITY),
            255 => Ok(f64::NEG_INFINITY),
            length => {
                let bytes = self.bytes(u64::from(length))?;
                let text = std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok());
                text.ok_or_else(|| self.malformed("a score that is no number"))
            }
        }
    }

    pub(super) fn score(&mut self) -> Result<f64, RdbError> {
        let bytes = self.bytes(8)?;
        Ok(f64::from_le_bytes(bytes.try_into().unwrap_or_default()))
    }

    /// Past a value of this type.
    pub(super) fn value(&mut self, of: u8) -> Result<(), RdbError> {
        match of {
            kind::STRING
            | kind::HASH_ZIPMAP
            | kind::LIST_ZIPLIST
            | kind::SET_INTSET
            | kind::ZSET_ZIPLIST
            | kind::HASH_ZIPLIST
            | kind::HASH_LISTPACK
            | kind::ZSET_LISTPACK
            | kind::SET_LISTPACK => self.pass(),
            kind::LIST | kind::SET | kind::LIST_QUICKLIST => {
                let count = self.plain()?;
                self.strings(count)
            }
            kind::HASH => {
                let count = self.plain()?;
                self.strings(count.saturating_mul(2))
            }
            kind::ZSET => {
                for _ in 0..self.plain()? {
                    self.pass()?;
                    self.old_score()?;
                }
                Ok(())
            }
            kind::ZSET_2 => {
                for _ in 0..self.plain()? {
                    self.pass()?;
                    self.score()?;
                }
                Ok(())
            }
            kind::LIST_QUICKLIST_2 => {
                for _ in 0..self.plain()? {
                    self.plain()?;
                    self.pass()?;
                }
                Ok(())
            }
            kind::STREAM | kind::STREAM_2 | kind::STREAM_3 => self.stream(of),
            other => Err(self.malformed(format!("a value of the unknown type {other}"))),
        }
    }

    fn stream(&mut self, of: u8) -> Result<(), RdbError> {
        let nodes = self.plain()?;
        self.strings(nodes.saturating_mul(2))?;
        // Its length and its last entry; and since Redis 7 the first one, the largest that is gone, and how many there were.
        let numbers = if of == kind::STREAM { 3 } else { 8 };
        for _ in 0..numbers {
            self.plain()?;
        }
        for _ in 0..self.plain()? {
            self.pass()?;
            for _ in 0..(if of == kind::STREAM { 2 } else { 3 }) {
                self.plain()?;
            }
            // What has been given and not been acknowledged: an entry, when, how often.
            for _ in 0..self.plain()? {
                self.bytes(16 + 8)?;
                self.plain()?;
            }
            for _ in 0..self.plain()? {
                self.pass()?;
                self.bytes(if of == kind::STREAM_3 { 16 } else { 8 })?;
                let pending = self.plain()?;
                self.bytes(pending.saturating_mul(16))?;
            }
        }
        Ok(())
    }
}
