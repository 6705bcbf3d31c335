//! Names of things: runs, steps, items, attempts, digests, instants and durations.
//!
//! Every identifier is a type of its own, so that a step cannot be handed where an item is meant.
//! Nothing here makes a new id or reads a clock: ids and instants are given by the host.

use alloc::string::{String, ToString as _};
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};

/// A text that is not the identifier it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidId {
    /// What was expected, for example ``"a run id: `run_` and a UUID"``.
    pub expected: &'static str,
}

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}", self.expected)
    }
}

impl core::error::Error for InvalidId {}

/// Each record names runs and digests, so they are written in one piece.
const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// A run's id: `run_` and a UUID of version 7 in its usual form, 40 characters.
///
/// The order of ids is the order in which the runs were made.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunId([u8; 16]);

impl RunId {
    /// A run id from the sixteen bytes of its UUID.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The id of a child run: the same whenever the same item of the same epoch asks, and beside its parent in
    /// the order of ids.
    #[must_use]
    pub fn child(self, step_id: &str, ItemIndex(item): ItemIndex, epoch: u32) -> Self {
        let (item, epoch) = (item.to_le_bytes(), epoch.to_le_bytes());
        let parts: [&[u8]; 5] = [b"holdfast child run", &self.0, step_id.as_bytes(), &item, &epoch];
        let mut bytes = self.0;
        let hash = Digest::of_parts(&parts);
        for (byte, hashed) in bytes.iter_mut().zip(hash.bytes()).skip(7) {
            *byte = *hashed;
        }
        // The variant of a UUID; version and time stay the parent's.
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        Self(bytes)
    }

    /// When it was made: its first six bytes are the milliseconds since 1970. Of a child run, when its parent was.
    pub fn made_at(&self) -> Instant {
        let time = self.0.iter().take(6).fold(0_i64, |time, &byte| (time << 8) | i64::from(byte));
        Instant(time.saturating_mul(1_000))
    }

    /// The sixteen bytes of its UUID.
    pub const fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = *b"run_------------------------------------";
        let places = text.iter_mut().enumerate().skip(4);
        let places = places.filter(|(place, _)| !matches!(place, 12 | 17 | 22 | 27));
        let digits = self.0.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
        for ((_, place), digit) in places.zip(digits) {
            *place = DIGITS[usize::from(digit)];
        }
        core::str::from_utf8(&text).map_or(Err(fmt::Error), |text| f.write_str(text))
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for RunId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        const EXPECTED: InvalidId = InvalidId { expected: "a run id: `run_` and a UUID" };
        let uuid = text.strip_prefix("run_").ok_or(EXPECTED)?;
        let dashes_fit = uuid.len() == 36
            && uuid
                .bytes()
                .enumerate()
                .all(|(at, b)| (b == b'-') == matches!(at, 8 | 13 | 18 | 23));
        if !dashes_fit {
            return Err(EXPECTED);
        }
        let mut bytes = [0; 16];
        hex_into(uuid.bytes().filter(|b| *b != b'-'), &mut bytes).ok_or(EXPECTED)?;
        Ok(Self(bytes))
    }
}

/// A SHA-256 digest; written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of `parts`, each preceded by its length, so that no two lists of parts meet.
    pub fn of_parts(parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }

    /// The plain SHA-256 of `bytes`, what `sha256sum` prints.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// A digest from its 32 bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first eight bytes as a number: a hash for jitter and for short names.
    pub fn leading(&self) -> u64 {
        self.0.iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; 64];
        let digits = self.0.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
        for (place, digit) in text.iter_mut().zip(digits) {
            *place = DIGITS[usize::from(digit)];
        }
        core::str::from_utf8(&text).map_or(Err(fmt::Error), |text| f.write_str(text))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        const EXPECTED: InvalidId = InvalidId { expected: "a digest: 64 hexadecimal digits" };
        let mut bytes = [0; 32];
        hex_into(text.bytes(), &mut bytes).ok_or(EXPECTED)?;
        Ok(Self(bytes))
    }
}

/// Reads exactly `into.len()` bytes of lower-case or upper-case hexadecimal.
fn hex_into(digits: impl Iterator<Item = u8>, into: &mut [u8]) -> Option<()> {
    let mut digits = digits.map(|b| char::from(b).to_digit(16));
    for byte in into.iter_mut() {
        let pair = digits.next()?? * 16 + digits.next()??;
        *byte = u8::try_from(pair).ok()?;
    }
    digits.next().is_none().then_some(())
}

/// Serde for a type that is written as its `Display` and read by its `FromStr`.
macro_rules! text_serde {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.to_string())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    };
}

text_serde!(RunId);
text_serde!(Digest);

/// The idempotency key of one effect: the same for every attempt at one item of one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EffectKey(pub Digest);

impl EffectKey {
    /// The effect key of a step (`item_key` none) or of one item of its fan-out.
    pub fn of(run: RunId, step_id: &str, item_key: Option<&str>, epoch: u32) -> Self {
        let (tag, key): (&[u8], &str) = match item_key {
            Some(key) => (b"item", key),
            None => (b"step", ""),
        };
        let epoch = epoch.to_le_bytes();
        let parts: [&[u8]; 6] =
            [b"holdfast effect", run.bytes(), step_id.as_bytes(), tag, key.as_bytes(), &epoch];
        Self(Digest::of_parts(&parts))
    }

    /// The effect key of one object of a plan: the same whichever run applies the plan, and however often.
    pub fn of_plan(plan: Digest, object_key: &str) -> Self {
        let parts: [&[u8]; 3] = [b"holdfast plan effect", plan.bytes(), object_key.as_bytes()];
        Self(Digest::of_parts(&parts))
    }
}

impl fmt::Display for EffectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// What makes two submits the same request while one of them is active.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DedupeKey(pub Digest);

/// A step by its place in the definition's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepIndex(pub u32);

impl StepIndex {
    /// The place as an index into a slice.
    pub const fn place(self) -> usize {
        self.0 as usize
    }
}

/// An item by its place in its step's list; a step without a fan-out has the one item 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ItemIndex(pub u32);

/// An attempt, numbered within its run from 1 in the order in which they were issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AttemptId(pub u64);

/// An expression or template of a definition: an index into [`crate::definition::Definition::expressions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ExpressionId(pub u32);

/// A point in time: microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Instant(pub i64);

impl Instant {
    /// This instant moved into the future by `duration`; at the end of time it stays there.
    #[must_use]
    pub fn plus(self, duration: Millis) -> Self {
        let micros = i64::try_from(duration.0.saturating_mul(1000)).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(micros))
    }

    /// The time from `earlier` to this instant; zero if it is not earlier.
    pub fn since(self, earlier: Self) -> Millis {
        let micros = self.0.saturating_sub(earlier.0).max(0);
        Millis(micros.unsigned_abs() / 1000)
    }
}

/// A length of time in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl Millis {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// So many seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn a_run_id_reads_back_from_its_text() {
        let id = RunId::from_bytes([
            0, 17, 34, 51, 68, 85, 102, 119, 136, 153, 170, 187, 204, 221, 238, 255,
        ]);
        assert_eq!(id.to_string(), "run_00112233-4455-6677-8899-aabbccddeeff");
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn a_text_that_is_no_run_id_is_refused() {
        for text in [
            "",
            "run_",
            "00112233-4455-6677-8899-aabbccddeeff",
            "run_0011223-34455-6677-8899-aabbccddeeff",
        ] {
            assert!(text.parse::<RunId>().is_err(), "{text}");
        }
    }

    #[test]
    fn digests_of_parts_depend_on_where_the_parts_end() {
        assert_ne!(Digest::of_parts(&[b"ab", b"c"]), Digest::of_parts(&[b"a", b"bc"]));
        let digest = Digest::of_bytes(b"");
        assert!(format!("{digest}").starts_with("e3b0c44298fc1c14"), "the SHA-256 of nothing");
        assert_eq!(digest.to_string().parse(), Ok(digest));
    }

    #[test]
    fn a_step_and_an_item_with_an_empty_key_have_different_effect_keys() {
        let run = RunId::from_bytes([7; 16]);
        assert_ne!(EffectKey::of(run, "a", None, 0), EffectKey::of(run, "a", Some(""), 0));
        assert_ne!(EffectKey::of(run, "a", None, 0), EffectKey::of(run, "a", None, 1));
    }
}
