//! Encryption as restic's design document has it: AES-256 in counter mode, and Poly1305-AES over what that gives. What is sealed is
//! nonce (16 bytes), cipher text, tag (16 bytes).

use std::fmt;

use aes::cipher::{BlockEncrypt, KeyInit, KeyIvInit, StreamCipher};
use aes::{Aes128, Aes256};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use poly1305::Poly1305;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::surroundings::{Surroundings, random};

type Counter = ctr::Ctr128BE<Aes256>;

pub(crate) const NONCE: usize = 16;
const TAG: usize = 16;
/// By how much what is sealed is longer than what it holds.
pub(crate) const OVERHEAD: usize = NONCE + TAG;

pub(crate) type Nonce = [u8; NONCE];

/// What was sealed with another key, or changed since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotAuthentic;

/// The keys that all of a repository is encrypted with. Who has it needs no password; it is not printed, and wiped when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey {
    encrypt: [u8; 32],
    /// Poly1305-AES: the key of its AES-128, and its `r`.
    mac_k: [u8; 16],
    mac_r: [u8; 16],
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

impl Drop for MasterKey {
    fn drop(&mut self) {
        self.encrypt.zeroize();
        self.mac_k.zeroize();
        self.mac_r.zeroize();
    }
}

/// A text that is no master key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("that is no master key as `restic cat masterkey` gives it")]
pub struct InvalidMasterKey;

/// As restic writes it.
#[derive(Serialize, Deserialize)]
struct Written {
    mac: WrittenMac,
    encrypt: String,
}

#[derive(Serialize, Deserialize)]
struct WrittenMac {
    k: String,
    r: String,
}

impl Drop for Written {
    fn drop(&mut self) {
        [&mut self.encrypt, &mut self.mac.k, &mut self.mac.r].into_iter().for_each(Zeroize::zeroize);
    }
}

impl MasterKey {
    /// From 64 bytes: of scrypt, or random.
    pub(crate) fn from_bytes(bytes: &Zeroizing<[u8; 64]>) -> Self {
        let mut key = MasterKey { encrypt: [0; 32], mac_k: [0; 16], mac_r: [0; 16] };
        key.encrypt.copy_from_slice(&bytes[..32]);
        key.mac_k.copy_from_slice(&bytes[32..48]);
        key.mac_r.copy_from_slice(&bytes[48..]);
        key
    }

    pub(crate) fn generate(surroundings: &dyn Surroundings) -> Self {
        MasterKey::from_bytes(&Zeroizing::new(random(surroundings)))
    }

    /// As JSON, as `restic cat masterkey` gives it: to be kept where secrets are kept.
    pub fn to_json(&self) -> Zeroizing<String> {
        let mac = WrittenMac { k: BASE64.encode(self.mac_k), r: BASE64.encode(self.mac_r) };
        let written = Written { mac, encrypt: BASE64.encode(self.encrypt) };
        Zeroizing::new(serde_json::to_string(&written).expect("texts have a JSON form"))
    }

    /// Reads what [`Self::to_json`] gave.
    ///
    /// # Errors
    /// `InvalidMasterKey`.
    pub fn from_json(json: &str) -> Result<Self, InvalidMasterKey> {
        MasterKey::from_json_bytes(json.as_bytes())
    }

    pub(crate) fn from_json_bytes(json: &[u8]) -> Result<Self, InvalidMasterKey> {
        let written: Written = serde_json::from_slice(json).map_err(|_| InvalidMasterKey)?;
        Ok(MasterKey {
            encrypt: decoded(&written.encrypt)?,
            mac_k: decoded(&written.mac.k)?,
            mac_r: decoded(&written.mac.r)?,
        })
    }

    /// Seals what follows `nonce` in `buffer`, in place, and appends the tag.
    pub(crate) fn seal_in_place(&self, buffer: &mut Vec<u8>) {
        let (nonce, text) = buffer.split_at_mut(NONCE);
        let nonce: Nonce = (&*nonce).try_into().expect("it was split there");
        Counter::new(&self.encrypt.into(), &nonce.into()).apply_keystream(text);
        let tag = self.tag(&nonce, text);
        buffer.extend_from_slice(&tag);
    }

    pub(crate) fn seal(&self, nonce: Nonce, plain: &[u8]) -> Vec<u8> {
        let mut buffer = Vec::with_capacity(plain.len() + OVERHEAD);
        buffer.extend_from_slice(&nonce);
        buffer.extend_from_slice(plain);
        self.seal_in_place(&mut buffer);
        buffer
    }

    pub(crate) fn open(&self, sealed: &[u8]) -> Result<Vec<u8>, NotAuthentic> {
        let (nonce, rest) = sealed.split_first_chunk::<NONCE>().ok_or(NotAuthentic)?;
        let (text, tag) = rest.split_last_chunk::<TAG>().ok_or(NotAuthentic)?;
        let ours = self.tag(nonce, text);
        // In constant time, so that how far a forgery was right cannot be measured.
        let difference =
            ours.iter().zip(tag).fold(0, |difference, (ours, theirs)| difference | (ours ^ theirs));
        if difference != 0 {
            return Err(NotAuthentic);
        }
        let mut plain = text.to_vec();
        Counter::new(&self.encrypt.into(), nonce.into()).apply_keystream(&mut plain);
        Ok(plain)
    }

    fn tag(&self, nonce: &Nonce, text: &[u8]) -> [u8; TAG] {
        let mut once = [0; 32];
        once[..16].copy_from_slice(&self.mac_r);
        let mut s = (*nonce).into();
        Aes128::new(&self.mac_k.into()).encrypt_block(&mut s);
        once[16..].copy_from_slice(&s);
        Poly1305::new(&once.into()).compute_unpadded(text).into()
    }
}

fn decoded<const N: usize>(text: &str) -> Result<[u8; N], InvalidMasterKey> {
    let bytes = Zeroizing::new(BASE64.decode(text).map_err(|_| InvalidMasterKey)?);
    bytes.as_slice().try_into().map_err(|_| InvalidMasterKey)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_unless_a_bit_of_it_changed() {
        let bytes: [u8; 64] = std::array::from_fn(|at| at as u8);
        let key = MasterKey::from_bytes(&Zeroizing::new(bytes));
        for length in [0, 1, 15, 16, 17, 100] {
            let plain: Vec<u8> = (0..length).collect();
            let sealed = key.seal([7; NONCE], &plain);
            assert_eq!(key.open(&sealed), Ok(plain));
            for at in 0..sealed.len() {
                let mut changed = sealed.clone();
                changed[at] ^= 0x10;
                assert_eq!(key.open(&changed), Err(NotAuthentic));
                assert_eq!(key.open(&sealed[..at]), Err(NotAuthentic));
            }
        }
        assert_eq!(MasterKey::from_json(&key.to_json()), Ok(key));
    }
}
