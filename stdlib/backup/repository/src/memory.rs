//! A repository's files in memory: for rehearsals and tests.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};
use futures::stream::{self, BoxStream, StreamExt};

use crate::storage::{File, Kind, Listed, Storage, StorageError, StorageResult};

/// Files in memory, listed in the order of their names.
#[derive(Debug, Default)]
pub struct MemoryStorage {
    files: Mutex<BTreeMap<File, Bytes>>,
}

impl MemoryStorage {
    /// All files, in order.
    pub fn files(&self) -> BTreeMap<File, Bytes> {
        self.lock().clone()
    }

    /// Puts a file there, or takes it away.
    pub fn set(&self, file: File, content: Option<Bytes>) {
        match content {
            Some(content) => drop(self.lock().insert(file, content)),
            None => drop(self.lock().remove(&file)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<File, Bytes>> {
        // Each operation leaves the map whole.
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn part(&self, file: File, offset: u64, length: usize) -> StorageResult<Bytes> {
        let content = self.lock().get(&file).cloned().ok_or(StorageError::NotFound)?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        match start.checked_add(length) {
            Some(end) if end <= content.len() => Ok(content.slice(start..end)),
            _ => Err(StorageError::other(format!("it ends after {} bytes", content.len()))),
        }
    }
}

impl From<BTreeMap<File, Bytes>> for MemoryStorage {
    fn from(files: BTreeMap<File, Bytes>) -> Self {
        MemoryStorage { files: Mutex::new(files) }
    }
}

impl Storage for MemoryStorage {
    fn list(&self, kind: Kind) -> BoxStream<'_, StorageResult<Listed>> {
        let files = self.lock();
        let listed = files.iter().filter_map(|(file, content)| match file {
            File::Named(of, id) if *of == kind => Some(Ok(Listed { id: *id, size: content.len() as u64 })),
            _ => None,
        });
        stream::iter(listed.collect::<Vec<_>>()).boxed()
    }

    fn read(&self, file: File) -> BoxFuture<'_, StorageResult<Bytes>> {
        async move { self.lock().get(&file).cloned().ok_or(StorageError::NotFound) }.boxed()
    }

    fn read_part(&self, file: File, offset: u64, length: usize) -> BoxFuture<'_, StorageResult<Bytes>> {
        async move { self.part(file, offset, length) }.boxed()
    }

    fn write(&self, file: File, content: Bytes) -> BoxFuture<'_, StorageResult<()>> {
        async move {
            self.lock().insert(file, content);
            Ok(())
        }
        .boxed()
    }

    fn remove(&self, file: File) -> BoxFuture<'_, StorageResult<()>> {
        async move { self.lock().remove(&file).map(drop).ok_or(StorageError::NotFound) }.boxed()
    }
}
