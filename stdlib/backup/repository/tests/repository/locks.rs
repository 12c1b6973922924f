//! Locks keep others out, restic's as ours, and are gone afterwards whatever happened.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use restic_repository::{
    Error, File, Kind, Listed, MemoryStorage, Repository, Storage, StorageError, StorageResult,
};

use crate::support::{FolderStorage, PASSWORD, Restic, Simulated, make};

fn locks(files: &MemoryStorage) -> usize {
    files.files().keys().filter(|file| matches!(file, File::Named(Kind::Lock, _))).count()
}

#[tokio::test]
async fn a_lock_keeps_out_whom_it_should_and_says_who_has_it() {
    let files = Arc::new(MemoryStorage::default());
    let one = make(files.clone(), Simulated::new(1)).await;
    let two = Repository::open(files.clone(), Simulated::new(2), PASSWORD).await.expect("it opens");
    let (shared, also) = (one.lock().await.expect("shared"), two.lock().await.expect("shared"));
    assert!(matches!(two.lock_exclusively().await, Err(Error::Locked(_))));
    also.release().await.expect("released");
    shared.release().await.expect("released");
    let alone = one.lock_exclusively().await.expect("nobody else");
    let refused = two.lock().await.expect_err("locked").to_string();
    assert_eq!(
        refused,
        "the repository is locked exclusively by backup@db-1 (process 77) since 2026-11-28T06:13:20Z"
    );
    alone.release().await.expect("released");
    assert_eq!(locks(&files), 0);
}

#[tokio::test]
async fn a_lock_is_stale_after_half_an_hour_or_with_its_process_but_not_while_it_is_refreshed() {
    let files = Arc::new(MemoryStorage::default());
    let surroundings = Simulated::new(1);
    let one = make(files.clone(), surroundings.clone()).await;
    let lock = one.lock_exclusively().await.expect("nobody else");
    let other = Simulated::new(2);
    let two = Repository::open(files.clone(), other.clone(), PASSWORD).await.expect("it opens");
    for _ in 0..3 {
        surroundings.pass(Duration::from_mins(20));
        other.pass(Duration::from_mins(20));
        lock.refresh().await.expect("refreshed");
        assert!(matches!(two.lock().await, Err(Error::Locked(_))));
        assert_eq!(locks(&files), 1, "the one before is gone");
    }
    other.pass(Duration::from_mins(31));
    two.lock().await.expect("it is stale by now").release().await.expect("released");
    assert_eq!(locks(&files), 0, "what is stale is removed");
    lock.release().await.expect("that it is gone is no error");

    let gone = Simulated::of_process(4_000_000);
    let dead = Repository::open(files.clone(), gone, PASSWORD).await.expect("it opens");
    std::mem::forget(dead.lock_exclusively().await.expect("nobody else"));
    assert_eq!(locks(&files), 1);
    two.lock_exclusively().await.expect("its process does not live").release().await.expect("released");
}

#[tokio::test]
async fn a_lock_is_kept_fresh_while_something_is_done_and_removed_whatever_happens() {
    let files = Arc::new(MemoryStorage::default());
    let surroundings = Simulated::new(1);
    let repository = make(files.clone(), surroundings.clone()).await;
    let lock = repository.lock().await.expect("shared");
    let began = repository.locks().await.expect("locks").0[0].time;
    let mut polls = 0;
    let work = std::future::poll_fn(|context| {
        polls += 1;
        context.waker().wake_by_ref();
        if polls < 4 {
            std::task::Poll::Pending
        } else {
            std::task::Poll::Ready(Err::<(), _>(Error::WorkerLost))
        }
    });
    let result = lock.during(work).await;
    assert!(repository.locks().await.expect("locks").0[0].time > began);
    assert!(matches!(lock.release_after(result).await, Err(Error::WorkerLost)), "what the work said is told");
    assert_eq!(locks(&files), 0);
    drop(repository.lock_exclusively().await.expect("nobody else"));
    assert_eq!(locks(&files), 0, "one that is dropped is removed, where that needs no waiting");
}

#[tokio::test]
async fn restic_honours_our_locks_and_we_its() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(restic) = Restic::of(folder.path()) else { return };
    let repository = make(Arc::new(FolderStorage::new(folder.path())), Simulated::real()).await;
    let exclusive = repository.lock_exclusively().await.expect("nobody else");
    let refused = restic.try_run(&["backup", "/proc/version"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    let process = format!("exclusively by PID {} on ", std::process::id());
    assert!(!refused.status.success() && said.contains(&process), "{said}");
    exclusive.release().await.expect("released");

    let shared = repository.lock().await.expect("shared");
    restic.run(&["backup", "/proc/version"]);
    assert!(!restic.try_run(&["prune"]).status.success());
    shared.refresh().await.expect("refreshed");
    assert!(!restic.try_run(&["prune"]).status.success());
    shared.release().await.expect("released");
    restic.run(&["prune"]);

    // restic holds a lock as long as its input does not end.
    let mut command = Command::new("restic");
    command.arg("--repo").arg(folder.path()).args(["--no-cache", "backup", "--stdin"]);
    let mut theirs = command
        .env("RESTIC_PASSWORD", PASSWORD)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("restic is there");
    for _ in 0..1200 {
        if !repository.locks().await.expect("locks").0.is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let refused = repository.lock_exclusively().await.expect_err("restic has it").to_string();
    assert!(refused.contains(&format!("(process {}) since 2", theirs.id())), "{refused}");
    repository.lock().await.expect("shared with restic").release().await.expect("released");
    theirs.stdin.take().expect("a pipe").write_all(b"a dump").expect("it reads");
    assert!(theirs.wait().expect("it ends").success());
    repository.lock_exclusively().await.expect("restic has gone").release().await.expect("released");
}

/// What is written goes on without whoever asked for it, as a request does that is on its way.
struct Detached(Arc<MemoryStorage>);

impl Storage for Detached {
    fn list(&self, kind: Kind) -> BoxStream<'_, StorageResult<Listed>> {
        self.0.list(kind)
    }

    fn read(&self, file: File) -> BoxFuture<'_, StorageResult<Bytes>> {
        self.0.read(file)
    }

    fn read_part(&self, file: File, offset: u64, length: usize) -> BoxFuture<'_, StorageResult<Bytes>> {
        self.0.read_part(file, offset, length)
    }

    fn write(&self, file: File, content: Bytes) -> BoxFuture<'_, StorageResult<()>> {
        let files = self.0.clone();
        let written = tokio::spawn(async move {
            for _ in 0..5 {
                tokio::task::yield_now().await;
            }
            files.write(file, content).await
        });
        async move { written.await.map_err(StorageError::other)? }.boxed()
    }

    fn remove(&self, file: File) -> BoxFuture<'_, StorageResult<()>> {
        self.0.remove(file)
    }
}

#[tokio::test]
async fn a_refresh_that_is_under_way_when_the_work_ends_leaves_no_lock() {
    for polls in 1..30 {
        let files = Arc::new(MemoryStorage::default());
        let repository = make(Arc::new(Detached(files.clone())), Simulated::new(1)).await;
        let lock = repository.lock().await.expect("shared");
        let mut left = polls;
        let work = std::future::poll_fn(|context| {
            left -= 1;
            context.waker().wake_by_ref();
            if left > 0 { std::task::Poll::Pending } else { std::task::Poll::Ready(Ok(())) }
        });
        let result = lock.during(work).await;
        lock.release_after(result).await.expect("released");
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        assert_eq!(locks(&files), 0, "after {polls} polls");
    }
}
