//! Chance from one seed, and hashes that do not depend on the order in which they are asked for.

use holdfast_kernel::id::Digest;

/// A generator whose every draw follows from its seed.
#[derive(Clone, Debug)]
pub struct Chance(fastrand::Rng);

impl Chance {
    /// The generator of a seed.
    pub fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    /// A number from 0 to below `end`; 0 if `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        if end == 0 { 0 } else { self.0.u64(0..end) }
    }

    /// The same as a `u32`.
    pub fn small(&mut self, end: u32) -> u32 {
        if end == 0 { 0 } else { self.0.u32(0..end) }
    }

    /// True in `share` of a hundred draws.
    pub fn percent(&mut self, share: u32) -> bool {
        self.small(100) < share
    }

    /// One of these.
    pub fn pick<T: Copy, const N: usize>(&mut self, from: [T; N]) -> T {
        from[usize::try_from(self.below(N as u64)).unwrap_or(0)]
    }
}

/// A number that follows from a seed and a place, whatever was drawn before.
pub fn hash(seed: u64, place: &[&[u8]]) -> u64 {
    let seed = seed.to_le_bytes();
    let parts: Vec<&[u8]> = [&seed[..]].into_iter().chain(place.iter().copied()).collect();
    Digest::of_parts(&parts).leading()
}
