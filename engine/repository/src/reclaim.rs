//! After a crash: brings packs that no index names back into use, and removes half-written files.
//!
//! It works alone on the repository. It deletes no pack and no snapshot: that is what pruning is for.

use std::path::Path;

use holdfast_kernel::id::Instant;
use rustic_core::RepairIndexOptions;

use crate::gate::Permit;
use crate::lock::Lock;
use crate::open::Repository;
use crate::refused::Refused;

/// The end of the name of a file that is being written.
const HALF_WRITTEN: &str = "-tmp-";

impl Repository {
    /// Indexes packs that a dead process left, so that what is captured again finds its content.
    ///
    /// # Errors
    /// Somebody else works on the repository, restic has a fresh lock, or reading or writing failed.
    pub fn reclaim(&self, now: Instant, permit: &Permit) -> Result<(), Refused> {
        let _lock = Lock::exclusive(self.path(), now)?;
        for folder in ["data", "index", "snapshots", "keys"] {
            sweep(&self.path().join(folder))?;
        }
        let session = self.session(permit)?;
        session
            .open()?
            .repair_index(&RepairIndexOptions::default(), false)
            .map_err(|error| session.refuse(error))
    }
}

fn sweep(folder: &Path) -> Result<(), Refused> {
    let failed = |error| Refused::io(format!("reading {}", folder.display()), error);
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        if entry.file_type().map_err(failed)?.is_dir() {
            sweep(&path)?;
        } else if entry.file_name().to_string_lossy().ends_with(HALF_WRITTEN) {
            std::fs::remove_file(&path)
                .map_err(Refused::doing(format!("removing {}", path.display())))?;
        }
    }
    Ok(())
}
