//! Chance that comes out the same every time.

use std::sync::atomic::{AtomicU64, Ordering};

/// SplitMix64, for salts and names of a simulation, which nobody has to be unable to guess.
#[derive(Debug)]
pub struct Chance(AtomicU64);

impl Chance {
    pub fn of(seed: u64) -> Self {
        Chance(AtomicU64::new(seed))
    }

    pub fn fill(&self, bytes: &mut [u8]) {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        for chunk in bytes.chunks_mut(8) {
            let mut mixed = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes()[..chunk.len()]);
        }
    }
}
