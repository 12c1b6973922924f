//! Seals what a journal has to hold and nobody may read there: encrypted with a key that stays on this machine, in a file of
//! its owner's alone. It knows no journal.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use opsrun_core::{Error, ErrorKind, Result, Value};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};

/// What a sealed value begins with; behind it stand the key's name and the bytes.
const SEALED: &str = "sealed:1:";
const KEY: usize = 32;

/// Seals and opens with the key in a file, which is made when something is sealed for the first time.
#[derive(Default)]
pub struct Sealer {
    file: Option<PathBuf>,
    key: OnceLock<Key>,
}

struct Key {
    /// So that a wrong key is told from damage.
    name: String,
    key: LessSafeKey,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Sealer {
    /// `file`: where the key is, or is to be; `None` if there is no place for one.
    pub fn new(file: Option<PathBuf>) -> Self {
        Sealer { file, key: OnceLock::new() }
    }

    pub fn is_sealed(text: &str) -> bool {
        text.starts_with(SEALED)
    }

    /// # Errors
    /// `Failed` if there is no key and none can be made; `Forbidden` if others can read it.
    pub fn seal(&self, value: &Value) -> Result<String> {
        let Key { name, key } = self.key(true)?;
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(|_| no_random())?;
        let mut bytes = value.to_string().into_bytes();
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(SEALED), &mut bytes)
            .map_err(|_| Error::failed("a secret is too large to be sealed"))?;
        let whole: Vec<u8> = nonce.into_iter().chain(bytes).collect();
        Ok(format!("{SEALED}{name}:{}", STANDARD_NO_PAD.encode(whole)))
    }

    /// # Errors
    /// `Denied` if this machine has not the key; `Failed` if the text is damaged.
    pub fn open(&self, text: &str) -> Result<Value> {
        let damaged = || Error::failed("what is sealed in the journal is damaged");
        let (sealed_with, text) =
            text.strip_prefix(SEALED).and_then(|rest| rest.split_once(':')).ok_or_else(damaged)?;
        let Key { name, key } = self.key(false)?;
        if name != sealed_with {
            return Err(self.other_key());
        }
        let mut bytes = STANDARD_NO_PAD.decode(text).map_err(|_| damaged())?;
        if bytes.len() < NONCE_LEN {
            return Err(damaged());
        }
        let mut sealed = bytes.split_off(NONCE_LEN);
        let nonce = Nonce::try_assume_unique_for_key(&bytes).map_err(|_| damaged())?;
        let opened = key.open_in_place(nonce, Aad::from(SEALED), &mut sealed).map_err(|_| damaged())?;
        serde_json::from_slice(opened).map_err(|_| damaged())
    }

    fn key(&self, may_make: bool) -> Result<&Key> {
        if let Some(key) = self.key.get() {
            return Ok(key);
        }
        let file = self.file.as_deref().ok_or_else(|| {
            Error::failed("there is no place for the key that secrets in a journal are sealed with")
                .hint("set HOME")
        })?;
        let bytes = opsrun_gate::owners_file(file, || match may_make {
            true => new_key(),
            false => Err(self.other_key()),
        })?;
        let key = Key::of(&bytes).ok_or_else(|| unusable(file))?;
        Ok(self.key.get_or_init(|| key))
    }

    fn other_key(&self) -> Error {
        let error = Error::new(
            ErrorKind::Denied,
            "what is sealed in the journal was sealed with the key of another machine or user",
        );
        match &self.file {
            Some(file) => error.hint(format!(
                "bring that key here, as `{}` with mode 600: it is at the same place there",
                file.display()
            )),
            None => error.hint("set HOME, so that the key is found"),
        }
    }
}

impl Key {
    fn of(bytes: &[u8]) -> Option<Self> {
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, bytes).ok()?);
        let name = digest(&SHA256, bytes).as_ref().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        Some(Key { name, key })
    }
}

fn new_key() -> Result<Vec<u8>> {
    let mut key = vec![0; KEY];
    SystemRandom::new().fill(&mut key).map_err(|_| no_random())?;
    Ok(key)
}

fn no_random() -> Error {
    Error::failed("the machine gives no random bytes")
}

fn unusable(file: &Path) -> Error {
    Error::failed(format!("`{}` is no key: it has not {KEY} bytes", file.display()))
        .hint("bring back the file as it was; without it, what was sealed with it stays closed")
}

#[cfg(test)]
mod tests {
    use opsrun_core::Value;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_sealed_is_opened_with_the_same_key_and_with_no_other() {
        let (here, there) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let sealer = |folder: &tempfile::TempDir| Sealer::new(Some(folder.path().join("opsrun/key")));
        let value = json!({ "password": "canary" });
        let sealed = sealer(&here).seal(&value).expect("it is sealed");
        assert!(Sealer::is_sealed(&sealed) && !sealed.contains("canary"), "{sealed}");
        assert_eq!(sealer(&here).open(&sealed).expect("it is opened"), value);

        let foreign = sealer(&there).open(&sealed).expect_err("there is no key there");
        assert!(foreign.message().contains("the key of another machine"), "{foreign}");
        sealer(&there).seal(&Value::Null).expect("a key is made");
        let foreign = sealer(&there).open(&sealed).expect_err("it is another key");
        assert!(foreign.message().contains("the key of another machine"), "{foreign}");

        let mut damaged = sealed;
        damaged.replace_range(damaged.len() - 2.., "AA");
        let damaged = sealer(&here).open(&damaged).expect_err("it was changed");
        assert!(damaged.message().contains("is damaged"), "{damaged}");
    }

    #[test]
    fn a_key_that_others_can_read_is_not_used() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("key");
        Sealer::new(Some(file.clone())).seal(&Value::Null).expect("a key is made");
        let mode = || std::fs::metadata(&file).expect("it is there").permissions().mode() & 0o777;
        assert_eq!(mode(), 0o600);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).expect("it is ours");
        let error = Sealer::new(Some(file)).seal(&Value::Null).expect_err("others can read it");
        assert_eq!(error.kind(), ErrorKind::Forbidden);
    }
}
