//! The two seams between holdfast and the disk: the pages of a database, and plain files.
//!
//! Everything the state directory holds goes through them, so a rehearsal can put a disk of its own in
//! place: one that loses what was not synced, is full, or fails. Paths are relative to the state
//! directory. Nothing here knows what the files mean.

pub mod local;

use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};

pub use redb::{BackendError, StorageBackend};

/// The disk a state directory lies on.
pub trait Disk: Debug + Send + Sync {
    /// Its plain files.
    fn files(&self) -> &dyn Files;

    /// The pages of a database file; an empty one is made if it is not there.
    ///
    /// # Errors
    /// The file cannot be opened.
    fn database(&self, path: &Path) -> io::Result<Box<dyn StorageBackend>>;

    /// Where a file is, for people.
    fn place(&self, path: &Path) -> PathBuf;
}

/// Plain files: append files, logs, and the names of database files.
///
/// What was appended is durable after [`sync`](Files::sync); a file that was made, renamed or removed is
/// so after [`sync_folder`](Files::sync_folder) of its folder.
pub trait Files: Debug + Send + Sync {
    /// How long a file is; none if it is not there.
    ///
    /// # Errors
    /// It cannot be told.
    fn length(&self, path: &Path) -> io::Result<Option<u64>>;

    /// Adds all of `bytes` at the end of a file, which is made if it is not there. After an error part of
    /// them may have been added.
    ///
    /// # Errors
    /// They could not all be written.
    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Reads from `offset` until `into` is full or the file ends, and says how much that was.
    ///
    /// # Errors
    /// The file is not there or cannot be read.
    fn read(&self, path: &Path, offset: u64, into: &mut [u8]) -> io::Result<usize>;

    /// Cuts a file to `length`.
    ///
    /// # Errors
    /// The file is not there or cannot be cut.
    fn truncate(&self, path: &Path, length: u64) -> io::Result<()>;

    /// Makes the content and the length of a file durable.
    ///
    /// # Errors
    /// It cannot be said that they are.
    fn sync(&self, path: &Path) -> io::Result<()>;

    /// Gives a file another name, in place of any that has it.
    ///
    /// # Errors
    /// It keeps its name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// It is still there, or was not.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// The names of the files in a folder, sorted; none if the folder is not there.
    ///
    /// # Errors
    /// The folder cannot be read.
    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>>;

    /// Makes a folder and those it lies in, where they are not there.
    ///
    /// # Errors
    /// It is not there now.
    fn create_folder(&self, folder: &Path) -> io::Result<()>;

    /// Makes the names in a folder durable; the empty path is the state directory itself.
    ///
    /// # Errors
    /// It cannot be said that they are.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;

    /// How many bytes can still be written.
    ///
    /// # Errors
    /// It cannot be told.
    fn free_space(&self) -> io::Result<u64>;

    /// Lets the system forget what it keeps of a file in memory, so that it is read from the disk again.
    ///
    /// # Errors
    /// The system cannot be asked.
    fn drop_cached(&self, path: &Path) -> io::Result<()>;
}
