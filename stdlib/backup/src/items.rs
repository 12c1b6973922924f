//! Between what sources give and take, and what a repository takes and gives.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures::channel::mpsc;
use futures::stream::BoxStream;
use futures::{SinkExt, Stream, StreamExt};
use jiff::Timestamp;
use opsrun_core::{Content, Error, Item, ItemKind, Items, Result};
use restic_repository::{
    Content as EntryContent, Entry, EntryKind, Metadata, Node, NodeKind, Reader, Restore, Restored,
};
use tokio_util::io::StreamReader;

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

/// A restore as sources take it: the items, without `base`, and what has to be carried out meanwhile. An error stands among
/// the items, and ends them.
pub(crate) fn items<'r>(
    mut restore: Restore<'r>,
    base: PathBuf,
    refused: impl Fn(restic_repository::Error) -> Error + Send + 'r,
) -> (Items, impl Future<Output = ()> + Send + 'r) {
    let (mut sender, receiver) = mpsc::channel::<Result<Item>>(AHEAD);
    let carry_out = async move {
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
                    let error = refused(error).context(format!("`{}` cannot be restored", path.display()));
                    if let Some(mut pieces) = pieces.take() {
                        let _ = pieces.send(Err(error.clone())).await;
                    }
                    // If nobody takes it, nobody restores.
                    let _ = sender.send(Err(error)).await;
                    false
                }
            };
            if !sent {
                return;
            }
        }
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
