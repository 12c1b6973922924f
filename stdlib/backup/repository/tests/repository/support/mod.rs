//! What the tests share: a folder as a storage, surroundings of their own, the real restic, and made-up contents.

mod restic;
#[path = "../../../examples/folder/source.rs"]
mod source;
#[path = "../../../examples/folder/storage.rs"]
mod storage;
#[path = "../../../examples/folder/target.rs"]
pub(crate) mod target;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::tz::{Offset, TimeZone};
use restic_repository::{
    BackupOptions, Content, Copied, Entry, EntryKind, Id, Init, Job, Metadata, NamedSnapshot, NodeKind,
    PruneOptions, PrunePlan, Report, Repository, Restored, Scrypt, Storage, Surroundings, Time, User,
};

pub(crate) use restic::Restic;
pub(crate) use source::Entries;
pub(crate) use storage::{FolderStorage, unfinished};

pub(crate) const PASSWORD: &str = "correct horse";
/// Of no use against anybody, and quick.
pub(crate) const QUICK: Init = Init { version: 2, scrypt: Scrypt { n: 2, r: 1, p: 1 }, polynomial: None };

/// A host of which only the time goes on, when somebody waits; its randomness is that of a seed.
pub(crate) struct Simulated {
    pub(crate) seconds: AtomicU64,
    offset: AtomicI32,
    random: AtomicU64,
    pub(crate) pid: u32,
    parallel_jobs: usize,
    /// Instead of what the test runs on.
    pub(crate) host: Option<String>,
}

/// 2026-11-28T06:13:20Z
pub(crate) const START: u64 = 1_795_846_400;

impl Simulated {
    pub(crate) fn new(seed: u64) -> Arc<Self> {
        Arc::new(Simulated {
            seconds: AtomicU64::new(START),
            offset: AtomicI32::new(0),
            random: AtomicU64::new(seed),
            pid: 77,
            parallel_jobs: 1,
            host: Some("db-1".to_owned()),
        })
    }

    /// Of this host and process, so that restic looks whether it lives; it is now, and what is to be done in minutes never comes.
    pub(crate) fn real() -> Arc<Self> {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        Arc::new(Simulated {
            seconds: AtomicU64::new(now.as_secs()),
            offset: AtomicI32::new(0),
            random: AtomicU64::new(u64::from(std::process::id()) ^ now.as_nanos() as u64),
            pid: std::process::id(),
            parallel_jobs: 2,
            host: None,
        })
    }

    /// The same with another process.
    pub(crate) fn of_process(pid: u32) -> Arc<Self> {
        let mut simulated = Simulated::new(u64::from(pid));
        Arc::get_mut(&mut simulated).expect("it is new").pid = pid;
        simulated
    }

    /// The same with threads.
    pub(crate) fn with_jobs(seed: u64, parallel_jobs: usize) -> Arc<Self> {
        let mut simulated = Simulated::new(seed);
        Arc::get_mut(&mut simulated).expect("it is new").parallel_jobs = parallel_jobs;
        simulated
    }

    /// Sets the clock to a time, and to its offset.
    pub(crate) fn set(&self, time: Time) {
        let local = time.local().to_zoned(TimeZone::UTC).expect("a time").timestamp();
        let offset = local.as_second() - time.moment().as_second();
        self.seconds.store(time.moment().as_second() as u64, Ordering::SeqCst);
        self.offset.store(offset as i32, Ordering::SeqCst);
    }

    pub(crate) fn pass(&self, time: Duration) {
        self.seconds.fetch_add(time.as_secs(), Ordering::SeqCst);
    }
}

impl Surroundings for Simulated {
    fn now(&self) -> Time {
        let offset = Offset::from_seconds(self.offset.load(Ordering::SeqCst)).expect("an offset");
        Time::new(time(self.seconds.load(Ordering::SeqCst)).moment(), offset)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'_, ()> {
        let never_comes = self.host.is_none() && duration > Duration::from_secs(60);
        // As on any clock, others go on first.
        async move {
            if never_comes {
                return std::future::pending().await;
            }
            tokio::task::yield_now().await;
            self.pass(duration);
        }
        .boxed()
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        for byte in bytes {
            let state = self.random.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst);
            *byte = (mixed(state) >> 56) as u8;
        }
    }

    fn user(&self) -> User {
        let host = self.host.clone().unwrap_or_else(|| {
            let name = std::fs::read_to_string("/proc/sys/kernel/hostname").expect("Linux has it");
            name.trim().to_owned()
        });
        User { host, name: "backup".to_owned(), uid: 1000, gid: 1000, pid: self.pid }
    }

    fn parallel_jobs(&self) -> usize {
        self.parallel_jobs
    }

    fn run(&self, job: Job) {
        match self.parallel_jobs {
            1 => job(),
            _ => drop(tokio::task::spawn_blocking(job)),
        }
    }

    fn process_lives(&self, pid: u32) -> bool {
        pid == self.pid || std::path::Path::new(&format!("/proc/{pid}")).exists()
    }
}

pub(crate) fn time(seconds: u64) -> Time {
    jiff::Timestamp::from_second(seconds as i64).expect("a time of today").into()
}

fn mixed(mut state: u64) -> u64 {
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

/// Bytes that do not compress, the same for the same seed.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length + 8);
    for at in 0.. {
        if bytes.len() >= length {
            break;
        }
        bytes.extend_from_slice(&mixed(mixed(seed) ^ at).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Lines that compress.
pub(crate) fn log_text(seed: u64, length: usize) -> Vec<u8> {
    let mut text = String::with_capacity(length + 100);
    for line in 0.. {
        if text.len() >= length {
            break;
        }
        let value = mixed(seed.wrapping_mul(1000) + line);
        text.push_str(&format!("2026-11-28T06:00:00Z INFO request {value:x} took {} ms: ok\n", value % 100));
    }
    text.truncate(length);
    text.into_bytes()
}

pub(crate) fn file(path: &str, content: Vec<u8>) -> Entry {
    file_of(path, START - 1000, content)
}

pub(crate) fn file_of(path: &str, mtime: u64, content: Vec<u8>) -> Entry {
    let size = content.len() as u64;
    let open =
        move || async move { Ok(Box::pin(std::io::Cursor::new(content)) as restic_repository::Reader) };
    let kind = EntryKind::File(Content::file(size, open));
    Entry { path: path.into(), metadata: Metadata::new(0o640, time(mtime)), kind }
}

pub(crate) fn stream(path: &str, reader: impl tokio::io::AsyncRead + Send + 'static) -> Entry {
    let kind = EntryKind::File(Content::stream(reader));
    Entry { path: path.into(), metadata: Metadata::new(0o600, time(START)), kind }
}

pub(crate) async fn make(storage: Arc<dyn Storage>, surroundings: Arc<dyn Surroundings>) -> Repository {
    Repository::init(storage, surroundings, PASSWORD, QUICK).await.expect("a new repository")
}

/// Backs up under a lock.
pub(crate) async fn backup(
    repository: &Repository,
    options: BackupOptions,
    entries: Vec<Entry>,
) -> restic_repository::Result<NamedSnapshot> {
    let lock = repository.lock().await?;
    let entries = futures::stream::iter(entries.into_iter().map(Ok));
    let result = lock.during(repository.backup(&lock, options, entries)).await;
    lock.release_after(result).await
}

pub(crate) fn of(path: &str) -> BackupOptions {
    BackupOptions {
        paths: vec![path.into()],
        program_version: "test 1".to_owned(),
        ..BackupOptions::default()
    }
}

/// Every path of a tree, and what a file has in it, the target of a link; fails if something cannot be read.
pub(crate) async fn contents(repository: &Repository, tree: Id) -> BTreeMap<PathBuf, Vec<u8>> {
    let (contents, failed) = readable(repository, tree).await;
    assert!(failed.is_empty(), "{failed:?}");
    contents
}

/// The same as far as it can be read, and the paths that cannot.
pub(crate) async fn readable(
    repository: &Repository,
    tree: Id,
) -> (BTreeMap<PathBuf, Vec<u8>>, BTreeMap<PathBuf, String>) {
    let mut contents = BTreeMap::new();
    let mut failed = BTreeMap::new();
    let mut last = PathBuf::new();
    let mut restore = repository.restore(repository.walk(tree, Path::new("/")));
    while let Some(restored) = restore.next().await {
        match restored {
            Restored::Entry { path, node } => {
                let target = match node.kind {
                    NodeKind::Symlink { target } => target.into_encoded_bytes(),
                    _ => Vec::new(),
                };
                contents.insert(path.clone(), target);
                last = path;
            }
            Restored::Content(piece) => contents.entry(last.clone()).or_default().extend_from_slice(&piece),
            Restored::Leave { .. } => {}
            Restored::Failed { path, error } => {
                contents.remove(&path);
                failed.insert(path, error.to_string());
            }
        }
    }
    (contents, failed)
}

pub(crate) async fn snapshots(repository: &Repository) -> Vec<NamedSnapshot> {
    let snapshots = repository.snapshots().await.expect("snapshots are listed");
    assert!(snapshots.damaged.is_empty(), "{:?}", snapshots.damaged);
    snapshots.readable
}

pub(crate) async fn check(repository: &Repository) -> Report {
    let lock = repository.lock().await.expect("nobody has it");
    let report = repository.check(&lock, true).await;
    lock.release_after(report).await.expect("a check")
}

/// Prunes as much as there is to prune.
pub(crate) async fn prune(repository: &Repository) -> restic_repository::Result<PrunePlan> {
    let lock = repository.lock_exclusively().await?;
    let work = async {
        let plan = repository.plan_prune(&lock, PruneOptions { unused_percent: 0 }).await?;
        repository.prune(&lock, &plan).await?;
        Ok(plan)
    };
    let result = lock.during(work).await;
    lock.release_after(result).await
}

pub(crate) async fn forget(repository: &Repository, snapshots: &[Id]) -> restic_repository::Result<()> {
    let lock = repository.lock_exclusively().await?;
    let result = repository.forget(&lock, snapshots).await;
    lock.release_after(result).await
}

pub(crate) async fn set_tags(
    repository: &Repository,
    snapshot: Id,
    tags: &[&str],
) -> restic_repository::Result<NamedSnapshot> {
    let lock = repository.lock_exclusively().await?;
    let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
    let result = repository.set_tags(&lock, snapshot, tags).await;
    lock.release_after(result).await
}

pub(crate) async fn copy(from: &Repository, to: &Repository) -> restic_repository::Result<Vec<Copied>> {
    let snapshots = from.snapshots().await?.readable;
    let lock = from.lock().await?;
    let copied = match to.lock().await {
        Ok(to_lock) => {
            let copied = from.copy_to(&lock, to, &to_lock, &snapshots).await;
            to_lock.release_after(copied).await
        }
        Err(error) => Err(error),
    };
    lock.release_after(copied).await
}
