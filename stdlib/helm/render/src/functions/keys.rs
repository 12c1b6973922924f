//! Private keys: made, read from PEM, written as PEM, and used to sign. RSA, ECDSA over P-256, and Ed25519.

use std::convert::Infallible;

use crypto_primes::hazmat::{SetBits, SmallFactorsSieveFactory};
use crypto_primes::{Flavor, is_prime, sieve_and_find};
use p256::ecdsa::signature::Signer;
use p256::elliptic_curve::Generate;
use p256::elliptic_curve::sec1::ToSec1Point;
use p256::pkcs8::{DecodePrivateKey, EncodePublicKey, LineEnding, PrivateKeyInfoRef};
use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha20Rng;
use ring::signature::{Ed25519KeyPair, KeyPair};
use rsa::BoxedUint;
use rsa::pkcs1::{DecodeRsaPrivateKey, EncodeRsaPrivateKey, EncodeRsaPublicKey};
use rsa::sha2::Sha256;
use rsa::signature::SignatureEncoding;

use super::x509::{oid, pem_content, pem_text, sequence, tlv};

#[derive(Clone)]
pub(super) enum PrivateKey {
    Rsa(Box<rsa::PrivateKey>),
    Ecdsa(p256::SecretKey),
    /// The seed.
    Ed25519([u8; 32]),
}

type Key<T> = Result<T, String>;

const PUBLIC_EXPONENT: u64 = 65_537;

impl PrivateKey {
    /// The two primes are looked for side by side, each with a generator of its own, so that the seed alone decides.
    pub(super) fn rsa(rng: &mut ChaCha20Rng, bits: u32) -> Key<Self> {
        let mut generators = [(); 2].map(|()| ChaCha20Rng::from_seed(rng.random()));
        loop {
            let [first, second] = &mut generators;
            let (p, q) = std::thread::scope(|scope| {
                let q = scope.spawn(|| prime(second, bits / 2));
                (prime(first, bits / 2), q.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            });
            let (p, q) = (p?, q?);
            if too_close(&p, &q) {
                continue;
            }
            match rsa::PrivateKey::from_p_q(p, q, BoxedUint::from(PUBLIC_EXPONENT)) {
                Ok(key) => return Ok(PrivateKey::Rsa(Box::new(key))),
                // A prime before a multiple of the exponent, which no key can have.
                Err(rsa::Error::InvalidPrime) => {}
                Err(e) => return Err(e.to_string()),
            }
        }
    }

    pub(super) fn ecdsa(rng: &mut ChaCha20Rng) -> Self {
        PrivateKey::Ecdsa(p256::SecretKey::generate_from_rng(&mut KeyRng(rng)))
    }

    pub(super) fn ed25519(rng: &mut ChaCha20Rng) -> Self {
        let mut seed = [0; 32];
        rng.fill_bytes(&mut seed);
        PrivateKey::Ed25519(seed)
    }

    /// Sprig's rules: PKCS #8 for `PRIVATE KEY`, and the kind before that name otherwise.
    pub(super) fn from_pem(text: &str) -> Key<Self> {
        let Some((label, der)) = first_block(text) else {
            return Err("no PEM data in input".to_owned());
        };
        match label.strip_suffix("PRIVATE KEY") {
            Some("") => Self::from_pkcs8(&der).map_err(|e| format!("decoding PEM as PKCS#8: {e}")),
            Some("RSA ") => rsa::PrivateKey::from_pkcs1_der(&der)
                .map(|key| PrivateKey::Rsa(Box::new(key)))
                .map_err(|e| format!("parsing RSA private key from PEM: {e}")),
            Some("EC ") => p256::SecretKey::from_sec1_der(&der)
                .map(PrivateKey::Ecdsa)
                .map_err(|e| format!("parsing EC private key from PEM: {e}")),
            Some(kind) if kind.ends_with(' ') => Err(format!("invalid private key type {}", kind.trim_end())),
            _ => Err(format!("no private key data in PEM block of type {label}")),
        }
    }

    fn from_pkcs8(der: &[u8]) -> Key<Self> {
        let info = PrivateKeyInfoRef::try_from(der).map_err(|e| e.to_string())?;
        match info.algorithm.oid.to_string().as_str() {
            "1.2.840.113549.1.1.1" => rsa::PrivateKey::from_pkcs8_der(der)
                .map(|key| PrivateKey::Rsa(Box::new(key)))
                .map_err(|e| e.to_string()),
            "1.2.840.10045.2.1" => {
                p256::SecretKey::from_pkcs8_der(der).map(PrivateKey::Ecdsa).map_err(|e| e.to_string())
            }
            "1.3.101.112" => match info.private_key.as_bytes() {
                [0x04, 0x20, seed @ ..] if seed.len() == 32 => {
                    Ok(PrivateKey::Ed25519(seed.try_into().map_err(|_| "invalid Ed25519 seed")?))
                }
                _ => Err("x509: invalid Ed25519 private key".to_owned()),
            },
            other => {
                Err(format!("x509: PKCS#8 wrapping contained private key with unknown algorithm: {other}"))
            }
        }
    }

    pub(super) fn to_pem(&self) -> Key<String> {
        match self {
            PrivateKey::Rsa(key) => {
                key.to_pkcs1_pem(LineEnding::LF).map(|pem| pem.to_string()).map_err(|e| e.to_string())
            }
            PrivateKey::Ecdsa(key) => {
                let curve = oid(&[1, 2, 840, 10_045, 3, 1, 7]);
                let public = key.public_key().to_sec1_point(false);
                let public = tlv(0x03, &[&[0], public.as_bytes()].concat());
                let der = sequence(&[
                    tlv(0x02, &[1]),
                    tlv(0x04, &key.to_bytes()),
                    tlv(0xA0, &curve),
                    tlv(0xA1, &public),
                ]);
                Ok(pem_text("EC PRIVATE KEY", &der))
            }
            PrivateKey::Ed25519(seed) => {
                let algorithm = sequence(&[oid(&[1, 3, 101, 112])]);
                let key = tlv(0x04, &tlv(0x04, seed));
                Ok(pem_text("PRIVATE KEY", &sequence(&[tlv(0x02, &[0]), algorithm, key])))
            }
        }
    }

    /// SubjectPublicKeyInfo, in DER.
    pub(super) fn public_key_info(&self) -> Key<Vec<u8>> {
        match self {
            PrivateKey::Rsa(key) => {
                key.to_public_key().to_public_key_der().map(|der| der.to_vec()).map_err(|e| e.to_string())
            }
            PrivateKey::Ecdsa(key) => {
                key.public_key().to_public_key_der().map(|der| der.to_vec()).map_err(|e| e.to_string())
            }
            PrivateKey::Ed25519(seed) => {
                let public = ed25519(seed)?.public_key().as_ref().to_vec();
                let algorithm = sequence(&[oid(&[1, 3, 101, 112])]);
                Ok(sequence(&[algorithm, tlv(0x03, &[&[0], public.as_slice()].concat())]))
            }
        }
    }

    /// The bytes of the public key alone, of which its identifier is a hash.
    pub(super) fn public_key_bits(&self) -> Key<Vec<u8>> {
        match self {
            PrivateKey::Rsa(key) => key
                .to_public_key()
                .to_pkcs1_der()
                .map(|der| der.as_bytes().to_vec())
                .map_err(|e| e.to_string()),
            PrivateKey::Ecdsa(key) => Ok(key.public_key().to_sec1_point(false).as_bytes().to_vec()),
            PrivateKey::Ed25519(seed) => Ok(ed25519(seed)?.public_key().as_ref().to_vec()),
        }
    }

    /// AlgorithmIdentifier of the signatures, in DER.
    pub(super) fn signature_algorithm(&self) -> Vec<u8> {
        match self {
            PrivateKey::Rsa(_) => sequence(&[oid(&[1, 2, 840, 113_549, 1, 1, 11]), tlv(0x05, &[])]),
            PrivateKey::Ecdsa(_) => sequence(&[oid(&[1, 2, 840, 10_045, 4, 3, 2])]),
            PrivateKey::Ed25519(_) => sequence(&[oid(&[1, 3, 101, 112])]),
        }
    }

    pub(super) fn sign(&self, message: &[u8]) -> Key<Vec<u8>> {
        match self {
            PrivateKey::Rsa(key) => {
                let signer = rsa::pkcs1v15::SigningKey::<Sha256>::new((**key).clone());
                signer.try_sign(message).map(|signature| signature.to_vec()).map_err(|e| e.to_string())
            }
            PrivateKey::Ecdsa(key) => {
                let signature: p256::ecdsa::DerSignature = p256::ecdsa::SigningKey::from(key).sign(message);
                Ok(signature.as_bytes().to_vec())
            }
            PrivateKey::Ed25519(seed) => Ok(ed25519(seed)?.sign(message).as_ref().to_vec()),
        }
    }
}

fn ed25519(seed: &[u8; 32]) -> Key<Ed25519KeyPair> {
    Ed25519KeyPair::from_seed_unchecked(seed).map_err(|e| e.to_string())
}

/// The label and the content of the first PEM block.
fn first_block(text: &str) -> Option<(String, Vec<u8>)> {
    let label = text.split_once("-----BEGIN ")?.1.split_once("-----")?.0.to_owned();
    let der = pem_content(text, &label)?;
    Some((label, der))
}

/// Of this many bits, the upper two set: a product of two has twice as many.
fn prime(rng: &mut ChaCha20Rng, bits: u32) -> Key<BoxedUint> {
    let candidates =
        SmallFactorsSieveFactory::new(Flavor::Any, bits, SetBits::TwoMsb).map_err(|e| e.to_string())?;
    let found = sieve_and_find(&mut KeyRng(rng), candidates, |_, number| is_prime(Flavor::Any, number));
    found.map_err(|e| e.to_string())?.ok_or_else(|| "there is no such prime".to_owned())
}

/// FIPS 186-5, A.1.3: primes that are the same in their upper 100 bits would be found by Fermat's method.
fn too_close(p: &BoxedUint, q: &BoxedUint) -> bool {
    let distance = if p > q { p.wrapping_sub(q) } else { q.wrapping_sub(p) };
    distance.bit_width() + 100 <= p.bit_width()
}

/// The generator behind the traits that the key crates know.
struct KeyRng<'a>(&'a mut ChaCha20Rng);

impl rsa::rand_core::TryRng for KeyRng<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.0.next_u32())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.0.next_u64())
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill_bytes(dest);
        Ok(())
    }
}

/// ChaCha20 is a generator for cryptography; how good the seed is, is the caller's to say.
impl rsa::rand_core::TryCryptoRng for KeyRng<'_> {}
