//! The names of what a restore writes beside its place, made from the effect key.
//!
//! `.part` is not whole yet and is always taken away. `.ready` stands beside its place just before the two
//! are exchanged, and its name has the digest of what was written: so a look at it tells whether it is still
//! ours, or what came out of the place. No inventory lists these names and no backup captures them.

use holdfast_kernel::id::{Digest, EffectKey};

/// How every such name starts.
const PREFIX: &[u8] = b".holdfast-";

/// How many digits of the effect key stand in a name.
const KEY_DIGITS: usize = 32;

/// How many digits of a digest stand in a name.
const DIGEST_DIGITS: usize = 16;

/// Whether a name is one of ours.
pub(crate) fn is_ours(name: &[u8]) -> bool {
    let Some(rest) = name.strip_prefix(PREFIX) else { return false };
    let Some((key, rest)) = rest.split_at_checked(KEY_DIGITS) else { return false };
    let is_part = rest.ends_with(b".part");
    let is_ready = rest.contains(&b'.') && rest.ends_with(b".ready");
    key.iter().all(u8::is_ascii_hexdigit) && rest.starts_with(b"-") && (is_part || is_ready)
}

/// The names beside one place of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Beside {
    stem: String,
}

impl Beside {
    /// Of the place with this number among the names of the change.
    pub(crate) fn of(effect: EffectKey, number: usize) -> Self {
        let key: String = effect.to_string().chars().take(KEY_DIGITS).collect();
        Self { stem: format!("{}{key}-{number}", String::from_utf8_lossy(PREFIX)) }
    }

    /// What is being written.
    pub(crate) fn part(&self) -> Vec<u8> {
        format!("{}.part", self.stem).into_bytes()
    }

    /// What is whole and about to be exchanged, with the digest of what was written.
    pub(crate) fn ready(&self, written: Digest) -> Vec<u8> {
        self.ready_as(&short(written))
    }

    /// The same, by the beginning of the digest.
    pub(crate) fn ready_as(&self, written: &str) -> Vec<u8> {
        format!("{}.{written}.ready", self.stem).into_bytes()
    }

    /// What a name beside the place says; none if it is no name beside it.
    pub(crate) fn read(&self, name: &[u8]) -> Option<Standing> {
        let rest = name.strip_prefix(self.stem.as_bytes())?;
        if rest == b".part" {
            return Some(Standing::Part);
        }
        let written = rest.strip_prefix(b".")?.strip_suffix(b".ready")?;
        Some(Standing::Ready(String::from_utf8(written.to_vec()).ok()?))
    }
}

/// What stands beside a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Something that is not whole.
    Part,
    /// What was written, by the beginning of its digest; or what came out of the place.
    Ready(String),
}

/// The beginning of a digest, as it stands in a name.
pub(crate) fn short(digest: Digest) -> String {
    digest.to_string().chars().take(DIGEST_DIGITS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_beside_a_place_is_known_and_no_other_is() {
        let effect = EffectKey(Digest::of_bytes(b"effect"));
        let beside = Beside::of(effect, 0);
        let digest = Digest::of_bytes(b"content");
        assert_eq!(beside.read(&beside.part()), Some(Standing::Part));
        assert_eq!(beside.read(&beside.ready(digest)), Some(Standing::Ready(short(digest))));
        assert!(is_ours(&beside.part()) && is_ours(&beside.ready(digest)));
        let other = Beside::of(effect, 1);
        assert_eq!(beside.read(&other.part()), None);
        for name in [&b".holdfast"[..], b".holdfast-notes", b".holdfast-state.part", b"a.part"] {
            assert!(!is_ours(name), "{name:?}");
        }
    }
}
