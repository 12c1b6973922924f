//! Where a file is cut into blobs: where a Rabin fingerprint of the last 64 bytes ends in twenty zeros, but not before 512 KiB and at the
//! latest after 8 MiB; as restic cuts, so that what both have written deduplicates.

use crate::polynomial::{DEGREE, Polynomial, modulo};

pub(crate) const MIN: usize = 512 << 10;
pub(crate) const MAX: usize = 8 << 20;

const WINDOW: usize = 64;
const MASK: u64 = (1 << 20) - 1;
const SHIFT: u32 = DEGREE - 8;

/// How many bytes each lane of a search goes through before they are looked at together.
const STRIDE: usize = 8 << 10;
const LANES: usize = 4;

/// Finds the ends of chunks. It holds tables alone: a fingerprint depends on the 64 bytes before it and on nothing else, which is why
/// a search can go through several parts of the data at a time.
pub(crate) struct Chunker {
    /// What a byte that leaves the window has added to the fingerprint, once the one that enters has been appended.
    leaving: [u64; 256],
    /// By what the eight bits above the degree are reduced.
    reducing: [u64; 256],
}

impl Chunker {
    pub(crate) fn new(polynomial: Polynomial) -> Self {
        let divisor = polynomial.coefficients();
        let append = |fingerprint: u64| modulo(fingerprint << 8, divisor);
        let leaving = |byte: usize| {
            (0..WINDOW).fold(modulo(byte as u64, divisor), |fingerprint, _| append(fingerprint))
        };
        let reducing = |byte: usize| {
            let high = (byte as u64) << DEGREE;
            modulo(high, divisor) | high
        };
        Chunker { leaving: std::array::from_fn(leaving), reducing: std::array::from_fn(reducing) }
    }

    /// The length of the first chunk of `data`, if it ends within it. `from` is how much of it was searched before, in vain.
    pub(crate) fn end(&self, data: &[u8], from: usize) -> Option<usize> {
        let limit = data.len().min(MAX);
        let mut at = from.max(MIN - 1);
        while at + LANES * STRIDE <= limit {
            let ends: [Option<usize>; LANES] = self.search_lanes(data, at);
            if let Some(end) = ends.into_iter().flatten().next() {
                return Some(end);
            }
            at += LANES * STRIDE;
        }
        if at < limit
            && let Some(end) = self.search(data, at, limit)
        {
            return Some(end);
        }
        (data.len() >= MAX).then_some(MAX)
    }

    /// The first end after a byte at `start..stop`, of which each has a whole window before it.
    fn search(&self, data: &[u8], start: usize, stop: usize) -> Option<usize> {
        let mut fingerprint = self.fingerprint(&data[start - WINDOW..start]);
        let entering = &data[start..stop];
        let leaving = &data[start - WINDOW..stop - WINDOW];
        for (at, (&enters, &leaves)) in entering.iter().zip(leaving).enumerate() {
            fingerprint = self.slide(fingerprint, enters, leaves);
            if fingerprint & MASK == 0 {
                return Some(start + at + 1);
            }
        }
        None
    }

    /// The same in lanes that lie one behind the other. Each fingerprint waits for the one before it, so a single lane leaves the processor idle.
    fn search_lanes(&self, data: &[u8], start: usize) -> [Option<usize>; LANES] {
        let begin = |lane: usize| start + lane * STRIDE;
        let stride = |from: usize| data[from..].first_chunk::<STRIDE>().expect("who calls has seen to it");
        let entering: [&[u8; STRIDE]; LANES] = std::array::from_fn(|lane| stride(begin(lane)));
        let leaving: [&[u8; STRIDE]; LANES] = std::array::from_fn(|lane| stride(begin(lane) - WINDOW));
        let mut fingerprints: [u64; LANES] =
            std::array::from_fn(|lane| self.fingerprint(&leaving[lane][..WINDOW]));
        let mut ends = [None; LANES];
        for at in 0..STRIDE {
            for lane in 0..LANES {
                fingerprints[lane] = self.slide(fingerprints[lane], entering[lane][at], leaving[lane][at]);
            }
            for lane in 0..LANES {
                if fingerprints[lane] & MASK == 0 && ends[lane].is_none() {
                    ends[lane] = Some(begin(lane) + at + 1);
                }
            }
            if ends[0].is_some() {
                break;
            }
        }
        ends
    }

    fn fingerprint(&self, window: &[u8]) -> u64 {
        window.iter().fold(0, |fingerprint, &byte| self.slide(fingerprint, byte, 0))
    }

    #[inline]
    fn slide(&self, fingerprint: u64, enters: u8, leaves: u8) -> u64 {
        let high = (fingerprint >> SHIFT) as u8;
        let added = self.leaving[usize::from(leaves)] ^ u64::from(enters);
        (fingerprint << 8) ^ self.reducing[usize::from(high)] ^ added
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition: a remainder, bit by bit.
    fn is_end(polynomial: Polynomial, window: &[u8]) -> bool {
        let append = |rest: u64, byte: &u8| modulo(rest << 8 | u64::from(*byte), polynomial.coefficients());
        window.iter().fold(0, append) & MASK == 0
    }

    #[test]
    fn a_chunk_ends_at_the_first_fingerprint_that_is_one_of_an_end() {
        let polynomial: Polynomial = "3da3358b4dc173".parse().expect("a polynomial");
        let chunker = Chunker::new(polynomial);
        let mut state = 1_u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        };
        let data: Vec<u8> = (0..12 << 20).map(|_| random()).collect();
        let mut rest = &data[..];
        let mut chunks = 0;
        while let Some(end) = chunker.end(rest, 0) {
            let windows = |ends: std::ops::Range<usize>| ends.map(|end| &rest[end - WINDOW..end]);
            assert!(end == MAX || is_end(polynomial, &rest[end - WINDOW..end]));
            // All near the end, and many before.
            assert!(!windows(end - 3000..end).any(|window| is_end(polynomial, window)));
            assert!(!windows(MIN..end).step_by(101).any(|window| is_end(polynomial, window)));
            let one_by_one = chunker.search(rest, MIN - 1, rest.len().min(MAX)).unwrap_or(MAX);
            assert_eq!(end, one_by_one, "in lanes");
            let piecewise = (1..).map(|step| (step * 100_000).min(end)).scan(0, |from, length| {
                let found = chunker.end(&rest[..length], *from);
                *from = length;
                Some(found)
            });
            assert_eq!(piecewise.flatten().next(), Some(end), "searched in pieces");
            rest = &rest[end..];
            chunks += 1;
        }
        assert!(chunks >= 4, "{chunks}");
        assert_eq!(chunker.end(&vec![1; MAX + 1], 0), Some(MAX), "at the latest");
        assert_eq!(chunker.end(&vec![0; MAX], 0), Some(MIN), "zeros have the fingerprint zero");
    }
}
