//! A file, written key by key.

use std::io::{self, Write};

use crc_fast::{CrcAlgorithm, Digest};

use super::value::{length, string};
use super::{Expiry, VERSION, opcode};

/// Writes a file of version 10. Keys of one database come together.
pub struct Writer<W> {
    stream: W,
    sum: Digest,
    database: Option<u64>,
}

impl<W: Write> Writer<W> {
    /// With what the file says of itself: `redis-ver` is what every reader looks at.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn new(stream: W, auxiliary: &[(&str, &str)]) -> io::Result<Self> {
        let mut writer = Writer { stream, sum: Digest::new(CrcAlgorithm::Crc64Redis), database: None };
        let mut out = format!("REDIS{VERSION:04}").into_bytes();
        for (name, value) in auxiliary {
            out.push(opcode::AUXILIARY);
            string(name.as_bytes(), &mut out);
            string(value.as_bytes(), &mut out);
        }
        writer.put(&out)?;
        Ok(writer)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sum.update(bytes);
        self.stream.write_all(bytes)
    }

    /// A key with its value as [`super::Value::encoded`] or [`super::Entry::value`] has it.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn key(
        &mut self,
        database: u64,
        key: &[u8],
        expires: Option<Expiry>,
        encoded: &[u8],
    ) -> io::Result<()> {
        let mut out = Vec::new();
        if self.database != Some(database) {
            self.database = Some(database);
            out.push(opcode::SELECT);
            length(usize::try_from(database).unwrap_or(usize::MAX), &mut out);
        }
        if let Some(expires) = expires {
            out.push(opcode::EXPIRES_MS);
            out.extend_from_slice(&expires.to_le_bytes());
        }
        let (kind, value) = encoded.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        out.push(*kind);
        string(key, &mut out);
        out.extend_from_slice(value);
        self.put(&out)
    }

    /// Closes the file with its checksum, and gives the stream back.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn finish(mut self) -> io::Result<W> {
        self.put(&[opcode::END])?;
        let sum = self.sum.finalize();
        self.stream.write_all(&sum.to_le_bytes())?;
        self.stream.flush()?;
        Ok(self.stream)
    }
}
