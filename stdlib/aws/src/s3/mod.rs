//! What the primitives of `s3` share: buckets and where they are, transfers, checksums, and what takes writes back.
//!
//! Contents are never held whole if they are large: they go in parts, of which a `Budget` bounds how many are in memory.

mod bucket;
mod budget;
mod copy;
mod delete;
mod digest;
mod download;
mod keep;
mod object;
mod prefix;
mod source;
pub(crate) mod sync;
mod undo;
mod upload;
mod url;

pub(crate) use self::bucket::Bucket;
pub(crate) use self::copy::copy;
pub(crate) use self::digest::base64;
pub(crate) use self::download::{fetch, fetch_into};
pub(crate) use self::keep::STORES;
pub(crate) use self::object::{Object, size, tag, told};
pub(crate) use self::source::SOURCE;
pub(crate) use self::undo::{Former, TAKE_BACK, Written, delete_version, marker, take_back_all};
pub(crate) use self::upload::{About, Record, Source, content_type, store};
pub(crate) use self::url::S3Url;
