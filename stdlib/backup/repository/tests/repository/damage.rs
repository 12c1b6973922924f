//! Each file of a repository is damaged in turn: a check names it and what it hits, and all else is restored.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use restic_repository::{Error, File, Id, Kind, MasterKey, MemoryStorage, Report, Repository, Subject};

use crate::support::{
    self, Simulated, backup, check, contents, file, log_text, make, noise, of, readable, snapshots,
};

type Contents = BTreeMap<PathBuf, Vec<u8>>;

struct Estate {
    files: BTreeMap<File, Bytes>,
    key: MasterKey,
    snapshots: BTreeMap<Id, (Id, Contents)>,
}

async fn estate() -> Estate {
    let files = Arc::new(MemoryStorage::default());
    let repository = make(files.clone(), Simulated::new(1)).await;
    let mut all = BTreeMap::new();
    for number in 0..3 {
        let entries = vec![
            file("/d/common", noise(1, 900_000)),
            file(&format!("/d/own/{number}"), log_text(number, 60_000)),
            file("/d/other/deep/file", noise(number + 100, 10_000)),
        ];
        let taken = backup(&repository, of("/d"), entries).await.expect("a backup");
        all.insert(taken.id, (taken.snapshot.tree, contents(&repository, taken.snapshot.tree).await));
    }
    Estate { files: files.files(), key: repository.master_key().clone(), snapshots: all }
}

/// How a file is damaged; `None` if it is removed.
fn damages(content: &Bytes) -> Vec<(String, Option<Bytes>)> {
    let length = content.len();
    let flipped = |at: usize| {
        let mut changed = content.to_vec();
        changed[at] ^= 0x40;
        (format!("byte {at} of {length}"), Some(changed.into()))
    };
    let cut = |to: usize| (format!("cut to {to} of {length}"), Some(content.slice(..to)));
    let mut damages: Vec<_> = [0, 20, length / 3, length / 2, length - 20, length - 1].map(flipped).into();
    damages.extend([0, 3, length / 2, length - 1].map(cut));
    damages.push(("removed".to_owned(), None));
    damages
}

fn names(report: &Report, file: File) -> bool {
    report.findings.iter().any(|finding| finding.subject == Subject::File(file))
}

#[tokio::test]
async fn a_check_names_what_is_damaged_and_all_else_is_restored() {
    let estate = estate().await;
    for (file, content) in &estate.files {
        for (damage, damaged) in damages(content) {
            let place = format!("{file}, {damage}");
            let removed = damaged.is_none();
            let files = Arc::new(MemoryStorage::from(estate.files.clone()));
            files.set(*file, damaged);
            let opened = Repository::open_with(files.clone(), Simulated::new(2), estate.key.clone()).await;
            let repository = match opened {
                Ok(repository) => repository,
                Err(Error::NoRepository | Error::WrongMasterKey) if *file == File::Config => continue,
                Err(error) => panic!("{place}: {error}"),
            };
            assert_ne!(*file, File::Config, "{place}: it opens");
            let report = check(&repository).await;
            assert!(!report.findings.is_empty() || removed, "{place}: nothing is found");
            // Of a file that is gone its name is gone, but for packs, which the index names.
            let is_named = names(&report, *file);
            assert!(
                is_named || removed && !matches!(file, File::Named(Kind::Data, _)),
                "{place}: {report:?}"
            );
            let hit: BTreeSet<(Id, PathBuf)> = report
                .findings
                .iter()
                .flat_map(|finding| &finding.affected)
                .map(|affected| (affected.snapshot, affected.path.clone()))
                .collect();
            let is_snapshot = matches!(file, File::Named(Kind::Snapshot, _));
            let listed = repository.snapshots().await.expect("they are listed").readable;
            assert_eq!(listed.len(), if is_snapshot { 2 } else { 3 }, "{place}");
            for named in listed {
                let (tree, whole) = &estate.snapshots[&named.id];
                let (found, failed) = readable(&repository, *tree).await;
                let is_hit =
                    |path: &PathBuf| hit.iter().any(|(id, at)| *id == named.id && path.starts_with(at));
                for (path, content) in whole {
                    match found.get(path) {
                        Some(found) => assert!(found == content, "{place}: {} is wrong", path.display()),
                        None => assert!(is_hit(path), "{place}: {} is missing, and not told", path.display()),
                    }
                }
                for path in failed.keys() {
                    assert!(is_hit(path), "{place}: {} fails, and is not told", path.display());
                }
                for (id, path) in hit.iter().filter(|(id, _)| *id == named.id) {
                    assert!(
                        failed.contains_key(path),
                        "{place}: {} of {id} is told, and restores",
                        path.display()
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn an_index_that_is_lost_is_made_anew_from_the_packs() {
    let estate = estate().await;
    for (file, content) in estate.files.iter().filter(|(file, _)| matches!(file, File::Named(Kind::Index, _)))
    {
        for (damage, damaged) in damages(content) {
            let files = Arc::new(MemoryStorage::from(estate.files.clone()));
            files.set(*file, damaged);
            let opened = Repository::open_with(files.clone(), Simulated::new(2), estate.key.clone()).await;
            let repository = opened.expect("it opens");
            let refused = support::prune(&repository).await.expect_err("nothing can be told of what is used");
            assert!(matches!(refused, Error::PruneRefused(_)), "{damage}: {refused}");
            let lock = repository.lock_exclusively().await.expect("nobody has it");
            let repaired = repository.repair_index(&lock).await;
            let repaired = lock.release_after(repaired).await.expect("it is mended");
            assert!(!repaired.added.is_empty() && repaired.unreadable.is_empty(), "{damage}: {repaired:?}");
            let report = check(&repository).await;
            assert!(report.findings.is_empty() && report.leftovers.is_empty(), "{damage}: {report:?}");
            for (tree, whole) in estate.snapshots.values() {
                assert!(contents(&repository, *tree).await == *whole, "{damage}");
            }
        }
    }
}

#[tokio::test]
async fn a_password_is_told_apart_from_a_damaged_key() {
    let estate = estate().await;
    let open = |files: BTreeMap<File, Bytes>, password: &'static str| async move {
        let storage = Arc::new(MemoryStorage::from(files));
        Repository::open(storage, Simulated::new(2), password)
            .await
            .map(drop)
            .map_err(|error| error.to_string())
    };
    assert_eq!(open(estate.files.clone(), support::PASSWORD).await, Ok(()));
    let wrong = open(estate.files.clone(), "wrong").await.expect_err("it is wrong");
    assert_eq!(wrong, "wrong password: it opens none of the repository's 1 keys");
    let key = *estate.files.keys().find(|file| matches!(file, File::Named(Kind::Key, _))).expect("a key");
    let mut files = estate.files.clone();
    let content = String::from_utf8_lossy(&files[&key]).replace("\"data\":\"", "\"data\":\"AAAA");
    files.insert(key, content.into());
    let damaged = open(files.clone(), support::PASSWORD).await.expect_err("it does not open");
    let File::Named(_, id) = key else { panic!("a key has a name") };
    assert_eq!(
        damaged,
        format!("wrong password: it opens none of the repository's 1 keys; damaged among them are {id}")
    );
    files.remove(&key);
    let none = open(files.clone(), support::PASSWORD).await.expect_err("there is no key");
    assert!(none.starts_with("the repository has no file in `keys`"), "{none}");
    assert!(open(BTreeMap::new(), "").await.expect_err("nothing").starts_with("there is no repository"));
}

#[tokio::test]
async fn a_blob_that_is_in_two_packs_is_read_from_the_one_that_is_whole() {
    let files = Arc::new(MemoryStorage::default());
    let first = make(files.clone(), Simulated::new(1)).await;
    let second =
        Repository::open(files.clone(), Simulated::new(2), support::PASSWORD).await.expect("it opens");
    // Both have loaded an index without it; as two processes that back up at the same time.
    let before = files.files();
    let content = noise(5, 300_000);
    let taken = backup(&first, of("/d"), vec![file("/d/f", content.clone())]).await.expect("a backup");
    let with_first = files.files();
    for file in with_first.keys().filter(|file| !before.contains_key(file)) {
        files.set(*file, None);
    }
    backup(&second, of("/d"), vec![file("/d/f", content.clone())]).await.expect("a backup");
    for (file, content) in with_first {
        files.set(file, Some(content));
    }
    let packs: Vec<File> =
        files.files().into_keys().filter(|file| matches!(file, File::Named(Kind::Data, _))).collect();
    assert_eq!(packs.len(), 4);
    let flipped = |pack: &File| {
        let mut content = files.files()[pack].to_vec();
        content[40] ^= 1;
        Bytes::from(content)
    };
    let replaced = |_: &File| Bytes::from_static(b"nothing that was a pack");
    let damages: [&dyn Fn(&File) -> Bytes; 2] = [&flipped, &replaced];
    for (pack, damage) in packs.into_iter().flat_map(|pack| damages.map(|damage| (pack, damage))) {
        let damaged = Arc::new(MemoryStorage::from(files.files()));
        damaged.set(pack, Some(damage(&pack)));
        let opened =
            Repository::open_with(damaged.clone(), Simulated::new(3), first.master_key().clone()).await;
        let repository = opened.expect("it opens");
        assert!(contents(&repository, taken.snapshot.tree).await[std::path::Path::new("/d/f")] == content);
        let report = check(&repository).await;
        assert!(names(&report, pack) && report.findings.iter().all(|finding| finding.affected.is_empty()));
        let plan = support::prune(&repository).await.expect("pruned: the other copy is whole");
        assert!(plan.unused.iter().any(|unused| File::Named(Kind::Data, *unused) == pack), "{plan:?}");
        assert!(check(&repository).await.findings.is_empty());
        assert_eq!(snapshots(&repository).await.len(), 2);
        assert!(contents(&repository, taken.snapshot.tree).await[std::path::Path::new("/d/f")] == content);
    }
}
