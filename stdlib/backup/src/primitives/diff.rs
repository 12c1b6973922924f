use opsrun_core::{Cx, Effect, Primitive, Result};
use opsrun_derive::Args;
use restic_repository::{ChangeKind, Filter, NodeKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::place::Opened;

/// So many are told if nothing else is said.
const LIMIT: usize = 1000;

/// Tells what is different between two snapshots.
///
/// ```rhai
/// let all = backup::list(#{ source: "namespace:workflow-prod" });
/// let found = backup::diff(all[0].snapshot, all[all.len() - 1].snapshot);
/// log(`${found.added} added, ${found.removed} removed, ${found.changed} changed`);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct DiffSnapshots {
    /// The one before.
    #[arg(positional)]
    before: String,
    /// The one after.
    #[arg(positional)]
    after: String,
    /// How many to tell of; 1000 if left out.
    limit: Option<usize>,
    /// Which of the target's repositories; `default`, or the only one, if left out.
    repository: Option<String>,
}

/// What is different.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub(crate) struct Differences {
    files: Vec<Difference>,
    /// How many files there are more.
    added: u64,
    /// How many there are no more.
    removed: u64,
    /// How many have another content, or mode, or time.
    changed: u64,
    /// Whether there are more than are told.
    truncated: bool,
}

/// A file that is not the same in both.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Difference {
    path: String,
    /// `added`, `removed`, `content`, or `metadata`: only its mode or time is another one.
    what: &'static str,
    /// Its size before, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<u64>,
    /// Its size after, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<u64>,
}

impl Primitive for DiffSnapshots {
    const PATH: &'static str = "backup::diff";
    const EFFECT: Effect = Effect::Read;
    type Out = Differences;

    async fn run(self, cx: &Cx) -> Result<Differences> {
        let opened = Opened::of(cx, self.repository.as_deref()).await?;
        let before = opened.snapshot(&self.before, &Filter::default()).await?;
        let after = opened.snapshot(&self.after, &Filter::default()).await?;
        let limit = self.limit.unwrap_or(LIMIT);
        let mut told = Differences::default();
        let mut diff =
            opened.told(opened.repository.diff(before.snapshot.tree, after.snapshot.tree).await)?;
        while let Some(change) = opened.told(diff.next().await)? {
            let nodes = [&change.before, &change.after];
            if nodes
                .iter()
                .all(|node| node.as_ref().is_none_or(|it| matches!(it.kind, NodeKind::Folder { .. })))
            {
                continue;
            }
            let (what, count) = match change.kind() {
                ChangeKind::Added => ("added", &mut told.added),
                ChangeKind::Removed => ("removed", &mut told.removed),
                ChangeKind::Content => ("content", &mut told.changed),
                ChangeKind::Metadata => ("metadata", &mut told.changed),
            };
            *count += 1;
            if told.files.len() == limit {
                told.truncated = true;
                continue;
            }
            let [before, after] = nodes.map(|node| node.as_ref().map(restic_repository::Node::size));
            let path = change.path.to_string_lossy().into_owned();
            told.files.push(Difference { path, what, before, after });
        }
        Ok(told)
    }
}
