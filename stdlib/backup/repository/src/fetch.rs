//! Reading many blobs in an order that is known ahead: those that lie side by side in a pack come with one request, and several requests
//! are on their way at a time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Poll;

use futures::future::{BoxFuture, FutureExt, poll_fn};
use futures::stream::{FuturesOrdered, StreamExt};

use crate::codec::Codec;
use crate::index::Location;
use crate::pack::PackBlob;
use crate::repository::Repository;
use crate::{Error, File, Id, Kind, Result};

/// How much is fetched in one request.
const GROUP: u32 = 4 << 20;
/// What lies between two blobs is fetched with them, if it is no more than this: cheaper than a second request.
const GAP: u32 = 64 << 10;
/// How much is fetched ahead: enough for several requests at a time.
const AHEAD: u64 = 24 << 20;

/// What is done with a blob as it is stored.
type Open<T> = fn(&Codec, &PackBlob, &[u8]) -> std::result::Result<T, String>;

/// Gives blobs in the order in which they were asked for.
pub(crate) struct Fetcher<'r, T> {
    repository: &'r Repository,
    open: Open<T>,
    /// The last group, which may become larger.
    last: Option<Group>,
    fetches: FuturesOrdered<BoxFuture<'r, Vec<Result<T>>>>,
    /// What has come, in order.
    fetched: VecDeque<Result<T>>,
    /// The lengths of the blobs that were asked for and not given yet.
    lengths: VecDeque<u64>,
    ahead: u64,
}

/// Blobs that lie side by side.
struct Group {
    pack: Id,
    end: u32,
    blobs: Vec<PackBlob>,
}

impl<'r, T: Send + 'static> Fetcher<'r, T> {
    pub(crate) fn new(repository: &'r Repository, open: Open<T>) -> Self {
        Fetcher {
            repository,
            open,
            last: None,
            fetches: FuturesOrdered::new(),
            fetched: VecDeque::new(),
            lengths: VecDeque::new(),
            ahead: 0,
        }
    }

    /// Whether enough was asked for, so that some should be taken.
    pub(crate) fn is_full(&self) -> bool {
        self.ahead >= AHEAD
    }

    pub(crate) fn ask(&mut self, location: Location) {
        let Location { pack, blob } = location;
        let length = u64::from(blob.uncompressed.unwrap_or(blob.length));
        self.lengths.push_back(length);
        self.ahead += length;
        let end = blob.offset.saturating_add(blob.length);
        if let Some(last) = &mut self.last
            && last.pack == pack
            && (last.end..=last.end.saturating_add(GAP)).contains(&blob.offset)
            && end - last.blobs[0].offset <= GROUP
        {
            last.end = end;
            last.blobs.push(blob);
            return;
        }
        self.close();
        self.last = Some(Group { pack, end, blobs: vec![blob] });
    }

    /// The next blob; an error says only that this copy is of no use. `None` if all that was asked for was given.
    pub(crate) async fn next(&mut self) -> Option<Result<T>> {
        self.ahead -= self.lengths.pop_front()?;
        if self.fetched.is_empty() && self.fetches.is_empty() {
            self.close();
        }
        poll_fn(|context| {
            // Also while there is something to give: what is on its way would stand still until then.
            while let Poll::Ready(Some(group)) = self.fetches.poll_next_unpin(context) {
                self.fetched.extend(group);
            }
            match self.fetched.pop_front() {
                None if !self.fetches.is_empty() => Poll::Pending,
                next => Poll::Ready(next),
            }
        })
        .await
    }

    fn close(&mut self) {
        if let Some(group) = self.last.take() {
            self.fetches.push_back(fetch(self.repository, group, self.open).boxed());
        }
    }
}

/// As many results as the group has blobs.
async fn fetch<T: Send + 'static>(repository: &Repository, group: Group, open: Open<T>) -> Vec<Result<T>> {
    let Group { pack, end, blobs } = group;
    let blobs: Arc<[PackBlob]> = blobs.into();
    let file = File::Named(Kind::Data, pack);
    let start = blobs[0].offset;
    let fetched = async {
        let read = repository.storage.read_part(file, u64::from(start), (end - start) as usize);
        let sealed = read.await.map_err(Error::storage("reading", file))?;
        let blobs = blobs.clone();
        let opened = repository.compute(move |codec| {
            let each = blobs.iter().map(|blob| {
                let at = (blob.offset - start) as usize;
                open(codec, blob, &sealed[at..at + blob.length as usize])
                    .map_err(|problem| Error::damaged(file, problem))
            });
            each.collect::<Vec<_>>()
        });
        opened.await
    };
    match fetched.await {
        Ok(opened) => opened,
        // Each is then read by itself, which tells what is wrong with it.
        Err(error) => {
            let problem = error.to_string();
            blobs.iter().map(|_| Err(Error::damaged(file, problem.clone()))).collect()
        }
    }
}
