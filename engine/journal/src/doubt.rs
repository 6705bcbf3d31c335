//! A note that the disk failed to make something durable: `disk.doubt`.
//!
//! After a failed sync the system may go on remembering what the disk never took, until the machine starts anew.
//! The note is never synced, so it lives as long as that memory does. Whoever opens a state with it lets the system
//! forget first, and reads everything.

use std::io;
use std::path::Path;

use crate::disk::Files;

/// The name of the file.
pub(crate) const NAME: &str = "disk.doubt";

/// Notes it. A disk that does not even take this is not helped by saying so.
pub(crate) fn note(files: &dyn Files) {
    if !is_noted(files).unwrap_or(false) {
        files
            .append(Path::new(NAME), b"The disk failed to make something durable.\n")
            .unwrap_or(());
    }
}

/// Whether it is noted.
pub(crate) fn is_noted(files: &dyn Files) -> io::Result<bool> {
    Ok(files.length(Path::new(NAME))?.is_some())
}

/// Takes the note away: everything was read from the disk.
pub(crate) fn settle(files: &dyn Files) -> io::Result<()> {
    files.remove(Path::new(NAME))
}
