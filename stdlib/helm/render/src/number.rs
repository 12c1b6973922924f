//! Floating-point numbers as Go's `strconv` and `encoding/json` write them.

use gotemplate::format::format_float;

/// `FormatFloat(f, 'g', -1, 64)`: the shortest digits that read back, with an exponent when it is below -4 or above 5.
pub(crate) fn general(f: f64) -> String {
    format_float(f, b'g', None, false)
}

/// `FormatFloat(f, 'g', -1, 32)`.
pub(crate) fn general_32(f: f32) -> String {
    format_float(f64::from(f), b'g', None, true)
}

/// As `encoding/json` writes a float64: no exponent from 1e-6 to below 1e21, and never a padded one.
pub(crate) fn json(f: f64) -> String {
    format_json(f.abs(), f.to_string(), format!("{f:e}"))
}

/// The same for a float32.
pub(crate) fn json_32(f: f32) -> String {
    format_json(f64::from(f.abs()), f.to_string(), format!("{f:e}"))
}

fn format_json(size: f64, fixed: String, scientific: String) -> String {
    if size == 0.0 || (1e-6..1e21).contains(&size) {
        fixed
    } else if size >= 1e21 {
        // Rust writes 1e21 where Go writes 1e+21; both write 1e-7.
        scientific.replace('e', "e+")
    } else {
        scientific
    }
}

/// `strconv.ParseFloat(text, 64)`: decimal with an exponent, hexadecimal with `p`, names of infinity and not-a-number;
/// `None` also for what is out of range.
pub(crate) fn parse_float(text: &str) -> Option<f64> {
    let (negative, magnitude) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = magnitude.to_ascii_lowercase();
    let value = match lower.as_str() {
        "inf" | "infinity" => f64::INFINITY,
        "nan" => f64::NAN,
        _ => match lower.strip_prefix("0x") {
            Some(digits) => hexadecimal(digits)?,
            None if is_decimal(&lower) => {
                lower.replace('_', "").parse::<f64>().ok().filter(|f| f.is_finite())?
            }
            None => return None,
        },
    };
    Some(if negative { -value } else { value })
}

/// Digits with a dot and an exponent; single underscores may stand between digits.
fn is_decimal(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_digit = |i: usize| bytes.get(i).is_some_and(u8::is_ascii_digit);
    let separates = |i: usize| i > 0 && is_digit(i - 1) && is_digit(i + 1);
    if !(0..bytes.len()).all(|i| bytes[i] != b'_' || separates(i)) {
        return false;
    }
    let plain = text.replace('_', "");
    let (mantissa, exponent) = plain.split_once('e').map_or((plain.as_str(), None), |(m, e)| (m, Some(e)));
    let digits = mantissa.replacen('.', "", 1);
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    is_number(&digits) && exponent.is_none_or(|e| is_number(e.strip_prefix(['+', '-']).unwrap_or(e)))
}

fn hexadecimal(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once('p')?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.len() + fraction.len() == 0 {
        return None;
    }
    let mut value = 0.0_f64;
    for c in whole.chars().chain(fraction.chars()) {
        value = value * 16.0 + f64::from(c.to_digit(16)?);
    }
    let exponent: i32 = exponent.parse().ok()?;
    let scaled = value * 2.0_f64.powi(exponent - 4 * i32::try_from(fraction.len()).ok()?);
    scaled.is_finite().then_some(scaled)
}
