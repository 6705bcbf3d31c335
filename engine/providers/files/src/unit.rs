//! Looks at a whole tree and cuts it into units.
//!
//! What appears in the tree later falls into one of them, so nothing is between them.

use holdfast_contract::entry::LeftOut;
use holdfast_contract::unit::{Cutter, MAX_BYTES, MAX_ENTRIES, Range, Unit};
use rustix::fs::{FileType, Stat};

use crate::metadata::size_of;
use crate::root::{FilesTarget, Refused};
use crate::scan::{Scan, Sight};

/// What a tree has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Its units; none if there is nothing in it.
    pub units: Vec<Unit>,
    /// What could not be looked at: the inventory is partial.
    pub unreadable: Vec<LeftOut>,
    /// What a rule keeps out: our own folders, other file systems. It is nothing that is missing.
    pub ruled: Vec<LeftOut>,
}

impl FilesTarget {
    /// Looks at the whole tree and cuts it into units.
    ///
    /// # Errors
    /// The permit was withdrawn, or the root cannot be listed.
    pub fn inventory_of(&self, permitted: &dyn Fn() -> bool) -> Result<Inventory, Refused> {
        self.inventory_cut(permitted, MAX_ENTRIES, MAX_BYTES)
    }

    /// The same with other limits for a unit.
    ///
    /// # Errors
    /// As there.
    pub fn inventory_cut(
        &self,
        permitted: &dyn Fn() -> bool,
        max_entries: u64,
        max_bytes: u64,
    ) -> Result<Inventory, Refused> {
        let mut cutter = Cutter::new(max_entries, max_bytes);
        let mut found = Inventory::default();
        for sight in Scan::new(&self.inner, &Range::default()) {
            if !permitted() {
                return Err(Refused::Cancelled);
            }
            match sight {
                // The root alone is nothing: a disk that is not mounted must not look like a tree.
                Sight::Seen(seen) if seen.path.is_empty() => {}
                Sight::Seen(seen) => {
                    cutter.add(&seen.path, content_bytes(&seen.stat));
                }
                Sight::Unreadable(left_out) if left_out.path.is_empty() => {
                    return Err(Refused::Io {
                        doing: format!("listing {}", self.inner.place(b"")),
                        source: std::io::Error::new(
                            std::io::ErrorKind::PermissionDenied,
                            left_out.reason,
                        ),
                    });
                }
                // It belongs to a unit, which lists it when it is captured.
                Sight::Unreadable(left_out) => {
                    cutter.cover();
                    found.unreadable.push(left_out);
                }
                Sight::Ruled(left_out) => found.ruled.push(left_out),
            }
        }
        found.units = cutter.end();
        Ok(found)
    }
}

fn content_bytes(stat: &Stat) -> u64 {
    let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    if is_file { size_of(stat) } else { 0 }
}
