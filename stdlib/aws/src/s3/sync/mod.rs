//! Making one side like the other: a plan, name by name, and the plan carried out in chunks, of which each records at once what
//! takes it back. Nothing that grows with the number of objects is held.

mod chunk;
mod filter;
mod plan;
mod side;

use std::sync::atomic::{AtomicBool, Ordering};

use futures::{StreamExt, TryStreamExt};
use opsrun_core::{Cx, Error, Result};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::Semaphore;

pub(crate) use self::chunk::{Files, remove_files};
pub(crate) use self::filter::Filter;
use self::plan::{Change, Why};
use self::side::Side;

/// So many changes have one inverse.
const CHUNK: usize = 200;
/// So many chunks are under way.
const CHUNKS: usize = 2;
/// So many requests are under way.
const AT_ONCE: usize = 32;
/// So many changes are told.
const TOLD: usize = 1000;

/// How a sync is done.
#[derive(Debug, Clone, Default)]
pub(crate) struct Terms {
    pub(crate) filter: Filter,
    pub(crate) delete: bool,
    pub(crate) checksum: bool,
    pub(crate) dry_run: bool,
}

/// What a sync did, or would do.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub(crate) struct Synced {
    pub(crate) copied: u64,
    /// Of what was copied, in bytes.
    pub(crate) size: u64,
    pub(crate) deleted: u64,
    pub(crate) unchanged: u64,
    /// The first 1000 changes.
    pub(crate) changes: Vec<Told>,
    /// Whether there are more changes than are told.
    pub(crate) truncated: bool,
}

/// What is done to one name, and why.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Told {
    /// From where the sync begins.
    pub(crate) name: String,
    pub(crate) why: Why,
    /// In bytes.
    pub(crate) size: u64,
}

impl Synced {
    fn count(&mut self, change: Option<&Change>) {
        let Some(change) = change else {
            self.unchanged += 1;
            return;
        };
        match change.why {
            Why::Gone => self.deleted += 1,
            Why::New | Why::Size | Why::Content => {
                self.copied += 1;
                self.size += change.entry.size;
            }
        }
        if self.changes.len() == TOLD {
            self.truncated = true;
        } else {
            let (name, size) = (change.entry.name.clone(), change.entry.size);
            self.changes.push(Told { name, why: change.why, size });
        }
    }
}

/// Makes `to` like `from`.
///
/// # Errors
/// `Invalid` for two folders, for a key that cannot be a file, and for an empty source whose target would be emptied; what AWS
/// said; those of reading and writing files.
pub(crate) async fn sync(
    cx: &Cx,
    (from, from_region): (&str, Option<&str>),
    (to, region): (&str, Option<&str>),
    terms: &Terms,
) -> Result<Synced> {
    let (shown, source) = (to, Side::of(cx, from, from_region).await?);
    let to = Side::of(cx, to, region).await?;
    if matches!((&source, &to), (Side::Folder(_), Side::Folder(_))) {
        return Err(Error::invalid("`s3::sync`: neither side is in S3")
            .hint("write a bucket like `s3://BUCKET/PREFIX`"));
    }
    if source.place("") == to.place("") {
        return Err(Error::invalid(format!("`s3::sync`: {from} would be copied to itself")));
    }
    let mut here = source.list(cx, &terms.filter, false)?;
    let there = to.list(cx, &terms.filter, true)?;
    if terms.delete && here.peek().await?.is_none() {
        return Err(Error::invalid(format!(
            "`s3::sync`: there is nothing in {from}, so everything in {shown} would be deleted"
        ))
        .hint("if that is meant, delete it there; else look why the source is empty"));
    }
    let mut synced = Synced::default();
    let counted = plan::plan(cx, terms, &source, &to, (here, there)).map_ok(|change| {
        synced.count(change.as_ref());
        let (all, changes) =
            (synced.copied + synced.deleted + synced.unchanged, synced.copied + synced.deleted);
        if all.is_multiple_of(500) {
            cx.progress(format!("{shown}: {all} compared, {changes} to change"));
        }
        change
    });
    let changes = counted.try_filter_map(|change| async { Ok(change) });
    if terms.dry_run {
        changes.try_for_each(|_| async { Ok(()) }).await?;
        return Ok(synced);
    }
    let keeps_versions = match &to {
        Side::Bucket(bucket, _) => bucket.keeps_versions().await?,
        Side::Folder(_) => false,
    };
    let (requests, stop) = (Semaphore::new(AT_ONCE), AtomicBool::new(false));
    let work = chunk::Work { cx, from: &source, to: &to, keeps_versions, requests: &requests, stop: &stop };
    let failed = {
        let goes_on = || !stop.load(Ordering::Relaxed);
        let chunks = changes.chunks(CHUNK).take_while(|_| std::future::ready(goes_on()));
        let mut chunks = std::pin::pin!(chunks.map(|chunk| work.carry_out(chunk)).buffered(CHUNKS));
        let (mut failed, mut done) = (None, 0);
        // If one fails, those that are under way are finished.
        while let Some(result) = chunks.next().await {
            match result {
                Ok(count) => done += count,
                Err(error) => {
                    stop.store(true, Ordering::Relaxed);
                    failed = failed.or(Some(error));
                }
            }
            cx.progress(format!("{shown}: {done} changed"));
        }
        failed
    };
    match failed {
        Some(error) => Err(error),
        None => Ok(synced),
    }
}
