//! X.509 certificates in DER, with the fields and in the order of Go's `x509.CreateCertificate`.

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::keys::PrivateKey;

/// Whom a certificate is for.
pub(super) struct Subject {
    pub(super) common_name: String,
    pub(super) ips: Vec<IpAddr>,
    pub(super) dns_names: Vec<String>,
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
    pub(super) serial: [u8; 16],
    pub(super) is_authority: bool,
}

type Made<T> = Result<T, String>;

const SEQUENCE: u8 = 0x30;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;

/// In PEM.
pub(super) fn self_signed(subject: &Subject, key: &PrivateKey) -> Made<String> {
    let name = name(&subject.common_name);
    certificate(subject, key, &name, None, key)
}

/// In PEM; `issuer` is the authority's certificate in DER.
pub(super) fn signed(
    subject: &Subject,
    key: &PrivateKey,
    issuer: &[u8],
    signer: &PrivateKey,
) -> Made<String> {
    let parsed = Issuer::parse(issuer).ok_or_else(|| {
        "error parsing certificate: decodedSignerCert.Bytes: x509: malformed certificate".to_owned()
    })?;
    if parsed.public_key != signer.public_key_info()? {
        return Err("x509: provided PrivateKey doesn't match parent's PublicKey".to_owned());
    }
    certificate(subject, key, parsed.subject, parsed.key_id, signer)
}

/// Whether the bytes are a certificate.
pub(super) fn check(der: &[u8]) -> Made<()> {
    Issuer::parse(der).map(|_| ()).ok_or_else(|| "x509: malformed certificate".to_owned())
}

fn certificate(
    subject: &Subject,
    key: &PrivateKey,
    issuer: &[u8],
    issuer_key_id: Option<&[u8]>,
    signer: &PrivateKey,
) -> Made<String> {
    let own_name = name(&subject.common_name);
    let issuer_key_id = issuer_key_id.filter(|_| issuer != own_name);
    let algorithm = signer.signature_algorithm();
    let body = sequence(&[
        tlv(0xA0, &tlv(0x02, &[2])),
        integer(&subject.serial),
        algorithm.clone(),
        issuer.to_vec(),
        sequence(&[time(subject.not_before), time(subject.not_after)]),
        own_name,
        key.public_key_info()?,
        tlv(0xA3, &sequence(&extensions(subject, key, issuer_key_id)?)),
    ]);
    let signature = [&[0], signer.sign(&body)?.as_slice()].concat();
    Ok(pem_text("CERTIFICATE", &sequence(&[body, algorithm, tlv(BIT_STRING, &signature)])))
}

fn extensions(subject: &Subject, key: &PrivateKey, issuer_key_id: Option<&[u8]>) -> Made<Vec<Vec<u8>>> {
    // Digital signature and key encipherment; an authority signs certificates, too.
    let usage = if subject.is_authority { [2, 0xA4] } else { [5, 0xA0] };
    let server_and_client = sequence(&[oid(&[1, 3, 6, 1, 5, 5, 7, 3, 1]), oid(&[1, 3, 6, 1, 5, 5, 7, 3, 2])]);
    let constraints = if subject.is_authority { sequence(&[tlv(0x01, &[0xFF])]) } else { sequence(&[]) };
    let mut extensions = vec![
        extension(15, true, &tlv(BIT_STRING, &usage)),
        extension(37, false, &server_and_client),
        extension(19, true, &constraints),
    ];
    if subject.is_authority {
        let id = &Sha256::digest(key.public_key_bits()?)[..20];
        extensions.push(extension(14, false, &tlv(OCTET_STRING, id)));
    }
    if let Some(id) = issuer_key_id {
        extensions.push(extension(35, false, &sequence(&[tlv(0x80, id)])));
    }
    if !subject.dns_names.is_empty() || !subject.ips.is_empty() {
        let dns = subject.dns_names.iter().map(|name| tlv(0x82, name.as_bytes()));
        let ips = subject.ips.iter().map(|ip| match ip {
            IpAddr::V4(ip) => tlv(0x87, &ip.octets()),
            IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
                Some(ip) => tlv(0x87, &ip.octets()),
                None => tlv(0x87, &ip.octets()),
            },
        });
        let names: Vec<Vec<u8>> = dns.chain(ips).collect();
        extensions.push(extension(17, subject.common_name.is_empty(), &sequence(&names)));
    }
    Ok(extensions)
}

/// An extension of `id-ce`.
fn extension(id: u64, critical: bool, value: &[u8]) -> Vec<u8> {
    let mut parts = vec![oid(&[2, 5, 29, id])];
    if critical {
        parts.push(tlv(0x01, &[0xFF]));
    }
    parts.push(tlv(OCTET_STRING, value));
    sequence(&parts)
}

/// A name with a common name only.
fn name(common_name: &str) -> Vec<u8> {
    if common_name.is_empty() {
        return sequence(&[]);
    }
    let is_printable = |b: u8| b.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&b);
    let tag = if common_name.bytes().all(is_printable) { 0x13 } else { 0x0C };
    let attribute = sequence(&[oid(&[2, 5, 4, 3]), tlv(tag, common_name.as_bytes())]);
    sequence(&[tlv(0x31, &attribute)])
}

/// UTCTime up to 2049, GeneralizedTime after.
fn time(at: Timestamp) -> Vec<u8> {
    let utc = at.to_zoned(jiff::tz::TimeZone::UTC);
    if (1950..2050).contains(&utc.year()) {
        tlv(0x17, utc.strftime("%y%m%d%H%M%SZ").to_string().as_bytes())
    } else {
        tlv(0x18, utc.strftime("%Y%m%d%H%M%SZ").to_string().as_bytes())
    }
}

pub(super) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = content.len();
    if length < 0x80 {
        out.push(length as u8);
    } else {
        let bytes: Vec<u8> = length.to_be_bytes().into_iter().skip_while(|b| *b == 0).collect();
        out.push(0x80 | bytes.len() as u8);
        out.extend(bytes);
    }
    out.extend_from_slice(content);
    out
}

pub(super) fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(SEQUENCE, &parts.concat())
}

pub(super) fn oid(arcs: &[u64]) -> Vec<u8> {
    let mut content = vec![(arcs[0] * 40 + arcs[1]) as u8];
    for arc in &arcs[2..] {
        let groups = (0..10).rev().map(|i| (arc >> (7 * i)) as u8 & 0x7F).skip_while(|group| *group == 0);
        let mut groups: Vec<u8> = groups.collect();
        if groups.is_empty() {
            groups.push(0);
        }
        let last = groups.len() - 1;
        content
            .extend(groups.iter().enumerate().map(|(i, group)| if i < last { group | 0x80 } else { *group }));
    }
    tlv(0x06, &content)
}

/// A positive integer.
fn integer(bytes: &[u8]) -> Vec<u8> {
    let mut digits: Vec<u8> = bytes.iter().copied().skip_while(|b| *b == 0).collect();
    if digits.first().is_none_or(|b| *b >= 0x80) {
        digits.insert(0, 0);
    }
    tlv(0x02, &digits)
}

/// A PEM block, in lines of 64.
pub(super) fn pem_text(label: &str, der: &[u8]) -> String {
    let mut out = format!("-----BEGIN {label}-----\n");
    for (i, c) in BASE64.encode(der).chars().enumerate() {
        if i > 0 && i % 64 == 0 {
            out.push('\n');
        }
        out.push(c);
    }
    out.push_str(&format!("\n-----END {label}-----\n"));
    out
}

/// The content of the first block with this label; an empty one stands for any.
pub(super) fn pem_content(text: &str, label: &str) -> Option<Vec<u8>> {
    let (found, rest) = text.split_once("-----BEGIN ")?.1.split_once("-----")?;
    if !label.is_empty() && label != found {
        return None;
    }
    let (body, _) = rest.split_once(&format!("-----END {found}-----"))?;
    let body: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    BASE64.decode(body).ok()
}

/// What a signed certificate takes over from its authority's.
struct Issuer<'a> {
    /// The name, in DER.
    subject: &'a [u8],
    public_key: &'a [u8],
    key_id: Option<&'a [u8]>,
}

impl<'a> Issuer<'a> {
    fn parse(der: &'a [u8]) -> Option<Self> {
        let (certificate, _, rest) = element(der)?;
        if !rest.is_empty() {
            return None;
        }
        let (body, _, _) = element(certificate)?;
        let mut rest = body;
        let mut fields = Vec::new();
        while !rest.is_empty() {
            let (content, whole, after) = element(rest)?;
            fields.push((whole[0], content, whole));
            rest = after;
        }
        // Version, serial number, algorithm, issuer, validity, subject, key.
        let first = usize::from(fields.first()?.0 == 0xA0);
        let subject = fields.get(first + 4)?.2;
        let public_key = fields.get(first + 5)?.2;
        let extensions = fields.iter().find(|(tag, ..)| *tag == 0xA3).map(|(_, content, _)| *content);
        Some(Issuer { subject, public_key, key_id: extensions.and_then(key_id) })
    }
}

/// The subject key identifier among extensions.
fn key_id(extensions: &[u8]) -> Option<&[u8]> {
    let (mut rest, _, _) = element(extensions)?;
    while !rest.is_empty() {
        let (extension, _, after) = element(rest)?;
        let (_, id, value) = element(extension)?;
        if id == oid(&[2, 5, 29, 14]) {
            let (value, ..) = element(value)?;
            return element(value).map(|(id, ..)| id);
        }
        rest = after;
    }
    None
}

/// The content of the first element, the whole element, and what follows.
fn element(der: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let first = *der.get(1)?;
    let (length, header) = match first {
        0..=0x7F => (usize::from(first), 2),
        0x81..=0x84 => {
            let count = usize::from(first & 0x7F);
            let length = der.get(2..2 + count)?.iter().fold(0_usize, |n, b| n << 8 | usize::from(*b));
            (length, 2 + count)
        }
        _ => return None,
    };
    let end = header.checked_add(length)?;
    Some((der.get(header..end)?, der.get(..end)?, der.get(end..)?))
}
