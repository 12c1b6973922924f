//! What systems lend each other, so that none has to know another: sources, whose content can be kept as files and be brought
//! back from them, and stores, which keep named objects. A system offers them, each under a scheme.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::BoxStream;
use jiff::Timestamp;
use serde_json::Value;

use crate::{BoxFuture, Cx, Result};

/// What a source holds. Folders come before what is in them, and the content of a file is read before the next item is asked
/// for. An error means that the source did not give everything. Of what is brought back, content that ends with an error is that of
/// a damaged file: nothing of it is used, and who brings back file by file goes on with the next item; whoever gave it tells of it.
pub type Items = BoxStream<'static, Result<Item>>;

/// The bytes of a file, in pieces of any size.
pub type Content = BoxStream<'static, Result<Bytes>>;

/// What was counted of something: `rows of public.orders`.
pub type Counts = BTreeMap<String, u64>;

/// What a system does for others.
pub type Later<T> = BoxFuture<'static, Result<T>>;

/// A file, a folder or a link.
pub struct Item {
    /// From the source's root, with `/` between names; none is empty, `.` or `..`.
    pub path: String,
    pub kind: ItemKind,
    /// The lower twelve bits of a Unix mode.
    pub mode: u32,
    pub modified: Timestamp,
}

/// What an item is.
pub enum ItemKind {
    Folder,
    /// `size` in bytes, where it is known before the content is read.
    File {
        size: Option<u64>,
        content: Content,
    },
    /// A symbolic link, by what it says.
    Link(String),
}

/// What a source does to see whether items can be brought back.
pub type Preflight = fn(Cx, Named, Items) -> Later<()>;

/// A way to name something that can be kept and brought back, offered by a system: `postgres` of `postgres:DATABASE`.
#[derive(Debug, Clone, Copy)]
pub struct SourceScheme {
    pub scheme: &'static str,
    /// How one is written, in full: `postgres:DATABASE`.
    pub form: &'static str,
    /// One line on what of it is kept.
    pub doc: &'static str,
    /// Gives what it holds now, as of one moment where it can.
    pub open: fn(Cx, Named) -> Later<Items>,
    /// Sees whether all of the items can be brought back there, before any of it is touched: of a place that cannot be brought back to
    /// whole or not at all. The items are read twice then.
    pub preflight: Option<Preflight>,
    /// Brings items back, into the place or beside it, and says what was done.
    pub restore: fn(Cx, Named, Items) -> Later<Value>,
    /// Sees whether items can be brought back, without touching the place that they are of, and whether what the options assert
    /// holds of them; an error says what does not. Tells what was counted: `rows of orders`.
    pub try_out: fn(Cx, Named, Items) -> Later<Counts>,
}

/// Which source, or where to.
#[derive(Debug, Clone, PartialEq)]
pub struct Named {
    /// What stands behind the colon.
    pub name: String,
    /// In the scheme's own terms; `Null` if there are none.
    pub options: Value,
}

/// A way to name a store, offered by a system: `s3` of `s3://BUCKET/PREFIX`.
#[derive(Debug, Clone, Copy)]
pub struct StoreScheme {
    pub scheme: &'static str,
    /// How one is written, in full.
    pub form: &'static str,
    /// Finds it. What stands behind the colon, and options in the scheme's own terms.
    pub open: fn(Cx, Named) -> Later<Arc<dyn Store>>,
}

/// Keeps objects by names such as `data/ab/abcd`. Whoever reads after a write sees it.
pub trait Store: Send + Sync {
    /// The objects whose names begin so, in any order, with their sizes in bytes.
    fn list(&self, prefix: &str) -> BoxStream<'static, Result<Stored>>;

    /// All of an object, or a part of it.
    ///
    /// # Errors
    /// `NotFound`; `Failed` if it is shorter.
    fn read(&self, name: &str, part: Option<Range<u64>>) -> BoxFuture<'static, Result<Bytes>>;

    /// Puts an object, whole or not at all, in place of what is there.
    fn write(&self, name: &str, content: Bytes) -> BoxFuture<'static, Result<()>>;

    /// Takes an object away; one that is not there is no error.
    fn remove(&self, name: &str) -> BoxFuture<'static, Result<()>>;
}

/// An object of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub name: String,
    pub size: u64,
}
