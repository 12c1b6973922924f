//! Some changes of a sync, carried out side by side. What takes them back is recorded before the first of them leaves, and made exact
//! once all of them are done.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::StreamExt;
use jiff::Timestamp;
use opsrun_core::{Cx, Error, ErrorKind, Inverse, Result, UndoSlot};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::Semaphore;

use super::AT_ONCE;
use super::plan::{Change, Why};
use super::side::{Entry, Side, file};
use crate::s3::bucket::Bucket;
use crate::s3::copy::copy;
use crate::s3::delete::delete_all;
use crate::s3::download::fetch_into;
use crate::s3::undo::{Before, TAKE_BACK, Written};
use crate::s3::upload::{About, Record, SMALL, Source, Stored, content_type, store};

/// So many names stand in what cannot be taken back.
const NAMED: usize = 5;

pub(crate) const REMOVE_FILES: &str = "s3::take_back_files";

pub(super) struct Work<'w> {
    pub(super) cx: &'w Cx,
    pub(super) from: &'w Side,
    pub(super) to: &'w Side,
    pub(super) keeps_versions: bool,
    pub(super) requests: &'w Semaphore,
    /// Something has failed: nothing more is begun.
    pub(super) stop: &'w AtomicBool,
}

/// A file that was written where none was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Files {
    pub(crate) name: String,
    /// In bytes.
    pub(crate) size: u64,
    #[schemars(with = "String")]
    pub(crate) modified: Timestamp,
}

impl Work<'_> {
    /// Gives how many changes were made.
    ///
    /// # Errors
    /// The first; what is under way then is finished, and what takes it back is recorded.
    pub(super) async fn carry_out(&self, chunk: Vec<Result<Change>>) -> Result<u64> {
        let count = chunk.len() as u64;
        let (mut gone, mut small, mut large, mut ends) = (Vec::new(), Vec::new(), Vec::new(), None);
        for change in chunk {
            match change {
                Ok(change) if change.why == Why::Gone => gone.push(change),
                Ok(change) if change.entry.size <= SMALL => small.push(change),
                Ok(change) => large.push(change),
                // The plan ends here; what came before it is done all the same.
                Err(error) => {
                    ends = Some(error);
                    break;
                }
            }
        }
        match self.to {
            Side::Bucket(bucket, _) => {
                self.store(bucket, &small).await?;
                for change in &large {
                    self.store(bucket, std::slice::from_ref(change)).await?;
                }
                if !self.stop.load(Ordering::Relaxed) {
                    self.delete(bucket, &gone).await?;
                }
            }
            Side::Folder(folder) => {
                small.append(&mut large);
                self.fetch(folder, &small).await?;
                if !self.stop.load(Ordering::Relaxed) {
                    self.remove(folder, &gone).await?;
                }
            }
        }
        ends.map_or(Ok(count), Err)
    }

    /// Names what is lost by a change, if anything is.
    async fn lost(&self, changes: &[&Change], how: &str) -> Result<Option<(UndoSlot, String)>> {
        if changes.is_empty() {
            return Ok(None);
        }
        let named: Vec<String> =
            changes.iter().take(NAMED).map(|change| self.to.place(&change.entry.name)).collect();
        let more = changes.len().saturating_sub(NAMED);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        let why = format!("{}{more} {how}", named.join(", "));
        let slot = self.cx.undo(Inverse::none(&why)).await?;
        Ok(Some((slot, why)))
    }

    async fn store(&self, bucket: &Bucket, changes: &[Change]) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let mut written: Vec<Written> = changes.iter().map(|change| self.written(change)).collect();
        let comes_back = |change: &Change| self.keeps_versions || change.before.is_none();
        let over: Vec<&Change> = changes.iter().filter(|change| !comes_back(change)).collect();
        let how = format!("had other contents, and s3://{} keeps no versions", bucket.name);
        let lost = self.lost(&over, &how).await?;
        let inverse = |written: &[Written]| {
            let pairs = written.iter().zip(changes);
            let back: Vec<&Written> =
                pairs.filter(|(_, change)| comes_back(change)).map(|(written, _)| written).collect();
            of_objects(bucket, &back)
        };
        let slot =
            if over.len() == changes.len() { None } else { Some(self.cx.undo(inverse(&written)).await?) };
        let alone = |written: &Written| inverse(std::slice::from_ref(written));
        let gone = |_: &Written| Inverse::none(lost.as_ref().map_or("", |(_, why)| why));
        let stores = changes.iter().zip(&written).map(|(change, written)| {
            let written = written.clone();
            // What goes in parts is alone.
            let record = match (&slot, &lost) {
                _ if changes.len() > 1 => None,
                (Some(slot), _) => Some(Record { slot, written, inverse: &alone }),
                (None, Some((slot, _))) => Some(Record { slot, written, inverse: &gone }),
                (None, None) => None,
            };
            self.unless(self.store_one(bucket, change, record))
        });
        let stores: Vec<_> = stores.collect();
        let results: Vec<Result<Option<Stored>>> =
            futures::stream::iter(stores).buffered(AT_ONCE).collect().await;
        for (written, result) in written.iter_mut().zip(&results) {
            if let Ok(Some(stored)) = result {
                written.made = stored.version.clone();
                written.tag = Some(stored.tag.clone());
            }
        }
        if let Some(slot) = slot
            && results.iter().any(|result| matches!(result, Ok(Some(_))))
        {
            slot.refine(inverse(&written)).await?;
        }
        results.into_iter().try_for_each(|result| result.map(drop))
    }

    fn written(&self, change: &Change) -> Written {
        Written {
            key: self.to.key(&change.entry.name),
            since: self.cx.now(),
            deleted: change.why == Why::Gone,
            made: None,
            tag: None,
            upload: None,
            before: change.before.as_ref().map(|before| Before {
                tag: before.tag.clone(),
                version: None,
                content: None,
            }),
        }
    }

    /// Does it, unless something else has failed meanwhile.
    async fn unless<T>(&self, work: impl Future<Output = Result<T>>) -> Result<Option<T>> {
        let _slot = self.requests.acquire().await.map_err(|_| Error::interrupted())?;
        if self.stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let done = work.await;
        if done.is_err() {
            self.stop.store(true, Ordering::Relaxed);
        }
        done.map(Some)
    }

    async fn store_one(
        &self,
        bucket: &Bucket,
        change: &Change,
        record: Option<Record<'_>>,
    ) -> Result<Stored> {
        let (name, key) = (&change.entry.name, self.to.key(&change.entry.name));
        match self.from {
            Side::Folder(folder) => {
                let source = Source::File { path: folder.join(name), size: change.entry.size };
                let about = About { content_type: content_type(name), ..About::default() };
                store(bucket, &key, &source, &about, record).await
            }
            Side::Bucket(from, _) => {
                let object = if change.entry.size > SMALL {
                    from.object(&self.from.key(name), None).await?
                } else {
                    self.from.object(&change.entry)
                };
                copy((from, &object), (bucket, &key), record).await
            }
        }
    }

    async fn delete(&self, bucket: &Bucket, changes: &[Change]) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let mut written: Vec<Written> = changes.iter().map(|change| self.written(change)).collect();
        let all = |written: &[Written]| of_objects(bucket, &written.iter().collect::<Vec<_>>());
        let slot = if self.keeps_versions {
            Some(self.cx.undo(all(&written)).await?)
        } else {
            let lost: Vec<&Change> = changes.iter().collect();
            self.lost(&lost, &format!("are deleted, and s3://{} keeps no versions", bucket.name)).await?;
            None
        };
        let keys: Vec<&str> = written.iter().map(|written| written.key.as_str()).collect();
        let deleted = delete_all(bucket, keys.into_iter().map(|key| (key, None))).await?;
        for written in &mut written {
            let found = deleted.iter().find(|(key, _)| *key == written.key);
            written.made = found.and_then(|(_, marker)| marker.clone());
        }
        match slot {
            Some(slot) => slot.refine(all(&written)).await,
            None => Ok(()),
        }
    }

    async fn fetch(&self, folder: &std::path::Path, changes: &[Change]) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let Side::Bucket(bucket, _) = self.from else { return Ok(()) };
        let paths: Vec<PathBuf> = changes
            .iter()
            .map(|change| file(folder, &change.entry.name, &self.from.key(&change.entry.name)))
            .collect::<Result<_>>()?;
        let over: Vec<&Change> = changes.iter().filter(|change| change.before.is_some()).collect();
        self.lost(&over, "had other contents").await?;
        let new: Vec<Files> = changes
            .iter()
            .filter(|change| change.before.is_none())
            .map(|change| of_entry(&change.entry))
            .collect();
        if !new.is_empty() {
            let inverse = json!({ "folder": folder.display().to_string(), "files": new });
            let _ = self.cx.undo(Inverse::call(REMOVE_FILES, inverse)).await?;
        }
        let fetches = changes.iter().zip(&paths).map(|(change, path)| {
            let fetch = async move {
                let object = if change.entry.size > SMALL {
                    bucket.object(&self.from.key(&change.entry.name), None).await?
                } else {
                    self.from.object(&change.entry)
                };
                fetch_into(self.cx, bucket, &object, path).await
            };
            self.unless(fetch)
        });
        let fetches: Vec<_> = fetches.collect();
        let results: Vec<Result<Option<()>>> =
            futures::stream::iter(fetches).buffered(AT_ONCE).collect().await;
        results.into_iter().try_for_each(|result| result.map(drop))
    }

    async fn remove(&self, folder: &std::path::Path, changes: &[Change]) -> Result<()> {
        let lost: Vec<&Change> = changes.iter().collect();
        self.lost(&lost, "are deleted").await?;
        for change in changes {
            self.cx.remove_file(folder.join(&change.entry.name)).await?;
        }
        Ok(())
    }
}

fn of_entry(entry: &Entry) -> Files {
    Files { name: entry.name.clone(), size: entry.size, modified: entry.modified }
}

fn of_objects(bucket: &Bucket, written: &[&Written]) -> Inverse {
    let args = json!({ "bucket": bucket.name, "region": bucket.client.region(), "objects": written });
    Inverse::call(TAKE_BACK, args)
}

/// Removes files that were written where none were, unless somebody has changed them. Gives how many.
///
/// # Errors
/// Those of removing them.
pub(crate) async fn remove_files(cx: &Cx, folder: &std::path::Path, files: &[Files]) -> Result<u64> {
    let mut removed = 0;
    for written in files {
        let path = file(folder, &written.name, &written.name)?;
        match cx.file_facts(&path) {
            Ok(facts) if facts.size == written.size && facts.modified == written.modified => {
                cx.remove_file(&path).await?;
                removed += 1;
            }
            Ok(_) => cx.warn(format!("`{}` has changed since, and is left as it is", path.display())),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(removed)
}
