//! What is wrong with a file or a payload.

use std::fmt;

#[derive(Debug)]
pub enum RdbError {
    /// It cannot be read, or ends too early.
    Read(std::io::Error),
    /// It does not begin with `REDIS` and a version.
    NoRdb,
    /// It is of a later version than is known here.
    Newer(u16),
    /// At so many bytes from its beginning, something is not as it should be.
    Malformed { at: u64, what: String },
    /// Its checksum is another one than its bytes have.
    Checksum { expected: u64, found: u64 },
    /// It ends in the middle; so many bytes of it are there.
    Cut { at: u64 },
    /// Not all of it is there yet: so many bytes are wanted from where it goes on, at least.
    Short { wanted: usize },
    /// A value that is known and not read: a stream, a module's.
    Unsupported(String),
}

impl fmt::Display for RdbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RdbError::Read(error) => write!(f, "the RDB file cannot be read: {error}"),
            RdbError::NoRdb => f.write_str("this is no RDB file: it does not begin with REDIS and a version"),
            RdbError::Newer(version) => {
                write!(
                    f,
                    "this is an RDB file of version {version}; versions up to {} are known",
                    super::NEWEST
                )
            }
            RdbError::Malformed { at, what } => write!(f, "the RDB file is broken at byte {at}: {what}"),
            RdbError::Checksum { expected, found } => write!(
                f,
                "the RDB file is broken: its checksum should be {expected:016x}, and that of its bytes is {found:016x}"
            ),
            RdbError::Cut { at } => write!(f, "the RDB file is cut off: it ends at byte {at}, in the middle"),
            RdbError::Short { wanted } => write!(f, "{wanted} bytes of the RDB file are not there yet"),
            RdbError::Unsupported(what) => write!(f, "{what} is not supported"),
        }
    }
}

impl std::error::Error for RdbError {}

impl From<std::io::Error> for RdbError {
    fn from(error: std::io::Error) -> Self {
        RdbError::Read(error)
    }
}
