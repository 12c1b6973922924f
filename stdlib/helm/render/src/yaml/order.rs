//! The order in which go-yaml writes a mapping's keys: letters by code point, digits by the number they form, the rest first.

use std::cmp::Ordering;

use super::resolve::Dialect;
use crate::letters::is_letter;

pub(super) fn compare(a: &str, b: &str, dialect: Dialect) -> Ordering {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut after_digit = false;
    for i in 0..a.len().min(b.len()) {
        if a[i] == b[i] {
            after_digit = is_digit(a[i]);
            continue;
        }
        let (a_letter, b_letter) = (is_letter(a[i]), is_letter(b[i]));
        if a_letter && b_letter {
            return a[i].cmp(&b[i]);
        }
        if a_letter || b_letter {
            // v3 lets the longer number come last: `a1b` before `a12`.
            let letter_first = after_digit && dialect == Dialect::V3;
            return if a_letter == letter_first { Ordering::Less } else { Ordering::Greater };
        }
        return compare_digits(&a, &b, i);
    }
    a.len().cmp(&b.len())
}

/// Compares from the first difference on, neither side a letter.
fn compare_digits(a: &[char], b: &[char], i: usize) -> Ordering {
    let mut start = 0;
    if a[i] == '0' || b[i] == '0' {
        // A zero inside of a number counts as a digit, a leading one does not.
        let inside = a[..i].iter().rev().take_while(|c| is_digit(**c)).any(|c| *c != '0');
        start = i64::from(inside);
    }
    let number = |text: &[char]| {
        let digits = text[i..].iter().take_while(|c| is_digit(**c));
        digits.fold((start, 0), |(n, length): (i64, usize), c| {
            (n.wrapping_mul(10).wrapping_add(i64::from(u32::from(*c)) - i64::from(b'0')), length + 1)
        })
    };
    number(a).cmp(&number(b)).then(a[i].cmp(&b[i]))
}

/// Go's `unicode.IsDigit` (category Nd).
fn is_digit(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_digit() } else { crate::letters::is_decimal_digit(c) }
}
