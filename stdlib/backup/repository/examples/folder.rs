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

use std::error::Error;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use std::{fs, io::Write};

use restic_repository::{BackupOptions, Filter, Init, NodeKind, Repository, Restored, Surroundings};

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
    Arc::new(FolderStorage(at.into()))
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
    let last = repository.snapshots().await?.find("latest", &Filter::default())?;
    let mut restore = repository.restore(repository.walk(last.snapshot.tree, target));
    let mut file: Option<(fs::File, u32, SystemTime)> = None;
    let mut failed = 0;
    while let Some(restored) = restore.next().await {
        if !matches!(restored, Restored::Content(_)) {
            finish(file.take())?;
        }
        match restored {
            Restored::Entry { path, node } => match node.kind {
                NodeKind::Folder { .. } => fs::create_dir_all(&path)?,
                NodeKind::Symlink { target } => symlink(target, &path)?,
                NodeKind::File { .. } => {
                    file = Some((fs::File::create(&path)?, node.mode, system_time(node.mtime)));
                }
                NodeKind::Other(kind) => println!("{}: a {kind} is not restored", path.display()),
            },
            Restored::Content(piece) => {
                if let Some((file, ..)) = &mut file {
                    file.write_all(&piece)?;
                }
            }
            Restored::Leave { path, node } => {
                finish(Some((fs::File::open(path)?, node.mode, system_time(node.mtime))))?;
            }
            Restored::Failed { path, error } => {
                failed += 1;
                println!("{}: {error}", path.display());
            }
        }
    }
    finish(file)?;
    lock.release().await?;
    if failed > 0 { Err(format!("{failed} could not be restored").into()) } else { Ok(()) }
}

fn finish(file: Option<(fs::File, u32, SystemTime)>) -> std::io::Result<()> {
    let Some((file, mode, modified)) = file else { return Ok(()) };
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.set_modified(modified)
}

fn system_time(time: restic_repository::Time) -> SystemTime {
    let moment = time.moment();
    let seconds = Duration::from_secs(moment.as_second().unsigned_abs());
    let whole = match moment.as_second() >= 0 {
        true => SystemTime::UNIX_EPOCH + seconds,
        false => SystemTime::UNIX_EPOCH - seconds,
    };
    whole + Duration::from_nanos(u64::from(moment.subsec_nanosecond().unsigned_abs()))
}
