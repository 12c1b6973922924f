//! Hashes, passwords and ciphers; certificates and keys are in `certificates`.

use aes::Aes256;
use aes::cipher::block_padding::NoPadding;
use aes::cipher::{BlockDecryptMut, BlockEncryptMut, KeyIvInit};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use gotemplate::{FnError, Function, Functions, Type, Value};
use hmac::{Hmac, Mac};
use rand::RngCore;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use super::args::{Result, bytes_of_u32, text, utf8};
use super::{FunctionEnv, SharedRng, base, certificates};

pub(super) fn add(functions: &mut Functions, env: &FunctionEnv) {
    use Type::{String as Text, Uint32};
    let mut set = |name: &str, function| {
        functions.set(name, function);
    };
    set("sha1sum", Function::new(&[Text], |_, a| Ok(hex(&Sha1::digest(text(a, 0))))));
    set("sha256sum", Function::new(&[Text], |_, a| Ok(hex(&Sha256::digest(text(a, 0))))));
    set("sha512sum", Function::new(&[Text], |_, a| Ok(hex(&Sha512::digest(text(a, 0))))));
    set("adler32sum", Function::new(&[Text], |_, a| Ok(adler_32(text(a, 0)).to_string().into())));
    let rng = env.rng.clone();
    set("bcrypt", Function::new(&[Text], move |_, a| Ok(bcrypt(&rng, text(a, 0)).into())));
    let rng = env.rng.clone();
    set(
        "htpasswd",
        Function::new(&[Text, Text], move |_, a| {
            let user = utf8(a, 0);
            if user.contains(':') {
                return Ok(format!("invalid username: {user}").into());
            }
            Ok(format!("{user}:{}", bcrypt(&rng, text(a, 1))).into())
        }),
    );
    set(
        "derivePassword",
        Function::new(&[Uint32, Text, Text, Text, Text], |_, a| {
            let derived = Derivation {
                counter: bytes_of_u32(a, 0),
                kind: &utf8(a, 1),
                password: text(a, 2),
                user: text(a, 3),
                site: text(a, 4),
            };
            Ok(derived.password().into())
        }),
    );
    let rng = env.rng.clone();
    set(
        "encryptAES",
        Function::new(&[Text, Text], move |_, a| Ok(encrypt(&rng, text(a, 0), text(a, 1)).into())),
    );
    set("decryptAES", Function::new(&[Text, Text], |_, a| decrypt(text(a, 0), text(a, 1))));
    certificates::add(functions, env);
}

fn hex(digest: &[u8]) -> Value {
    digest.iter().map(|b| format!("{b:02x}")).collect::<String>().into()
}

fn adler_32(data: &[u8]) -> u32 {
    const MODULUS: u32 = 65_521;
    let (a, b) = data.iter().fold((1_u32, 0_u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % MODULUS;
        (a, (b + a) % MODULUS)
    });
    b << 16 | a
}

fn bcrypt(rng: &SharedRng, password: &[u8]) -> String {
    if password.len() > 72 {
        return "failed to encrypt string with bcrypt: bcrypt: password length exceeds 72 bytes".to_owned();
    }
    let mut salt = [0; 16];
    rng.lock().fill_bytes(&mut salt);
    match bcrypt::hash_with_salt(password, 10, salt) {
        Ok(hash) => hash.format_for_version(bcrypt::Version::TwoA),
        Err(e) => format!("failed to encrypt string with bcrypt: {e}"),
    }
}

/// The Master Password algorithm.
struct Derivation<'a> {
    counter: [u8; 4],
    kind: &'a str,
    password: &'a [u8],
    user: &'a [u8],
    site: &'a [u8],
}

impl Derivation<'_> {
    const SCOPE: &'static [u8] = b"com.lyndir.masterpassword";

    fn password(&self) -> String {
        let Some(templates) = password_templates(self.kind) else {
            return format!("cannot find password template {}", self.kind);
        };
        let salt = [Self::SCOPE, &length(self.user), self.user].concat();
        let params = scrypt::Params::new(15, 8, 2, 64).expect("the parameters are in range");
        let mut key = [0; 64];
        scrypt::scrypt(self.password, &salt, &params, &mut key)
            .expect("the key is of a length that scrypt can make");
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes keys of any length");
        mac.update(&[Self::SCOPE, &length(self.site), self.site, &self.counter].concat());
        let seed = mac.finalize().into_bytes();
        let template = templates[usize::from(seed[0]) % templates.len()];
        let chars = template.bytes().zip(&seed[1..]).map(|(class, seed)| {
            let symbols = password_symbols(class);
            char::from(symbols[usize::from(*seed) % symbols.len()])
        });
        chars.collect()
    }
}

fn length(text: &[u8]) -> [u8; 4] {
    (text.len() as u32).to_be_bytes()
}

fn password_templates(kind: &str) -> Option<&'static [&'static str]> {
    Some(match kind {
        "maximum" => &["anoxxxxxxxxxxxxxxxxx", "axxxxxxxxxxxxxxxxxno"],
        "long" => &[
            "CvcvnoCvcvCvcv",
            "CvcvCvcvnoCvcv",
            "CvcvCvcvCvcvno",
            "CvccnoCvcvCvcv",
            "CvccCvcvnoCvcv",
            "CvccCvcvCvcvno",
            "CvcvnoCvccCvcv",
            "CvcvCvccnoCvcv",
            "CvcvCvccCvcvno",
            "CvcvnoCvcvCvcc",
            "CvcvCvcvnoCvcc",
            "CvcvCvcvCvccno",
            "CvccnoCvccCvcv",
            "CvccCvccnoCvcv",
            "CvccCvccCvcvno",
            "CvcvnoCvccCvcc",
            "CvcvCvccnoCvcc",
            "CvcvCvccCvccno",
            "CvccnoCvcvCvcc",
            "CvccCvcvnoCvcc",
            "CvccCvcvCvccno",
        ],
        "medium" => &["CvcnoCvc", "CvcCvcno"],
        "short" => &["Cvcn"],
        "basic" => &["aaanaaan", "aannaaan", "aaannaaa"],
        "pin" => &["nnnn"],
        _ => return None,
    })
}

fn password_symbols(class: u8) -> &'static [u8] {
    match class {
        b'V' => b"AEIOU",
        b'C' => b"BCDFGHJKLMNPQRSTVWXYZ",
        b'v' => b"aeiou",
        b'c' => b"bcdfghjklmnpqrstvwxyz",
        b'a' => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz",
        b'n' => b"0123456789",
        b'o' => b"@&%?,=[]_:-+*$#!'^~;()/.",
        _ => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz0123456789!@#$%^&*()",
    }
}

const BLOCK: usize = 16;

/// The password itself is the key, cut or filled to 32 bytes.
fn cipher_key(password: &[u8]) -> [u8; 32] {
    let mut key = [0; 32];
    let length = password.len().min(key.len());
    key[..length].copy_from_slice(&password[..length]);
    key
}

fn encrypt(rng: &SharedRng, password: &[u8], plain: &[u8]) -> String {
    if plain.is_empty() {
        return String::new();
    }
    let mut iv = [0; BLOCK];
    rng.lock().fill_bytes(&mut iv);
    let padding = BLOCK - plain.len() % BLOCK;
    let padded = [plain, &vec![padding as u8; padding]].concat();
    let encryptor = cbc::Encryptor::<Aes256>::new(&cipher_key(password).into(), &iv.into());
    let encrypted = encryptor.encrypt_padded_vec_mut::<NoPadding>(&padded);
    BASE64.encode([iv.as_slice(), &encrypted].concat())
}

fn decrypt(password: &[u8], encrypted: &[u8]) -> Result {
    if encrypted.is_empty() {
        return Ok("".into());
    }
    let data = base::decode_64(encrypted).map_err(FnError::from)?;
    let Some((iv, data)) = data.split_first_chunk::<BLOCK>() else {
        // Go has room for what the padding stood for.
        let capacity = encrypted.len() / 4 * 3;
        return Err(FnError::new(format!(
            "runtime error: slice bounds out of range [:{BLOCK}] with capacity {capacity}"
        )));
    };
    let decryptor = cbc::Decryptor::<Aes256>::new(&cipher_key(password).into(), iv.into());
    let Ok(plain) = decryptor.decrypt_padded_vec_mut::<NoPadding>(data) else {
        return Err(FnError::new("crypto/cipher: input not full blocks"));
    };
    let padding = plain.last().map_or(0, |padding| usize::from(*padding));
    match plain.len().checked_sub(padding) {
        Some(length) if !plain.is_empty() => Ok(Value::str(&plain[..length])),
        Some(_) => Err(FnError::new("runtime error: index out of range [-1]")),
        None => {
            let length = plain.len() as i64 - padding as i64;
            Err(FnError::new(format!("runtime error: slice bounds out of range [:{length}]")))
        }
    }
}
