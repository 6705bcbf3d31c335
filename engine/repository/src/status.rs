//! What a repository holds and who works on it, for `repository status`.

use std::path::PathBuf;

use holdfast_kernel::id::Instant;
use rustic_core::{FileType, ReadBackend as _};

use crate::backup_set::{SET_TAG, UNIT_TAG};
use crate::lock::fresh_restic_locks;
use crate::open::Repository;
use crate::refused::Refused;

/// The state of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Its folder.
    pub path: PathBuf,
    /// Backup sets.
    pub sets: usize,
    /// Units of runs that are not sealed completely.
    pub units: usize,
    /// Snapshots that are not ours.
    pub foreign_snapshots: usize,
    /// Files with packed content.
    pub packs: usize,
    /// Their bytes.
    pub pack_bytes: u64,
    /// Lock files of restic that count.
    pub restic_locks: Vec<PathBuf>,
}

impl Repository {
    /// Looks at the repository; reads no content.
    ///
    /// # Errors
    /// A snapshot file is damaged, or a folder cannot be read.
    pub fn status(&self, now: Instant) -> Result<Status, Refused> {
        let session = self.reading()?;
        let snapshots = self.snapshots(&session)?;
        let tagged = |tag: &str| snapshots.iter().filter(|one| one.tags.contains(tag)).count();
        let (sets, units) = (tagged(SET_TAG), tagged(UNIT_TAG));
        let packs = session.gate.list_with_size(FileType::Pack).map_err(Refused::below)?;
        Ok(Status {
            path: self.path().to_owned(),
            sets,
            units,
            foreign_snapshots: snapshots.len() - sets - units,
            packs: packs.len(),
            pack_bytes: packs.iter().map(|(_, bytes)| u64::from(*bytes)).sum(),
            restic_locks: fresh_restic_locks(self.path(), now)?,
        })
    }
}
