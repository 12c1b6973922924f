//! A disk, or a bucket, that is full: what does not fit is told, no snapshot is half there, and with room again all goes on.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use restic_repository::{
    Error, File, Kind, Listed, MemoryStorage, Repository, Result, Storage, StorageError, StorageResult,
};

use crate::support::{
    self, FolderStorage, PASSWORD, Restic, Simulated, backup, check, contents, file, log_text, make, noise,
    of, snapshots,
};

/// Files that have room for some more bytes.
struct Full {
    files: Arc<MemoryStorage>,
    room: AtomicU64,
}

impl Storage for Full {
    fn list(&self, kind: Kind) -> BoxStream<'_, StorageResult<Listed>> {
        self.files.list(kind)
    }

    fn read(&self, file: File) -> BoxFuture<'_, StorageResult<Bytes>> {
        self.files.read(file)
    }

    fn read_part(&self, file: File, offset: u64, length: usize) -> BoxFuture<'_, StorageResult<Bytes>> {
        self.files.read_part(file, offset, length)
    }

    fn write(&self, file: File, content: Bytes) -> BoxFuture<'_, StorageResult<()>> {
        async move {
            let takes = content.len() as u64;
            let left = |room: u64| room.checked_sub(takes);
            match self.room.fetch_update(Ordering::SeqCst, Ordering::SeqCst, left) {
                Ok(_) => self.files.write(file, content).await,
                Err(_) => Err(StorageError::other(std::io::Error::from(std::io::ErrorKind::StorageFull))),
            }
        }
        .boxed()
    }

    fn remove(&self, file: File) -> BoxFuture<'_, StorageResult<()>> {
        async move {
            let size = self.files.read(file).await?.len() as u64;
            self.files.remove(file).await?;
            self.room.fetch_add(size, Ordering::SeqCst);
            Ok(())
        }
        .boxed()
    }
}

/// Two snapshots, of which the first has something of its own.
async fn estate() -> (MemoryStorage, restic_repository::MasterKey) {
    let files = Arc::new(MemoryStorage::default());
    let repository = make(files.clone(), Simulated::new(1)).await;
    for number in 0..2 {
        let own = file(&format!("/d/{number}"), noise(10 + number, 60_000));
        backup(&repository, of("/d"), vec![file("/d/c", noise(1, 80_000)), own]).await.expect("a backup");
    }
    (MemoryStorage::from(files.files()), repository.master_key().clone())
}

async fn back_up(repository: &Repository) -> Result<()> {
    let entries = vec![file("/new/a", noise(30, 100_000)), file("/new/b", log_text(3, 30_000))];
    backup(repository, of("/new"), entries).await.map(drop)
}

async fn prune(repository: &Repository) -> Result<()> {
    if let [_, last] = &snapshots(repository).await[..] {
        let first = snapshots(repository).await[0].id;
        assert_ne!(first, last.id);
        support::forget(repository, &[first]).await?;
    }
    support::prune(repository).await.map(drop)
}

/// Does the work with room for more and more, until it fits; `expected` snapshots are there in the end.
async fn with_any_room<W>(expected: usize, work: W)
where
    W: for<'r> Fn(&'r Repository) -> BoxFuture<'r, Result<()>>,
{
    let (files, key) = estate().await;
    let mut refused = 0;
    for room in (0..).map(|step: u64| step * step * 24) {
        let there = Arc::new(MemoryStorage::from(files.files()));
        let storage = Arc::new(Full { files: there.clone(), room: AtomicU64::new(room) });
        let repository = Repository::open_with(storage.clone(), Simulated::new(room), key.clone()).await;
        let repository = repository.expect("it opens");
        let Err(error) = work(&repository).await else { break };
        refused += 1;
        let said = error.to_string();
        assert!(
            said.starts_with("writing `") && said.contains("` of the repository failed: ")
                || matches!(error, Error::PruneRefused(_)),
            "{room}: {said}"
        );
        storage.room.store(u64::MAX / 2, Ordering::SeqCst);
        let report = check(&repository).await;
        assert!(report.findings.is_empty(), "{room}: {:?}", report.findings);
        for named in snapshots(&repository).await {
            contents(&repository, named.snapshot.tree).await;
            assert_ne!(named.snapshot.paths, ["/new"], "{room}: it said that it failed");
        }
        assert!(there.files().keys().all(|file| !matches!(file, File::Named(Kind::Lock, _))), "{room}");
        work(&repository).await.unwrap_or_else(|error| panic!("{room}: with room again: {error}"));
        support::prune(&repository).await.expect("it is pruned");
        let report = check(&repository).await;
        assert!(report.findings.is_empty() && report.leftovers.is_empty(), "{room}: {report:?}");
        assert_eq!(snapshots(&repository).await.len(), expected, "{room}");
    }
    assert!(refused > 20, "{refused} is few");
}

#[tokio::test]
async fn a_backup_that_does_not_fit_leaves_no_snapshot() {
    with_any_room(3, |repository| back_up(repository).boxed()).await;
}

#[tokio::test]
async fn a_prune_that_has_no_room_loses_nothing() {
    with_any_room(1, |repository| prune(repository).boxed()).await;
}

#[tokio::test]
async fn a_copy_that_does_not_fit_can_be_made_when_there_is_room() {
    let files = Arc::new(MemoryStorage::default());
    let source = Arc::new(make(files, Simulated::new(5)).await);
    let entries = vec![file("/s/a", noise(70, 90_000)), file("/s/b", log_text(9, 40_000))];
    backup(&source, of("/s"), entries).await.expect("a backup");
    with_any_room(3, move |repository| {
        let source = source.clone();
        async move { support::copy(&source, repository).await.map(drop) }.boxed()
    })
    .await;
}

/// A filesystem of a few megabytes of its own, until it is dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let mount = ["-t", "tmpfs", "-o", "size=6m", "none"];
        let mounted = Command::new("mount").args(mount).arg(folder.path()).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| SmallDisk(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.path()).status();
    }
}

#[tokio::test]
async fn a_real_disk_that_is_full_is_told_and_nothing_is_left_on_it() {
    let Some(disk) = SmallDisk::new() else {
        println!("skipped: needs the right to mount a filesystem");
        return;
    };
    let repository = make(Arc::new(FolderStorage::new(disk.path())), Simulated::real()).await;
    let small =
        backup(&repository, of("/d"), vec![file("/d/a", noise(1, 1_000_000))]).await.expect("it fits");
    let large = || vec![file("/d/b", noise(2, 8_000_000))];
    let refused = backup(&repository, of("/e"), large()).await.expect_err("it does not fit").to_string();
    assert!(
        refused.starts_with("writing `data/") && refused.contains("No space left on device"),
        "{refused}"
    );
    let named = snapshots(&repository).await;
    assert_eq!(named.iter().map(|named| named.id).collect::<Vec<_>>(), [small.id]);
    let report = check(&repository).await;
    assert!(report.findings.is_empty(), "{report:?}");
    if let Some(restic) = Restic::of(disk.path()) {
        restic.check();
    }
    let again = backup(&repository, of("/d"), vec![file("/d/c", noise(3, 3_000_000))]).await;
    again.expect("what was written of the large one does not take up room");
    let opened =
        Repository::open(Arc::new(FolderStorage::new(disk.path())), Simulated::real(), PASSWORD).await;
    assert_eq!(snapshots(&opened.expect("it opens")).await.len(), 2);
}
