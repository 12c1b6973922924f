//! `numeric`: decimals of any size, with as many digits after the point as were written, by PostgreSQL's rules.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use num_bigint::{BigInt, Sign};

use super::ValueError;

/// A decimal, or that it is no number.
#[derive(Debug, Clone)]
pub enum Numeric {
    /// `digits / 10^scale`
    Finite {
        digits: BigInt,
        scale: u32,
    },
    NaN,
}

/// PostgreSQL reckons in digits of this base, which decides how exact a quotient is.
const DIGITS_OF_BASE: i64 = 4;
/// So many significant digits a quotient has at least.
const SIGNIFICANT: i64 = 16;
const LARGEST_SCALE: i64 = 1000;

pub(super) fn power(exponent: u32) -> BigInt {
    BigInt::from(10).pow(exponent)
}

impl Numeric {
    pub fn new(digits: impl Into<BigInt>, scale: u32) -> Self {
        Numeric::Finite { digits: digits.into(), scale }
    }

    /// Of its digits, with at least this scale.
    fn aligned<'n>(&'n self, other: &'n Self) -> Option<(BigInt, BigInt, u32)> {
        let (Numeric::Finite { digits: one, scale: first }, Numeric::Finite { digits: two, scale: second }) =
            (self, other)
        else {
            return None;
        };
        let scale = (*first).max(*second);
        Some((one * power(scale - first), two * power(scale - second), scale))
    }

    #[must_use]
    pub fn add(&self, other: &Self) -> Self {
        let Some((one, two, scale)) = self.aligned(other) else { return Numeric::NaN };
        Numeric::new(one + two, scale)
    }

    #[must_use]
    pub fn subtract(&self, other: &Self) -> Self {
        self.add(&other.negated())
    }

    #[must_use]
    pub fn negated(&self) -> Self {
        match self {
            Numeric::Finite { digits, scale } => Numeric::new(-digits, *scale),
            Numeric::NaN => Numeric::NaN,
        }
    }

    #[must_use]
    pub fn multiply(&self, other: &Self) -> Self {
        match (self, other) {
            (
                Numeric::Finite { digits: one, scale: first },
                Numeric::Finite { digits: two, scale: second },
            ) => Numeric::new(one * two, first + second),
            _ => Numeric::NaN,
        }
    }

    /// # Errors
    /// 22012
    pub fn divide(&self, other: &Self) -> Result<Self, ValueError> {
        let (Numeric::Finite { digits: one, scale: first }, Numeric::Finite { digits: two, scale: second }) =
            (self, other)
        else {
            return Ok(Numeric::NaN);
        };
        if two.sign() == Sign::NoSign {
            return Err(ValueError::new("22012", "division by zero"));
        }
        let scale = self.scale_of_quotient(other);
        // One digit more than is kept, to round by.
        let wanted = i64::from(scale) + 1 + i64::from(*second) - i64::from(*first);
        let (mut one, mut two) = (one.clone(), two.clone());
        match u32::try_from(wanted) {
            Ok(wanted) => one *= power(wanted),
            Err(_) => two *= power(u32::try_from(-wanted).unwrap_or(u32::MAX)),
        }
        Ok(Numeric::new(one / two, scale + 1).rounded(scale))
    }

    /// `select_div_scale` of PostgreSQL's numeric.c.
    fn scale_of_quotient(&self, other: &Self) -> u32 {
        let (first, digit) = self.leading();
        let (second, other_digit) = other.leading();
        let mut weight = first - second;
        if digit <= other_digit {
            weight -= 1;
        }
        let scale = SIGNIFICANT - weight * DIGITS_OF_BASE;
        let scale = scale.max(i64::from(self.scale())).max(i64::from(other.scale()));
        u32::try_from(scale.clamp(0, LARGEST_SCALE)).unwrap_or(0)
    }

    /// The weight of the first digit in base 10000 and that digit; zeros for zero.
    fn leading(&self) -> (i64, u32) {
        let digits = self.base_digits();
        digits.1.first().map_or((0, 0), |first| (i64::from(digits.0), u32::from(*first)))
    }

    /// # Errors
    /// 22012
    pub fn remainder(&self, other: &Self) -> Result<Self, ValueError> {
        let Some((one, two, scale)) = self.aligned(other) else { return Ok(Numeric::NaN) };
        if two.sign() == Sign::NoSign {
            return Err(ValueError::new("22012", "division by zero"));
        }
        Ok(Numeric::new(one % two, scale))
    }

    /// With so many digits after the point, a half away from zero.
    #[must_use]
    pub fn rounded(&self, to: u32) -> Self {
        let Numeric::Finite { digits, scale } = self else { return Numeric::NaN };
        if to >= *scale {
            return Numeric::new(digits * power(to - scale), to);
        }
        let unit = power(scale - to);
        let half = &unit / 2;
        let moved = if digits.sign() == Sign::Minus { digits - half } else { digits + half };
        Numeric::new(moved / unit, to)
    }

    /// The same to a power of ten before the point: `-2` is to hundreds.
    #[must_use]
    pub fn rounded_to(&self, places: i64) -> Self {
        if let Ok(places) = u32::try_from(places) {
            return self.rounded(places);
        }
        let Numeric::Finite { digits, scale } = self else { return Numeric::NaN };
        let above = u32::try_from(-places).unwrap_or(u32::MAX).min(100_000);
        let lowered = Numeric::new(digits.clone(), scale + above).rounded(0);
        lowered.multiply(&Numeric::new(power(above), 0))
    }

    /// Cut off behind so many digits after the point.
    #[must_use]
    pub fn truncated(&self, to: u32) -> Self {
        match self {
            Numeric::Finite { digits, scale } if to < *scale => Numeric::new(digits / power(scale - to), to),
            _ => self.rounded(to),
        }
    }

    /// The next whole number that is not larger.
    #[must_use]
    pub fn floor(&self) -> Self {
        let cut = self.truncated(0);
        if *self < cut { cut.subtract(&Numeric::new(1, 0)) } else { cut }
    }

    /// Within this precision and scale, as a column declares it.
    ///
    /// # Errors
    /// 22003
    pub fn within(&self, precision: u16, scale: u16) -> Result<Self, ValueError> {
        let rounded = self.rounded(u32::from(scale));
        let Numeric::Finite { digits, .. } = &rounded else { return Ok(rounded) };
        let limit = power(u32::from(precision));
        if digits.magnitude() < limit.magnitude() {
            return Ok(rounded);
        }
        let mut error = ValueError::new("22003", "numeric field overflow");
        error.detail = Some(format!(
            "A field with precision {precision}, scale {scale} must round to an absolute value less than {}.",
            match precision.saturating_sub(scale) {
                0 => "1".to_owned(),
                whole => format!("10^{whole}"),
            }
        ));
        Err(error)
    }

    pub fn scale(&self) -> u32 {
        match self {
            Numeric::Finite { scale, .. } => *scale,
            Numeric::NaN => 0,
        }
    }

    /// Rounded to a whole number; `None` if it is too large for one, or no number.
    pub fn to_integer(&self) -> Option<i64> {
        match self.rounded(0) {
            Numeric::Finite { digits, .. } => i64::try_from(digits).ok(),
            Numeric::NaN => None,
        }
    }

    pub fn to_float(&self) -> f64 {
        match self {
            Numeric::Finite { .. } => self.to_string().parse().unwrap_or(f64::NAN),
            Numeric::NaN => f64::NAN,
        }
    }

    /// As PostgreSQL makes a `numeric` of a `double precision`: with 15 significant digits.
    pub fn of_float(float: f64, significant: usize) -> Option<Self> {
        if float.is_nan() {
            return Some(Numeric::NaN);
        }
        format!("{float:.*e}", significant - 1).parse::<Numeric>().ok().map(|numeric| numeric.trimmed())
    }

    /// Without zeros at the end of what is after the point.
    #[must_use]
    pub fn trimmed(&self) -> Self {
        let Numeric::Finite { digits, scale } = self else { return Numeric::NaN };
        let (mut digits, mut scale) = (digits.clone(), *scale);
        let ten = BigInt::from(10);
        while scale > 0 && (&digits % &ten).sign() == Sign::NoSign {
            digits /= &ten;
            scale -= 1;
        }
        Numeric::new(digits, scale)
    }

    /// The weight of the first one, and the digits of base 10000 without zeros at either end: as they are on the wire.
    pub(super) fn base_digits(&self) -> (i16, Vec<u16>) {
        let Numeric::Finite { digits, scale } = self else { return (0, Vec::new()) };
        let below = scale.div_ceil(4);
        let padded = digits.magnitude() * power(below * 4 - scale).magnitude();
        let mut base: Vec<u16> = Vec::new();
        let text = padded.to_string();
        let bytes = text.as_bytes();
        for group in bytes.rchunks(4).rev() {
            base.push(group.iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0')));
        }
        let mut weight = i64::try_from(base.len()).unwrap_or(i64::MAX) - i64::from(below) - 1;
        let leading = base.iter().take_while(|digit| **digit == 0).count();
        base.drain(..leading);
        weight -= i64::try_from(leading).unwrap_or(0);
        while base.last() == Some(&0) {
            base.pop();
        }
        if base.is_empty() {
            weight = 0;
        }
        (i16::try_from(weight).unwrap_or(i16::MAX), base)
    }

    pub(super) fn is_negative(&self) -> bool {
        matches!(self, Numeric::Finite { digits, .. } if digits.sign() == Sign::Minus)
    }
}

impl From<i64> for Numeric {
    fn from(number: i64) -> Self {
        Numeric::new(number, 0)
    }
}

impl FromStr for Numeric {
    type Err = ();

    /// With an exponent, or without.
    fn from_str(text: &str) -> Result<Self, ()> {
        if text.eq_ignore_ascii_case("nan") {
            return Ok(Numeric::NaN);
        }
        let (mantissa, exponent) = match text.find(['e', 'E']) {
            Some(at) => (&text[..at], text[at + 1..].parse::<i32>().map_err(drop)?),
            None => (text, 0),
        };
        let (negative, mantissa) = match mantissa.as_bytes().first() {
            Some(b'-') => (true, &mantissa[1..]),
            Some(b'+') => (false, &mantissa[1..]),
            _ => (false, mantissa),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) || exponent.abs() > 131_072
        {
            return Err(());
        }
        let mut digits = digits.parse::<BigInt>().map_err(drop)?;
        if negative {
            digits = -digits;
        }
        let scale = i32::try_from(fraction.len()).map_err(drop)? - exponent;
        match u32::try_from(scale) {
            Ok(scale) => Ok(Numeric::new(digits, scale)),
            Err(_) => Ok(Numeric::new(digits * power(scale.unsigned_abs()), 0)),
        }
    }
}

impl fmt::Display for Numeric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Numeric::Finite { digits, scale } = self else { return f.write_str("NaN") };
        let scale = *scale as usize;
        let text = digits.magnitude().to_string();
        let text = format!("{text:0>width$}", width = scale + 1);
        if digits.sign() == Sign::Minus {
            f.write_str("-")?;
        }
        let (whole, fraction) = text.split_at(text.len() - scale);
        if scale == 0 { f.write_str(whole) } else { write!(f, "{whole}.{fraction}") }
    }
}

impl Ord for Numeric {
    fn cmp(&self, other: &Self) -> Ordering {
        match self.aligned(other) {
            Some((one, two, _)) => one.cmp(&two),
            None => matches!(self, Numeric::NaN).cmp(&matches!(other, Numeric::NaN)),
        }
    }
}

impl PartialOrd for Numeric {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Numeric {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Numeric {}
