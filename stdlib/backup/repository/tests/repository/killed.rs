//! A real process is killed by SIGKILL: before, within and after operations of the storage, and at any time. No snapshot is lost, the
//! repository is whole, nobody waits for the dead one's lock, and a prune leaves nothing of it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt};
use restic_repository::{
    BackupOptions, Entry, File, Kind, Listed, Repository, Result, Storage, StorageResult,
};
use rustix::process::{Signal, getpid, kill_process};

use crate::support::{
    self, FolderStorage, PASSWORD, Restic, Simulated, backup, check, contents, file, file_of, log_text, make,
    noise, of, snapshots, target, unfinished,
};

/// How often each work is killed at an operation, and at any time.
const AT_OPERATIONS: usize = 30;
const AT_TIMES: usize = 20;

type Contents = BTreeMap<PathBuf, Vec<u8>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    Backup,
    Copy,
    Prune,
    Restore,
}

/// What it does, and the test of it.
fn named(name: &str) -> (Work, &'static str) {
    match name {
        "backup" => (Work::Backup, "killed::a_backup_that_is_killed_leaves_no_snapshot_or_a_whole_one"),
        "copy" => (Work::Copy, "killed::a_copy_that_is_killed_is_ended_by_the_next"),
        "prune" => (Work::Prune, "killed::a_prune_that_is_killed_loses_nothing"),
        "restore" => {
            let test = "killed::a_restore_that_is_killed_leaves_no_half_file_and_the_next_one_completes";
            (Work::Restore, test)
        }
        other => panic!("nothing is called {other}"),
    }
}

/// `WORK OPERATION MOMENT FOLDER`: what the process of its own does, and when it kills itself.
const ORDER: &str = "OPSRUN_TEST_KILLED";

const MOMENTS: usize = 3;
const BEFORE: usize = 0;
const WITHIN: usize = 1;

/// Ends the process by SIGKILL at an operation.
struct Fuse {
    at: usize,
    moment: usize,
    operations: AtomicUsize,
}

impl Fuse {
    fn new(at: usize, moment: usize) -> Arc<Self> {
        Arc::new(Fuse { at, moment, operations: AtomicUsize::new(0) })
    }

    fn burn(&self) -> bool {
        self.operations.fetch_add(1, Ordering::SeqCst) == self.at
    }
}

fn die() -> ! {
    kill_process(getpid(), Signal::KILL).expect("one may kill oneself");
    unreachable!("SIGKILL is not survived")
}

struct Deadly {
    root: PathBuf,
    files: FolderStorage,
    fuse: Arc<Fuse>,
}

impl Deadly {
    fn new(root: PathBuf, fuse: &Arc<Fuse>) -> Arc<Self> {
        Arc::new(Deadly { files: FolderStorage::new(&root).unsynced(), root, fuse: fuse.clone() })
    }

    fn act<'a, T: Send + 'a>(
        &'a self,
        half: impl FnOnce() + Send + 'a,
        operation: BoxFuture<'a, StorageResult<T>>,
    ) -> BoxFuture<'a, StorageResult<T>> {
        async move {
            let dies = self.fuse.burn();
            match self.fuse.moment {
                BEFORE if dies => die(),
                WITHIN if dies => {
                    half();
                    die()
                }
                _ => {}
            }
            let result = operation.await;
            if dies { die() } else { result }
        }
        .boxed()
    }
}

impl Storage for Deadly {
    fn list(&self, kind: Kind) -> BoxStream<'_, StorageResult<Listed>> {
        let list =
            self.act(|| {}, async move { Ok(self.files.list(kind).collect::<Vec<_>>().await) }.boxed());
        stream::once(list).flat_map(|listed| stream::iter(listed.expect("it collects"))).boxed()
    }

    fn read(&self, file: File) -> BoxFuture<'_, StorageResult<Bytes>> {
        self.act(|| {}, self.files.read(file))
    }

    fn read_part(&self, file: File, offset: u64, length: usize) -> BoxFuture<'_, StorageResult<Bytes>> {
        self.act(|| {}, self.files.read_part(file, offset, length))
    }

    fn write(&self, file: File, content: Bytes) -> BoxFuture<'_, StorageResult<()>> {
        let path = unfinished(&self.root.join(file.path()));
        let half = content.slice(..content.len() / 2);
        let write_half = move || {
            fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("a folder");
            fs::write(path, half).expect("half of it is written");
        };
        self.act(write_half, self.files.write(file, content))
    }

    fn remove(&self, file: File) -> BoxFuture<'_, StorageResult<()>> {
        self.act(|| {}, self.files.remove(file))
    }

    fn tidy(&self) -> BoxFuture<'_, StorageResult<()>> {
        self.act(|| {}, self.files.tidy())
    }
}

async fn open(storage: Arc<dyn Storage>) -> Result<Repository> {
    Repository::open(storage, Simulated::real(), PASSWORD).await
}

/// Does it on what is in `folder`, as often as is wanted.
async fn work(work: Work, folder: &Path, fuse: &Arc<Fuse>) -> Result<()> {
    let repository = open(Deadly::new(folder.join("repository"), fuse)).await?;
    let taken = repository.snapshots().await?.readable;
    let first = taken.iter().find(|named| named.snapshot.paths == ["/d/0"]).expect("it is never removed");
    match work {
        Work::Backup => {
            // One that was killed after its snapshot has made it.
            if taken.iter().any(|named| named.snapshot.paths == ["/new"]) {
                return Ok(());
            }
            let options = BackupOptions { parent: Some(first.id), ..of("/new") };
            backup(&repository, options, new_entries()).await.map(drop)
        }
        Work::Copy => {
            let other = open(Deadly::new(folder.join("other"), fuse)).await?;
            support::copy(&repository, &other).await.map(drop)
        }
        Work::Prune => {
            let gone: Vec<_> =
                taken.iter().filter(|named| named.snapshot.paths == ["/d/1"]).map(|named| named.id).collect();
            support::forget(&repository, &gone).await?;
            support::prune(&repository).await.map(drop)
        }
        Work::Restore => {
            let to = folder.join("restored");
            let lock = repository.lock().await?;
            let restore = repository.restore(repository.walk(first.snapshot.tree, &to));
            let written = lock.during(async { Ok(target::write(restore, &to).await) }).await;
            let failures = lock.release_after(written).await?.expect("it can be written to");
            assert!(failures.is_empty(), "{failures:?}");
            Ok(())
        }
    }
}

fn new_entries() -> Vec<Entry> {
    let mut entries = vec![file("/d/common", noise(1, 900_000)), file_of("/new/file", 9, noise(50, 700_000))];
    entries.extend((0..20).map(|number| file(&format!("/texts/{number:02}"), log_text(number, 20_000))));
    entries
}

/// The process that is killed does what it is told by this.
async fn obey(order: &str) {
    let [name, operation, moment, folder]: [&str; 4] =
        order.splitn(4, ' ').collect::<Vec<_>>().try_into().expect("an order has four parts");
    let fuse = Fuse::new(operation.parse().expect("a number"), moment.parse().expect("a number"));
    work(named(name).0, Path::new(folder), &fuse).await.expect("it is not killed");
    println!("operations {}", fuse.operations.load(Ordering::SeqCst));
}

/// Starts this program once more, with one test, which then obeys.
fn start(name: &str, operation: usize, moment: usize, folder: &Path) -> Child {
    Command::new(std::env::current_exe().expect("this program has a path"))
        .args(["--exact", named(name).1, "--nocapture"])
        .env(ORDER, format!("{name} {operation} {moment} {}", folder.display()))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts once more")
}

const NEVER: usize = usize::MAX;

/// A repository with three snapshots, and an empty one to copy to.
struct Estate {
    folder: tempfile::TempDir,
    snapshots: Vec<Contents>,
}

impl Estate {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let storage = |name| Arc::new(FolderStorage::new(folder.path().join(name)).unsynced());
        let repository = make(storage("repository"), Simulated::real()).await;
        make(storage("other"), Simulated::real()).await;
        let mut all = Vec::new();
        for number in 0..3 {
            let mut entries = vec![file("/d/common", noise(1, 900_000))];
            let own = |at: u64| file(&format!("/d/own/{at:02}"), noise(100 * number + at, 20_000));
            entries.extend((0..20).map(own));
            let taken = backup(&repository, of(&format!("/d/{number}")), entries).await.expect("a backup");
            all.push(contents(&repository, taken.snapshot.tree).await);
        }
        Estate { folder, snapshots: all }
    }

    /// The same, of its own. Nothing writes over a file of a repository, so that they can share them.
    fn fresh(&self) -> tempfile::TempDir {
        let fresh = tempfile::tempdir().expect("a folder");
        link_all(self.folder.path(), fresh.path());
        fresh
    }

    /// That nothing is lost, whatever was killed.
    async fn look(&self, folder: &Path, kept: &[usize], place: &str) {
        for name in ["repository", "other"] {
            let repository = open(Arc::new(FolderStorage::new(folder.join(name)))).await.expect(place);
            let report = check(&repository).await;
            assert!(report.findings.is_empty(), "{place}: {:?}", report.findings);
            let taken = snapshots(&repository).await;
            for &number in kept.iter().filter(|_| name == "repository") {
                let path = format!("/d/{number}");
                let found = taken.iter().find(|named| named.snapshot.paths == [path.as_str()]);
                let tree = found.unwrap_or_else(|| panic!("{place}: {path} is gone")).snapshot.tree;
                assert!(contents(&repository, tree).await == self.snapshots[number], "{place}: {path}");
            }
        }
    }
}

fn link_all(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            fs::create_dir_all(&target).expect("a folder");
            link_all(&path, &target);
        } else {
            fs::hard_link(path, target).expect("the same disk");
        }
    }
}

/// All files below a folder.
fn files(folder: &Path) -> Contents {
    let mut found = Contents::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => folders.push(path),
                false => drop(found.insert(
                    path.strip_prefix(folder).expect("it is below").to_owned(),
                    fs::read(&path).expect("a file"),
                )),
            }
        }
    }
    found
}

/// Kills it everywhere. Afterwards `repository` has as many snapshots as are expected, and `other`.
async fn everywhere(name: &str, kept: &[usize], expected: [usize; 2]) {
    if let Ok(order) = std::env::var(ORDER) {
        return obey(&order).await;
    }
    let estate = Estate::new().await;
    let (wanted, _) = named(name);
    let undisturbed = estate.fresh();
    let began = Instant::now();
    let output = start(name, NEVER, 0, undisturbed.path()).wait_with_output().expect("it ends");
    let took = began.elapsed();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let operations: usize = said
        .split_once("operations ")
        .and_then(|(_, rest)| rest.split_whitespace().next()?.parse().ok())
        .unwrap_or_else(|| panic!("{said}{}", String::from_utf8_lossy(&output.stderr)));
    assert!(operations >= 10, "few operations: {operations}");
    for point in 0..AT_OPERATIONS + AT_TIMES {
        let killed = match point.checked_sub(AT_OPERATIONS) {
            // All moments of an operation, and operations of all parts of the work.
            None => Killed::at_operation(&estate, name, point * operations / AT_OPERATIONS, point % MOMENTS),
            Some(point) => Killed::after(&estate, name, took * point as u32 / AT_TIMES as u32),
        };
        let Killed { folder, place } = killed;
        estate.look(folder.path(), kept, &place).await;
        if wanted == Work::Restore {
            for (path, content) in files(&folder.path().join("restored")) {
                let is_part = target::is_unfinished(&path);
                let whole = estate.snapshots[0].get(&Path::new("/").join(&path)) == Some(&content);
                assert!(is_part || whole, "{place}: {} is half a file", path.display());
            }
        }
        if point % 12 == 0
            && let Some(restic) = Restic::of(&folder.path().join("repository"))
        {
            restic.check();
        }
        work(wanted, folder.path(), &Fuse::new(NEVER, 0))
            .await
            .unwrap_or_else(|error| panic!("{place}: the next run: {error}"));
        for (name, expected) in ["repository", "other"].into_iter().zip(expected) {
            let root = folder.path().join(name);
            let repository = open(Arc::new(FolderStorage::new(&root).unsynced())).await.expect(&place);
            support::prune(&repository).await.unwrap_or_else(|error| panic!("{place}: pruning: {error}"));
            let report = check(&repository).await;
            assert!(report.findings.is_empty() && report.leftovers.is_empty(), "{place}: {report:?}");
            assert_eq!(snapshots(&repository).await.len(), expected, "{place}");
            let left: Vec<PathBuf> = files(&root).into_keys().filter(|path| is_left_over(path)).collect();
            assert!(left.is_empty(), "{place}: {left:?}");
        }
        if wanted == Work::Restore {
            let whole: Contents = files(&folder.path().join("restored"))
                .into_iter()
                .map(|(path, content)| (Path::new("/").join(path), content))
                .collect();
            let is_file = |(path, _): &(&PathBuf, &Vec<u8>)| whole.contains_key(*path);
            assert!(estate.snapshots[0].iter().filter(is_file).eq(whole.iter()), "{place}");
            assert_eq!(whole.len(), 21, "{place}: all of it, and nothing else");
        }
    }
}

/// What a process was killed in, and when.
struct Killed {
    folder: tempfile::TempDir,
    place: String,
}

impl Killed {
    /// It does not always have the same number of operations: if it has ended before, it is killed earlier.
    fn at_operation(estate: &Estate, name: &str, mut at: usize, moment: usize) -> Self {
        loop {
            let folder = estate.fresh();
            let status = start(name, at, moment, folder.path()).wait().expect("it ends");
            if status.signal() == Some(Signal::KILL.as_raw()) {
                return Killed { folder, place: format!("{name}, operation {at}, moment {moment}") };
            }
            assert!(status.success(), "{name}, operation {at}: {status}");
            at = at * 3 / 4;
        }
    }

    fn after(estate: &Estate, name: &str, mut time: Duration) -> Self {
        loop {
            let folder = estate.fresh();
            let mut child = start(name, NEVER, 0, folder.path());
            std::thread::sleep(time);
            child.kill().expect("it is ours");
            let status = child.wait().expect("it ends");
            if status.signal() == Some(Signal::KILL.as_raw()) {
                return Killed { folder, place: format!("{name}, after {time:?}") };
            }
            assert!(status.success(), "{name}, after {time:?}: {status}");
            time = time * 3 / 4;
        }
    }
}

/// A lock, or what is not whole; a write of a lock that was killed is nobody's to remove.
fn is_left_over(path: &Path) -> bool {
    let is_unfinished = path.extension().is_some();
    if path.starts_with(Kind::Lock.folder()) { !is_unfinished } else { is_unfinished }
}

#[tokio::test]
async fn a_backup_that_is_killed_leaves_no_snapshot_or_a_whole_one() {
    everywhere("backup", &[0, 1, 2], [4, 0]).await;
}

#[tokio::test]
async fn a_copy_that_is_killed_is_ended_by_the_next() {
    everywhere("copy", &[0, 1, 2], [3, 3]).await;
}

#[tokio::test]
async fn a_prune_that_is_killed_loses_nothing() {
    everywhere("prune", &[0, 2], [2, 0]).await;
}

#[tokio::test]
async fn a_restore_that_is_killed_leaves_no_half_file_and_the_next_one_completes() {
    everywhere("restore", &[0, 1, 2], [3, 0]).await;
}
