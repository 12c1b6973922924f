use std::path::Path;

use opsrun_core::{Cx, Effect, Primitive, Result};
use opsrun_derive::Args;
use restic_repository::{Filter, NodeKind, Walked};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::place::Opened;

/// So many are told if nothing else is said.
const LIMIT: usize = 1000;

/// Tells what is in a snapshot.
///
/// ```rhai
/// let last = backup::latest("namespace:workflow-prod");
/// for found in backup::contents(last.snapshot, #{ limit: 20 }).files { log(`${found.path} ${found.size}`); }
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Contents {
    /// Which: its identifier, or the beginning of it.
    #[arg(positional)]
    snapshot: String,
    /// How many files to tell of; 1000 if left out.
    limit: Option<usize>,
    /// Which of the target's repositories; `default`, or the only one, if left out.
    repository: Option<String>,
}

/// What is in a snapshot.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub(crate) struct Found {
    pub(crate) files: Vec<FoundFile>,
    /// How many files there are.
    pub(crate) count: u64,
    /// Of all of them, in bytes.
    pub(crate) size: u64,
    /// Whether there are more than are told.
    pub(crate) truncated: bool,
}

/// A file of a snapshot.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct FoundFile {
    pub(crate) path: String,
    /// In bytes.
    pub(crate) size: u64,
    #[schemars(with = "String")]
    pub(crate) modified: jiff::Timestamp,
}

impl Primitive for Contents {
    const PATH: &'static str = "backup::contents";
    const EFFECT: Effect = Effect::Read;
    type Out = Found;

    async fn run(self, cx: &Cx) -> Result<Found> {
        let opened = Opened::of(cx, self.repository.as_deref()).await?;
        let named = opened.snapshot(&self.snapshot, &Filter::default()).await?;
        let limit = self.limit.unwrap_or(LIMIT);
        let mut found = Found::default();
        let mut walk = opened.repository.walk(named.snapshot.tree, Path::new("/"));
        while let Some(walked) = walk.next().await {
            let (path, node) = match walked {
                Walked::Entry { path, node } => (path, node),
                Walked::Leave { .. } => continue,
                Walked::Failed { path, error } => {
                    let error = opened.place.told(error);
                    return Err(error.context(format!("what is below `{}` cannot be read", path.display())));
                }
            };
            if let NodeKind::File { size, .. } = node.kind {
                found.count += 1;
                found.size += size;
                if found.files.len() < limit {
                    let (path, modified) = (path.to_string_lossy().into_owned(), node.mtime.moment());
                    found.files.push(FoundFile { path, size, modified });
                } else {
                    found.truncated = true;
                }
            }
        }
        Ok(found)
    }
}
