//! Folders of this machine, as a source and as a store. The files of a source are those that links inside of it lead to, as well.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::future::join_all;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use opsrun_core::{
    BoxFuture, Content, Cx, Error, ErrorKind, FileDraft, FileFacts, Item, ItemKind, Items, Named, Result,
    SourceScheme, Store, StoreScheme, Stored, Value,
};
use serde::Deserialize;
use serde_json::json;

pub(crate) const SOURCE: SourceScheme = SourceScheme {
    scheme: "folder",
    form: "folder:PATH",
    doc: "The files below a folder of this machine, with their times and modes.",
    open: |cx, named| Box::pin(async move { open(cx, &named) }),
    preflight: None,
    restore: |cx, named, items| Box::pin(async move { restore(&cx, &named, items).await }),
    try_out: |_, named, items| Box::pin(async move { try_out(&named, items).await }),
};

pub(crate) const STORE: StoreScheme = StoreScheme {
    scheme: "folder",
    form: "folder:PATH",
    open: |cx, named| {
        Box::pin(async move {
            no_options(&named)?;
            Ok(Arc::new(Folder { cx, root: PathBuf::from(named.name) }) as Arc<dyn Store>)
        })
    },
};

/// What is read of a file at a time.
const PIECE: usize = 1 << 20;

fn no_options(named: &Named) -> Result<()> {
    let none = named.options.is_null() || named.options.as_object().is_some_and(serde_json::Map::is_empty);
    match none {
        true => Ok(()),
        false => Err(Error::invalid(format!("`folder:{}` takes no options", named.name))),
    }
}

fn open(cx: Cx, named: &Named) -> Result<Items> {
    no_options(named)?;
    let root = PathBuf::from(&named.name);
    let walk = cx.walk_files(&root)?;
    let items = walk.map(move |facts| {
        let facts = facts?;
        let path = facts.path.to_str().map(str::to_owned).ok_or_else(|| {
            Error::invalid(format!("the name of `{}` is not UTF-8", root.join(&facts.path).display()))
        })?;
        let kind = ItemKind::File { size: Some(facts.size), content: content(cx.clone(), &root, &facts) };
        Ok(Item { path, kind, mode: facts.mode, modified: facts.modified })
    });
    Ok(futures::stream::iter(items).boxed())
}

/// A file that becomes longer or shorter while it is read is as it was read; nobody promises more.
fn content(cx: Cx, root: &Path, facts: &FileFacts) -> Content {
    let path = root.join(&facts.path);
    let pieces = futures::stream::try_unfold(Some(0_u64), move |at| {
        let (cx, path) = (cx.clone(), path.clone());
        async move {
            let Some(at) = at else { return Ok(None) };
            let piece = cx.read_file_part(&path, at, PIECE)?;
            if piece.is_empty() {
                return Ok(None);
            }
            let next = (piece.len() == PIECE).then_some(at + PIECE as u64);
            Ok::<_, Error>(Some((Bytes::from(piece), next)))
        }
    });
    pieces.boxed()
}

/// So many files are put in their places at a time: a run's journal is flushed once for them.
const KEPT_TOGETHER: usize = 64;

/// Writes the files below the folder; what else is there stays, and so does what is in place of a file that is damaged.
async fn restore(cx: &Cx, named: &Named, mut items: Items) -> Result<Value> {
    no_options(named)?;
    let root = PathBuf::from(&named.name);
    let (mut files, mut bytes) = (0_u64, 0_u64);
    let mut keeping = Vec::new();
    while let Some(item) = items.try_next().await? {
        match item.kind {
            // They are made with what is in them.
            ItemKind::Folder => {}
            ItemKind::Link(target) => {
                cx.warn(format!("`{}` is a link to `{target}`, and links are not made", item.path));
            }
            ItemKind::File { content, .. } => {
                let draft = cx.draft_file(root.join(&item.path))?;
                let Some(size) = write(&*draft, content).await? else { continue };
                draft.set_mode(item.mode)?;
                keeping.push(draft.keep(Some(item.modified)));
                files += 1;
                bytes += size;
                if keeping.len() >= KEPT_TOGETHER {
                    keep(&mut keeping).await?;
                }
                cx.progress(format!("{files} files, {} MiB", bytes >> 20));
            }
        }
    }
    keep(&mut keeping).await?;
    Ok(json!({ "files": files, "bytes": bytes }))
}

/// How long it was; `None` if it is damaged, of which whoever gave it tells.
async fn write(draft: &dyn FileDraft, mut content: Content) -> Result<Option<u64>> {
    let mut at = 0;
    while let Some(piece) = content.next().await {
        let Ok(piece) = piece else { return Ok(None) };
        draft.write_at(at, &piece)?;
        at += piece.len() as u64;
    }
    Ok(Some(at))
}

/// Each is seen through, also if another one fails.
async fn keep(keeping: &mut Vec<BoxFuture<'static, Result<()>>>) -> Result<()> {
    join_all(keeping.drain(..)).await.into_iter().collect()
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Assertions {
    /// Files that have to be there, from the folder.
    paths: Vec<String>,
}

/// Reads everything, which compares every byte with its hash. Nothing is written.
async fn try_out(named: &Named, mut items: Items) -> Result<BTreeMap<String, u64>> {
    let assertions: Option<Assertions> = serde_json::from_value(named.options.clone())
        .map_err(|error| Error::invalid(format!("the assertions about `folder:{}`: {error}", named.name)))?;
    let mut missing: BTreeSet<String> = assertions.unwrap_or_default().paths.into_iter().collect();
    let (mut files, mut bytes) = (0, 0);
    while let Some(item) = items.try_next().await? {
        missing.remove(&item.path);
        if let ItemKind::File { mut content, .. } = item.kind {
            files += 1;
            while let Some(piece) = content.try_next().await? {
                bytes += piece.len() as u64;
            }
        }
    }
    match missing.first() {
        Some(path) => {
            Err(Error::failed(format!("`{path}` of `folder:{}` is not in the snapshot", named.name)))
        }
        None => Ok([("files".to_owned(), files), ("bytes".to_owned(), bytes)].into()),
    }
}

/// A store in a folder, which is made with the first object.
struct Folder {
    cx: Cx,
    root: PathBuf,
}

impl Store for Folder {
    fn list(&self, prefix: &str) -> BoxStream<'static, Result<Stored>> {
        // A prefix names a folder, mostly: then only that is gone through.
        let (below, rest) = prefix.rsplit_once('/').map_or(("", prefix), |(below, rest)| (below, rest));
        let (below, rest) = (below.to_owned(), rest.to_owned());
        let walk = match self.cx.walk_files(self.root.join(&below)) {
            Ok(walk) => walk,
            Err(error) if error.kind() == ErrorKind::NotFound => Box::new(std::iter::empty()),
            Err(error) => Box::new(std::iter::once(Err(error))),
        };
        let found = walk.filter_map(move |facts| {
            let name = |facts: FileFacts| {
                let path = facts.path.to_str()?;
                let name = if below.is_empty() { path.to_owned() } else { format!("{below}/{path}") };
                path.starts_with(&rest).then_some(Stored { name, size: facts.size })
            };
            facts.map(name).transpose()
        });
        futures::stream::iter(found).boxed()
    }

    fn read(&self, name: &str, part: Option<Range<u64>>) -> BoxFuture<'static, Result<Bytes>> {
        let read = match part {
            None => self.cx.read_file(self.root.join(name)),
            Some(part) => self.read_part(name, &part),
        };
        Box::pin(std::future::ready(read.map(Bytes::from)))
    }

    fn write(&self, name: &str, content: Bytes) -> BoxFuture<'static, Result<()>> {
        let (cx, path) = (self.cx.clone(), self.root.join(name));
        Box::pin(async move { cx.write_file(path, content.into()).await })
    }

    fn remove(&self, name: &str) -> BoxFuture<'static, Result<()>> {
        let (cx, path) = (self.cx.clone(), self.root.join(name));
        Box::pin(async move { cx.remove_file(path).await })
    }
}

impl Folder {
    fn read_part(&self, name: &str, part: &Range<u64>) -> Result<Vec<u8>> {
        let length = usize::try_from(part.end.saturating_sub(part.start))
            .map_err(|_| Error::failed("this machine cannot address so much"))?;
        let path = self.root.join(name);
        let read = self.cx.read_file_part(&path, part.start, length)?;
        match read.len() == length {
            true => Ok(read),
            false => Err(Error::failed(format!(
                "`{}` ends before byte {}: it is shorter than it was",
                path.display(),
                part.end
            ))),
        }
    }
}
