//! A repository that was made or opened: its files, unsealed, and its blobs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{StreamExt, TryStreamExt, stream};

use crate::codec::Codec;
use crate::config::{Config, VERSIONS};
use crate::crypto::{MasterKey, Nonce};
use crate::index::{Index, Location, PackContent};
use crate::key::{self, Scrypt};
use crate::pack::BlobKey;
use crate::polynomial::Polynomial;
use crate::surroundings::{Surroundings, compute, random};
use crate::trees::Regions;
use crate::{Error, File, Id, Kind, Listed, Result, Storage, StorageError, index_file};

/// How many small files are read at a time.
const READS: usize = 8;

/// What a repository is made with.
#[derive(Debug, Clone, Copy)]
pub struct Init {
    /// 2, or 1, which compresses nothing and which programs before restic 0.14 read.
    pub version: u32,
    pub scrypt: Scrypt,
    /// Another repository's, so that copies between the two share what they have in common; `None` for one of its own.
    pub polynomial: Option<Polynomial>,
}

impl Default for Init {
    fn default() -> Self {
        Init { version: 2, scrypt: Scrypt::RESTIC, polynomial: None }
    }
}

/// A repository. Its index is loaded when it is first needed, and kept; each operation looks whether there is more by then.
pub struct Repository {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) surroundings: Arc<dyn Surroundings>,
    pub(crate) codec: Arc<Codec>,
    config: Config,
    index: Mutex<Index>,
    pub(crate) regions: Regions,
    /// Held while the index is loaded; whether it ever was.
    loading: futures::lock::Mutex<bool>,
}

impl std::fmt::Debug for Repository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Repository").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Repository {
    /// Makes a repository with one key.
    ///
    /// # Errors
    /// `Exists` if there is a `config`, or anything else but keys; `UnknownVersion`, `InvalidScrypt`; those of the storage.
    pub async fn init(
        storage: Arc<dyn Storage>,
        surroundings: Arc<dyn Surroundings>,
        password: &str,
        init: Init,
    ) -> Result<Self> {
        if !VERSIONS.contains(&init.version) {
            return Err(Error::UnknownVersion(init.version));
        }
        match storage.read(File::Config).await {
            Err(StorageError::NotFound) => {}
            Err(error) => return Err(Error::storage("reading", File::Config)(error)),
            Ok(_) => return Err(Error::Exists(File::Config)),
        }
        // Keys alone are what an init left that broke off. With more, it is a repository that has lost its `config`.
        for kind in [Kind::Snapshot, Kind::Index, Kind::Data] {
            if let Some(file) = storage.list(kind).next().await {
                let file = file.map_err(|source| Error::Storage {
                    doing: "listing",
                    what: kind.folder().to_owned(),
                    source,
                })?;
                return Err(Error::Exists(File::Named(kind, file.id)));
            }
        }
        let master = MasterKey::generate(&*surroundings);
        let config = Config::generate(&*surroundings, init.version, init.polynomial);
        key::add(&*storage, &*surroundings, password, init.scrypt, &master).await?;
        // As restic does, not compressed: who reads it does not know the version yet.
        let json = serde_json::to_vec(&config).expect("texts and numbers have a JSON form");
        let content = Bytes::from(master.seal(random(&*surroundings), &json));
        storage.write(File::Config, content).await.map_err(Error::storage("writing", File::Config))?;
        Ok(Repository::new(storage, surroundings, master, config))
    }

    /// Opens a repository. Deriving the key takes as long as its maker wanted, restic some tenth of a second, and 32 MiB.
    ///
    /// # Errors
    /// `NoRepository`, `NoKeys`, `WrongPassword`, `UnknownVersion`, `Damaged`; those of the storage.
    pub async fn open(
        storage: Arc<dyn Storage>,
        surroundings: Arc<dyn Surroundings>,
        password: &str,
    ) -> Result<Self> {
        let sealed = sealed_config(&*storage).await?;
        let (master, json) = key::open(&*storage, &*surroundings, password, &sealed).await?;
        Ok(Repository::new(storage, surroundings, master, Config::read(&json)?))
    }

    /// Opens a repository with its master key, which takes no time.
    ///
    /// # Errors
    /// `NoRepository`, `WrongMasterKey`, `UnknownVersion`, `Damaged`; those of the storage.
    pub async fn open_with(
        storage: Arc<dyn Storage>,
        surroundings: Arc<dyn Surroundings>,
        master: MasterKey,
    ) -> Result<Self> {
        let sealed = sealed_config(&*storage).await?;
        let json = master.open(&sealed).map_err(|_| Error::WrongMasterKey)?;
        Ok(Repository::new(storage, surroundings, master, Config::read(&json)?))
    }

    fn new(
        storage: Arc<dyn Storage>,
        surroundings: Arc<dyn Surroundings>,
        master: MasterKey,
        config: Config,
    ) -> Self {
        Repository {
            storage,
            surroundings,
            codec: Arc::new(Codec::new(master, config.version)),
            config,
            index: Mutex::default(),
            regions: Regions::default(),
            loading: futures::lock::Mutex::default(),
        }
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    pub fn master_key(&self) -> &MasterKey {
        self.codec.key()
    }

    /// Whether the storage still gives what it has, so that what could not be read is the matter of one file.
    ///
    /// # Errors
    /// Those of the storage.
    pub async fn answers(&self) -> Result<()> {
        self.read_raw(File::Config).await.map(drop)
    }

    /// Lets one more password open the repository; gives the name of the key file.
    ///
    /// # Errors
    /// `InvalidScrypt`; those of the storage.
    pub async fn add_password(&self, password: &str, cost: Scrypt) -> Result<Id> {
        key::add(&*self.storage, &*self.surroundings, password, cost, self.master_key()).await
    }

    pub(crate) fn nonce(&self) -> Nonce {
        random(&*self.surroundings)
    }

    pub(crate) fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Codec) -> T + Send + 'static,
    ) -> BoxFuture<'static, Result<T>> {
        let codec = self.codec.clone();
        compute(&*self.surroundings, move || work(&codec))
    }

    /// The files of a kind, in the order of their names.
    pub(crate) async fn list(&self, kind: Kind) -> Result<Vec<Listed>> {
        listed(&*self.storage, kind).await
    }

    pub(crate) async fn read_raw(&self, file: File) -> Result<Bytes> {
        self.storage.read(file).await.map_err(Error::storage("reading", file))
    }

    /// The JSON of an index, a snapshot or a lock, which has to be what its name says.
    pub(crate) async fn read_json(&self, kind: Kind, id: Id) -> Result<Vec<u8>> {
        let file = File::Named(kind, id);
        let content = self.read_raw(file).await?;
        let opened = self.compute(move |codec| match Id::of(&content) == id {
            true => codec.open_file(&content),
            false => Err("its content is not what its name says".to_owned()),
        });
        opened.await?.map_err(|problem| Error::damaged(file, problem))
    }

    pub(crate) async fn write_json(&self, kind: Kind, json: Vec<u8>) -> Result<Id> {
        let (id, sealed) = self.seal_json(json).await?;
        self.write_sealed(kind, id, sealed).await?;
        Ok(id)
    }

    /// What a file of JSON will be called, and its content.
    pub(crate) async fn seal_json(&self, json: Vec<u8>) -> Result<(Id, Vec<u8>)> {
        let nonce = self.nonce();
        let sealed = self.compute(move |codec| {
            let sealed = codec.seal_file(nonce, &json);
            (Id::of(&sealed), sealed)
        });
        sealed.await
    }

    pub(crate) async fn write_sealed(&self, kind: Kind, id: Id, sealed: Vec<u8>) -> Result<()> {
        let file = File::Named(kind, id);
        self.storage.write(file, Bytes::from(sealed)).await.map_err(Error::storage("writing", file))
    }

    pub(crate) async fn remove(&self, kind: Kind, id: Id) -> Result<()> {
        let file = File::Named(kind, id);
        self.storage.remove(file).await.map_err(Error::storage("removing", file))
    }

    pub(crate) fn index(&self) -> MutexGuard<'_, Index> {
        // A panic while it is held would be one of an index that is left as it was.
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Loads what index files there are that were not loaded yet; all of them, if some are gone. An index file that is damaged is noted:
    /// the rest can be used.
    pub(crate) async fn load_index(&self) -> Result<()> {
        self.load_index_as(false).await
    }

    /// Loads all of it, for what wants to see how things are now.
    pub(crate) async fn reload_index(&self) -> Result<()> {
        self.regions.clear();
        self.load_index_as(true).await
    }

    async fn load_index_as(&self, anew: bool) -> Result<()> {
        let mut loaded_once = self.loading.lock().await;
        let listed: Vec<Id> = self.list(Kind::Index).await?.into_iter().map(|listed| listed.id).collect();
        let (missing, anew) = {
            let index = self.index();
            let anew = anew
                || index.files().next().is_none()
                || index
                    .files()
                    .chain(index.unread().keys().copied())
                    .any(|file| listed.binary_search(&file).is_err());
            let missing = listed.into_iter().filter(|file| anew || !index.has_file(*file));
            (missing.collect::<Vec<_>>(), anew)
        };
        let mut loaded = Index::default();
        let mut files = stream::iter(missing).map(|file| self.read_index_file(file)).buffered(READS);
        while let Some((file, packs)) = files.next().await {
            match packs {
                Ok(packs) if anew => loaded.add_files(vec![(file, packs)]),
                Ok(packs) => self.index().add_file(file, &packs),
                Err(Error::Damaged { problem, .. }) if anew => loaded.add_unread(file, problem),
                Err(Error::Damaged { problem, .. }) => self.index().add_unread(file, problem),
                Err(error) => return Err(error),
            }
        }
        if anew {
            loaded.put_in_order();
            *self.index() = loaded;
        }
        *loaded_once = true;
        Ok(())
    }

    /// For what reads a little, where the whole was looked for not long ago.
    pub(crate) async fn load_index_once(&self) -> Result<()> {
        let was_loaded = *self.loading.lock().await;
        if was_loaded { Ok(()) } else { self.load_index().await }
    }

    async fn read_index_file(&self, id: Id) -> (Id, Result<Vec<PackContent>>) {
        let read = async {
            let json = self.read_json(Kind::Index, id).await?;
            let parsed = self.compute(move |_| index_file::read(&json)).await?;
            parsed.map_err(|problem| Error::damaged(File::Named(Kind::Index, id), problem))
        };
        (id, read.await)
    }

    /// A blob's plain text, from whichever pack has it whole.
    pub(crate) async fn read_blob(&self, key: BlobKey) -> Result<Vec<u8>> {
        let mut copies = Vec::new();
        for Location { pack, blob } in self.locations(key)? {
            let file = File::Named(Kind::Data, pack);
            let read = self.storage.read_part(file, u64::from(blob.offset), blob.length as usize);
            let sealed = match read.await {
                Ok(sealed) => sealed,
                Err(error) => {
                    copies.push(Error::storage("reading", file)(error));
                    continue;
                }
            };
            let opened = self.compute(move |codec| codec.open_blob(key.id, &sealed, blob.uncompressed));
            match opened.await? {
                Ok(plain) => return Ok(plain),
                Err(problem) => copies.push(Error::damaged(file, problem)),
            }
        }
        Err(Error::Unreadable { blob: key, copies })
    }

    /// At least one.
    pub(crate) fn locations(&self, key: BlobKey) -> Result<Vec<Location>> {
        let index = self.index();
        let locations: Vec<Location> = index.locations(key).collect();
        match locations.is_empty() {
            true => Err(Error::NotIndexed { blob: key, unread: index.unread().keys().copied().collect() }),
            false => Ok(locations),
        }
    }
}

async fn listed(storage: &dyn Storage, kind: Kind) -> Result<Vec<Listed>> {
    let failed = |source| Error::Storage { doing: "listing", what: kind.folder().to_owned(), source };
    let mut files: Vec<Listed> = storage.list(kind).try_collect().await.map_err(failed)?;
    files.sort_unstable_by_key(|listed| listed.id);
    Ok(files)
}

async fn sealed_config(storage: &dyn Storage) -> Result<Bytes> {
    match storage.read(File::Config).await {
        Err(StorageError::NotFound) => Err(Error::NoRepository),
        read => read.map_err(Error::storage("reading", File::Config)),
    }
}
