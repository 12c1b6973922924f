//! Between what sources give and take, and what a repository takes and gives.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures::channel::mpsc;
use futures::stream::BoxStream;
use futures::{SinkExt, Stream, StreamExt};
use jiff::Timestamp;
use opsrun_core::{Content, Error, Item, ItemKind, Items, Result};
use restic_repository::{
    Content as EntryContent, Entry, EntryKind, Metadata, NamedSnapshot, Node, NodeKind, Reader, Restore,
    Restored,
};
use serde_json::json;
use tokio_util::io::StreamReader;

use crate::place::Opened;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The items as a repository takes them, below `base`.
pub(crate) fn entries(items: Items, base: PathBuf) -> impl Stream<Item = Result<Entry, Failure>> + Send {
    let mut open = Vec::new();
    items.flat_map(move |item| {
        let entries = match item.and_then(|item| entry(item, &base)) {
            Err(error) => vec![Err(Failure::from(error))],
            Ok(entry) => folders_above(&entry, &mut open).into_iter().chain([entry]).map(Ok).collect(),
        };
        futures::stream::iter(entries)
    })
}

/// The folders that an entry is in and that were no items themselves. Of them nothing is known; a time of their own would make each
/// snapshot another one. `open`: those that the entry before was in.
fn folders_above(entry: &Entry, open: &mut Vec<PathBuf>) -> Vec<Entry> {
    let mut above: Vec<&Path> =
        entry.path.ancestors().skip(1).filter(|path| path.parent().is_some()).collect();
    above.reverse();
    let known = open.iter().zip(&above).take_while(|(open, above)| *open == **above).count();
    open.truncate(known);
    let new: Vec<PathBuf> = above[known..].iter().map(|path| path.to_path_buf()).collect();
    open.extend(new.iter().cloned());
    if matches!(entry.kind, EntryKind::Folder) {
        open.push(entry.path.clone());
    }
    let unknown = || Metadata::new(0o755, Timestamp::UNIX_EPOCH.into());
    new.into_iter().map(|path| Entry { path, metadata: unknown(), kind: EntryKind::Folder }).collect()
}

fn entry(item: Item, base: &Path) -> Result<Entry> {
    let kind = match item.kind {
        ItemKind::Folder => EntryKind::Folder,
        ItemKind::Link(target) => EntryKind::Symlink { target: target.into() },
        ItemKind::File { size, content } => {
            let content = content.map(|piece| piece.map_err(std::io::Error::other));
            let reader = StreamReader::new(content);
            EntryKind::File(match size {
                None => EntryContent::stream(reader),
                Some(size) => EntryContent::file(size, || async move { Ok(Box::pin(reader) as Reader) }),
            })
        }
    };
    let is_name = |name: &str| !name.is_empty() && name != "." && name != "..";
    if !item.path.split('/').all(is_name) {
        return Err(Error::failed(format!("`{}` is no path that can be kept", item.path)));
    }
    Ok(Entry { path: base.join(&item.path), metadata: Metadata::new(item.mode, item.modified.into()), kind })
}

/// What waits to be taken of a restore: items, and pieces of a file.
const AHEAD: usize = 2;

/// What of a snapshot cannot be read.
#[derive(Default)]
pub(crate) struct Damage {
    /// The first ones, each with why.
    told: Vec<(PathBuf, Error)>,
    count: usize,
}

/// So many are told.
const MOST_TOLD: usize = 20;

impl Damage {
    fn add(&mut self, path: PathBuf, error: Error) {
        self.count += 1;
        if self.told.len() < MOST_TOLD {
            self.told.push((path, error));
        }
    }

    pub(crate) fn and(mut self, other: Damage) -> Damage {
        self.count += other.count;
        self.told.extend(other.told.into_iter().take(MOST_TOLD - self.told.len()));
        self
    }

    /// # Errors
    /// If there is any: what is missing of the snapshot, and why; `data.damaged` has the paths that are told.
    pub(crate) fn none_of(&self, named: &NamedSnapshot) -> Result<()> {
        if self.count == 0 {
            return Ok(());
        }
        let missing = counted(self.count);
        let mut error =
            Error::failed(format!("{missing} of the snapshot {} cannot be read", named.id.short()));
        for (_, told) in &self.told {
            let why: Vec<&str> = told.chain().map(Error::message).collect();
            error = error.detail(why.join(": "));
        }
        if self.count > self.told.len() {
            error = error.detail(format!("and {} more", self.count - self.told.len()));
        }
        let paths: Vec<_> = self.told.iter().map(|(path, _)| path.to_string_lossy()).collect();
        let error = error.data(json!({ "damaged": paths, "count": self.count }));
        Err(error.hint(
            "`backup::check(#{ read_data: true })` tells all damage; another snapshot or copy may have it",
        ))
    }
}

fn counted(count: usize) -> String {
    match count {
        1 => "1 file or folder".to_owned(),
        _ => format!("{count} files or folders"),
    }
}

/// A restore as sources take it: the items, without `base`, and what has to be carried out meanwhile. The content of a file that is
/// damaged ends with an error, and what comes next is something else. If the repository does not answer, an error stands among the
/// items, and ends them.
pub(crate) fn items<'r>(
    mut restore: Restore<'r>,
    base: PathBuf,
    opened: &'r Opened,
) -> (Items, impl Future<Output = Damage> + Send + 'r) {
    let (mut sender, receiver) = mpsc::channel::<Result<Item>>(AHEAD);
    let carry_out = async move {
        let mut damage = Damage::default();
        let mut pieces: Option<mpsc::Sender<Result<Bytes>>> = None;
        while let Some(restored) = restore.next().await {
            let sent = match restored {
                Restored::Entry { path, node } => {
                    let (item, content) = item(&path, &base, &node);
                    pieces = content;
                    match item {
                        Some(item) => sender.send(Ok(item)).await.is_ok(),
                        None => true,
                    }
                }
                // Who took the item need not take its content.
                Restored::Content(piece) => match &mut pieces {
                    Some(pieces) => pieces.send(Ok(piece)).await.is_ok() || !sender.is_closed(),
                    None => true,
                },
                Restored::Leave { .. } => true,
                Restored::Failed { path, error } => {
                    let error =
                        opened.place.told(error).context(format!("`{}` cannot be restored", path.display()));
                    damage.add(path, error.clone());
                    if let Some(mut pieces) = pieces.take() {
                        // Who took the item need not take its content.
                        let _ = pieces.send(Err(error.clone())).await;
                    }
                    match opened.repository.answers().await {
                        Ok(()) => !sender.is_closed(),
                        Err(_) => {
                            // If nobody takes it, nobody restores.
                            let _ = sender.send(Err(error)).await;
                            false
                        }
                    }
                }
            };
            if !sent {
                break;
            }
        }
        damage
    };
    (receiver.boxed(), carry_out)
}

/// `None` for what is above of `base`, or `base` itself.
fn item(path: &Path, base: &Path, node: &Node) -> (Option<Item>, Option<mpsc::Sender<Result<Bytes>>>) {
    let below = match path.strip_prefix(base) {
        Ok(below) if !below.as_os_str().is_empty() => below,
        _ => return (None, None),
    };
    let (kind, pieces) = match &node.kind {
        NodeKind::Folder { .. } => (ItemKind::Folder, None),
        NodeKind::Symlink { target } => (ItemKind::Link(target.to_string_lossy().into_owned()), None),
        NodeKind::File { size, .. } => {
            let (sender, receiver) = mpsc::channel(AHEAD);
            let content: Content = BoxStream::from(receiver.boxed());
            (ItemKind::File { size: Some(*size), content }, Some(sender))
        }
        NodeKind::Other(_) => return (None, None),
    };
    let path = below.to_string_lossy().into_owned();
    (Some(Item { path, kind, mode: node.mode, modified: node.mtime.moment() }), pieces)
}
