//! Key files: the master key, encrypted with a password. A repository can have several.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::crypto::MasterKey;
use crate::surroundings::{Surroundings, compute, random};
use crate::{Error, File, Id, Kind, Result, Storage, Time};

/// What deriving a key from a password costs: 128·N·r bytes of memory, and N·r·p of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scrypt {
    /// A power of two.
    pub n: u64,
    pub r: u32,
    pub p: u32,
}

impl Scrypt {
    /// What restic 0.14 takes on a machine of today: 32 MiB and some tenth of a second. restic measures it; here it is always the same.
    pub const RESTIC: Scrypt = Scrypt { n: 1 << 15, r: 8, p: 3 };

    fn derive(self, password: &[u8], salt: &[u8]) -> Result<MasterKey> {
        let Scrypt { n, r, p } = self;
        let invalid = || Error::InvalidScrypt { n, r, p };
        let log_n = n.is_power_of_two().then(|| n.ilog2() as u8).ok_or_else(invalid)?;
        let mut derived = Zeroizing::new([0; 64]);
        let parameters = scrypt::Params::new(log_n, r, p, derived.len()).map_err(|_| invalid())?;
        scrypt::scrypt(password, salt, &parameters, &mut *derived).expect("64 bytes are a length it knows");
        Ok(MasterKey::from_bytes(&derived))
    }
}

#[derive(Serialize, Deserialize)]
struct KeyFile {
    created: Time,
    #[serde(default)]
    username: String,
    #[serde(default)]
    hostname: String,
    kdf: String,
    #[serde(rename = "N")]
    n: u64,
    r: u32,
    p: u32,
    salt: String,
    data: String,
}

/// Writes a key file that opens `master` with `password`.
pub(crate) async fn add(
    storage: &dyn Storage,
    surroundings: &dyn Surroundings,
    password: &str,
    cost: Scrypt,
    master: &MasterKey,
) -> Result<Id> {
    let salt: [u8; 64] = random(surroundings);
    let password = Zeroizing::new(password.to_owned());
    let derived = compute(surroundings, move || cost.derive(password.as_bytes(), &salt)).await??;
    let user = surroundings.user();
    let key = KeyFile {
        created: surroundings.now(),
        username: user.name,
        hostname: user.host,
        kdf: "scrypt".to_owned(),
        n: cost.n,
        r: cost.r,
        p: cost.p,
        salt: BASE64.encode(salt),
        data: BASE64.encode(derived.seal(random(surroundings), master.to_json().as_bytes())),
    };
    let content = serde_json::to_vec(&key).expect("texts and numbers have a JSON form");
    let id = Id::of(&content);
    let file = File::Named(Kind::Key, id);
    storage.write(file, Bytes::from(content)).await.map_err(Error::storage("writing", file))?;
    Ok(id)
}

/// Finds the master key with a password.
pub(crate) async fn open(
    storage: &dyn Storage,
    surroundings: &dyn Surroundings,
    password: &str,
) -> Result<MasterKey> {
    let failed = |source| Error::Storage { doing: "listing", what: Kind::Key.folder().to_owned(), source };
    let mut keys: Vec<Id> =
        storage.list(Kind::Key).map_ok(|listed| listed.id).try_collect().await.map_err(failed)?;
    if keys.is_empty() {
        return Err(Error::NoKeys);
    }
    keys.sort_unstable();
    let mut damaged = Vec::new();
    for id in &keys {
        let file = File::Named(Kind::Key, *id);
        let content = storage.read(file).await.map_err(Error::storage("reading", file))?;
        // One that was changed may still be the right one; it is tried, and named if none opens.
        if Id::of(&content) != *id {
            damaged.push(*id);
        }
        let Ok(key) = serde_json::from_slice::<KeyFile>(&content) else { continue };
        let (Ok(salt), Ok(data)) = (BASE64.decode(&key.salt), BASE64.decode(&key.data)) else { continue };
        if key.kdf != "scrypt" {
            continue;
        }
        let password = Zeroizing::new(password.to_owned());
        let cost = Scrypt { n: key.n, r: key.r, p: key.p };
        let derived = compute(surroundings, move || cost.derive(password.as_bytes(), &salt)).await?;
        let Ok(plain) = derived.and_then(|derived| derived.open(&data).map_err(|_| Error::WrongMasterKey))
        else {
            continue;
        };
        let plain = Zeroizing::new(plain);
        return MasterKey::from_json_bytes(&plain)
            .map_err(|invalid| Error::damaged(file, format!("what it keeps is no key: {invalid}")));
    }
    Err(Error::WrongPassword { keys: keys.len(), damaged })
}
