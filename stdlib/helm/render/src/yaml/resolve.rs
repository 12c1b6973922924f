//! What a plain scalar means: null, boolean, number, date or text, in go-yaml's two dialects.

use std::borrow::Cow;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// go-yaml v2: `y`, `on`, `yes` and their opposites are booleans.
    V2,
    /// go-yaml v3: they are text, and `0o17` is a number.
    V3,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Resolved {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    Timestamp,
    Text,
}

impl Resolved {
    /// The short tag, as error texts show it.
    pub(super) fn tag(self) -> &'static str {
        match self {
            Resolved::Null => "!!null",
            Resolved::Bool(_) => "!!bool",
            Resolved::Int(_) | Resolved::Uint(_) => "!!int",
            Resolved::Float(_) => "!!float",
            Resolved::Timestamp => "!!timestamp",
            Resolved::Text => "!!str",
        }
    }
}

/// Resolves a scalar that has no tag, or (`dates` false) one that a tag says is no date.
pub(super) fn resolve(text: &str, dialect: Dialect, dates: bool) -> Resolved {
    let Some(first) = text.bytes().next() else { return Resolved::Null };
    match first {
        b'.' => named_float(text).or_else(|| dotted_float(text)).unwrap_or(Resolved::Text),
        b'+' | b'-' | b'0'..=b'9' => named_float(text)
            .or_else(|| (dates && is_timestamp(text)).then_some(Resolved::Timestamp))
            .or_else(|| number(text, dialect))
            .unwrap_or(Resolved::Text),
        b'~' | b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' => word(text, dialect),
        _ => Resolved::Text,
    }
}

fn word(text: &str, dialect: Dialect) -> Resolved {
    match text {
        "~" | "null" | "Null" | "NULL" => Resolved::Null,
        "true" | "True" | "TRUE" => Resolved::Bool(true),
        "false" | "False" | "FALSE" => Resolved::Bool(false),
        _ if dialect == Dialect::V3 => Resolved::Text,
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Resolved::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Resolved::Bool(false),
        _ => Resolved::Text,
    }
}

/// Whether YAML 1.1 reads the text as a boolean that newer versions read as text.
pub(super) fn is_old_bool(text: &str) -> bool {
    !matches!(word(text, Dialect::V3), Resolved::Bool(_))
        && matches!(word(text, Dialect::V2), Resolved::Bool(_))
}

/// Whether YAML 1.1 reads the text as a number to the base of 60, such as `1:20`.
pub(super) fn is_base_60(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let mut parts = digits.split(':');
    let leading = parts.next().unwrap_or("");
    let is_lead = leading.starts_with(|c: char| c.is_ascii_digit())
        && leading.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return false };
    let (last, fraction) = last.split_once('.').unwrap_or((last, ""));
    let is_part = |part: &str| match part.as_bytes() {
        [ones] => ones.is_ascii_digit(),
        [tens, ones] => (b'0'..=b'5').contains(tens) && ones.is_ascii_digit(),
        _ => false,
    };
    is_lead
        && parts.iter().all(|part| is_part(part))
        && is_part(last)
        && fraction.bytes().all(|b| b.is_ascii_digit() || b == b'_')
}

fn named_float(text: &str) -> Option<Resolved> {
    Some(Resolved::Float(match text {
        ".nan" | ".NaN" | ".NAN" => f64::NAN,
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => f64::INFINITY,
        "-.inf" | "-.Inf" | "-.INF" => f64::NEG_INFINITY,
        _ => return None,
    }))
}

/// Go's `ParseFloat` of a text that begins with a dot: underscores may stand between digits.
fn dotted_float(text: &str) -> Option<Resolved> {
    let bytes = text.as_bytes();
    let separated = bytes.iter().enumerate().all(|(i, b)| {
        *b != b'_'
            || (i > 0 && bytes[i - 1].is_ascii_digit() && bytes.get(i + 1).is_some_and(u8::is_ascii_digit))
    });
    let plain = text.replace('_', "");
    if !separated || !is_decimal_float(&plain) {
        return None;
    }
    finite(&plain)
}

fn number(text: &str, dialect: Dialect) -> Option<Resolved> {
    let plain: Cow<'_, str> =
        if text.contains('_') { Cow::Owned(text.replace('_', "")) } else { Cow::Borrowed(text) };
    if let Some(n) = integer(&plain, 0) {
        return Some(n);
    }
    if is_decimal_float(&plain)
        && let Some(f) = finite(&plain)
    {
        return Some(f);
    }
    // Leftovers of go-yaml's own prefix handling, reached only by a sign after the prefix.
    let (prefix, radix) = match dialect {
        Dialect::V3 if plain.contains("0o") => ("0o", 8),
        _ => ("0b", 2),
    };
    match plain.strip_prefix(prefix) {
        Some(digits) => integer(digits, radix),
        None => None,
    }
}

/// Go's `ParseInt`, then `ParseUint`, without underscores; base 0 looks at the prefix.
fn integer(text: &str, base: u32) -> Option<Resolved> {
    let (negative, signed, digits) = match text.as_bytes().first()? {
        b'-' => (true, true, &text[1..]),
        b'+' => (false, true, &text[1..]),
        _ => (false, false, text),
    };
    let (base, digits) = match (base, digits.as_bytes()) {
        (0, [b'0', b'x' | b'X', _, ..]) => (16, &digits[2..]),
        (0, [b'0', b'b' | b'B', _, ..]) => (2, &digits[2..]),
        (0, [b'0', b'o' | b'O', _, ..]) => (8, &digits[2..]),
        (0, [b'0', _, ..]) => (8, &digits[1..]),
        (0, _) => (10, digits),
        _ => (base, digits),
    };
    if digits.is_empty() || !digits.bytes().all(|b| char::from(b).is_digit(base)) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, base).ok()?;
    if negative {
        return 0_i64.checked_sub_unsigned(magnitude).map(Resolved::Int);
    }
    match i64::try_from(magnitude) {
        Ok(n) => Some(Resolved::Int(n)),
        Err(_) => (!signed).then_some(Resolved::Uint(magnitude)),
    }
}

/// `^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`
fn is_decimal_float(text: &str) -> bool {
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let whole = digits(text);
    let mut rest = &text[whole..];
    if let Some(after) = rest.strip_prefix('.') {
        let fraction = digits(after);
        if whole == 0 && fraction == 0 {
            return false;
        }
        rest = &after[fraction..];
    } else if whole == 0 {
        return false;
    }
    match rest.strip_prefix(['e', 'E']) {
        None => rest.is_empty(),
        Some(exponent) => {
            let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            !exponent.is_empty() && digits(exponent) == exponent.len()
        }
    }
}

fn finite(text: &str) -> Option<Resolved> {
    text.parse().ok().filter(|f: &f64| f.is_finite()).map(Resolved::Float)
}

/// A date, or a date and time, as go-yaml's four layouts of `time.Parse` accept it.
fn is_timestamp(text: &str) -> bool {
    let mut rest = text;
    let Some(year) = take_number(&mut rest, 4, 4) else { return false };
    let date = take(&mut rest, b"-").and_then(|_| {
        let month = take_number(&mut rest, 1, 2).filter(|m| (1..=12).contains(m))?;
        take(&mut rest, b"-")?;
        take_number(&mut rest, 1, 2).filter(|day| (1..=days_in(year, month)).contains(day))
    });
    if date.is_none() {
        return false;
    }
    if rest.is_empty() {
        return true;
    }
    let Some(separator) = take(&mut rest, b"Tt ") else { return false };
    let time = take_number(&mut rest, 1, 2).filter(|hour| *hour < 24).and_then(|_| {
        take(&mut rest, b":")?;
        take_number(&mut rest, 1, 2).filter(|minute| *minute < 60)?;
        take(&mut rest, b":")?;
        take_number(&mut rest, 1, 2).filter(|second| *second < 60)
    });
    if time.is_none() {
        return false;
    }
    if let Some(fraction) = rest.strip_prefix(['.', ',']) {
        let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 {
            rest = &fraction[digits..];
        }
    }
    if separator == b' ' { rest.is_empty() } else { rest == "Z" || is_zone_offset(rest) }
}

fn is_zone_offset(text: &str) -> bool {
    let mut rest = text;
    take(&mut rest, b"+-")
        .and_then(|_| take_number(&mut rest, 2, 2).filter(|hours| *hours <= 24))
        .and_then(|_| take(&mut rest, b":"))
        .and_then(|_| take_number(&mut rest, 2, 2).filter(|minutes| *minutes <= 60))
        .is_some()
        && rest.is_empty()
}

fn take(rest: &mut &str, any_of: &[u8]) -> Option<u8> {
    let first = *rest.as_bytes().first()?;
    if !any_of.contains(&first) {
        return None;
    }
    *rest = &rest[1..];
    Some(first)
}

fn take_number(rest: &mut &str, least: usize, most: usize) -> Option<u32> {
    let digits = rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
    if digits < least {
        return None;
    }
    let (number, after) = rest.split_at(digits);
    *rest = after;
    number.parse().ok()
}

fn days_in(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}
