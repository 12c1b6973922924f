//! Polynomials over the field of two elements: bit `n` of a number is the coefficient of x^n.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::surroundings::{Surroundings, random};

/// The irreducible polynomial of degree 53 by which a repository cuts files into blobs. Repositories of the same one cut alike, so that
/// copies between them share what they have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Polynomial(u64);

pub(crate) const DEGREE: u32 = 53;

impl Polynomial {
    /// # Errors
    /// `None` if it can be divided, or is of another degree: what it cuts would be cut unevenly.
    pub fn new(coefficients: u64) -> Option<Self> {
        (degree(coefficients) == Some(DEGREE) && is_irreducible(coefficients))
            .then_some(Polynomial(coefficients))
    }

    pub const fn coefficients(self) -> u64 {
        self.0
    }

    pub(crate) fn generate(surroundings: &dyn Surroundings) -> Self {
        loop {
            // Of the right degree, and not divisible by x; one in 27 of these is irreducible.
            let candidate = u64::from_le_bytes(random(surroundings)) & ((1 << DEGREE) - 1) | 1 << DEGREE | 1;
            if is_irreducible(candidate) {
                return Polynomial(candidate);
            }
        }
    }
}

fn degree(p: u64) -> Option<u32> {
    p.checked_ilog2()
}

/// The rest of a division.
pub(crate) fn modulo(mut p: u64, divisor: u64) -> u64 {
    let by = divisor.ilog2();
    while let Some(at) = degree(p).filter(|at| *at >= by) {
        p ^= divisor << (at - by);
    }
    p
}

fn multiply(a: u64, b: u64, divisor: u64) -> u64 {
    let top = 1 << divisor.ilog2();
    let mut shifted = a;
    let mut product = 0;
    for bit in 0..u64::BITS - b.leading_zeros() {
        if b & 1 << bit != 0 {
            product ^= shifted;
        }
        shifted <<= 1;
        if shifted & top != 0 {
            shifted ^= divisor;
        }
    }
    product
}

fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, modulo(a, b));
    }
    a
}

/// Ben-Or's test: p is irreducible if it has no factor in common with x^(2^i) - x for any i up to half its degree.
fn is_irreducible(p: u64) -> bool {
    let mut power = 2; // x
    (1..=p.ilog2() / 2).all(|_| {
        power = multiply(power, power, p);
        greatest_common_divisor(p, power ^ 2) == 1
    })
}

impl fmt::Display for Polynomial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

impl FromStr for Polynomial {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        u64::from_str_radix(text, 16)
            .ok()
            .and_then(Polynomial::new)
            .ok_or("not an irreducible polynomial of degree 53 in hexadecimal digits")
    }
}

impl Serialize for Polynomial {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Polynomial {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_of_restic_are_irreducible_and_products_are_not() {
        for text in ["25b468838dcb75", "2a75e3face8faf", "3da3358b4dc173"] {
            assert_eq!(text.parse::<Polynomial>().map(|read| read.to_string()), Ok(text.to_owned()));
        }
        assert_eq!(Polynomial::new(0x25_b468_838d_cb74), None, "x divides it");
        assert_eq!(Polynomial::new(0x11b), None, "AES's own, but of degree 8");
        assert!(is_irreducible(0x11b));
        let product = (0..9).fold(0, |sum, bit| if 0x11b & 1 << bit == 0 { sum } else { sum ^ 0x13 << bit });
        assert!(!is_irreducible(product));
    }
}
