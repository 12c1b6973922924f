//! A file, key by key.

use std::io::Read;

use super::skip::Tee;
use super::{NEWEST, RdbError, crc64, kind, opcode};

/// One key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The number of its database.
    pub database: u64,
    pub key: Vec<u8>,
    pub expires: Option<Expiry>,
    /// `string`, `list`, `set`, `zset`, `hash`, `stream`
    pub kind: &'static str,
    /// Its type's byte and its value as they stand in the file; [`super::payload`] makes what `RESTORE` takes of it.
    pub value: Vec<u8>,
}

/// In milliseconds since 1970.
pub type Expiry = u64;

/// Reads a file from its beginning to its checksum. An iterator over its keys, which ends after the first error.
pub struct Reader<R> {
    stream: R,
    version: u16,
    database: u64,
    at: u64,
    sum: u64,
    done: bool,
    auxiliary: Vec<(Vec<u8>, Vec<u8>)>,
}

impl<R: Read> Reader<R> {
    /// # Errors
    /// `NoRdb`, `Newer`, `Read`.
    pub fn new(mut stream: R) -> Result<Self, RdbError> {
        let mut header = [0; 9];
        stream.read_exact(&mut header).map_err(|_| RdbError::NoRdb)?;
        let version = header.strip_prefix(b"REDIS").and_then(|digits| std::str::from_utf8(digits).ok());
        let version: u16 = version.and_then(|digits| digits.parse().ok()).ok_or(RdbError::NoRdb)?;
        if version > NEWEST {
            return Err(RdbError::Newer(version));
        }
        let sum = crc64(0, &header);
        Ok(Reader { stream, version, database: 0, at: 9, sum, done: false, auxiliary: Vec::new() })
    }

    pub fn version(&self) -> u16 {
        self.version
    }

    /// What the file has said of itself so far: `redis-ver`, `ctime`.
    pub fn auxiliary(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.auxiliary.iter().map(|(name, value)| (name.as_slice(), value.as_slice()))
    }

    /// Reads a part of the file, which counts for its checksum; gives it with its bytes.
    fn part<T>(
        &mut self,
        read: impl FnOnce(&mut Tee<'_, R>) -> Result<T, RdbError>,
    ) -> Result<(T, Vec<u8>), RdbError> {
        let mut tee = Tee { stream: &mut self.stream, kept: Vec::new(), from: self.at };
        let part = read(&mut tee)?;
        let kept = tee.kept;
        self.sum = crc64(self.sum, &kept);
        self.at = self.at.saturating_add(u64::try_from(kept.len()).unwrap_or(u64::MAX));
        Ok((part, kept))
    }

    fn numbers(&mut self, count: usize) -> Result<u64, RdbError> {
        let read = |tee: &mut Tee<'_, R>| (0..count).map(|_| tee.byte()).collect::<Result<Vec<u8>, _>>();
        let (bytes, _) = self.part(read)?;
        Ok(bytes.iter().rev().fold(0, |sum, byte| (sum << 8) | u64::from(*byte)))
    }

    fn read(&mut self) -> Result<Option<Entry>, RdbError> {
        let mut expires = None;
        loop {
            let (byte, _) = self.part(|tee| tee.byte())?;
            match byte {
                opcode::END => return self.end().map(|()| None),
                opcode::SELECT => self.database = self.part(|tee| tee.plain())?.0,
                opcode::EXPIRES => expires = Some(self.numbers(4)? * 1000),
                opcode::EXPIRES_MS => expires = Some(self.numbers(8)?),
                opcode::FREQUENCY => drop(self.part(|tee| tee.byte())?),
                opcode::IDLE => drop(self.part(|tee| tee.plain())?),
                opcode::SIZES => drop(self.part(|tee| Ok((tee.plain()?, tee.plain()?)))?),
                opcode::SLOT_INFO => drop(self.part(|tee| Ok((tee.plain()?, tee.plain()?, tee.plain()?)))?),
                opcode::AUXILIARY => {
                    let (pair, _) = self.part(|tee| Ok((tee.string()?, tee.string()?)))?;
                    self.auxiliary.push(pair);
                }
                // Programs are no keys.
                opcode::FUNCTION => drop(self.part(|tee| tee.string())?),
                opcode::FUNCTION_OLD => {
                    return Err(RdbError::Unsupported("a function of Redis 7.0-rc".to_owned()));
                }
                opcode::MODULE => return Err(RdbError::Unsupported("what a module has kept".to_owned())),
                of => {
                    let Some(name) = kind::name(of) else {
                        // It says what it is.
                        let (_, _) = self.part(|tee| tee.string().and_then(|_| tee.value(of)))?;
                        continue;
                    };
                    let (key, _) = self.part(|tee| tee.string())?;
                    let ((), bytes) = self.part(|tee| tee.value(of))?;
                    let mut value = vec![of];
                    value.extend_from_slice(&bytes);
                    return Ok(Some(Entry { database: self.database, key, expires, kind: name, value }));
                }
            }
        }
    }

    /// Since version 5 a checksum closes the file; 0 says that there is none.
    fn end(&mut self) -> Result<(), RdbError> {
        if self.version < 5 {
            return Ok(());
        }
        let found = self.sum;
        let mut bytes = [0; 8];
        self.stream.read_exact(&mut bytes)?;
        let expected = u64::from_le_bytes(bytes);
        if expected != 0 && expected != found {
            return Err(RdbError::Checksum { expected, found });
        }
        Ok(())
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<Entry, RdbError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let read = self.read().transpose();
        self.done = !matches!(read, Some(Ok(_)));
        read
    }
}
