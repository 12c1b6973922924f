//! Which paths of which snapshots lost blobs are missed by.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::{Affected, Subject};
use crate::pack::BlobKey;
use crate::repository::Repository;
use crate::snapshot::NamedSnapshot;
use crate::tree::NodeKind;
use crate::{Id, Result};

type Lost = BTreeMap<BlobKey, BTreeSet<Subject>>;

impl Repository {
    /// By what they come from. A tree that has nothing lost in it is looked at once, in however many snapshots it is.
    pub(super) async fn affected(
        &self,
        lost: &Lost,
        snapshots: &[NamedSnapshot],
    ) -> Result<BTreeMap<Subject, Vec<Affected>>> {
        let mut affected: BTreeMap<Subject, Vec<Affected>> = BTreeMap::new();
        let mut whole = BTreeSet::new();
        for named in snapshots.iter().filter(|_| !lost.is_empty()) {
            for (path, subjects) in self.hit_paths(lost, named.snapshot.tree, &mut whole).await? {
                for subject in subjects {
                    let hit = Affected { snapshot: named.id, path: path.clone() };
                    affected.entry(subject).or_default().push(hit);
                }
            }
        }
        Ok(affected)
    }

    async fn hit_paths(
        &self,
        lost: &Lost,
        root: Id,
        whole: &mut BTreeSet<Id>,
    ) -> Result<BTreeMap<PathBuf, BTreeSet<Subject>>> {
        let mut hit: BTreeMap<PathBuf, BTreeSet<Subject>> = BTreeMap::new();
        // A folder is entered, and left when all in it was looked at.
        enum Step {
            Enter(PathBuf, Id),
            Leave(PathBuf, Id),
        }
        let mut steps = vec![Step::Enter(PathBuf::from("/"), root)];
        while let Some(step) = steps.pop() {
            let (path, tree) = match step {
                Step::Enter(_, tree) if whole.contains(&tree) => continue,
                Step::Enter(path, tree) => (path, tree),
                Step::Leave(path, tree) => {
                    if hit.range(path.clone()..).next().is_none_or(|(below, _)| !below.starts_with(&path)) {
                        whole.insert(tree);
                    }
                    continue;
                }
            };
            if let Some(subjects) = lost.get(&BlobKey::tree(tree)) {
                hit.entry(path).or_default().extend(subjects);
                continue;
            }
            let nodes = self.read_tree(tree).await?.nodes;
            steps.push(Step::Leave(path.clone(), tree));
            for node in nodes {
                let below = Path::join(&path, &node.name);
                match node.kind {
                    NodeKind::Folder { tree } => steps.push(Step::Enter(below, tree)),
                    NodeKind::File { content, .. } => {
                        let missed = content.iter().filter_map(|id| lost.get(&BlobKey::data(*id)));
                        let subjects: BTreeSet<Subject> = missed.flatten().copied().collect();
                        if !subjects.is_empty() {
                            hit.insert(below, subjects);
                        }
                    }
                    NodeKind::Symlink { .. } | NodeKind::Other(_) => {}
                }
            }
        }
        Ok(hit)
    }
}
