//! Checksums: what is sent is compared with what came, and what is kept is told.

use s3s::S3Result;
use s3s::crypto::{Checksum, Crc32, Crc32c, Crc64Nvme, Md5, Sha1, Sha256};
use s3s::s3_error;

/// A checksum of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sum {
    /// `CRC32`
    pub(super) algorithm: &'static str,
    /// In base64; of one that is made of the parts' checksums, `-` and their number follow.
    pub(super) value: String,
    pub(super) composite: bool,
}

/// What AWS computes if the caller sends none.
pub(super) const DEFAULT: &str = "CRC64NVME";

fn raw(algorithm: &str, bytes: &[u8]) -> Option<(&'static str, Vec<u8>)> {
    Some(match algorithm {
        "CRC32" => ("CRC32", Crc32::checksum(bytes).to_vec()),
        "CRC32C" => ("CRC32C", Crc32c::checksum(bytes).to_vec()),
        "CRC64NVME" => ("CRC64NVME", Crc64Nvme::checksum(bytes).to_vec()),
        "SHA1" => ("SHA1", Sha1::checksum(bytes).to_vec()),
        "SHA256" => ("SHA256", Sha256::checksum(bytes).to_vec()),
        _ => return None,
    })
}

pub(super) fn digest(bytes: &[u8]) -> [u8; 16] {
    Md5::checksum(bytes)
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(Sha256::checksum(bytes).as_ref())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let at = |index: usize| u32::from(chunk.get(index).copied().unwrap_or_default());
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for digit in 0..4 {
            if digit > chunk.len() {
                out.push('=');
            } else {
                out.push(char::from(DIGITS[(bits >> (18 - 6 * digit)) as usize & 63]));
            }
        }
    }
    out
}

/// Of these bytes, of a kind that AWS knows.
pub(super) fn of(algorithm: &str, bytes: &[u8]) -> Option<Sum> {
    let (algorithm, raw) = raw(algorithm, bytes)?;
    Some(Sum { algorithm, value: base64(&raw), composite: false })
}

/// The checksum of the parts' checksums.
pub(super) fn composite<'b>(algorithm: &str, parts: impl Iterator<Item = &'b [u8]>) -> Option<Sum> {
    let (mut all, mut count) = (Vec::new(), 0);
    for part in parts {
        all.extend(raw(algorithm, part)?.1);
        count += 1;
    }
    let (algorithm, raw) = raw(algorithm, &all)?;
    Some(Sum { algorithm, value: format!("{}-{count}", base64(&raw)), composite: true })
}

/// The checksum to keep of `bytes`, which came with these.
pub(super) fn verified(
    sent: &[(&'static str, Option<&String>)],
    md5: Option<&String>,
    bytes: &[u8],
) -> S3Result<Option<Sum>> {
    if let Some(md5) = md5
        && *md5 != base64(&digest(bytes))
    {
        return Err(s3_error!(BadDigest, "The Content-MD5 you specified did not match what we received."));
    }
    let mut kept = None;
    for (algorithm, value) in sent.iter().filter_map(|(algorithm, value)| Some((*algorithm, (*value)?))) {
        let found = of(algorithm, bytes);
        if found.as_ref().is_none_or(|found| found.value != *value) {
            let message = format!("The {algorithm} you specified did not match the calculated checksum.");
            return Err(s3_error!(BadDigest, "{message}"));
        }
        kept = found;
    }
    Ok(kept)
}

/// The five members that every input and output has for them.
macro_rules! sent {
    ($input:expr) => {
        [
            ("CRC32", $input.checksum_crc32.as_ref()),
            ("CRC32C", $input.checksum_crc32c.as_ref()),
            ("CRC64NVME", $input.checksum_crc64nvme.as_ref()),
            ("SHA1", $input.checksum_sha1.as_ref()),
            ("SHA256", $input.checksum_sha256.as_ref()),
        ]
    };
}

macro_rules! told {
    ($output:expr, $sum:expr) => {
        // Of what is elsewhere, it may not be known.
        if let Some(sum) = $sum.filter(|sum| !sum.value.is_empty()) {
            let value = Some(sum.value.clone());
            match sum.algorithm {
                "CRC32" => $output.checksum_crc32 = value,
                "CRC32C" => $output.checksum_crc32c = value,
                "CRC64NVME" => $output.checksum_crc64nvme = value,
                "SHA1" => $output.checksum_sha1 = value,
                _ => $output.checksum_sha256 = value,
            }
        }
    };
}

pub(super) use {sent, told};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_what_others_make_of_it() {
        let made: Vec<String> = ["", "f", "fo", "foo", "foob"].map(|text| base64(text.as_bytes())).into();
        assert_eq!(made, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="]);
    }
}
