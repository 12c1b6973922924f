//! Stock restic reads, checks and restores what we write, and we what it writes.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Cursor;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use restic_repository::{BackupOptions, Filter, Init, Repository, Scrypt};

use crate::support::{
    self, Entries, FolderStorage, PASSWORD, QUICK, Restic, Simulated, backup, check, contents, file,
    log_text, make, noise, of, snapshots, stream,
};

/// A folder for a repository, and the real restic on it; `None` where there is no restic.
fn place() -> Option<(tempfile::TempDir, Restic)> {
    let folder = tempfile::tempdir().expect("a folder");
    let restic = Restic::of(folder.path())?;
    Some((folder, restic))
}

fn storage(folder: &tempfile::TempDir) -> Arc<FolderStorage> {
    Arc::new(FolderStorage::new(folder.path()))
}

async fn open(folder: &tempfile::TempDir) -> Repository {
    Repository::open(storage(folder), Simulated::real(), PASSWORD).await.expect("it opens")
}

/// Of all kinds, with names and modes that are easily lost.
fn make_files(folder: &Path) {
    let write = |name: &OsStr, content: &[u8], mode: u32| {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(&path, content).expect("a file");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("its mode");
        let time = UNIX_EPOCH + Duration::new(1_600_000_000 + u64::from(mode), 123_456_789);
        let opened = std::fs::File::options().write(true).open(&path).expect("a file");
        opened.set_modified(time).expect("its time");
    };
    write(OsStr::new("log.txt"), &log_text(1, 3_000_000), 0o644);
    write(OsStr::new("noise"), &noise(2, 20_000_000), 0o600);
    write(OsStr::new("empty"), b"", 0o640);
    write(OsStr::new("setuid"), b"#!/bin/sh\n", 0o4755);
    write(OsStr::new("deep/er/and/deeper/file"), b"deep", 0o644);
    write(OsStr::from_bytes(b"not \xff UTF-8"), b"bytes", 0o644);
    write(OsStr::new("a \"quoted\" <name> & \\ more\n\u{200b}"), b"quoted", 0o644);
    std::fs::create_dir(folder.join("nothing")).expect("a folder");
    std::fs::set_permissions(folder.join("nothing"), PermissionsExt::from_mode(0o1777)).expect("its mode");
    symlink("log.txt", folder.join("link")).expect("a link");
    symlink(OsStr::from_bytes(b"no\xffwhere"), folder.join("dangling")).expect("a link");
}

/// What there is to compare: mode, modification time, and content or target.
fn described(folder: &Path) -> BTreeMap<PathBuf, (u32, i64, i64, Vec<u8>)> {
    let mut all = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).expect("a folder") {
            let path = entry.expect("an entry").path();
            let stat = std::fs::symlink_metadata(&path).expect("a file");
            let content = if stat.is_dir() {
                folders.push(path.clone());
                Vec::new()
            } else if stat.is_symlink() {
                std::fs::read_link(&path).expect("a link").into_os_string().into_encoded_bytes()
            } else {
                std::fs::read(&path).expect("a file")
            };
            let name = path.strip_prefix(folder).expect("it is in it").to_owned();
            all.insert(name, (stat.mode(), stat.mtime(), stat.mtime_nsec(), content));
        }
    }
    all
}

async fn back_up_folder(
    repository: &Repository,
    folder: &Path,
    parent: bool,
) -> restic_repository::NamedSnapshot {
    let last = repository.snapshots().await.expect("snapshots").find("latest", &Filter::default()).ok();
    let options = BackupOptions {
        parent: last.filter(|_| parent).map(|named| named.id),
        tags: vec!["nightly".to_owned()],
        ..of(&folder.to_string_lossy())
    };
    backup(repository, options, Entries::of(folder).collect::<Result<_, _>>().expect("entries"))
        .await
        .expect("a backup")
}

#[tokio::test]
async fn restic_restores_a_stream_with_its_true_size() {
    let Some((folder, restic)) = place() else { return };
    let repository = make(storage(&folder), Simulated::real()).await;
    let dump = [log_text(1, 5_000_000), noise(2, 20_000_000), log_text(1, 5_000_000)].concat();
    let entries = vec![stream("/pg/db.sql", Cursor::new(dump.clone())), file("/pg/empty", Vec::new())];
    let snapshot = backup(&repository, of("/pg"), entries).await.expect("a backup");
    assert_eq!(
        snapshot.snapshot.summary.as_ref().map(|summary| summary.total_bytes_processed),
        Some(30_000_000)
    );
    restic.check();
    assert!(restic.run(&["dump", "latest", "/pg/db.sql"]) == dump, "dumped");
    let restored = tempfile::tempdir().expect("a folder");
    restic.run(&["restore", "latest", "--target", &restored.path().to_string_lossy()]);
    assert!(std::fs::read(restored.path().join("pg/db.sql")).expect("a file") == dump, "restored");
    assert!(std::fs::read(restored.path().join("pg/empty")).expect("a file").is_empty());
}

#[tokio::test]
async fn restic_restores_our_files_as_they_were_and_goes_on_with_our_repository() {
    let Some((folder, restic)) = place() else { return };
    let source = tempfile::tempdir().expect("a folder");
    make_files(source.path());
    let ours = make(storage(&folder), Simulated::real()).await;
    let snapshot = back_up_folder(&ours, source.path(), false).await;
    restic.check();
    let target = tempfile::tempdir().expect("a folder");
    restic.run(&["restore", "latest", "--target", &target.path().to_string_lossy()]);
    let restored = target.path().join(source.path().strip_prefix("/").expect("an absolute path"));
    let (mut expected, mut found) = (described(source.path()), described(&restored));
    // restic 0.14 knows no targets that are not UTF-8.
    assert!(
        expected.remove(Path::new("dangling")).is_some() && found.remove(Path::new("dangling")).is_some()
    );
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    assert!(found.iter().all(|(name, found)| expected[name] == *found));

    let listed = &restic.json(&["snapshots"])[0];
    let told = ["hostname", "username", "tags", "paths", "id"].map(|field| listed[field].to_string());
    let host = &snapshot.snapshot.hostname;
    let path = source.path().display();
    let expected = [
        format!("\"{host}\""),
        "\"backup\"".to_owned(),
        "[\"nightly\"]".to_owned(),
        format!("[\"{path}\"]"),
        format!("\"{}\"", snapshot.id),
    ];
    assert_eq!(told, expected);

    restic.run(&["backup", &source.path().to_string_lossy()]);
    restic.run(&["forget", "--keep-last", "1", "--prune"]);
    restic.check();
    assert_eq!(restic.json(&["snapshots"]).as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn we_read_what_restic_writes_and_go_on_with_its_repository() {
    let Some((folder, restic)) = place() else { return };
    let source = tempfile::tempdir().expect("a folder");
    make_files(source.path());
    restic.run(&["init"]);
    restic.run(&["backup", &source.path().to_string_lossy()]);
    let surroundings = Simulated::real();
    let repository =
        Repository::open(storage(&folder), surroundings.clone(), PASSWORD).await.expect("it opens");
    let theirs = snapshots(&repository).await.remove(0);
    let found = contents(&repository, theirs.snapshot.tree).await;
    for (name, (_, _, _, content)) in described(source.path()) {
        if name != Path::new("dangling") {
            assert!(found[&source.path().join(&name)] == content, "{}", name.display());
        }
    }
    assert!(check(&repository).await.findings.is_empty());

    surroundings.pass(Duration::from_mins(1));
    let ours = back_up_folder(&repository, source.path(), false).await;
    let summary = ours.snapshot.summary.expect("ours has one");
    assert_eq!(summary.data_blobs, 0, "cut where restic cuts: {summary:?}");
    assert_eq!(summary.files_unmodified, 0, "nothing was taken over without a parent");
    surroundings.pass(Duration::from_mins(1));
    let again = back_up_folder(&repository, source.path(), true).await;
    let summary = again.snapshot.summary.expect("ours has one");
    assert_eq!((summary.files_unmodified, summary.files_new + summary.files_changed), (7, 0));
    assert_eq!((summary.tree_blobs, again.snapshot.tree), (0, ours.snapshot.tree));

    let tagged = support::set_tags(&repository, theirs.id, &["good"]).await.expect("tags");
    support::forget(&repository, &[ours.id]).await.expect("forgotten");
    support::prune(&repository).await.expect("pruned");
    restic.check();
    let listed = restic.json(&["snapshots", "--tag", "good"]);
    assert_eq!(listed[0]["id"].as_str(), Some(&*tagged.id.to_string()));
    assert_eq!(restic.json(&["snapshots"]).as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn folders_have_the_trees_that_restic_gives_them() {
    let Some((folder, restic)) = place() else { return };
    let source = tempfile::tempdir().expect("a folder");
    make_files(source.path());
    restic.run(&["init"]);
    restic.run(&["backup", "--ignore-inode", &source.path().to_string_lossy()]);
    let repository = open(&folder).await;
    let theirs = snapshots(&repository).await.remove(0);
    let node = repository.at_path(theirs.snapshot.tree, source.path()).await.expect("the folder");
    let written = restic.run(&["cat", "blob", &tree_of(&node).to_string()]);
    // What we read of it, written by us, is the same to the byte: no other program loses anything by it.
    let nodes = repository.folder(tree_of(&node)).await.expect("a tree");
    // But for a target that is not UTF-8, which restic 0.14 replaced, and escaped.
    let written = String::from_utf8_lossy(&written).replace("no\\ufffdwhere", "no\u{fffd}where");
    assert_eq!(String::from_utf8_lossy(&restic_repository::tree_json(nodes)), written);
}

fn tree_of(node: &restic_repository::Node) -> restic_repository::Id {
    match node.kind {
        restic_repository::NodeKind::Folder { tree } => tree,
        _ => panic!("{node:?} is no folder"),
    }
}

#[tokio::test]
async fn version_1_and_packs_that_are_not_compressed_are_read_and_gone_on_with() {
    let source = tempfile::tempdir().expect("a folder");
    make_files(source.path());
    let path = source.path().to_string_lossy();
    let setups: [&[&[&str]]; 2] = [
        &[&["init", "--repository-version", "1"], &["backup", &path]],
        &[
            &["init"],
            &["backup", "--compression", "off", &path],
            &["backup", "--force", "--tag", "two", &path],
        ],
    ];
    for setup in setups {
        let Some((folder, restic)) = place() else { return };
        for arguments in setup {
            restic.run(arguments);
        }
        let repository = open(&folder).await;
        let theirs = snapshots(&repository).await.remove(0);
        let before = contents(&repository, theirs.snapshot.tree).await;
        let more = vec![file("/more/new", noise(9, 2_000_000)), file("/more/text", log_text(9, 100_000))];
        backup(&repository, of("/more"), more).await.expect("a backup");
        assert!(check(&repository).await.findings.is_empty());
        restic.check();
        support::forget(&repository, &[theirs.id]).await.expect("forgotten");
        let lock_free = open(&folder).await;
        let plan = support::prune(&lock_free).await.expect("pruned");
        assert_eq!(plan.unreferenced, []);
        restic.check();
        assert!(before.len() > 10);
        assert!(restic.run(&["dump", "latest", "/more/new"]) == noise(9, 2_000_000) || setup.len() == 3);
    }
}

#[tokio::test]
async fn keys_of_either_open_the_repository_for_the_other() {
    let Some((folder, restic)) = place() else { return };
    restic.run(&["init"]);
    let repository = open(&folder).await;
    repository.add_password("second", Scrypt::RESTIC).await.expect("a key");
    restic.run(&["key", "list"]);
    let by_second = Repository::open(storage(&folder), Simulated::real(), "second").await.expect("it opens");
    assert_eq!(by_second.master_key(), repository.master_key());
    let printed = restic.run(&["cat", "masterkey"]);
    let printed = restic_repository::MasterKey::from_json(&String::from_utf8_lossy(&printed));
    assert_eq!(printed.as_ref(), Ok(repository.master_key()));
    let ours = tempfile::tempdir().expect("a folder");
    let init = Init { scrypt: Scrypt::RESTIC, polynomial: Some(repository.config().polynomial()), ..QUICK };
    let second =
        Repository::init(storage(&ours), Simulated::real(), PASSWORD, init).await.expect("a repository");
    let config: serde_json::Value =
        serde_json::from_slice(&Restic::of(ours.path()).expect("it was there").run(&["cat", "config"]))
            .expect("JSON");
    assert_eq!(config["chunker_polynomial"].as_str(), Some(&*second.config().polynomial().to_string()));
    assert_eq!(second.config().polynomial(), repository.config().polynomial());
}

#[tokio::test]
async fn restic_restores_from_a_copy_that_we_made() {
    let Some((folder, _)) = place() else { return };
    let Some((second, restic)) = place() else { return };
    let surroundings = Simulated::real();
    let from = make(storage(&folder), surroundings.clone()).await;
    let init = Init { polynomial: Some(from.config().polynomial()), ..QUICK };
    let to =
        Repository::init(storage(&second), Simulated::real(), PASSWORD, init).await.expect("a repository");
    let content = [noise(1, 9_000_000), log_text(2, 3_000_000)].concat();
    let first = backup(&from, of("/a"), vec![file("/a/one", content.clone())]).await.expect("a backup");
    let copied = support::copy(&from, &to).await.expect("a copy");
    assert_eq!(copied[0].copy.snapshot.original, Some(first.id));
    surroundings.pass(Duration::from_mins(1));
    let grown = [&content[..], b"and more"].concat();
    backup(&from, of("/a"), vec![file_later("/a/one", grown.clone())]).await.expect("a backup");
    let copied = support::copy(&from, &to).await.expect("a copy");
    assert_eq!(copied.iter().map(|copied| copied.was_there).collect::<Vec<_>>(), [true, false]);
    assert!(copied[1].bytes < 9_000_000, "{copied:?}");
    restic.check();
    assert!(restic.run(&["dump", "latest", "/a/one"]) == grown);
    assert_eq!(restic.json(&["snapshots"]).as_array().map(Vec::len), Some(2));
}

fn file_later(path: &str, content: Vec<u8>) -> restic_repository::Entry {
    support::file_of(path, support::START, content)
}
