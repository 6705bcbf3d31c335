//! The rolling hash that tells restic's chunks apart, in place of the crate of this name on crates.io.
//!
//! That crate makes the tables of the hash, some 16,000 divisions, for each file anew, which was a fifth of all
//! the work of a backup of small files. Here they are made once for each repository. It has what `rustic_core`
//! uses of that crate, under the same names, and nothing else; it cuts no chunks. See decision 0016.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A polynomial over the field of two elements: bit n is the coefficient of x to the n.
pub type Polynom64 = u64;

/// What is reckoned with polynomials.
pub trait Polynom {
    /// The highest power; -1 for the polynomial without any.
    fn degree(&self) -> i32;

    /// What is left of it after a division by `divisor`, which is not zero.
    #[must_use]
    fn modulo(&self, divisor: &Self) -> Self;
}

impl Polynom for Polynom64 {
    fn degree(&self) -> i32 {
        self.checked_ilog2().and_then(|power| i32::try_from(power).ok()).unwrap_or(-1)
    }

    fn modulo(&self, divisor: &Self) -> Self {
        let mut rest = *self;
        // Each round takes the highest power away; dividing by zero takes nothing away and ends at once.
        while let Ok(above) = u32::try_from(rest.degree() - divisor.degree())
            && *divisor != 0
        {
            rest ^= divisor << above;
        }
        rest
    }
}

/// A hash of the last bytes that slid into a window.
pub trait RollingHash64 {
    /// Begins anew with a window of zeros.
    fn reset(&mut self);

    /// Slides in so many bytes as leave one place of the window, or as there are, and says how many.
    fn prefill_window<I>(&mut self, bytes: &mut I) -> usize
    where
        I: Iterator<Item = u8>;

    /// Both in turn.
    fn reset_and_prefill_window<I>(&mut self, bytes: &mut I) -> usize
    where
        I: Iterator<Item = u8>;

    /// Slides one byte in and the oldest one out.
    fn slide(&mut self, byte: u8);

    /// The hash of what is in the window.
    fn get_hash(&self) -> &Polynom64;
}

/// Rabin's fingerprint: the bytes of the window, read as one polynomial, modulo another one.
#[derive(Clone, Debug)]
pub struct Rabin64 {
    tables: Arc<Tables>,
    window: Vec<u8>,
    /// The place of the oldest byte.
    oldest: usize,
    /// The hash of what is in the window.
    pub hash: Polynom64,
}

impl Rabin64 {
    /// A window of two to the power of `window_bits` zeros, hashed modulo `polynomial`.
    ///
    /// The degree of the polynomial is from 8 to 56; restic's is 53.
    #[must_use]
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the library calls it so")]
    pub fn new_with_polynom(window_bits: u32, polynomial: &Polynom64) -> Self {
        let tables = Tables::kept(window_bits, *polynomial);
        Self { tables, window: vec![0; 1 << window_bits], oldest: 0, hash: 0 }
    }
}

impl RollingHash64 for Rabin64 {
    fn reset(&mut self) {
        self.window.fill(0);
        self.oldest = 0;
        self.hash = 0;
    }

    fn prefill_window<I>(&mut self, bytes: &mut I) -> usize
    where
        I: Iterator<Item = u8>,
    {
        let room = self.window.len() - 1;
        bytes.take(room).map(|byte| self.slide(byte)).count()
    }

    fn reset_and_prefill_window<I>(&mut self, bytes: &mut I) -> usize
    where
        I: Iterator<Item = u8>,
    {
        self.reset();
        self.prefill_window(bytes)
    }

    #[inline]
    fn slide(&mut self, byte: u8) {
        let last = self.window.len() - 1;
        if let Some(place) = self.window.get_mut(self.oldest) {
            let leaves = std::mem::replace(place, byte);
            let without = self.hash ^ self.tables.leaving[usize::from(leaves)];
            self.hash = self.tables.times_256(without) ^ u64::from(byte);
            self.oldest = (self.oldest + 1) & last;
        }
    }

    #[inline]
    fn get_hash(&self) -> &Polynom64 {
        &self.hash
    }
}

/// How many pairs of a window and a polynomial are remembered: repositories of one process.
const REMEMBERED: usize = 16;

/// What a byte does to the hash when it leaves the window, and what a power does that is too high.
#[derive(Debug)]
struct Tables {
    /// A byte that has come to the oldest place, modulo the polynomial.
    leaving: [u64; 256],
    /// Eight coefficients from the degree of the polynomial on, and what they are modulo it: adding both takes
    /// them away.
    too_high: [u64; 256],
    /// The power of the lowest of the eight coefficients that a multiplication by x to the 8 makes too high.
    top: u32,
}

impl Tables {
    /// The tables for this window and polynomial, made now or earlier.
    fn kept(window_bits: u32, polynomial: u64) -> Arc<Self> {
        static KEPT: Mutex<BTreeMap<(u32, u64), Arc<Tables>>> = Mutex::new(BTreeMap::new());
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= REMEMBERED {
            kept.clear();
        }
        let made = kept
            .entry((window_bits, polynomial))
            .or_insert_with(|| Arc::new(Self::new(1 << window_bits, polynomial)));
        Arc::clone(made)
    }

    fn new(window: usize, polynomial: u64) -> Self {
        let degree = polynomial.checked_ilog2().unwrap_or(0);
        let too_high = sums(|bit| {
            let power = 1_u64.checked_shl(degree + bit).unwrap_or(0);
            power | power.modulo(&polynomial)
        });
        let mut tables = Self { leaving: [0; 256], too_high, top: degree.saturating_sub(8) };
        tables.leaving = sums(|bit| {
            let entered = (1_u64 << bit).modulo(&polynomial);
            (1..window).fold(entered, |hash, _| tables.times_256(hash))
        });
        tables
    }

    /// A hash times x to the 8, modulo the polynomial.
    #[inline]
    fn times_256(&self, hash: u64) -> u64 {
        let [.., high] = (hash >> self.top).to_be_bytes();
        (hash << 8) ^ self.too_high[usize::from(high)]
    }
}

/// A table over all bytes of something that is the sum of what it is for each bit of the byte.
fn sums(of_bit: impl Fn(u32) -> u64) -> [u64; 256] {
    let mut table = [0; 256];
    for (byte, entry) in table.iter_mut().enumerate() {
        let bits = (0..8).filter(|bit| byte >> bit & 1 == 1);
        *entry = bits.map(&of_bit).fold(0, |sum, of_bit| sum ^ of_bit);
    }
    table
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// One of degree 53, as restic's are.
    const POLYNOMIAL: u64 = 0x003D_A335_8B4D_C173;

    /// Divides bit by bit, as it is done on paper.
    fn slowly(bytes: &[u8], polynomial: u64) -> u64 {
        let degree = polynomial.ilog2();
        let bits = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
        bits.fold(0, |rest, bit| {
            let rest = rest << 1 | u64::from(bit);
            if rest >> degree & 1 == 1 { rest ^ polynomial } else { rest }
        })
    }

    #[test]
    fn the_rest_of_a_division_is_as_on_paper() {
        let check = |of: u64, by: u64, expect: u64| assert_eq!(of.modulo(&by), expect);
        check(0b111, 0b11, 0b1);
        check(0b10011, 0b1000, 0b11);
        check(5, 5, 0);
        check(3, 8, 3);
        check(0, 7, 0);
        check(7, 0, 7);
        assert_eq!([0_u64, 1, 127, 128, u64::MAX].map(|of| of.degree()), [-1, 0, 6, 7, 63]);
    }

    proptest! {
        #[test]
        fn the_hash_is_that_of_the_window_and_of_nothing_before_it(
            bytes in prop::collection::vec(any::<u8>(), 0..300),
            seed in any::<u64>(),
            degree in 8_u32..=56,
            window_bits in 2_u32..=7,
        ) {
            let polynomial = seed >> (63 - degree) | 1 << degree;
            let mut hash = Rabin64::new_with_polynom(window_bits, &polynomial);
            for end in 0..bytes.len() {
                hash.slide(bytes[end]);
                let start = (end + 1).saturating_sub(1 << window_bits);
                prop_assert_eq!(hash.hash, slowly(&bytes[start..=end], polynomial));
            }
            let taken = hash.reset_and_prefill_window(&mut bytes.iter().copied());
            prop_assert_eq!(taken, bytes.len().min((1 << window_bits) - 1));
            prop_assert_eq!(*hash.get_hash(), slowly(&bytes[..taken], polynomial));
        }
    }

    #[test]
    fn tables_are_made_once_for_each_polynomial() {
        let one = Tables::kept(6, POLYNOMIAL);
        assert!(Arc::ptr_eq(&one, &Tables::kept(6, POLYNOMIAL)));
        assert!(!Arc::ptr_eq(&one, &Tables::kept(6, POLYNOMIAL + 2)));
        for other in 0..100 {
            Tables::kept(6, POLYNOMIAL + 4 + other);
        }
        assert_eq!(one.leaving, Tables::kept(6, POLYNOMIAL).leaving);
    }
}
