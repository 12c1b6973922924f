//! What is different between two snapshots. Folders with the same tree are not looked into.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::repository::Repository;
use crate::tree::{Node, NodeKind};
use crate::{Id, Result};

/// Something that is in one snapshot and not in the other, or not the same there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub path: PathBuf,
    pub before: Option<Node>,
    pub after: Option<Node>,
}

/// What kind of a change it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    Added,
    Removed,
    /// Its content, its target, or what it is.
    Content,
    /// Its times, its owner or its permissions alone; of a folder, nothing is told of what is in it.
    Metadata,
}

impl Change {
    pub fn kind(&self) -> ChangeKind {
        match (&self.before, &self.after) {
            (None, _) => ChangeKind::Added,
            (_, None) => ChangeKind::Removed,
            (Some(before), Some(after)) if is_same_content(before, after) => ChangeKind::Metadata,
            _ => ChangeKind::Content,
        }
    }
}

fn is_same_content(before: &Node, after: &Node) -> bool {
    match (&before.kind, &after.kind) {
        (NodeKind::Folder { .. }, NodeKind::Folder { .. }) => true,
        (before, after) => before == after,
    }
}

/// Whether nothing is to be told; when a thing was read or counted as a link is no change of it.
fn is_same(before: &Node, after: &Node) -> bool {
    let metadata = |node: &Node| (node.mode, node.mtime, node.uid, node.gid);
    is_same_content(before, after) && metadata(before) == metadata(after)
}

/// The differences, in the order of their paths.
#[derive(Debug)]
pub struct Diff<'r> {
    repository: &'r Repository,
    /// What is still to be compared, the next one last.
    pairs: Vec<Pair>,
}

#[derive(Debug)]
struct Pair {
    path: PathBuf,
    before: Option<Node>,
    after: Option<Node>,
}

impl Repository {
    /// Compares two trees.
    ///
    /// # Errors
    /// Those of reading them.
    pub async fn diff(&self, before: Id, after: Id) -> Result<Diff<'_>> {
        self.load_index_once().await?;
        let mut diff = Diff { repository: self, pairs: Vec::new() };
        diff.look_into(Path::new("/"), Some(before), Some(after)).await?;
        Ok(diff)
    }
}

impl Diff<'_> {
    /// The next difference; `None` if there are no more.
    ///
    /// # Errors
    /// Those of reading a folder.
    pub async fn next(&mut self) -> Result<Option<Change>> {
        while let Some(Pair { path, before, after }) = self.pairs.pop() {
            let folder = |node: &Option<Node>| match node.as_ref().map(|node| &node.kind) {
                Some(NodeKind::Folder { tree }) => Some(*tree),
                _ => None,
            };
            self.look_into(&path, folder(&before), folder(&after)).await?;
            let same = matches!((&before, &after), (Some(before), Some(after)) if is_same(before, after));
            if !same {
                return Ok(Some(Change { path, before, after }));
            }
        }
        Ok(None)
    }

    async fn look_into(&mut self, path: &Path, before: Option<Id>, after: Option<Id>) -> Result<()> {
        if before == after {
            return Ok(());
        }
        let mut names: BTreeMap<OsString, (Option<Node>, Option<Node>)> = BTreeMap::new();
        if let Some(tree) = before {
            for node in self.repository.read_tree(tree).await?.nodes {
                let name = node.name.clone();
                names.entry(name).or_default().0 = Some(node);
            }
        }
        if let Some(tree) = after {
            for node in self.repository.read_tree(tree).await?.nodes {
                let name = node.name.clone();
                names.entry(name).or_default().1 = Some(node);
            }
        }
        let pairs = names.into_iter().rev();
        self.pairs.extend(pairs.map(|(name, (before, after))| Pair { path: path.join(name), before, after }));
        Ok(())
    }
}
