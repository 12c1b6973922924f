//! Signing in: SCRAM-SHA-256 (RFC 5802, RFC 7677) without channel binding, from the server's side.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use crate::postgres::PgError;

pub(super) const MECHANISM: &str = "SCRAM-SHA-256";
const ITERATIONS: u32 = 4096;

/// A conversation whose first half is over.
pub(super) struct Scram {
    password: String,
    salt: [u8; 16],
    nonce: String,
    /// `client-first-message-bare,server-first-message`
    said: String,
    /// What has to come again: `n,,`.
    header: String,
}

pub(super) fn refused(user: &str) -> PgError {
    PgError::fatal("28P01", format!("password authentication failed for user \"{user}\""))
}

fn malformed(what: &str) -> PgError {
    PgError::fatal("08P01", format!("malformed SCRAM message: {what}"))
}

impl Scram {
    /// The server's first message.
    ///
    /// # Errors
    /// 08P01
    pub(super) fn begin(password: &str, client: &str, random: &[u8; 34]) -> Result<(Self, String), PgError> {
        let mut parts = client.splitn(3, ',');
        let (flag, name) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let bare = parts.next().ok_or_else(|| malformed("it has no attributes"))?;
        if flag.starts_with('p') {
            return Err(malformed("channel binding was not offered"));
        }
        let nonce = bare.split(',').find_map(|part| part.strip_prefix("r="));
        let nonce = nonce.ok_or_else(|| malformed("it has no nonce"))?;
        let mut salt = [0; 16];
        salt.copy_from_slice(&random[..16]);
        let nonce = format!("{nonce}{}", BASE64_STANDARD.encode(&random[16..]));
        let first = format!("r={nonce},s={},i={ITERATIONS}", BASE64_STANDARD.encode(salt));
        let said = format!("{bare},{first}");
        let scram =
            Scram { password: password.to_owned(), salt, nonce, said, header: format!("{flag},{name},") };
        Ok((scram, first))
    }

    /// The server's last message, if the client knows the password.
    ///
    /// # Errors
    /// 28P01, 08P01
    pub(super) fn finish(&self, client: &str, user: &str) -> Result<String, PgError> {
        let (without_proof, proof) = client.rsplit_once(",p=").ok_or_else(|| malformed("it has no proof"))?;
        let attribute = |name: &str| without_proof.split(',').find_map(|part| part.strip_prefix(name));
        if attribute("r=") != Some(&self.nonce) {
            return Err(malformed("its nonce is another one"));
        }
        if attribute("c=") != Some(&BASE64_STANDARD.encode(&self.header)) {
            return Err(malformed("its channel binding is another one"));
        }
        let proof = BASE64_STANDARD.decode(proof).map_err(|_| malformed("its proof is no base64"))?;
        let salted = salted(self.password.as_bytes(), &self.salt);
        let client_key = hmac(&salted, b"Client Key");
        let said = format!("{},{without_proof}", self.said);
        let signature = hmac(&Sha256::digest(client_key), said.as_bytes());
        let expected: Vec<u8> = client_key.iter().zip(signature).map(|(key, sign)| key ^ sign).collect();
        if proof != expected {
            return Err(refused(user));
        }
        let own = hmac(&hmac(&salted, b"Server Key"), said.as_bytes());
        Ok(format!("v={}", BASE64_STANDARD.encode(own)))
    }
}

fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    // HMAC takes keys of any length.
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(key).unwrap_or_else(|_| unreachable!());
    mac.update(message);
    mac.finalize().into_bytes().into()
}

/// PBKDF2 with HMAC-SHA-256, one block.
fn salted(password: &[u8], salt: &[u8]) -> [u8; 32] {
    let mut last = hmac(password, &[salt, &[0, 0, 0, 1]].concat());
    let mut sum = last;
    for _ in 1..ITERATIONS {
        last = hmac(password, &last);
        sum.iter_mut().zip(last).for_each(|(sum, last)| *sum ^= last);
    }
    sum
}
