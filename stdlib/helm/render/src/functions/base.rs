//! Base64 and base32 with Go's error texts, which say where the first bad byte stands.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Line breaks are skipped; padding is required; stray bits at the end are allowed.
pub(super) fn decode_64(text: &[u8]) -> Result<Vec<u8>, String> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
    );
    let is_symbol = |b: u8| b.is_ascii_alphanumeric() || b == b'+' || b == b'/';
    check(text, 4, |in_group, padding| in_group >= 2 && in_group + padding == 4, is_symbol)
        .map_err(|at| format!("illegal base64 data at input byte {at}"))?;
    let plain: Vec<u8> = text.iter().copied().filter(|b| !matches!(b, b'\r' | b'\n')).collect();
    LENIENT.decode(plain).map_err(|_| format!("illegal base64 data at input byte {}", text.len()))
}

pub(super) fn encode_32(data: &[u8]) -> String {
    const SYMBOLS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut out = String::with_capacity(data.len().div_ceil(5) * 8);
    for group in data.chunks(5) {
        let bits = group.iter().fold(0_u64, |bits, b| bits << 8 | u64::from(*b)) << (8 * (5 - group.len()));
        let symbols = (group.len() * 8).div_ceil(5);
        for i in 0..8 {
            let symbol = SYMBOLS[(bits >> (35 - 5 * i)) as usize & 31];
            out.push(if i < symbols { char::from(symbol) } else { '=' });
        }
    }
    out
}

pub(super) fn decode_32(text: &[u8]) -> Result<Vec<u8>, String> {
    let value = |b: u8| match b {
        b'A'..=b'Z' => Some(b - b'A'),
        b'2'..=b'7' => Some(b - b'2' + 26),
        _ => None,
    };
    let complete =
        |in_group: usize, padding: usize| in_group + padding == 8 && matches!(in_group, 2 | 4 | 5 | 7);
    check(text, 8, complete, |b| value(b).is_some())
        .map_err(|at| format!("illegal base32 data at input byte {at}"))?;
    let symbols: Vec<u8> = text.iter().filter_map(|b| value(*b)).collect();
    let mut out = Vec::with_capacity(symbols.len() * 5 / 8);
    for group in symbols.chunks(8) {
        let bits = group.iter().fold(0_u64, |bits, b| bits << 5 | u64::from(*b)) << (5 * (8 - group.len()));
        out.extend_from_slice(&bits.to_be_bytes()[3..3 + group.len() * 5 / 8]);
    }
    Ok(out)
}

/// Finds the first byte that does not belong: a foreign one, padding too early, or what follows the padding.
fn check(
    text: &[u8],
    group: usize,
    is_complete: impl Fn(usize, usize) -> bool,
    is_symbol: impl Fn(u8) -> bool,
) -> Result<(), usize> {
    let mut in_group = 0;
    let mut bytes = text.iter().enumerate().filter(|(_, b)| !matches!(b, b'\r' | b'\n'));
    while let Some((i, b)) = bytes.next() {
        if is_symbol(*b) {
            in_group = (in_group + 1) % group;
            continue;
        }
        if *b != b'=' {
            return Err(i);
        }
        let mut padding = 1;
        while in_group + padding < group {
            match bytes.next() {
                Some((_, b'=')) => padding += 1,
                // What stands where padding is missing is blamed on the padding.
                Some(_) => return Err(i),
                None => break,
            }
        }
        if !is_complete(in_group, padding) {
            return Err(if in_group < 2 { i } else { text.len() });
        }
        // Base32 blames the padding where something follows it.
        return bytes.next().map_or(Ok(()), |(after, _)| Err(if group == 8 { i } else { after }));
    }
    if in_group == 0 { Ok(()) } else { Err(text.len() - in_group) }
}
