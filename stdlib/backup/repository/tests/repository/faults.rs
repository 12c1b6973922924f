//! Every operation of the storage fails, or is the last one, in turn: no snapshot is lost, and the next run cleans up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt};
use restic_repository::{
    BackupOptions, Error, File, Id, Kind, Listed, MasterKey, MemoryStorage, Repository, Result, Storage,
    StorageError, StorageResult,
};

use crate::support::{
    self, Simulated, backup, check, contents, file, file_of, log_text, make, noise, of, snapshots,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// It is not done, and says so.
    Refused,
    /// It is done, and says that it is not.
    AnswerLost,
    /// The process is killed before it.
    KilledBefore,
    /// The process is killed when it is done.
    KilledAfter,
}

const FAULTS: [Fault; 4] = [Fault::Refused, Fault::AnswerLost, Fault::KilledBefore, Fault::KilledAfter];

/// Files of which one operation goes wrong.
struct Faulty {
    files: Arc<MemoryStorage>,
    fault: Fault,
    at: usize,
    operations: AtomicUsize,
}

impl Faulty {
    fn new(files: Arc<MemoryStorage>, fault: Fault, at: usize) -> Arc<Self> {
        Arc::new(Faulty { files, fault, at, operations: AtomicUsize::new(0) })
    }

    fn was_met(&self) -> bool {
        self.operations.load(Ordering::SeqCst) > self.at
    }

    /// Whether the next operation is done, and whether it says so.
    fn next(&self) -> (bool, bool) {
        let number = self.operations.fetch_add(1, Ordering::SeqCst);
        match number.cmp(&self.at) {
            std::cmp::Ordering::Less => (true, true),
            std::cmp::Ordering::Equal => {
                (matches!(self.fault, Fault::AnswerLost | Fault::KilledAfter), false)
            }
            std::cmp::Ordering::Greater => {
                let lives = matches!(self.fault, Fault::Refused | Fault::AnswerLost);
                (lives, lives)
            }
        }
    }

    fn act<'a, T: Send + 'a>(
        &'a self,
        operation: BoxFuture<'a, StorageResult<T>>,
    ) -> BoxFuture<'a, StorageResult<T>> {
        async move {
            let (done, said) = self.next();
            let result = if done { Some(operation.await) } else { None };
            match result {
                Some(result) if said => result,
                _ => Err(StorageError::other("made to fail")),
            }
        }
        .boxed()
    }
}

impl Storage for Faulty {
    fn list(&self, kind: Kind) -> BoxStream<'_, StorageResult<Listed>> {
        let (_, said) = self.next();
        match said {
            true => self.files.list(kind),
            false => stream::iter([Err(StorageError::other("made to fail"))]).boxed(),
        }
    }

    fn read(&self, file: File) -> BoxFuture<'_, StorageResult<Bytes>> {
        self.act(self.files.read(file))
    }

    fn read_part(&self, file: File, offset: u64, length: usize) -> BoxFuture<'_, StorageResult<Bytes>> {
        self.act(self.files.read_part(file, offset, length))
    }

    fn write(&self, file: File, content: Bytes) -> BoxFuture<'_, StorageResult<()>> {
        self.act(self.files.write(file, content))
    }

    fn remove(&self, file: File) -> BoxFuture<'_, StorageResult<()>> {
        self.act(self.files.remove(file))
    }
}

/// A repository with two snapshots that have some in common, and a third one that can go.
struct Estate {
    files: BTreeMap<File, Bytes>,
    key: MasterKey,
    /// The snapshots' trees, and what is in them.
    snapshots: Vec<(Id, Id, BTreeMap<std::path::PathBuf, Vec<u8>>)>,
}

impl Estate {
    async fn new() -> Self {
        let files = Arc::new(MemoryStorage::default());
        let repository = make(files.clone(), Simulated::new(1)).await;
        let common = || file("/d/common", noise(1, 3_000_000));
        let mut all = Vec::new();
        for number in 0..3 {
            let own = file(&format!("/d/own/{number}"), noise(10 + number, 200_000));
            let text = file(&format!("/d/own/text {number}"), log_text(number, 50_000));
            let taken = backup(&repository, of("/d"), vec![common(), own, text]).await.expect("a backup");
            all.push((taken.id, taken.snapshot.tree, contents(&repository, taken.snapshot.tree).await));
        }
        Estate { files: files.files(), key: repository.master_key().clone(), snapshots: all }
    }

    async fn open(&self, storage: Arc<dyn Storage>, surroundings: Arc<Simulated>) -> Result<Repository> {
        Repository::open_with(storage, surroundings, self.key.clone()).await
    }
}

/// Tries `work` with every fault at every operation. `kept` are the snapshots that have to be whole whatever happens; afterwards the work is
/// done again without a fault, and then nothing is left over but the `expected` number of snapshots.
async fn everywhere<W>(kept: &[usize], expected: usize, work: W)
where
    W: for<'r> Fn(&'r Repository, &'r Estate) -> BoxFuture<'r, Result<()>>,
{
    let estate = Estate::new().await;
    for fault in FAULTS {
        let mut at = 0;
        loop {
            let files = Arc::new(MemoryStorage::from(estate.files.clone()));
            let faulty = Faulty::new(files.clone(), fault, at);
            let surroundings = Simulated::new(7);
            let result =
                async { work(&estate.open(faulty.clone(), surroundings.clone()).await?, &estate).await };
            let result = result.await;
            if !faulty.was_met() {
                result.expect("it works undisturbed");
                assert!(at > 5, "few operations: {at}");
                break;
            }
            let place = format!("{fault:?} at {at}: {result:?}");
            // Another process, when the lock of the killed one is stale.
            surroundings.pass(Duration::from_mins(31));
            let repository = estate.open(files.clone(), surroundings).await.expect("it opens");
            let report = check(&repository).await;
            assert!(report.findings.is_empty(), "{place}: {:?}", report.findings);
            let trees: Vec<Id> =
                snapshots(&repository).await.iter().map(|named| named.snapshot.tree).collect();
            for &number in kept {
                let (_, tree, content) = &estate.snapshots[number];
                assert!(trees.contains(tree), "{place}: snapshot {number} is gone");
                assert!(contents(&repository, *tree).await == *content, "{place}");
            }
            work(&repository, &estate).await.unwrap_or_else(|error| panic!("{place}: the next run: {error}"));
            support::prune(&repository).await.unwrap_or_else(|error| panic!("{place}: pruning: {error}"));
            let report = check(&repository).await;
            assert!(report.findings.is_empty() && report.leftovers.is_empty(), "{place}: {report:?}");
            assert_eq!(snapshots(&repository).await.len(), expected, "{place}");
            assert!(
                files.files().keys().all(|file| !matches!(file, File::Named(Kind::Lock, _))),
                "{place}: a lock"
            );
            at += 1;
        }
    }
}

#[tokio::test]
async fn a_backup_that_breaks_off_anywhere_leaves_no_snapshot_or_a_whole_one() {
    everywhere(&[0, 1, 2], 4, |repository, estate| {
        async move {
            let wanted = noise(50, 700_000);
            // A run whose answer alone was lost has left its snapshot.
            for named in repository.snapshots().await?.readable {
                if named.snapshot.paths == ["/new"] {
                    return Ok(());
                }
            }
            let options = BackupOptions { parent: Some(estate.snapshots[0].0), ..of("/new") };
            let entries = vec![file("/d/common", noise(1, 3_000_000)), file_of("/new/file", 9, wanted)];
            backup(repository, options, entries).await.map(drop)
        }
        .boxed()
    })
    .await;
}

#[tokio::test]
async fn a_prune_that_breaks_off_anywhere_loses_nothing() {
    everywhere(&[0, 2], 2, |repository, estate| {
        async move {
            let gone = estate.snapshots[1].0;
            if repository.snapshots().await?.readable.iter().any(|named| named.id == gone) {
                support::forget(repository, &[gone]).await?;
            }
            support::prune(repository).await.map(drop)
        }
        .boxed()
    })
    .await;
}

#[tokio::test]
async fn tags_that_break_off_anywhere_are_on_one_snapshot_in_the_end() {
    everywhere(&[0, 1, 2], 3, |repository, estate| {
        async move {
            let (id, tree, _) = estate.snapshots[1];
            if repository.snapshots().await?.readable.iter().any(|named| named.id == id) {
                let tagged = support::set_tags(repository, id, &["good", "verified"]).await?;
                assert_eq!((tagged.snapshot.original, tagged.snapshot.tree), (Some(id), tree));
            }
            Ok(())
        }
        .boxed()
    })
    .await;
}

#[tokio::test]
async fn a_copy_that_breaks_off_anywhere_is_ended_by_the_next() {
    let other = Arc::new(MemoryStorage::default());
    let source = make(other.clone(), Simulated::new(3)).await;
    for number in 0..2 {
        let entries = vec![file("/s/a", noise(70, 600_000)), file("/s/b", noise(71 + number, 100_000))];
        backup(&source, of("/s"), entries).await.expect("a backup");
    }
    let source = Arc::new(source);
    everywhere(&[0, 1, 2], 5, move |repository, _| {
        let source = source.clone();
        async move {
            let copied = support::copy(&source, repository).await?;
            assert_eq!(copied.len(), 2);
            Ok(())
        }
        .boxed()
    })
    .await;
}

#[tokio::test]
async fn an_init_that_breaks_off_can_be_made_again() {
    for fault in FAULTS {
        for at in 0.. {
            let files = Arc::new(MemoryStorage::default());
            let faulty = Faulty::new(files.clone(), fault, at);
            let made =
                Repository::init(faulty.clone(), Simulated::new(1), support::PASSWORD, support::QUICK).await;
            if !faulty.was_met() {
                made.expect("it works undisturbed");
                break;
            }
            assert!(made.is_err(), "{fault:?} at {at}");
            let again =
                Repository::init(files.clone(), Simulated::new(2), support::PASSWORD, support::QUICK).await;
            let opened = Repository::open(files, Simulated::new(2), support::PASSWORD).await;
            assert!(
                again.is_ok() || matches!(again, Err(Error::Exists(File::Config))),
                "{fault:?} at {at}: {again:?}"
            );
            assert!(opened.is_ok(), "{fault:?} at {at}: {opened:?}");
        }
    }
}
