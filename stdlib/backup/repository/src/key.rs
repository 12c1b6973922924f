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

    /// Whether a file may ask for it that anybody could have put there: not for more than a gigabyte.
    fn is_bearable(self) -> bool {
        let memory = self.n.saturating_mul(u64::from(self.r)).saturating_mul(128);
        memory <= 1 << 30 && self.p <= 64
    }

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

/// Finds the master key with a password, and opens `config` with it. A key of which the master key does not open that is not the
/// repository's: an init that broke off has left it.
pub(crate) async fn open(
    storage: &dyn Storage,
    surroundings: &dyn Surroundings,
    password: &str,
    config: &[u8],
) -> Result<(MasterKey, Vec<u8>)> {
    let failed = |source| Error::Storage { doing: "listing", what: Kind::Key.folder().to_owned(), source };
    let mut keys: Vec<Id> =
        storage.list(Kind::Key).map_ok(|listed| listed.id).try_collect().await.map_err(failed)?;
    if keys.is_empty() {
        return Err(Error::NoKeys);
    }
    keys.sort_unstable();
    let mut damaged = Vec::new();
    let mut is_password = false;
    for id in &keys {
        let file = File::Named(Kind::Key, *id);
        let content = storage.read(file).await.map_err(Error::storage("reading", file))?;
        // One that was changed may still be the right one; it is tried, and named if none opens.
        if Id::of(&content) != *id {
            damaged.push(*id);
        }
        let Some(master) = try_key(surroundings, password, &content).await? else { continue };
        is_password = true;
        if let Ok(json) = master.open(config) {
            return Ok((master, json));
        }
    }
    match is_password {
        true => Err(Error::damaged(
            File::Config,
            "the master key does not open it, so it is not as it was written",
        )),
        false => Err(Error::WrongPassword { keys: keys.len(), damaged }),
    }
}

/// The master key that a key file keeps; `None` if the password does not open it, or nothing can be made of it.
async fn try_key(
    surroundings: &dyn Surroundings,
    password: &str,
    content: &[u8],
) -> Result<Option<MasterKey>> {
    let Ok(key) = serde_json::from_slice::<KeyFile>(content) else { return Ok(None) };
    let (Ok(salt), Ok(data)) = (BASE64.decode(&key.salt), BASE64.decode(&key.data)) else { return Ok(None) };
    let cost = Scrypt { n: key.n, r: key.r, p: key.p };
    if key.kdf != "scrypt" || !cost.is_bearable() {
        return Ok(None);
    }
    let password = Zeroizing::new(password.to_owned());
    let derived = compute(surroundings, move || cost.derive(password.as_bytes(), &salt)).await?;
    let plain = derived.ok().and_then(|derived| derived.open(&data).ok()).map(Zeroizing::new);
    Ok(plain.and_then(|plain| MasterKey::from_json_bytes(&plain).ok()))
}
