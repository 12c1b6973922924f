//! Looking whether a repository is whole: what is wrong, in which file, and which paths of which snapshots it hits. Nothing is changed, and
//! nothing that is damaged keeps the rest from being looked at.

mod affected;
mod packs;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::lock::Lock;
use crate::pack::BlobKey;
use crate::repository::Repository;
use crate::snapshot::NamedSnapshot;
use crate::tree::NodeKind;
use crate::{Error, File, Id, Kind, Listed, Result};

/// What is found in a repository.
#[derive(Debug, Default)]
pub struct Report {
    pub findings: Vec<Finding>,
    /// Packs that are in no index and that nothing misses: a backup that broke off has left them, and a prune removes them.
    pub leftovers: Vec<Id>,
    pub snapshots: usize,
    pub packs: usize,
    /// What was read of packs besides trees, if it was to be.
    pub bytes_read: u64,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub subject: Subject,
    pub problem: String,
    /// What cannot be restored whole because of it, in the order of snapshots and paths; at most [`MOST_AFFECTED`].
    pub affected: Vec<Affected>,
    /// How many more there are.
    pub more_affected: usize,
}

/// How many paths a finding names.
pub const MOST_AFFECTED: usize = 100;

/// What something is wrong with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    File(File),
    /// A blob that is in no pack, as far as can be told.
    Blob(BlobKey),
    /// There is no file in `keys`.
    Keys,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Affected {
    pub snapshot: Id,
    pub path: PathBuf,
}

/// What is known while it is looked for more.
#[derive(Default)]
struct Checking {
    problems: BTreeMap<Subject, String>,
    /// Blobs of which no whole copy is known, and what that comes from.
    lost: BTreeMap<BlobKey, BTreeSet<Subject>>,
    bytes_read: u64,
}

impl Checking {
    fn problem(&mut self, subject: Subject, problem: impl Into<String>) {
        self.problems.entry(subject).or_insert_with(|| problem.into());
    }
}

impl Repository {
    /// Looks at the structure: that all that snapshots consist of is in packs that are there, and as large as they should be. With
    /// `read_data`, all packs are read as well, and all blobs in them opened.
    ///
    /// # Errors
    /// Those of the storage that do not concern one file; what is wrong with the repository is in the report.
    pub async fn check(&self, _lock: &Lock<'_>, read_data: bool) -> Result<Report> {
        let mut checking = Checking::default();
        self.check_config_and_keys(&mut checking).await?;
        let snapshots = self.snapshots().await?;
        for (id, error) in &snapshots.damaged {
            checking.problem(Subject::File(File::Named(Kind::Snapshot, *id)), problem_of(error));
        }
        self.reload_index().await?;
        for (id, problem) in self.index().unread() {
            checking.problem(Subject::File(File::Named(Kind::Index, *id)), problem.clone());
        }
        let listed = self.list(Kind::Data).await?;
        self.check_packs(&mut checking, &listed, read_data).await?;
        self.check_trees(&mut checking, &snapshots.readable).await?;
        let leftovers = self.check_unindexed(&mut checking, &listed).await?;
        let mut report = Report {
            leftovers,
            snapshots: snapshots.readable.len(),
            packs: listed.len(),
            bytes_read: checking.bytes_read,
            findings: Vec::new(),
        };
        let mut affected = self.affected(&checking.lost, &snapshots.readable).await?;
        report.findings.extend(checking.problems.into_iter().map(|(subject, problem)| {
            let mut hit = affected.remove(&subject).unwrap_or_default();
            let more_affected = hit.len().saturating_sub(MOST_AFFECTED);
            hit.truncate(MOST_AFFECTED);
            Finding { subject, problem, affected: hit, more_affected }
        }));
        Ok(report)
    }

    async fn check_config_and_keys(&self, checking: &mut Checking) -> Result<()> {
        let config = match self.read_raw(File::Config).await {
            Ok(sealed) => {
                self.master_key().open(&sealed).map_err(|_| "it is not as it was sealed".to_owned())
            }
            Err(error) if error.is_not_found() => Err("it is not there".to_owned()),
            Err(error) => return Err(error),
        };
        if let Err(problem) = config {
            checking.problem(Subject::File(File::Config), problem);
        }
        let keys = self.list(Kind::Key).await?;
        if keys.is_empty() {
            checking.problem(Subject::Keys, "there is no key, so no password opens the repository");
        }
        for key in keys {
            let file = File::Named(Kind::Key, key.id);
            if Id::of(&self.read_raw(file).await?) != key.id {
                checking.problem(Subject::File(file), "its content is not what its name says");
            }
        }
        Ok(())
    }

    /// Each tree once.
    async fn check_trees(&self, checking: &mut Checking, snapshots: &[NamedSnapshot]) -> Result<()> {
        let mut seen = BTreeSet::new();
        let mut trees: Vec<Id> = snapshots.iter().map(|named| named.snapshot.tree).collect();
        while let Some(id) = trees.pop() {
            let key = BlobKey::tree(id);
            if !seen.insert(id) || self.is_lost(checking, key) {
                continue;
            }
            let nodes = match self.read_tree(id).await {
                Ok(tree) => tree.nodes,
                Err(Error::Unreadable { copies, .. }) => {
                    for copy in copies {
                        let (subject, problem) = match copy {
                            Error::Damaged { file, problem } => (Subject::File(file), problem),
                            other => (Subject::Blob(key), other.to_string()),
                        };
                        checking.problem(subject, problem);
                        checking.lost.entry(key).or_default().insert(subject);
                    }
                    continue;
                }
                Err(Error::NoTree { problem, .. }) => {
                    checking.problem(Subject::Blob(key), format!("it is no tree: {problem}"));
                    checking.lost.entry(key).or_default().insert(Subject::Blob(key));
                    continue;
                }
                Err(error) => return Err(error),
            };
            for node in nodes {
                match node.kind {
                    NodeKind::Folder { tree } => trees.push(tree),
                    NodeKind::File { content, .. } => {
                        for id in content {
                            self.is_lost(checking, BlobKey::data(id));
                        }
                    }
                    NodeKind::Symlink { .. } | NodeKind::Other(_) => {}
                }
            }
        }
        Ok(())
    }

    /// Whether a blob is known to be lost; that it is in no index is found here.
    fn is_lost(&self, checking: &mut Checking, key: BlobKey) -> bool {
        if !self.index().contains(key) && !checking.lost.contains_key(&key) {
            checking.problem(Subject::Blob(key), "it is in no index");
            checking.lost.insert(key, BTreeSet::from([Subject::Blob(key)]));
        }
        checking.lost.contains_key(&key)
    }

    /// Looks into the packs that are in no index, if something is missed; gives those that nobody misses.
    async fn check_unindexed(&self, checking: &mut Checking, listed: &[Listed]) -> Result<Vec<Id>> {
        let mut leftovers = Vec::new();
        let misses = checking.lost.values().flatten().any(|subject| matches!(subject, Subject::Blob(_)));
        for pack in self.unindexed(listed) {
            let blobs = match misses {
                false => Vec::new(),
                true => match self.header(pack).await {
                    Ok(blobs) => blobs,
                    Err(Error::Damaged { .. }) => Vec::new(),
                    Err(error) => return Err(error),
                },
            };
            let subject = Subject::File(File::Named(Kind::Data, pack.id));
            let mut missed = 0;
            for key in blobs.iter().map(|blob| blob.key) {
                if let Some(subjects) = checking.lost.get_mut(&key)
                    && subjects.remove(&Subject::Blob(key))
                {
                    subjects.insert(subject);
                    checking.problems.remove(&Subject::Blob(key));
                    missed += 1;
                }
            }
            match missed {
                0 => leftovers.push(pack.id),
                _ => checking.problem(
                    subject,
                    format!("it is in no index, and has {missed} blobs that are missed; repairing the index finds them"),
                ),
            }
        }
        Ok(leftovers)
    }
}

fn problem_of(error: &Error) -> String {
    match error {
        Error::Damaged { problem, .. } => problem.clone(),
        other => other.to_string(),
    }
}
