//! Seals the frames of bodies, so that what they hold is nowhere in clear on the disk of the state.
//!
//! Each run has a key of its own, made from a key that only who can open the repository can make. The nonce
//! of a frame is made from its key, its place and its content: nothing is random, and no two contents share
//! one. Where the key comes from is the matter of whoever opens the state.

use std::fmt;
use std::sync::Arc;

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use holdfast_kernel::id::{Digest, RunId};

/// The bytes of a nonce.
const NONCE: usize = 24;

/// Gives the key that the bodies of a run are sealed with, or says why it is not there. It may block.
pub type KeySource = Arc<dyn Fn(RunId) -> Result<[u8; 32], String> + Send + Sync>;

/// Seals and opens frames.
#[derive(Clone)]
pub(crate) struct Sealing {
    key: KeySource,
}

impl fmt::Debug for Sealing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealing")
    }
}

/// Why a frame cannot be sealed or opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unsealed {
    /// The key is not there.
    NoKey(String),
    /// It is sealed with another key, or is not what was written.
    Wrong,
}

impl Sealing {
    pub(crate) const fn new(key: KeySource) -> Self {
        Self { key }
    }

    /// The sealed form of a frame's content at a place of a run's file.
    pub(crate) fn seal(&self, run: RunId, at: u64, content: &[u8]) -> Result<Vec<u8>, Unsealed> {
        let key = (self.key)(run).map_err(Unsealed::NoKey)?;
        let place = at.to_le_bytes();
        let parts: [&[u8]; 5] = [b"holdfast nonce", &key, run.bytes(), &place, content];
        let digest = Digest::of_parts(&parts);
        let nonce = digest.bytes().first_chunk::<NONCE>().copied().unwrap_or_default();
        let sealed =
            cipher(&key, run).encrypt(&XNonce::from(nonce), Payload { msg: content, aad: &place });
        let sealed = sealed.map_err(|_refused| Unsealed::Wrong)?;
        Ok([&nonce[..], &sealed].concat())
    }

    /// The content of a sealed frame.
    pub(crate) fn open(&self, run: RunId, at: u64, sealed: &[u8]) -> Result<Vec<u8>, Unsealed> {
        let key = (self.key)(run).map_err(Unsealed::NoKey)?;
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>().ok_or(Unsealed::Wrong)?;
        let payload = Payload { msg: sealed, aad: &at.to_le_bytes() };
        cipher(&key, run)
            .decrypt(&XNonce::from(*nonce), payload)
            .map_err(|_refused| Unsealed::Wrong)
    }
}

fn cipher(key: &[u8; 32], run: RunId) -> XChaCha20Poly1305 {
    let key = Digest::of_parts(&[b"holdfast bodies of a run", key, run.bytes()]);
    XChaCha20Poly1305::new(key.bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_key_run_and_place_open_a_frame() {
        let sealing = |byte| Sealing::new(Arc::new(move |_run| Ok([byte; 32])));
        let (run, other) = (RunId::from_bytes([1; 16]), RunId::from_bytes([2; 16]));
        let sealed = sealing(7).seal(run, 40, b"canary").unwrap();
        assert!(!sealed.windows(6).any(|part| part == b"canary"));
        assert_eq!(sealing(7).open(run, 40, &sealed).unwrap(), b"canary");
        assert_eq!(sealing(8).open(run, 40, &sealed), Err(Unsealed::Wrong));
        assert_eq!(sealing(7).open(other, 40, &sealed), Err(Unsealed::Wrong));
        assert_eq!(sealing(7).open(run, 41, &sealed), Err(Unsealed::Wrong));
        assert_eq!(sealing(7).open(run, 40, b"short"), Err(Unsealed::Wrong));
        let none = Sealing::new(Arc::new(|_run| Err("it is away".to_owned())));
        assert_eq!(none.seal(run, 0, b"x"), Err(Unsealed::NoKey("it is away".to_owned())));
    }
}
