//! Going through a snapshot's tree, folder by folder. A folder that cannot be read is told, and the rest is gone through.

use std::path::{Path, PathBuf};
use std::vec;

use crate::repository::Repository;
use crate::tree::{Node, NodeKind};
use crate::{Error, Id};

/// What is come upon.
#[derive(Debug)]
pub enum Walked {
    /// Something; if it is a folder, what is in it follows, and then it is left.
    Entry { path: PathBuf, node: Node },
    /// All that is in a folder has come; now its times can be set.
    Leave { path: PathBuf, node: Node },
    /// What is in this folder cannot be read.
    Failed { path: PathBuf, error: Error },
}

/// A way through a tree. What is come upon has the order of the names' bytes.
#[derive(Debug)]
pub struct Walk<'r> {
    repository: &'r Repository,
    /// Folders that were entered, the first one last.
    folders: Vec<(PathBuf, vec::IntoIter<Node>)>,
    /// Folders of `folders` themselves, but for the first.
    entered: Vec<Node>,
    /// A folder that is to be entered next.
    next: Option<(PathBuf, Id)>,
}

impl Repository {
    /// Goes through all that a tree has: a snapshot's, or a folder's. Paths begin with `base`.
    pub fn walk(&self, tree: Id, base: &Path) -> Walk<'_> {
        Walk {
            repository: self,
            folders: Vec::new(),
            entered: Vec::new(),
            next: Some((base.to_owned(), tree)),
        }
    }

    /// Goes through one thing: a file alone, a folder with all that is in it.
    pub fn walk_node(&self, node: Node, path: &Path) -> Walk<'_> {
        let above = path.parent().unwrap_or(Path::new("")).to_owned();
        Walk {
            repository: self,
            folders: vec![(above, vec![node].into_iter())],
            entered: Vec::new(),
            next: None,
        }
    }
}

impl Walk<'_> {
    pub async fn next(&mut self) -> Option<Walked> {
        if let Some((path, tree)) = self.next.take() {
            let read = async {
                self.repository.load_index_once().await?;
                self.repository.read_tree(tree).await
            };
            match read.await {
                Ok(tree) => self.folders.push((path, tree.nodes.into_iter())),
                Err(error) => {
                    self.folders.push((path.clone(), Vec::new().into_iter()));
                    return Some(Walked::Failed { path, error });
                }
            }
        }
        let (folder, nodes) = self.folders.last_mut()?;
        let Some(node) = nodes.next() else {
            let (path, _) = self.folders.pop()?;
            return self.entered.pop().map(|node| Walked::Leave { path, node });
        };
        let path = folder.join(&node.name);
        if let NodeKind::Folder { tree } = node.kind {
            self.next = Some((path.clone(), tree));
            self.entered.push(node.clone());
        }
        Some(Walked::Entry { path, node })
    }
}
