//! Decimal numbers of any size, as shopspring's `decimal` calculates with floats: exact but for division, which rounds to 16
//! places.

use gotemplate::FnError;
use gotemplate::format::format_float;
use num_bigint::{BigInt, Sign};

use super::args::Result;

/// `value × 10^exponent`
#[derive(Clone, Debug)]
pub(super) struct Decimal {
    value: BigInt,
    exponent: i32,
}

const DIVISION_PLACES: i32 = 16;

impl Decimal {
    /// The decimal with the fewest digits that reads back as the number.
    pub(super) fn from_float(f: f64) -> Result<Self> {
        if !f.is_finite() {
            let shown = format_float(f, b'g', None, false);
            return Err(FnError::new(format!("Cannot create a Decimal from {shown}")));
        }
        let text = format!("{f:e}");
        let (mantissa, exponent) = text.split_once('e').expect("Rust's `{:e}` always writes an exponent");
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let exponent: i32 = exponent.parse().expect("Rust's `{:e}` writes a small integer after the e");
        let value = format!("{whole}{fraction}").parse().expect("digits, maybe after a sign");
        Ok(Decimal { value, exponent: exponent - fraction.len() as i32 })
    }

    /// The nearest float.
    pub(super) fn to_float(&self) -> f64 {
        let text = format!("{}e{}", self.value, self.exponent);
        text.parse().expect("an integer with an exponent is a float")
    }

    pub(super) fn add(&self, other: &Self) -> Result<Self> {
        let exponent = self.exponent.min(other.exponent);
        Ok(Decimal { value: self.scaled(exponent) + other.scaled(exponent), exponent })
    }

    pub(super) fn sub(&self, other: &Self) -> Result<Self> {
        let exponent = self.exponent.min(other.exponent);
        Ok(Decimal { value: self.scaled(exponent) - other.scaled(exponent), exponent })
    }

    pub(super) fn mul(&self, other: &Self) -> Result<Self> {
        Ok(Decimal { value: &self.value * &other.value, exponent: self.exponent + other.exponent })
    }

    /// Rounded half away from zero.
    pub(super) fn div(&self, other: &Self) -> Result<Self> {
        if other.value.sign() == Sign::NoSign {
            return Err(FnError::new("decimal division by 0"));
        }
        let shift = self.exponent - other.exponent + DIVISION_PLACES;
        let (dividend, divisor) = if shift < 0 {
            (self.value.clone(), &other.value * power_of_ten(shift.unsigned_abs()))
        } else {
            (&self.value * power_of_ten(shift.unsigned_abs()), other.value.clone())
        };
        let mut quotient = &dividend / &divisor;
        let rest = &dividend % &divisor;
        if rest.magnitude() * 2_u8 >= *divisor.magnitude() {
            let is_negative = (dividend.sign() == Sign::Minus) != (divisor.sign() == Sign::Minus);
            quotient += if is_negative { -1 } else { 1 };
        }
        Ok(Decimal { value: quotient, exponent: -DIVISION_PLACES })
    }

    /// The value at an exponent that is not larger.
    fn scaled(&self, exponent: i32) -> BigInt {
        &self.value * power_of_ten((self.exponent - exponent).unsigned_abs())
    }
}

fn power_of_ten(exponent: u32) -> BigInt {
    BigInt::from(10).pow(exponent)
}
