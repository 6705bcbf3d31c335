//! Exporting a set, or one path of it, as plain files: our own restore, item by item.
//!
//! Memory holds one blob and the folders on the way, whatever the size of the set. What the system does
//! not let us set is listed with its path; a damaged file is listed and the rest goes on.

use std::path::Path;

use holdfast_contract::entry::{LeftOut, TreePath, shown, unshown};
use rustic_core::repofile::Node;

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
            match found {
                Ok((path, node)) => {
                    self.export_one(&mut placer, &mut exported, path, &node, permit)?;
                }
                Err(Refused::Damaged { what, reason }) => {
                    let path = unshown(&what).unwrap_or_else(|| what.clone().into_bytes());
                    exported.left_out.push(LeftOut { path, reason });
                }
                Err(other) => return Err(other),
            }
        }
        exported.left_out.extend(placer.finish()?);
        Ok(exported)
    }

    fn export_one(
        &self,
        placer: &mut Placer,
        exported: &mut Exported,
        path: TreePath,
        node: &Node,
        permit: &Permit,
    ) -> Result<(), Refused> {
        let (kind, metadata) = (kind_of(node), metadata_of(node));
        let permitted = || if permit() { Ok(()) } else { Err(Refused::Cancelled) };
        permitted()?;
        let written = placer.put(&path, &kind, &metadata, |sink| {
            let sink = |bytes: &[u8]| permitted().and_then(|()| sink(bytes));
            read_blobs(&self.index, &path, node, sink)
        });
        let reason = match written {
            Ok(()) => {
                exported.counts.add(&kind);
                return Ok(());
            }
            Err(Refused::Damaged { reason, .. }) => reason,
            Err(Refused::Io { doing, source }) => format!("{doing}: {source}"),
            Err(other) => return Err(other),
        };
        exported.left_out.push(LeftOut { path, reason });
        Ok(())
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
    left_out.iter().map(|one| format!("{}: {}", shown(&one.path), one.reason)).collect()
}
