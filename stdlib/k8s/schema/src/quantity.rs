//! Kubernetes quantities (`500m`, `1Gi`, `1e3`): read, compared, added and written in canonical form.
//! Exact to a billionth; what is finer is rounded up, as in Kubernetes.

use std::cmp::Ordering;
use std::fmt;
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};
use std::str::FromStr;

/// An amount of a resource.
#[derive(Clone, Copy, Debug)]
pub struct Quantity {
    nanos: i128,
    format: Format,
}

/// How it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `1Ki`, `1Gi`.
    BinarySi,
    /// `100m`, `1k`, `5`.
    DecimalSi,
    /// `1e3`.
    DecimalExponent,
}

/// Why a text is no quantity, in Kubernetes' words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    #[error("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")]
    Format,
    #[error("unable to parse numeric part of quantity")]
    Number,
    #[error("unable to parse quantity's suffix")]
    Suffix,
}

const NANO: i128 = 1_000_000_000;
/// Beyond this a quantity is capped.
const LIMIT: i128 = i64::MAX as i128 * NANO;
const DECIMAL: [(&str, i32); 10] =
    [("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];
const BINARY: [(&str, i32); 6] = [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40), ("Pi", 50), ("Ei", 60)];

impl Quantity {
    pub const ZERO: Self = Self { nanos: 0, format: Format::DecimalSi };

    /// A whole number, written in decimal.
    pub fn whole(value: i64) -> Self {
        Self { nanos: i128::from(value) * NANO, format: Format::DecimalSi }
    }

    pub fn milli(value: i64) -> Self {
        Self { nanos: i128::from(value) * (NANO / 1000), format: Format::DecimalSi }
    }

    pub fn is_zero(&self) -> bool {
        self.nanos == 0
    }

    pub fn is_negative(&self) -> bool {
        self.nanos < 0
    }

    pub fn is_whole(&self) -> bool {
        self.nanos % NANO == 0
    }

    /// In whole units, rounded up (`Quantity.Value`).
    pub fn value(&self) -> i64 {
        i64::try_from(up(self.nanos, NANO)).unwrap_or(i64::MAX)
    }

    /// In thousandths, rounded up (`Quantity.MilliValue`).
    pub fn milli_value(&self) -> i64 {
        i64::try_from(up(self.nanos, NANO / 1000)).unwrap_or(i64::MAX)
    }

    pub fn format(&self) -> Format {
        self.format
    }

    fn decimal(&self) -> String {
        if self.nanos == 0 {
            return "0".to_owned();
        }
        let (mut mantissa, mut exponent) = (self.nanos, -9);
        while mantissa % 10 == 0 {
            mantissa /= 10;
            exponent += 1;
        }
        while exponent % 3 != 0 || exponent > 18 {
            mantissa *= 10;
            exponent -= 1;
        }
        if self.format == Format::DecimalExponent {
            return if exponent == 0 { mantissa.to_string() } else { format!("{mantissa}e{exponent}") };
        }
        let suffix = DECIMAL.iter().find(|(_, power)| *power == exponent).map_or("", |(suffix, _)| suffix);
        format!("{mantissa}{suffix}")
    }
}

/// Divides, rounding away from zero as Kubernetes does.
fn up(value: i128, by: i128) -> i128 {
    let whole = value / by;
    if value % by == 0 { whole } else { whole + value.signum() }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let small = self.nanos.abs() < 1024 * NANO;
        if self.format != Format::BinarySi || small || !self.is_whole() {
            return f.write_str(&self.decimal());
        }
        let (mut mantissa, mut power) = (self.nanos / NANO, 0);
        while mantissa % 1024 == 0 && power < 60 {
            mantissa /= 1024;
            power += 10;
        }
        let suffix = BINARY.iter().find(|(_, p)| *p == power).map_or("", |(suffix, _)| suffix);
        write!(f, "{mantissa}{suffix}")
    }
}

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        if text.is_empty() {
            return Err(QuantityError::Format);
        }
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let whole_length = unsigned.bytes().take_while(u8::is_ascii_digit).count();
        let (whole, mut rest) = unsigned.split_at(whole_length);
        let mut fraction = "";
        if let Some(after) = rest.strip_prefix('.') {
            let length = after.bytes().take_while(u8::is_ascii_digit).count();
            (fraction, rest) = after.split_at(length);
        }
        check_suffix(rest)?;
        let (power, binary, format) = suffix(rest).ok_or(QuantityError::Suffix)?;
        if whole.is_empty() && fraction.is_empty() {
            return Err(QuantityError::Number);
        }
        let mut nanos = amount(whole, fraction, power, binary);
        if text.starts_with('-') {
            nanos = -nanos;
        }
        Ok(Self { nanos, format })
    }
}

/// The letters, then an optional sign and digits; anything else is no quantity at all.
fn check_suffix(rest: &str) -> Result<(), QuantityError> {
    let after = rest.trim_start_matches(|c| "eEinumkKMGTP".contains(c));
    let after = after.strip_prefix(['+', '-']).unwrap_or(after);
    if after.bytes().all(|b| b.is_ascii_digit()) { Ok(()) } else { Err(QuantityError::Format) }
}

/// The power of ten or two, whether it is of two, and the format.
fn suffix(text: &str) -> Option<(i32, bool, Format)> {
    if let Some((_, power)) = DECIMAL.iter().find(|(name, _)| *name == text) {
        return Some((*power, false, Format::DecimalSi));
    }
    if let Some((_, power)) = BINARY.iter().find(|(name, _)| *name == text) {
        return Some((*power, true, Format::BinarySi));
    }
    let digits = text.strip_prefix(['e', 'E'])?;
    Some((digits.parse().ok()?, false, Format::DecimalExponent))
}

/// In billionths, rounded up and capped.
fn amount(whole: &str, fraction: &str, power: i32, binary: bool) -> i128 {
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return 0;
    }
    let scale = i32::try_from(fraction.len()).unwrap_or(i32::MAX);
    if digits.len() > 30 {
        return LIMIT;
    }
    let mut value: i128 = digits.parse().unwrap_or(LIMIT);
    if binary {
        value = value.saturating_mul(1_i128 << power);
    }
    let shift = 9 - scale.min(1000) + if binary { 0 } else { power.clamp(-1000, 1000) };
    if shift >= 0 {
        for _ in 0..shift.min(60) {
            value = value.saturating_mul(10);
        }
    } else {
        let by = 10_i128.checked_pow(shift.unsigned_abs()).unwrap_or(i128::MAX);
        value = up(value, by);
    }
    value.min(LIMIT)
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

impl Add for Quantity {
    type Output = Self;

    /// Zero takes the other's format.
    fn add(self, other: Self) -> Self {
        let format = if self.nanos == 0 { other.format } else { self.format };
        Self { nanos: self.nanos.saturating_add(other.nanos), format }
    }
}

impl Sub for Quantity {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl Neg for Quantity {
    type Output = Self;

    fn neg(self) -> Self {
        Self { nanos: -self.nanos, format: self.format }
    }
}

impl AddAssign for Quantity {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for Quantity {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}
