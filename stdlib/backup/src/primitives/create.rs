use std::path::PathBuf;

use opsrun_core::{Cx, Effect, Named, Primitive, Result, Settle, Undo, Value};
use opsrun_derive::Args;
use restic_repository::BackupOptions;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::snapshot::{Told, filter, path_of};
use crate::items::entries;
use crate::place::Opened;
use crate::{PROGRAM, SYSTEM};

/// Backs a source up, and gives the snapshot.
///
/// A source is named by its scheme: `folder:PATH`, `namespace:NAME`, and what other systems offer. Files that have the size and the time
/// that they had in the last snapshot of the same source and host are not read again. If the source does not give everything, there is no
/// snapshot. A snapshot says nothing about whether it can be restored: `backup::restore` it beside, and look.
///
/// ```rhai
/// let made = backup::create("namespace:workflow-prod");
/// log(`${made.files} files, ${made.added} bytes added`);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Create {
    /// What to back up: `SCHEME:NAME`.
    #[arg(positional)]
    source: String,
    /// What the source's system takes besides.
    #[serde(default)]
    options: Value,
    /// Words that the snapshot is marked with.
    #[serde(default)]
    tags: Vec<String>,
    /// Whose data it is; this machine's name if left out.
    host: Option<String>,
    /// Which of the target's repositories; `default`, or the only one, if left out.
    repository: Option<String>,
}

/// A snapshot that was made.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Created {
    #[serde(flatten)]
    pub(crate) told: Told,
    /// Files that the last snapshot of the source has as they are.
    pub(crate) unchanged: u64,
    /// Bytes that the repository did not have, as they are read.
    pub(crate) added: u64,
    /// The same as they are stored.
    pub(crate) stored: u64,
}

impl Primitive for Create {
    const PATH: &'static str = "backup::create";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::Never("a backup stays; `backup::forget` takes it away");
    const SETTLE: Settle = Settle::Repeat;
    type Out = Created;

    async fn run(self, cx: &Cx) -> Result<Created> {
        let (scheme, name) = cx.source(&self.source)?;
        let opened = Opened::of(cx, self.repository.as_deref()).await?;
        cx.keep(&format!("*{SYSTEM}*"), "a backup stays");
        let path = path_of(&self.source);
        let host = self.host.unwrap_or_else(|| cx.process().host);
        let before = opened.snapshots().await?;
        let before = before.find("latest", &filter(Some(&self.source), &[], Some(&host))).ok();
        let options = BackupOptions {
            paths: vec![PathBuf::from(&path)],
            tags: self.tags,
            host: Some(host),
            parent: before.map(|before| before.id),
            program_version: PROGRAM.to_owned(),
        };
        let items = (scheme.open)(cx.clone(), Named { name, options: self.options }).await?;
        let lock = opened.told(opened.repository.lock().await)?;
        let work = opened.repository.backup(&lock, options, entries(items, PathBuf::from(path)));
        let made = lock.during(work).await;
        let made = opened.told(lock.release_after(made).await)?;
        let summary = made.snapshot.summary.as_ref();
        Ok(Created {
            told: Told::from(&made),
            unchanged: summary.map_or(0, |summary| summary.files_unmodified),
            added: summary.map_or(0, |summary| summary.data_added),
            stored: summary.map_or(0, |summary| summary.data_added_packed),
        })
    }
}
