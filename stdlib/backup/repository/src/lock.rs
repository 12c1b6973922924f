//! Locks, as restic keeps them: files that say who uses a repository, and whether alone.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::{Either, select};
use futures::pin_mut;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::repository::Repository;
use crate::surroundings::Surroundings;
use crate::{Error, File, Id, Kind, Result, Storage, StorageError, Time};

/// From then on others take a lock for left over.
const STALE: SignedDuration = SignedDuration::from_mins(30);
/// How often a lock is refreshed, and how soon again if that failed.
const REFRESH: Duration = Duration::from_mins(5);
const REFRESH_AGAIN: Duration = Duration::from_mins(1);
/// Who could not refresh for so long stops, as restic does, before others take the lock for stale.
const LOST: SignedDuration = SignedDuration::from_secs(22 * 60 + 30);
/// Two that lock at the same time have seen each other after that.
const SETTLE: Duration = Duration::from_millis(200);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct LockFile {
    time: Time,
    #[serde(default)]
    exclusive: bool,
    #[serde(default)]
    hostname: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    pid: u32,
    #[serde(default)]
    uid: u32,
    #[serde(default)]
    gid: u32,
}

/// A lock that somebody else has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignLock {
    pub id: Id,
    pub host: String,
    pub user: String,
    pub pid: u32,
    /// When it was made, or refreshed for the last time.
    pub time: Time,
    pub exclusive: bool,
    /// Nobody can be behind it any more: it is half an hour old, or its process was one of this host and is gone.
    pub stale: bool,
}

impl fmt::Display for ForeignLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exclusively = if self.exclusive { "exclusively " } else { "" };
        let ForeignLock { user, host, pid, time, .. } = self;
        write!(f, "{exclusively}by {user}@{host} (process {pid}) since {time}")
    }
}

/// Says to others that the repository is used. Release it; [`Self::during`] keeps it fresh.
#[must_use = "a lock keeps others out until it is released"]
pub struct Lock<'r> {
    repository: &'r Repository,
    exclusive: bool,
    held: Mutex<Held>,
}

/// Says that nobody else may use the repository, which is what removing anything needs.
#[must_use = "a lock keeps others out until it is released"]
#[derive(Debug)]
pub struct ExclusiveLock<'r>(Lock<'r>);

impl<'r> Deref for ExclusiveLock<'r> {
    type Target = Lock<'r>;

    fn deref(&self) -> &Lock<'r> {
        &self.0
    }
}

#[derive(Debug, Clone)]
struct Held {
    /// Those that may be there: the lock, what could not be removed when it was refreshed, and what may not have been written.
    files: Vec<Id>,
    since: Time,
}

impl fmt::Debug for Lock<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lock")
            .field("exclusive", &self.exclusive)
            .field("held", &self.held)
            .finish_non_exhaustive()
    }
}

impl Repository {
    /// Locks the repository together with others: for backups, restores and everything else that removes nothing. Locks that are stale
    /// are removed.
    ///
    /// # Errors
    /// `Locked` with who has it exclusively; those of the storage.
    pub async fn lock(&self) -> Result<Lock<'_>> {
        self.lock_as(false).await
    }

    /// Locks the repository against everybody else.
    ///
    /// # Errors
    /// `Locked` with somebody who has it; `UnreadableLock`; those of the storage.
    pub async fn lock_exclusively(&self) -> Result<ExclusiveLock<'_>> {
        Ok(ExclusiveLock(self.lock_as(true).await?))
    }

    /// The locks that there are, and those that cannot be read.
    ///
    /// # Errors
    /// Those of the storage.
    pub async fn locks(&self) -> Result<(Vec<ForeignLock>, Vec<Error>)> {
        let mut locks = Vec::new();
        let mut unreadable = Vec::new();
        for listed in self.list(Kind::Lock).await? {
            let file = File::Named(Kind::Lock, listed.id);
            match self.read_lock(listed.id).await {
                Ok(lock) => locks.push(lock),
                // It was released since.
                Err(error) if error.is_not_found() => {}
                Err(error @ Error::Damaged { .. }) => {
                    unreadable.push(Error::UnreadableLock(file, Box::new(error)));
                }
                Err(error) => return Err(error),
            }
        }
        Ok((locks, unreadable))
    }

    /// Removes locks, whoever has them: who still uses the repository does not learn of it, and may then be in the way of others.
    /// One that is gone by then is no error.
    ///
    /// # Errors
    /// Those of the storage.
    pub async fn unlock(&self, locks: impl IntoIterator<Item = Id>) -> Result<()> {
        for lock in locks {
            remove_if_there(&*self.storage, lock).await?;
        }
        Ok(())
    }

    async fn read_lock(&self, id: Id) -> Result<ForeignLock> {
        let json = self.read_json(Kind::Lock, id).await?;
        let lock: LockFile = serde_json::from_slice(&json).map_err(|error| {
            Error::damaged(File::Named(Kind::Lock, id), format!("it is no lock: {error}"))
        })?;
        let here = lock.hostname == self.surroundings.user().host;
        let stale = lock.time.elapsed(self.surroundings.now()) > STALE
            || here && !self.surroundings.process_lives(lock.pid);
        let LockFile { hostname: host, username: user, pid, time, exclusive, .. } = lock;
        Ok(ForeignLock { id, host, user, pid, time, exclusive, stale })
    }

    async fn lock_as(&self, exclusive: bool) -> Result<Lock<'_>> {
        self.look_for_others(exclusive, None).await?;
        let (file, sealed, since) = self.seal_lock(exclusive).await?;
        let lock = Lock { repository: self, exclusive, held: Mutex::new(Held { files: vec![file], since }) };
        let settled = async {
            self.write_sealed(Kind::Lock, file, sealed).await?;
            self.surroundings.sleep(SETTLE).await;
            let stale = self.look_for_others(exclusive, Some(file)).await?;
            self.unlock(stale).await
        };
        match settled.await {
            Ok(()) => Ok(lock),
            Err(error) => lock.release_after(Err(error)).await,
        }
    }

    /// The stale ones, if nobody is in the way.
    async fn look_for_others(&self, exclusive: bool, own: Option<Id>) -> Result<Vec<Id>> {
        let (locks, unreadable) = self.locks().await?;
        let (stale, others): (Vec<_>, Vec<_>) =
            locks.into_iter().filter(|lock| Some(lock.id) != own).partition(|lock| lock.stale);
        if let Some(other) = others.into_iter().find(|other| exclusive || other.exclusive) {
            return Err(Error::Locked(Box::new(other)));
        }
        // As with restic, one that cannot be read keeps nobody out who removes nothing.
        match unreadable.into_iter().next().filter(|_| exclusive) {
            Some(error) => Err(error),
            None => Ok(stale.into_iter().map(|lock| lock.id).collect()),
        }
    }

    /// A lock of this moment, which is not written yet.
    async fn seal_lock(&self, exclusive: bool) -> Result<(Id, Vec<u8>, Time)> {
        let user = self.surroundings.user();
        let time = self.surroundings.now();
        let lock = LockFile {
            time,
            exclusive,
            hostname: user.host,
            username: user.name,
            pid: user.pid,
            uid: user.uid,
            gid: user.gid,
        };
        let json = serde_json::to_vec(&lock).expect("texts and numbers have a JSON form");
        let (id, sealed) = self.seal_json(json).await?;
        Ok((id, sealed, time))
    }
}

impl Lock<'_> {
    /// Does something while it keeps the lock fresh.
    ///
    /// # Errors
    /// Those of the work; `LockLost` if the lock could not be refreshed for long, which ends the work.
    pub async fn during<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let surroundings = &self.repository.surroundings;
        let mut wait = REFRESH;
        pin_mut!(work);
        loop {
            match select(&mut work, surroundings.sleep(wait)).await {
                Either::Left((result, _)) => return result,
                Either::Right(_) => {}
            }
            let refreshing = self.refresh();
            pin_mut!(refreshing);
            wait = match select(&mut work, refreshing).await {
                Either::Left((result, refreshing)) => {
                    // Left where it is, it could write a lock behind the one that removes it. If it fails, that is of no matter any more.
                    let _ = refreshing.await;
                    return result;
                }
                Either::Right((Ok(()), _)) => REFRESH,
                Either::Right((Err(source), _)) => {
                    let age = self.held().since.elapsed(surroundings.now());
                    if age >= LOST {
                        return Err(Error::LockLost { minutes: age.as_mins(), source: Box::new(source) });
                    }
                    REFRESH_AGAIN
                }
            };
        }
    }

    /// Writes the lock anew with the time that it is; to be done every five minutes.
    ///
    /// # Errors
    /// Those of the storage.
    pub async fn refresh(&self) -> Result<()> {
        let (file, sealed, since) = self.repository.seal_lock(self.exclusive).await?;
        let before = self.held().files;
        // Before it is written, as it may be there without anybody having said so.
        self.update(|held| held.files.push(file));
        self.repository.write_sealed(Kind::Lock, file, sealed).await?;
        self.update(|held| held.since = since);
        for old in before {
            remove_if_there(&*self.repository.storage, old).await?;
            self.update(|held| held.files.retain(|file| *file != old));
        }
        Ok(())
    }

    /// Removes the lock.
    ///
    /// # Errors
    /// Those of the storage.
    pub async fn release(self) -> Result<()> {
        self.release_after(Ok(())).await
    }

    /// Removes the lock, and gives what came of the work.
    ///
    /// # Errors
    /// The work's own before the storage's.
    pub async fn release_after<T>(self, result: Result<T>) -> Result<T> {
        let mut released = Ok(());
        for file in self.held().files {
            match remove_if_there(&*self.repository.storage, file).await {
                Ok(()) => self.update(|held| held.files.retain(|held| *held != file)),
                Err(error) => released = Err(error),
            }
        }
        let value = result?;
        released.map(|()| value)
    }

    fn held(&self) -> Held {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn update(&self, change: impl FnOnce(&mut Held)) {
        change(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl ExclusiveLock<'_> {
    /// As [`Lock::release`].
    ///
    /// # Errors
    /// Those of the storage.
    pub async fn release(self) -> Result<()> {
        self.0.release().await
    }

    /// As [`Lock::release_after`].
    ///
    /// # Errors
    /// The work's own before the storage's.
    pub async fn release_after<T>(self, result: Result<T>) -> Result<T> {
        self.0.release_after(result).await
    }
}

/// A lock that was not released, as who had it was cancelled or panicked, is removed behind it.
impl Drop for Lock<'_> {
    fn drop(&mut self) {
        let files = self.held().files;
        if files.is_empty() {
            return;
        }
        let storage: Arc<dyn Storage> = self.repository.storage.clone();
        let surroundings: &dyn Surroundings = &*self.repository.surroundings;
        surroundings.detach(Box::pin(async move {
            for file in files {
                // Nobody is left to be told; it is stale in half an hour.
                let _ = remove_if_there(&*storage, file).await;
            }
        }));
    }
}

async fn remove_if_there(storage: &dyn Storage, lock: Id) -> Result<()> {
    let file = File::Named(Kind::Lock, lock);
    match storage.remove(file).await {
        Ok(()) | Err(StorageError::NotFound) => Ok(()),
        Err(error) => Err(Error::storage("removing", file)(error)),
    }
}
