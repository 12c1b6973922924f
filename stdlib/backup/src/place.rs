//! A target's repository, opened for one call.

use std::sync::{Arc, Mutex, PoisonError};

use opsrun_core::{Cx, Error, ErrorKind, Result};
use restic_repository::{
    Filter, Init, MasterKey, NamedSnapshot, Polynomial, Repository, Result as RepositoryResult, Snapshots,
};

use crate::error;
use crate::section::{self, RepositorySection};
use crate::storage::Kept;
use crate::surroundings::Here;

/// Where a repository is, and how it is reached by a call.
pub(crate) struct Place {
    pub(crate) cx: Cx,
    section: RepositorySection,
    storage: Arc<Kept>,
}

/// A repository that was opened.
pub(crate) struct Opened {
    pub(crate) place: Place,
    pub(crate) repository: Repository,
}

impl Place {
    /// # Errors
    /// `Invalid` if the target names none; those of the store.
    pub(crate) async fn of(cx: &Cx, name: Option<&str>) -> Result<Self> {
        let section = section::repository(cx, name)?;
        let store = cx.store(&section.store, section.options.clone()).await?;
        Ok(Place { cx: cx.clone(), section, storage: Arc::new(Kept(store)) })
    }

    /// As people name it.
    pub(crate) fn named(&self) -> &str {
        &self.section.store
    }

    fn here(&self) -> Arc<Here> {
        Arc::new(Here(self.cx.clone()))
    }

    pub(crate) fn told(&self, error: restic_repository::Error) -> Error {
        error::told(self.named(), error)
    }

    /// Makes the repository.
    ///
    /// # Errors
    /// `Conflict` if there is one; those of the storage.
    pub(crate) async fn init(self, polynomial: Option<Polynomial>) -> Result<Opened> {
        let password = self.cx.configured_secret(&self.section.password).await?;
        let init = Init { polynomial, ..Init::default() };
        let made = Repository::init(self.storage.clone(), self.here(), &password, init).await;
        let repository = made.map_err(|error| match error {
            restic_repository::Error::Exists(_) => {
                Error::new(ErrorKind::Conflict, format!("there is a repository at {} already", self.named()))
            }
            error => self.told(error),
        })?;
        self.keep_key(&repository)?;
        Ok(Opened { place: self, repository })
    }

    /// # Errors
    /// `NotFound` if there is none, `Forbidden` for a wrong password; those of the storage.
    pub(crate) async fn open(self) -> Result<Opened> {
        let known = self.keys()?.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let repository = match known {
            // Deriving it again would take a tenth of a second for each call.
            Some(key) => Repository::open_with(self.storage.clone(), self.here(), key).await,
            None => {
                let password = self.cx.configured_secret(&self.section.password).await?;
                Repository::open(self.storage.clone(), self.here(), &password).await
            }
        };
        let repository = repository.map_err(|error| self.told(error))?;
        self.keep_key(&repository)?;
        Ok(Opened { place: self, repository })
    }

    fn keys(&self) -> Result<Arc<Mutex<Option<MasterKey>>>> {
        let key = format!("backup/{}/{}/{}", self.cx.target().name, self.named(), self.section.options);
        self.cx.shared(&key, || Ok(Mutex::new(None)))
    }

    fn keep_key(&self, repository: &Repository) -> Result<()> {
        let keys = self.keys()?;
        *keys.lock().unwrap_or_else(PoisonError::into_inner) = Some(repository.master_key().clone());
        Ok(())
    }
}

impl Opened {
    /// # Errors
    /// See [`Place::of`] and [`Place::open`].
    pub(crate) async fn of(cx: &Cx, name: Option<&str>) -> Result<Self> {
        Place::of(cx, name).await?.open().await
    }

    pub(crate) fn told<T>(&self, result: RepositoryResult<T>) -> Result<T> {
        result.map_err(|error| self.place.told(error))
    }

    /// All snapshots. One that is damaged is warned of, and hides none of the others.
    ///
    /// # Errors
    /// Those of the storage.
    pub(crate) async fn snapshots(&self) -> Result<Snapshots> {
        let found = self.told(self.repository.snapshots().await)?;
        for (id, error) in &found.damaged {
            self.place.cx.warn(format!("the snapshot {} cannot be read: {error}", id.short()));
        }
        Ok(found)
    }

    /// The snapshot that is meant: `latest`, of what the filter admits, or the beginning of an identifier.
    ///
    /// # Errors
    /// `NotFound`, `Invalid` if several are meant; those of the storage.
    pub(crate) async fn snapshot(&self, name: &str, filter: &Filter) -> Result<NamedSnapshot> {
        let found = self.snapshots().await?;
        // One whose tags were changed is meant by what it was called first, too.
        let origin = |named: &&NamedSnapshot| name.len() >= 8 && named.origin().to_string().starts_with(name);
        let by_origin: Vec<NamedSnapshot> = found.readable.iter().filter(origin).cloned().collect();
        match <[NamedSnapshot; 1]>::try_from(by_origin) {
            Ok([named]) => Ok(named),
            Err(_) => self.told(found.find(name, filter)),
        }
    }
}
