//! A store of another system as a repository's storage.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use opsrun_core::{Error, ErrorKind, Store};
use restic_repository::{File, Id, Kind, Listed, Storage, StorageError, StorageResult};

pub(crate) struct Kept(pub(crate) Arc<dyn Store>);

/// An error of a store keeps what it is, so that what is told in the end has its hints.
fn failed(error: Error) -> StorageError {
    match error.kind() {
        ErrorKind::NotFound => StorageError::NotFound,
        _ => StorageError::other(error),
    }
}

/// Whether it is called as files are that are being written: `.NAME.PROCESS.part`, with the name of a repository's file.
fn is_part(name: &str) -> bool {
    let file = name.rsplit('/').next().and_then(|file| file.strip_prefix('.')?.strip_suffix(".part"));
    file.and_then(|file| file.split('.').next()).is_some_and(|id| id.parse::<Id>().is_ok())
}

impl Storage for Kept {
    fn list(&self, kind: Kind) -> BoxStream<'_, StorageResult<Listed>> {
        let folder = format!("{}/", kind.folder());
        let listed = self.0.list(&folder).filter_map(|found| async move {
            match found {
                Ok(found) => {
                    // What else lies there is none of the repository's.
                    let id = found.name.rsplit('/').next()?.parse().ok()?;
                    Some(Ok(Listed { id, size: found.size }))
                }
                Err(error) => Some(Err(failed(error))),
            }
        });
        listed.boxed()
    }

    fn read(&self, file: File) -> BoxFuture<'_, StorageResult<Bytes>> {
        self.0.read(&file.path(), None).map(|read| read.map_err(failed)).boxed()
    }

    fn read_part(&self, file: File, offset: u64, length: usize) -> BoxFuture<'_, StorageResult<Bytes>> {
        let part = offset..offset + length as u64;
        self.0.read(&file.path(), Some(part)).map(|read| read.map_err(failed)).boxed()
    }

    fn write(&self, file: File, content: Bytes) -> BoxFuture<'_, StorageResult<()>> {
        self.0.write(&file.path(), content).map(|done| done.map_err(failed)).boxed()
    }

    fn remove(&self, file: File) -> BoxFuture<'_, StorageResult<()>> {
        self.0.remove(&file.path()).map(|done| done.map_err(failed)).boxed()
    }

    /// In a folder there may be what was to become a file, under a name of its own.
    fn tidy(&self) -> BoxFuture<'_, StorageResult<()>> {
        async move {
            for kind in [Kind::Data, Kind::Index, Kind::Snapshot] {
                let mut listed = self.0.list(&format!("{}/", kind.folder()));
                while let Some(found) = listed.next().await {
                    let name = found.map_err(failed)?.name;
                    if is_part(&name) {
                        self.0.remove(&name).await.map_err(failed)?;
                    }
                }
            }
            Ok(())
        }
        .boxed()
    }
}
