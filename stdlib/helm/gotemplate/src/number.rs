//! Numbers as Go's templates write them: decimal, hexadecimal, octal, binary, with underscores, floats, characters and
//! complex ones. The result holds every value that the text can stand for.

use crate::lex::TokenKind;
use crate::quote::{quote, unquote_one};
use crate::tree::NumberLiteral;

pub(crate) fn parse(text: &str, kind: TokenKind) -> Result<NumberLiteral, String> {
    let literal = NumberLiteral { text: text.into(), ..NumberLiteral::default() };
    match kind {
        TokenKind::CharConstant => char_constant(text, literal),
        TokenKind::Complex => {
            let split = text.rfind(['+', '-']).unwrap_or(0);
            let imaginary = text[split..].strip_suffix('i').and_then(parse_float);
            match (parse_float(&text[..split]), imaginary) {
                (Some(re), Some(im)) => Ok(complex(literal, re, im)),
                _ => Err(format!("illegal number syntax: {}", quote(text.as_bytes()))),
            }
        }
        _ => match text.strip_suffix('i').and_then(parse_float) {
            Some(im) => Ok(complex(literal, 0.0, im)),
            None => real(text, literal),
        },
    }
}

/// Go's `strconv.ParseInt` with base 0: the prefix says the base, underscores may stand between digits.
pub(crate) fn parse_int(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let magnitude = parse_uint(digits)?;
    if negative { 0i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
}

fn parse_uint(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let (radix, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    let prefixed = radix != 10;
    let plain = without_underscores(digits, prefixed)?;
    if plain.starts_with(['+', '-']) {
        return None;
    }
    u64::from_str_radix(&plain, radix).ok()
}

/// Drops underscores, each of which must stand between digits, or between a base's prefix and a digit.
fn without_underscores(digits: &str, prefixed: bool) -> Option<String> {
    let bad = digits.contains("__") || digits.ends_with('_') || (digits.starts_with('_') && !prefixed);
    (!bad).then(|| digits.replace('_', ""))
}

/// Go's `strconv.ParseFloat` of what a template's number can hold; infinite values are out of range.
fn parse_float(text: &str) -> Option<f64> {
    let plain = without_underscores(text, false)?;
    let unsigned = plain.strip_prefix(['+', '-']).unwrap_or(&plain);
    let value = match unsigned.strip_prefix("0x").or_else(|| unsigned.strip_prefix("0X")) {
        Some(hex) => {
            let magnitude = parse_hex_float(hex)?;
            if plain.starts_with('-') { -magnitude } else { magnitude }
        }
        None if unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') => plain.parse().ok()?,
        None => return None,
    };
    value.is_finite().then_some(value)
}

/// `1.8p3`: hexadecimal digits and a binary exponent, which must be there.
fn parse_hex_float(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once(['p', 'P'])?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut value = 0.0;
    for digit in whole.chars().chain(fraction.chars()) {
        value = value * 16.0 + f64::from(digit.to_digit(16)?);
    }
    let exponent: i32 = exponent.parse().ok()?;
    let shift = exponent.checked_sub(4 * i32::try_from(fraction.len()).ok()?)?;
    Some(value * 2f64.powi(shift))
}

fn char_constant(text: &str, mut literal: NumberLiteral) -> Result<NumberLiteral, String> {
    let (code, rest) = match unquote_one(&text[1..], '\'', &mut Vec::new()) {
        Some(read) if text != "''" => read,
        _ => return Err("invalid syntax".to_owned()),
    };
    if rest != "'" {
        return Err(format!("malformed character constant: {text}"));
    }
    literal.int = Some(code.into());
    literal.uint = Some(code.into());
    literal.float = Some(code.into());
    Ok(literal)
}

fn complex(mut literal: NumberLiteral, re: f64, im: f64) -> NumberLiteral {
    literal.complex = Some((re, im));
    if im == 0.0 {
        literal.float = Some(re);
        integers_of(re, &mut literal);
    }
    literal
}

fn real(text: &str, mut literal: NumberLiteral) -> Result<NumberLiteral, String> {
    literal.uint = parse_uint(text);
    literal.int = parse_int(text);
    if literal.int == Some(0) {
        literal.uint = Some(0);
    }
    if let Some(int) = literal.int {
        literal.float = Some(int as f64);
    } else if let Some(uint) = literal.uint {
        literal.float = Some(uint as f64);
    } else if let Some(float) = parse_float(text) {
        if !text.contains(['.', 'e', 'E', 'p', 'P']) {
            return Err(format!("integer overflow: {}", quote(text.as_bytes())));
        }
        literal.float = Some(float);
        integers_of(float, &mut literal);
    } else {
        return Err(format!("illegal number syntax: {}", quote(text.as_bytes())));
    }
    Ok(literal)
}

/// The integers that equal a float.
fn integers_of(float: f64, literal: &mut NumberLiteral) {
    const I64_END: f64 = 9_223_372_036_854_775_808.0;
    const U64_END: f64 = 18_446_744_073_709_551_616.0;
    if float.trunc() == float {
        literal.int = (-I64_END..I64_END).contains(&float).then_some(float as i64);
        literal.uint = (0.0..U64_END).contains(&float).then_some(float as u64);
    }
}
