//! What a sync does, decided name by name before any of it is done.

use futures::stream::{Stream, StreamExt, try_unfold};
use opsrun_core::{Cx, Error, Result};
use schemars::JsonSchema;
use serde::Serialize;

use super::Terms;
use super::side::{Entry, Listing, Side};
use crate::s3::upload::Source;

/// So many contents are compared at once.
const AT_ONCE: usize = 8;

/// Why something is copied or deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Why {
    /// It is not there yet.
    New,
    /// It has another size.
    Size,
    /// It has another content.
    Content,
    /// It is not in the source any more.
    Gone,
}

/// One thing to do.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) why: Why,
    /// Of the source; of what is deleted, of the target.
    pub(crate) entry: Entry,
    /// What is written over.
    pub(crate) before: Option<Entry>,
}

enum Seen {
    Same,
    Change(Change),
    /// Only the contents tell.
    Unsure(Entry, Entry),
}

/// Everything there is to do, in the order of the names; `None` for what is the same on both sides.
pub(crate) fn plan<'p>(
    cx: &'p Cx,
    terms: &'p Terms,
    from: &'p Side,
    to: &'p Side,
    lists: (Listing, Listing),
) -> impl Stream<Item = Result<Option<Change>>> + 'p {
    let seen = try_unfold(lists, move |(mut here, mut there)| async move {
        let seen = next(terms, from, to, (&mut here, &mut there)).await?;
        Ok::<_, Error>(seen.map(|seen| (seen, (here, there))))
    });
    let decided = seen.map(move |seen| async move {
        match seen? {
            Seen::Same => Ok(None),
            Seen::Change(change) => Ok(Some(change)),
            Seen::Unsure(entry, before) => {
                let same = same(cx, (from, &entry), (to, &before)).await?;
                Ok((!same).then_some(Change { why: Why::Content, entry, before: Some(before) }))
            }
        }
    });
    decided.buffered(AT_ONCE)
}

async fn next(
    terms: &Terms,
    from: &Side,
    to: &Side,
    (here, there): (&mut Listing, &mut Listing),
) -> Result<Option<Seen>> {
    loop {
        let order = match (here.peek().await?, there.peek().await?) {
            (None, None) => return Ok(None),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(here), Some(there)) => here.name.as_bytes().cmp(there.name.as_bytes()),
        };
        match order {
            std::cmp::Ordering::Less => {
                let change = here.take().map(|entry| Change { why: Why::New, entry, before: None });
                return Ok(change.map(Seen::Change));
            }
            std::cmp::Ordering::Greater => {
                let entry = there.take();
                if terms.delete {
                    let change = entry.map(|entry| Change { why: Why::Gone, entry, before: None });
                    return Ok(change.map(Seen::Change));
                }
            }
            std::cmp::Ordering::Equal => {
                let (Some(entry), Some(before)) = (here.take(), there.take()) else { return Ok(None) };
                return Ok(Some(compared(terms, (from, entry), (to, before))));
            }
        }
    }
}

/// By size and time, as far as they tell: a second run reads nothing. That a copy is not older than what it was made of says that it is the
/// same; where the times do not say so, the contents do.
fn compared(terms: &Terms, (from, entry): (&Side, Entry), (to, before): (&Side, Entry)) -> Seen {
    if entry.size != before.size {
        return Seen::Change(Change { why: Why::Size, entry, before: Some(before) });
    }
    let is_digest = |entry: &Entry| entry.tag.len() == 32;
    let same = match (from, to) {
        // S3 tells whole seconds, so what was changed in the second in which it was uploaded is looked at.
        (Side::Folder(_), Side::Bucket(..)) => entry.modified <= before.modified,
        // A file that was downloaded has the object's time.
        (Side::Bucket(..), Side::Folder(_)) => entry.modified == before.modified,
        (Side::Bucket(..), Side::Bucket(..)) if entry.tag == before.tag => return Seen::Same,
        (Side::Bucket(..), Side::Bucket(..)) if is_digest(&entry) && is_digest(&before) => {
            return Seen::Change(Change { why: Why::Content, entry, before: Some(before) });
        }
        _ => entry.modified <= before.modified,
    };
    if same && !terms.checksum { Seen::Same } else { Seen::Unsure(entry, before) }
}

/// Whether the contents are the same; `false` also if only copying would tell.
async fn same(cx: &Cx, (from, entry): (&Side, &Entry), (to, before): (&Side, &Entry)) -> Result<bool> {
    match (from, to) {
        (Side::Folder(folder), Side::Bucket(..)) => {
            is(cx, folder.join(&entry.name), entry.size, to, before).await
        }
        (Side::Bucket(..), Side::Folder(folder)) => {
            is(cx, folder.join(&before.name), before.size, from, entry).await
        }
        (Side::Bucket(source, _), Side::Bucket(target, _)) => {
            let (source, target) = (
                source.object(&from.key(&entry.name), None).await?,
                target.object(&to.key(&before.name), None).await?,
            );
            let same = source.crc64.is_some() && source.crc64 == target.crc64;
            Ok(same || source.tag == target.tag)
        }
        (Side::Folder(_), Side::Folder(_)) => Ok(false),
    }
}

async fn is(cx: &Cx, path: std::path::PathBuf, size: u64, side: &Side, entry: &Entry) -> Result<bool> {
    let mut object = side.object(entry);
    // The tag of what was uploaded in parts depends on how it was cut.
    if let (Side::Bucket(bucket, _), true) = (side, object.tag.len() != 32) {
        object = bucket.object(&object.key, None).await?;
    }
    Source::File { path, size }.is(cx, &object).await
}
