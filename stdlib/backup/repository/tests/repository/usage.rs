//! What a user does with a repository that no other test does: parents, broken sources, finding things, differences, the same bytes again.

use std::collections::BTreeMap;
use std::io::{self, Cursor};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use restic_repository::{
    BackupOptions, ChangeKind, Content, Entry, EntryKind, Error, File, Filter, Kind, Listed, MemoryStorage,
    Metadata, Repository, Storage, StorageResult,
};
use tokio::io::{AsyncReadExt, ReadBuf};

use crate::support::{
    self, START, Simulated, backup, check, contents, file, file_of, log_text, make, noise, of, snapshots,
    stream, time,
};

async fn new() -> Repository {
    make(Arc::new(MemoryStorage::default()), Simulated::new(1)).await
}

/// A reader that gives some, and then fails.
fn breaking(content: Vec<u8>) -> impl tokio::io::AsyncRead + Send {
    Cursor::new(content).chain(Broken)
}

struct Broken;

impl tokio::io::AsyncRead for Broken {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Err(io::Error::other("pg_dump ended with 1")))
    }
}

#[tokio::test]
async fn a_source_that_breaks_leaves_no_snapshot() {
    let repository = new().await;
    let entries = vec![file("/d/a", noise(1, 10_000)), stream("/d/dump.sql", breaking(noise(2, 20_000_000)))];
    let error = backup(&repository, of("/d"), entries).await.expect_err("the dump broke");
    let told = "reading `/d/dump.sql` failed, so no snapshot was written: pg_dump ended with 1";
    assert_eq!(error.to_string(), told);
    assert!(snapshots(&repository).await.is_empty());
    let lock = repository.lock().await.expect("it was released");
    let entries = futures::stream::iter([Ok(file("/a", vec![1])), Err("the bucket is gone".into())]);
    let error = repository.backup(&lock, of("/d"), entries).await.expect_err("the list broke");
    assert!(error.to_string().contains("the bucket is gone"), "{error}");
    lock.release().await.expect("released");
    assert!(snapshots(&repository).await.is_empty());
    let plan = support::prune(&repository).await.expect("pruned");
    assert!(!plan.unreferenced.is_empty());
    assert!(check(&repository).await.leftovers.is_empty());
}

#[tokio::test]
async fn files_that_have_not_changed_are_taken_over_without_being_read() {
    let repository = new().await;
    let entries = vec![
        file_of("/d/same", 5, noise(1, 3_000_000)),
        file_of("/d/larger", 5, noise(2, 1000)),
        file_of("/d/later", 5, noise(3, 1000)),
        file_of("/d/gone", 5, noise(4, 1000)),
        file_of("/d/sub/etag", 5, noise(5, 1000)),
    ];
    let first = backup(&repository, of("/d"), entries).await.expect("a backup");
    let unread = |path: &str, size, content: fn(u64) -> Content| Entry {
        path: path.into(),
        metadata: Metadata::new(0o640, time(5)),
        kind: EntryKind::File(content(size)),
    };
    let fails = |size| Content::file(size, || async { Err(io::Error::other("it was opened")) });
    let entries = vec![
        unread("/d/same", 3_000_000, fails),
        file_of("/d/larger", 5, noise(2, 1001)),
        file_of("/d/later", 6, noise(3, 1000)),
        file_of("/d/new", 6, noise(6, 1000)),
        unread("/d/sub/etag", 0, |_| Content::Unchanged),
    ];
    let options = BackupOptions { parent: Some(first.id), ..of("/d") };
    let second = backup(&repository, options.clone(), entries).await.expect("a backup");
    let summary = second.snapshot.summary.as_ref().expect("there is one");
    assert_eq!(
        (summary.files_unmodified, summary.files_changed, summary.files_new),
        (3, 1, 1),
        "{summary:?}"
    );
    assert_eq!((summary.dirs_unmodified, summary.dirs_changed, summary.data_blobs), (1, 1, 2), "{summary:?}");
    let found = contents(&repository, second.snapshot.tree).await;
    assert!(
        found[Path::new("/d/same")] == noise(1, 3_000_000) && found[Path::new("/d/larger")] == noise(2, 1001)
    );
    let entries = vec![unread("/d/never", 0, |_| Content::Unchanged)];
    let error = backup(&repository, options, entries).await.expect_err("it is not there").to_string();
    assert!(error.starts_with("`/d/never` cannot be backed up: it is said to be unchanged"), "{error}");

    let mut diff = repository.diff(first.snapshot.tree, second.snapshot.tree).await.expect("a difference");
    let mut told = Vec::new();
    while let Some(change) = diff.next().await.expect("it is read") {
        let size = |node: &Option<restic_repository::Node>| node.as_ref().map(restic_repository::Node::size);
        told.push((
            change.path.display().to_string(),
            change.kind(),
            size(&change.before),
            size(&change.after),
        ));
    }
    let change = |path: &str, kind, before, after| (path.to_owned(), kind, before, after);
    let expected = [
        change("/d/gone", ChangeKind::Removed, Some(1000), None),
        change("/d/larger", ChangeKind::Content, Some(1000), Some(1001)),
        change("/d/later", ChangeKind::Metadata, Some(1000), Some(1000)),
        change("/d/new", ChangeKind::Added, None, Some(1000)),
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn what_cannot_be_in_a_tree_is_refused_by_its_path() {
    let repository = new().await;
    let cases: [(&[&str], &str); 4] = [
        (&["/a/../b"], "`/a/../b` cannot be backed up: its path has `..` in it, or is none"),
        (&["/"], "`/` cannot be backed up: it is the root of the snapshot itself"),
        (&["/a/x", "/a/x"], "`/a/x` cannot be backed up: it, or the folder it is in, has come before"),
        (&["/a/x", "/b", "/a/y"], "`/a/y` cannot be backed up: it, or the folder it is in, has come before"),
    ];
    for (paths, told) in cases {
        let entries = paths.iter().map(|path| file(path, vec![1])).collect();
        let error = backup(&repository, of("/"), entries).await.expect_err("it is refused").to_string();
        assert!(error.starts_with(told), "{error}");
    }
}

#[tokio::test]
async fn a_snapshot_is_found_by_what_was_said_of_it_or_the_beginning_of_its_name() {
    let surroundings = Simulated::new(1);
    let repository = make(Arc::new(MemoryStorage::default()), surroundings.clone()).await;
    for number in 0..20_u8 {
        surroundings.pass(Duration::from_mins(1));
        let options = BackupOptions {
            tags: vec![format!("t{}", number % 3), "all".to_owned()],
            host: Some(format!("h{}", number % 2)),
            ..of(if number < 15 { "/a" } else { "/b" })
        };
        backup(&repository, options, vec![file("/a/f", vec![number])]).await.expect("a backup");
    }
    let all = snapshots(&repository).await;
    let find =
        async |name: &str, filter: Filter| repository.snapshots().await.expect("listed").find(name, &filter);
    let filter = Filter {
        host: Some("h1".to_owned()),
        tags: vec!["t1".to_owned(), "all".to_owned()],
        paths: vec!["/a".to_owned()],
    };
    let by_filter = find("latest", filter).await.expect("there is one");
    assert_eq!(by_filter.id, all[13].id);
    assert_eq!(find("latest", Filter::default()).await.expect("the last").id, all[19].id);
    assert_eq!(find(&all[3].id.short(), Filter::default()).await.expect("by its name").id, all[3].id);
    let crowded = all.iter().map(|named| named.id.to_string()[..1].to_owned());
    let mut by_digit: BTreeMap<String, usize> = BTreeMap::new();
    crowded.for_each(|digit| *by_digit.entry(digit).or_default() += 1);
    let (digit, count) =
        by_digit.iter().max_by_key(|(_, count)| **count).expect("twenty of them share sixteen");
    match find(digit, Filter::default()).await {
        Err(Error::Ambiguous { candidates, .. }) => assert_eq!(candidates.len(), *count),
        found => panic!("{found:?}"),
    }
    let none = find("latest", Filter { host: Some("h9".to_owned()), ..Filter::default() }).await;
    assert!(matches!(none, Err(Error::NoSnapshot(_))));
    assert!(matches!(find("", Filter::default()).await, Err(Error::NoSnapshot(_))));
}

#[tokio::test]
async fn the_same_input_and_randomness_give_the_same_bytes() {
    let run = |parallel| async move {
        let files = Arc::new(MemoryStorage::default());
        let surroundings = Simulated::with_jobs(9, parallel);
        let repository = make(files.clone(), surroundings.clone()).await;
        for number in 0..2 {
            surroundings.pass(Duration::from_mins(1));
            let entries = vec![
                file("/d/text", log_text(1, 3_000_000)),
                stream("/d/dump", Cursor::new(noise(number, 40_000_000))),
                file("/d/sub/f", noise(3, 500_000)),
            ];
            backup(&repository, of("/d"), entries).await.expect("a backup");
        }
        let gone = snapshots(&repository).await[0].id;
        support::forget(&repository, &[gone]).await.expect("forgotten");
        support::prune(&repository).await.expect("pruned");
        assert!(check(&repository).await.findings.is_empty());
        files.files()
    };
    let first = run(1).await;
    assert!(first == run(1).await, "one job at a time");
    assert_eq!(first.len(), run(2).await.len(), "in threads, only nonces and times of ending are different");
}

#[tokio::test]
async fn a_file_is_read_alone_and_a_folder_with_what_is_in_it() {
    let files = Arc::new(MemoryStorage::default());
    let repository = make(files.clone(), Simulated::new(1)).await;
    let dump = noise(7, 30_000_000);
    let entries = vec![
        stream("/pg/db.sql", Cursor::new(dump.clone())),
        file("/pg/roles/a", b"a".to_vec()),
        file("/pg/roles/b", b"b".to_vec()),
        file("/redis/rdb", b"REDIS".to_vec()),
    ];
    let taken = backup(&repository, of("/pg"), entries).await.expect("a backup");
    let again = Repository::open_with(files, Simulated::new(2), repository.master_key().clone()).await;
    let repository = again.expect("it opens by the kept key");
    let tree = taken.snapshot.tree;
    let node = repository.at_path(tree, Path::new("/pg/db.sql")).await.expect("it is there");
    assert_eq!((node.size(), node.mtime), (30_000_000, time(START)));
    let mut content = repository.content(node, Path::new("/pg/db.sql"));
    let mut read = Vec::new();
    while let Some(piece) = content.next().await.expect("it is read") {
        assert!(piece.len() <= 8 << 20);
        read.extend_from_slice(&piece);
    }
    assert!(read == dump);
    let folder = repository.at_path(tree, Path::new("/pg/roles")).await.expect("it is there");
    let mut walk = repository.walk_node(folder, Path::new("/pg/roles"));
    let mut paths = Vec::new();
    while let Some(walked) = walk.next().await {
        paths.push(match walked {
            restic_repository::Walked::Entry { path, .. } => path,
            restic_repository::Walked::Leave { path, .. } => path.join("."),
            restic_repository::Walked::Failed { path, error } => panic!("{}: {error}", path.display()),
        });
    }
    assert_eq!(paths, ["/pg/roles", "/pg/roles/a", "/pg/roles/b", "/pg/roles/."].map(PathBuf::from));
    let missing = repository.at_path(tree, Path::new("/pg/roles/c")).await.expect_err("it is not there");
    assert_eq!(missing.to_string(), "`/pg/roles/c` is not in the snapshot");
}

/// Files of which it is counted how much is read.
struct Counted {
    files: MemoryStorage,
    read: AtomicU64,
}

impl Storage for Counted {
    fn list(&self, kind: Kind) -> BoxStream<'_, StorageResult<Listed>> {
        self.files.list(kind)
    }

    fn read(&self, file: File) -> BoxFuture<'_, StorageResult<Bytes>> {
        self.files.read(file)
    }

    fn read_part(&self, file: File, offset: u64, length: usize) -> BoxFuture<'_, StorageResult<Bytes>> {
        self.read.fetch_add(length as u64, Ordering::SeqCst);
        self.files.read_part(file, offset, length)
    }

    fn write(&self, file: File, content: Bytes) -> BoxFuture<'_, StorageResult<()>> {
        self.files.write(file, content)
    }

    fn remove(&self, file: File) -> BoxFuture<'_, StorageResult<()>> {
        self.files.remove(file)
    }
}

#[tokio::test]
async fn a_large_file_is_read_only_a_little_ahead_of_who_takes_it() {
    let storage = Arc::new(Counted { files: MemoryStorage::default(), read: AtomicU64::new(0) });
    let repository = make(storage.clone(), Simulated::new(1)).await;
    let entries = vec![stream("/large", Cursor::new(noise(1, 200_000_000)))];
    let taken = backup(&repository, of("/large"), entries).await.expect("a backup");
    let node = repository.at_path(taken.snapshot.tree, Path::new("/large")).await.expect("it is there");
    let before = storage.read.load(Ordering::SeqCst);
    let mut content = repository.content(node, Path::new("/large"));
    let mut taken = 0;
    while let Some(piece) = content.next().await.expect("it is read") {
        taken += piece.len() as u64;
        let ahead = (storage.read.load(Ordering::SeqCst) - before).saturating_sub(taken);
        assert!(ahead < 50 << 20, "{ahead} bytes ahead, after {taken}");
    }
    assert_eq!(taken, 200_000_000);
}

/// Everything can be done in a task of a runtime with several threads.
#[test]
fn futures_can_be_sent_to_other_threads() {
    fn is_send(_: &impl Send) {}
    async fn everything(repository: Repository) -> restic_repository::Result<()> {
        let lock = repository.lock_exclusively().await?;
        repository.check(&lock, true).await?;
        repository.repair_index(&lock).await?;
        let tree = repository.snapshots().await?.find("latest", &Filter::default())?.snapshot.tree;
        while repository.restore(repository.walk(tree, Path::new("/"))).next().await.is_some() {}
        while repository.diff(tree, tree).await?.next().await?.is_some() {}
        lock.during(support::prune(&repository)).await?;
        lock.release().await
    }
    let made = async {
        let repository = new().await;
        everything(repository).await
    };
    is_send(&made);
}
