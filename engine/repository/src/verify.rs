//! Verifying a set: reading it against its manifest, and naming every entry that is damaged.
//!
//! A share of the blobs can be read instead of all; which ones is decided by their ids and a number that
//! the caller moves on, so that a rotation sees them all.

use std::collections::BTreeMap;

use holdfast_contract::entry::{TreePath, shown};
use rustic_core::BlobId;
use rustic_core::repofile::{BlobType, Node};

use crate::backup_set::SetId;
use crate::check::{Counts, whole};
use crate::gate::Permit;
use crate::lock::Lock;
use crate::manifest::AREA;
use crate::node::kind_of;
use crate::open::Repository;
use crate::read::{OpenSet, Walk, read_blob};
use crate::refused::Refused;

/// How much is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadShare {
    /// From 0 to 100.
    pub percent: u8,
    /// Which part: 0, 1, 2 … go through all of it in turn.
    pub rotation: u32,
}

impl ReadShare {
    /// Every byte.
    pub const ALL: Self = Self { percent: 100, rotation: 0 };

    /// Whether a blob belongs to this share.
    fn has(self, blob: BlobId) -> bool {
        let percent = u32::from(self.percent.min(100));
        let start = self.rotation.wrapping_mul(percent) % 100;
        let place = blob.as_u32() % 100;
        (place + 100 - start) % 100 < percent
    }
}

/// A damaged entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedEntry {
    /// Its path in the set.
    pub path: TreePath,
    /// What is wrong with it.
    pub reason: String,
}

/// What a verification found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    /// What the set holds, without its manifest.
    pub counts: Counts,
    /// How many bytes were read; content that several files share is read once.
    pub read_bytes: u64,
    /// What is damaged; empty if the set is clean.
    pub damaged: Vec<DamagedEntry>,
}

impl Repository {
    /// Reads a set, and names what is damaged.
    ///
    /// # Errors
    /// The repository is locked, there is no such set, its manifest cannot be read, or the permit was
    /// withdrawn. Damaged entries are no error: they are listed.
    pub fn verify(
        &self,
        id: &SetId,
        share: ReadShare,
        permit: &Permit,
    ) -> Result<Verification, Refused> {
        let _lock = Lock::shared(self.path())?;
        let open = self.open_set(id)?;
        let mut verifier = Verifier {
            open: &open,
            share,
            read: BTreeMap::new(),
            found: Verification { counts: Counts::default(), read_bytes: 0, damaged: Vec::new() },
        };
        for entry in Walk::new(&open.index, open.root, &[])? {
            if !permit() {
                return Err(Refused::Cancelled);
            }
            match entry {
                Ok((path, node)) => verifier.entry(path, &node),
                Err(Refused::Damaged { what, reason }) => {
                    verifier.damage(what.into_bytes(), reason);
                }
                Err(other) => return Err(other),
            }
        }
        Ok(verifier.end())
    }
}

struct Verifier<'a> {
    open: &'a OpenSet,
    share: ReadShare,
    /// The blobs that were read, with what was wrong with them.
    read: BTreeMap<BlobId, Option<String>>,
    found: Verification,
}

impl Verifier<'_> {
    fn damage(&mut self, path: TreePath, reason: String) {
        self.found.damaged.push(DamagedEntry { path, reason });
    }

    fn entry(&mut self, path: TreePath, node: &Node) {
        let own = path == AREA.as_bytes() || path.starts_with(b"holdfast/");
        if !own {
            self.found.counts.add(&kind_of(node));
        }
        if let Err(Refused::Damaged { reason, .. }) = whole(&self.open.index, &path, node) {
            self.damage(path, reason);
            return;
        }
        for blob in node.content.iter().flatten() {
            let blob = BlobId::from(*blob);
            if !self.share.has(blob) {
                continue;
            }
            if let Some(reason) = self.read(blob) {
                self.damage(path, reason);
                return;
            }
        }
    }

    /// What is wrong with a blob. It is read once, however many files have it.
    fn read(&mut self, blob: BlobId) -> Option<String> {
        if let Some(known) = self.read.get(&blob) {
            return known.clone();
        }
        let wrong = match read_blob(&self.open.index, blob, BlobType::Data) {
            Ok(bytes) => {
                self.found.read_bytes += bytes.len() as u64;
                None
            }
            Err(reason) => Some(reason),
        };
        self.read.insert(blob, wrong.clone());
        wrong
    }

    /// The result, with a set that does not hold what its manifest says as damage too.
    fn end(mut self) -> Verification {
        let wanted = self.open.manifest().counts;
        if self.found.damaged.is_empty() && !self.found.counts.holds(&wanted) {
            let reason = format!("it holds {:?}, its manifest says {wanted:?}", self.found.counts);
            self.damage(Vec::new(), reason);
        }
        self.found
    }
}

/// One line for each damaged entry, for people.
pub fn lines(damaged: &[DamagedEntry]) -> Vec<String> {
    damaged.iter().map(|entry| format!("{}: {}", shown(&entry.path), entry.reason)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(percent: u8, rotations: u32) {
        let blobs = (0..=99_u8).map(|byte| {
            let hex = format!("{byte:02x}{}", "0".repeat(62));
            hex.parse::<BlobId>().unwrap()
        });
        for blob in blobs {
            let seen = (0..rotations).filter(|rotation| {
                let rotation = *rotation;
                ReadShare { percent, rotation }.has(blob)
            });
            assert!(seen.count() >= 1, "{percent}%, {rotations} rotations");
        }
    }

    #[test]
    fn a_rotation_reads_everything_in_turn() {
        check(100, 1);
        check(50, 2);
        check(5, 20);
        check(7, 15);
    }
}
