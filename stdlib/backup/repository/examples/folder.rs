//! Backs up a folder into a repository in another folder, and restores it: to be compared by hand with restic.
//!
//! `RESTIC_PASSWORD=… folder init|backup|restore REPOSITORY [FOLDER]`
#![allow(clippy::disallowed_methods, clippy::print_stdout)] // a program of its own, that reaches the machine

#[path = "folder/pool.rs"]
mod pool;
#[path = "folder/source.rs"]
mod source;
#[path = "folder/storage.rs"]
mod storage;
#[path = "folder/target.rs"]
mod target;

use std::error::Error;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use restic_repository::{BackupOptions, Filter, Init, Repository, Surroundings};

use pool::Machine;
use storage::FolderStorage;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let password = std::env::var("RESTIC_PASSWORD")?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    runtime.block_on(async {
        match arguments[..] {
            ["init", at] => {
                Repository::init(storage(at), machine(), &password, Init::default()).await?;
                Ok(())
            }
            ["backup", at, folder] => {
                let repository = Repository::open(storage(at), machine(), &password).await?;
                back_up(&repository, &fs::canonicalize(folder)?).await
            }
            ["restore", at, folder] => {
                let repository = Repository::open(storage(at), machine(), &password).await?;
                restore(&repository, Path::new(folder)).await
            }
            _ => Err("init REPOSITORY, backup REPOSITORY FOLDER, or restore REPOSITORY FOLDER".into()),
        }
    })
}

fn storage(at: &str) -> Arc<FolderStorage> {
    Arc::new(FolderStorage::new(at))
}

fn machine() -> Arc<dyn Surroundings> {
    Arc::new(Machine::new())
}

async fn back_up(repository: &Repository, folder: &Path) -> Result<(), Box<dyn Error>> {
    let paths = vec![folder.to_string_lossy().into_owned()];
    let filter = Filter { paths, ..Filter::default() };
    let parent = repository.snapshots().await?.find("latest", &filter).ok().map(|named| named.id);
    let options = BackupOptions { paths: vec![folder.to_owned()], parent, ..BackupOptions::default() };
    let lock = repository.lock().await?;
    let work = repository.backup(&lock, options, futures::stream::iter(source::Entries::of(folder)));
    let result = lock.during(work).await;
    let taken = lock.release_after(result).await?;
    println!("snapshot {}: {:?}", taken.id.short(), taken.snapshot.summary);
    Ok(())
}

async fn restore(repository: &Repository, target: &Path) -> Result<(), Box<dyn Error>> {
    let lock = repository.lock().await?;
    let work = async {
        let last = repository.snapshots().await?.find("latest", &Filter::default())?;
        Ok(target::write(repository.restore(repository.walk(last.snapshot.tree, target)), target).await)
    };
    let result = lock.during(work).await;
    let failures = lock.release_after(result).await??;
    for (path, error) in &failures {
        println!("{}: {error}", path.display());
    }
    match failures.len() {
        0 => Ok(()),
        failed => Err(format!("{failed} could not be restored; all else was").into()),
    }
}
