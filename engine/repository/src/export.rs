//! Exporting a set, or one path of it, as plain files: our own restore, item by item.
//!
//! Memory holds one blob and the folders on the way, whatever the size of the set. What the system does
//! not let us set is listed with its path; a damaged file is listed and the rest goes on.

use std::path::Path;

use holdfast_contract::entry::{LeftOut, shown, unshown};

use crate::check::Counts;
use crate::gate::Permit;
use crate::lock::Lock;
use crate::node::{kind_of, metadata_of};
use crate::place::Placer;
use crate::read::{OpenSet, Walk, read_blobs};
use crate::refused::Refused;

/// What an export wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// What was written whole.
    pub counts: Counts,
    /// What could not be written as it was, or at all.
    pub left_out: Vec<LeftOut>,
}

impl OpenSet {
    /// Writes the entries at and beneath `only` (empty: all) into the folder `to`, at their paths in the
    /// set. Files that are there are replaced; folders are kept; nothing is written outside of `to`,
    /// whatever links are in it.
    ///
    /// # Errors
    /// There is no such path, `to` cannot be written or its disk is full, or the permit was withdrawn.
    pub fn export(&self, to: &Path, only: &[u8], permit: &Permit) -> Result<Exported, Refused> {
        let mut exported = Exported::default();
        let mut placer = Placer::new(to)?;
        for found in Walk::new(&self.index, self.root, only)? {
            if !permit() {
                return Err(Refused::Cancelled);
            }
            let (path, node) = match found {
                Ok(found) => found,
                Err(Refused::Damaged { what, reason }) => {
                    let path = unshown(&what).unwrap_or_else(|| what.clone().into_bytes());
                    exported.left_out.push(LeftOut { path, reason });
                    continue;
                }
                Err(other) => return Err(other),
            };
            let kind = kind_of(&node);
            let metadata = metadata_of(&node);
            let written = placer.put(&path, &kind, &metadata, |sink| {
                read_blobs(&self.index, &path, &node, |bytes| {
                    if permit() { sink(bytes) } else { Err(Refused::Cancelled) }
                })
            });
            match written {
                Ok(()) => exported.counts.add(&kind),
                Err(Refused::Damaged { reason, .. }) => {
                    exported.left_out.push(LeftOut { path, reason });
                }
                Err(Refused::Io { doing, source }) => {
                    let reason = format!("{doing}: {source}");
                    exported.left_out.push(LeftOut { path, reason });
                }
                Err(other) => return Err(other),
            }
        }
        exported.left_out.extend(placer.finish()?);
        Ok(exported)
    }
}

impl crate::open::Repository {
    /// Writes a set, or one path of it, into a folder: [`OpenSet::export`] under the shared lock.
    ///
    /// # Errors
    /// As there, and the repository is locked or has no such set.
    pub fn export(
        &self,
        id: &crate::backup_set::SetId,
        to: &Path,
        only: &[u8],
        permit: &Permit,
    ) -> Result<Exported, Refused> {
        let _lock = Lock::shared(self.path())?;
        self.open_set(id)?.export(to, only, permit)
    }
}

/// One line for each thing that was left out, for people.
pub fn lines(left_out: &[LeftOut]) -> Vec<String> {
    left_out
        .iter()
        .map(|one| format!("{}: {}", shown(&one.path), one.reason))
        .collect()
}
