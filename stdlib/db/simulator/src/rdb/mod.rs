//! RDB, the file in which Redis keeps what it has, and that a replica is sent: read and written, key by key.
//!
//! It knows nothing of the rest of this crate. [`Parser`] reads any file up to version 12 as its bytes come, with memory for one key at a time,
//! and gives each value as the bytes that stand in the file; those are what `DUMP` gives and `RESTORE` takes, but for their end
//! ([`payload`]). [`Reader`] does so with a stream. [`value`] makes a [`Value`] of them, and [`Writer`] writes version 10, which Redis 7.0 writes
//! and reads.

mod compact;
mod error;
mod lzf;
mod parser;
mod reader;
mod skip;
mod value;
mod writer;

pub use error::RdbError;
pub use parser::{Entry, Expiry, Parser, Part};
pub use reader::Reader;
pub use value::{ENDING, Value, of_payload, payload, value};
pub use writer::Writer;

/// What is written: of Redis 7.0.
pub const VERSION: u16 = 10;
/// The latest that is read.
pub const NEWEST: u16 = 12;

/// Redis' checksum.
fn crc64(bytes: &[u8]) -> u64 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Redis, bytes)
}

mod opcode {
    pub(super) const SLOT_INFO: u8 = 244;
    pub(super) const FUNCTION: u8 = 245;
    pub(super) const FUNCTION_OLD: u8 = 246;
    pub(super) const MODULE: u8 = 247;
    pub(super) const IDLE: u8 = 248;
    pub(super) const FREQUENCY: u8 = 249;
    pub(super) const AUXILIARY: u8 = 250;
    pub(super) const SIZES: u8 = 251;
    pub(super) const EXPIRES_MS: u8 = 252;
    pub(super) const EXPIRES: u8 = 253;
    pub(super) const SELECT: u8 = 254;
    pub(super) const END: u8 = 255;
}

/// The types of values, by the byte before them.
mod kind {
    pub(super) const STRING: u8 = 0;
    pub(super) const LIST: u8 = 1;
    pub(super) const SET: u8 = 2;
    pub(super) const ZSET: u8 = 3;
    pub(super) const HASH: u8 = 4;
    pub(super) const ZSET_2: u8 = 5;
    pub(super) const HASH_ZIPMAP: u8 = 9;
    pub(super) const LIST_ZIPLIST: u8 = 10;
    pub(super) const SET_INTSET: u8 = 11;
    pub(super) const ZSET_ZIPLIST: u8 = 12;
    pub(super) const HASH_ZIPLIST: u8 = 13;
    pub(super) const LIST_QUICKLIST: u8 = 14;
    pub(super) const STREAM: u8 = 15;
    pub(super) const HASH_LISTPACK: u8 = 16;
    pub(super) const ZSET_LISTPACK: u8 = 17;
    pub(super) const LIST_QUICKLIST_2: u8 = 18;
    pub(super) const STREAM_2: u8 = 19;
    pub(super) const SET_LISTPACK: u8 = 20;
    pub(super) const STREAM_3: u8 = 21;

    /// What its type is called by `TYPE`.
    pub(super) fn name(kind: u8) -> Option<&'static str> {
        Some(match kind {
            STRING => "string",
            LIST | LIST_ZIPLIST | LIST_QUICKLIST | LIST_QUICKLIST_2 => "list",
            SET | SET_INTSET | SET_LISTPACK => "set",
            ZSET | ZSET_2 | ZSET_ZIPLIST | ZSET_LISTPACK => "zset",
            HASH | HASH_ZIPMAP | HASH_ZIPLIST | HASH_LISTPACK => "hash",
            STREAM | STREAM_2 | STREAM_3 => "stream",
            _ => return None,
        })
    }

    /// What is known, and only a server of its own kind reads.
    pub(super) fn unsupported(kind: u8) -> Option<&'static str> {
        match kind {
            6 | 7 => Some("a value of a module"),
            22..=25 => Some("a hash whose fields expire"),
            _ => None,
        }
    }
}
