//! A file, key by key, as its bytes come.

use bytes::{Bytes, BytesMut};
use crc_fast::{CrcAlgorithm, Digest};

use super::skip::Cursor;
use super::{NEWEST, RdbError, kind, opcode};

/// One key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The number of its database.
    pub database: u64,
    pub key: Vec<u8>,
    pub expires: Option<Expiry>,
    /// For how many seconds nobody had asked for it, where the server kept count.
    pub idle: Option<u64>,
    /// How often it was asked for, in the server's logarithm, where it kept count.
    pub frequency: Option<u8>,
    /// `string`, `list`, `set`, `zset`, `hash`, `stream`
    pub kind: &'static str,
    /// Its type's byte and its value as they stand in the file; [`super::payload`] makes what `RESTORE` takes of it.
    pub value: Vec<u8>,
}

/// In milliseconds since 1970.
pub type Expiry = u64;

/// What a file is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    Key(Entry),
    /// A library of functions; [`super::payload`] makes what `FUNCTION RESTORE` takes of it.
    Functions(Bytes),
}

/// Takes a file's bytes, and gives what they are, from the beginning to the checksum.
pub struct Parser {
    buffer: BytesMut,
    /// With how many bytes another look is worth it.
    wanted: usize,
    version: Option<u16>,
    /// What has been read and is in `buffer` no more.
    at: u64,
    sum: Digest,
    over: bool,
    closed: bool,
    auxiliary: Vec<(Vec<u8>, Vec<u8>)>,
    /// What was said of the key that is to come.
    next: Attributes,
    database: u64,
}

#[derive(Default, Clone, Copy)]
struct Attributes {
    expires: Option<Expiry>,
    idle: Option<u64>,
    frequency: Option<u8>,
}

/// What is read in one go.
enum Item {
    Header(u16),
    Database(u64),
    Expires(Expiry),
    Idle(u64),
    Frequency(u8),
    Auxiliary(Vec<u8>, Vec<u8>),
    /// Of no use to anybody but a server that loads it.
    Nothing,
    Functions,
    Key {
        of: u8,
        kind: &'static str,
        key: Vec<u8>,
        value_at: usize,
    },
    /// The end, with the checksum that stands there.
    End(Option<u64>),
}

impl Default for Parser {
    fn default() -> Self {
        Parser {
            buffer: BytesMut::new(),
            wanted: 0,
            version: None,
            at: 0,
            sum: Digest::new(CrcAlgorithm::Crc64Redis),
            over: false,
            closed: false,
            auxiliary: Vec::new(),
            next: Attributes::default(),
            database: 0,
        }
    }
}

const HEADER: u64 = 9;

impl Parser {
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Nothing more comes.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// What comes next; `None` if more bytes are needed for that, and of a closed one at the end.
    ///
    /// # Errors
    /// `NoRdb`, `Newer`, `Malformed`, `Checksum`, `Unsupported`, `Cut`; after one of them, the same file gives nothing sensible any more.
    pub fn part(&mut self) -> Result<Option<Part>, RdbError> {
        loop {
            if self.over && !self.buffer.is_empty() {
                let what = "there is something behind its end".to_owned();
                return Err(RdbError::Malformed { at: self.at, what });
            }
            if self.over || (self.buffer.len() < self.wanted && !self.closed) {
                return Ok(None);
            }
            let mut cursor = Cursor::new(&self.buffer, self.at);
            let item = match self.version {
                None => header(&mut cursor),
                Some(version) => item(&mut cursor, version),
            };
            let item = match item {
                Err(RdbError::Short { .. }) if self.closed => return Err(self.cut()),
                // Values of many parts are not looked through from their beginning with each piece that comes.
                Err(RdbError::Short { wanted }) => {
                    self.wanted = wanted.max(self.buffer.len() + self.buffer.len().min(MUCH));
                    return Ok(None);
                }
                item => item?,
            };
            self.wanted = 0;
            let read = cursor.at();
            if let Some(part) = self.take(item, read)? {
                return Ok(Some(part));
            }
        }
    }

    fn take(&mut self, item: Item, read: usize) -> Result<Option<Part>, RdbError> {
        let bytes = self.buffer.split_to(read).freeze();
        self.at = self.at.saturating_add(read as u64);
        if let Item::End(expected) = item {
            self.over = true;
            // The end counts, and the checksum behind it does not.
            self.sum.update(&bytes[..1]);
            let found = self.sum.finalize();
            return match expected {
                Some(expected) if expected != 0 && expected != found => {
                    Err(RdbError::Checksum { expected, found })
                }
                _ => Ok(None),
            };
        }
        self.sum.update(&bytes);
        match item {
            Item::Header(version) => self.version = Some(version),
            Item::Database(database) => self.database = database,
            Item::Expires(expires) => self.next.expires = Some(expires),
            Item::Idle(idle) => self.next.idle = Some(idle),
            Item::Frequency(frequency) => self.next.frequency = Some(frequency),
            Item::Auxiliary(name, value) => self.auxiliary.push((name, value)),
            Item::Functions => return Ok(Some(Part::Functions(bytes))),
            Item::Key { of, kind, key, value_at } => {
                let Attributes { expires, idle, frequency } = std::mem::take(&mut self.next);
                let value = [&[of], &bytes[value_at..]].concat();
                let database = self.database;
                return Ok(Some(Part::Key(Entry { database, key, expires, idle, frequency, kind, value })));
            }
            Item::Nothing | Item::End(_) => {}
        }
        Ok(None)
    }

    /// Of the file; `None` until its first bytes have come.
    pub fn version(&self) -> Option<u16> {
        self.version
    }

    /// What the file has said of itself so far: `redis-ver`, `ctime`.
    pub fn auxiliary(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.auxiliary.iter().map(|(name, value)| (name.as_slice(), value.as_slice()))
    }

    fn cut(&self) -> RdbError {
        let at = self.at.saturating_add(self.buffer.len() as u64);
        if at < HEADER { RdbError::NoRdb } else { RdbError::Cut { at } }
    }
}

/// So much more is waited for at most before a value of unknown length is looked at once more.
const MUCH: usize = 64 << 20;

fn header(cursor: &mut Cursor<'_>) -> Result<Item, RdbError> {
    let digits =
        cursor.bytes(HEADER)?.strip_prefix(b"REDIS").and_then(|digits| std::str::from_utf8(digits).ok());
    let version: u16 = digits.and_then(|digits| digits.parse().ok()).ok_or(RdbError::NoRdb)?;
    if version > NEWEST { Err(RdbError::Newer(version)) } else { Ok(Item::Header(version)) }
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
}

fn item(cursor: &mut Cursor<'_>, version: u16) -> Result<Item, RdbError> {
    Ok(match cursor.byte()? {
        // Since version 5 a checksum closes the file; 0 says that there is none.
        opcode::END if version < 5 => Item::End(None),
        opcode::END => Item::End(Some(number(cursor.bytes(8)?))),
        opcode::SELECT => Item::Database(cursor.plain()?),
        opcode::EXPIRES => Item::Expires(number(cursor.bytes(4)?) * 1000),
        opcode::EXPIRES_MS => Item::Expires(number(cursor.bytes(8)?)),
        opcode::FREQUENCY => Item::Frequency(cursor.byte()?),
        opcode::IDLE => Item::Idle(cursor.plain()?),
        opcode::SIZES => {
            let _ = (cursor.plain()?, cursor.plain()?);
            Item::Nothing
        }
        opcode::SLOT_INFO => {
            let _ = (cursor.plain()?, cursor.plain()?, cursor.plain()?);
            Item::Nothing
        }
        opcode::AUXILIARY => Item::Auxiliary(cursor.string()?, cursor.string()?),
        opcode::FUNCTION => {
            cursor.pass()?;
            Item::Functions
        }
        opcode::FUNCTION_OLD => {
            return Err(RdbError::Unsupported("a function of Redis 7.0-rc".to_owned()));
        }
        opcode::MODULE => return Err(RdbError::Unsupported("what a module has kept".to_owned())),
        of => {
            let key = cursor.string()?;
            let value_at = cursor.at();
            let Some(kind) = kind::name(of) else {
                return Err(match kind::unsupported(of) {
                    Some(what) => {
                        RdbError::Unsupported(format!("{what} (the key `{}`)", String::from_utf8_lossy(&key)))
                    }
                    None => cursor.malformed(format!("a value of the unknown type {of}")),
                });
            };
            cursor.value(of)?;
            Item::Key { of, kind, key, value_at }
        }
    })
}
