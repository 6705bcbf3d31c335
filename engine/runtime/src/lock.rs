//! One process owns a state directory: a lock file that names the owner's pid and what it does.
//!
//! The lock is the operating system's: it is gone with the process, however that died. The text in the file is
//! for people only.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;

use holdfast_kernel::id::Millis;

use crate::clock;

/// The name of the lock file in a state directory.
pub const NAME: &str = "lock";

/// How long a command waits for another one that only acts and lets go.
pub const PATIENCE: Millis = Millis::seconds(10);

/// The lock of a state directory; let go when dropped.
#[derive(Debug)]
pub struct StateLock {
    file: File,
    unclean_ends: u32,
}

/// What the owner of a lock does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// It drives runs, for as long as they take.
    Drives,
    /// It acts and lets go.
    Acts,
}

/// Why the lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("the state in {} is owned by the process {pid}, which drives its runs", path.display())]
    Owned {
        /// The state directory.
        path: PathBuf,
        /// The pid of the owner, as it wrote it.
        pid: String,
    },
    /// The lock file cannot be used.
    #[error("{} cannot be locked: {cause}", path.display())]
    Disk {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
}

impl StateLock {
    /// Takes the lock of a state directory. An owner that drives is told at once; one that only acts is waited
    /// for, up to [`PATIENCE`].
    ///
    /// # Errors
    /// Another process has it, or the file cannot be used.
    pub fn take(state: &Path, purpose: Use) -> Result<Self, LockError> {
        let path = state.join(NAME);
        let disk = |cause| LockError::Disk { path: path.clone(), cause };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(disk)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::Error(cause)) => return Err(disk(cause)),
            Err(TryLockError::WouldBlock) => {
                let owner = owner(&mut file).map_err(disk)?;
                let drives = owner.split_whitespace().nth(1) == Some("drives");
                if drives || !waited_for(&file).map_err(disk)? {
                    let pid = owner.split_whitespace().next().unwrap_or("unknown").to_owned();
                    return Err(LockError::Owned { path: state.to_owned(), pid });
                }
            }
        }
        let word = match purpose {
            Use::Drives => "drives",
            Use::Acts => "acts",
        };
        let unclean_ends = unclean_ends(&owner(&mut file).map_err(disk)?);
        write_owner(&mut file, word, unclean_ends).map_err(disk)?;
        Ok(Self { file, unclean_ends })
    }

    /// How many owners in a row, up to the last one, did not let go but died.
    pub const fn unclean_ends(&self) -> u32 {
        self.unclean_ends
    }
}

/// Waits for an owner that only acts. Whether the lock was taken within [`PATIENCE`].
fn waited_for(file: &File) -> io::Result<bool> {
    // Both handles are of one open file, so the lock taken through one is held by the other.
    let waiting = file.try_clone()?;
    let (taken, told) = channel();
    std::thread::spawn(move || {
        // Nobody listens any more once the patience is over; the process ends then.
        taken.send(waiting.lock()).unwrap_or_default();
    });
    match told.recv_timeout(clock::duration(PATIENCE)) {
        Ok(result) => result.map(|()| true),
        Err(_) => Ok(false),
    }
}

/// An owner that lets go empties the file; one that died left its line, with the number of those before it.
fn unclean_ends(left: &str) -> u32 {
    if left.is_empty() {
        return 0;
    }
    let before =
        left.split_whitespace().nth(2).and_then(|count| count.parse().ok()).unwrap_or(0_u32);
    before.saturating_add(1)
}

impl Drop for StateLock {
    fn drop(&mut self) {
        // What the file says is for people; the lock itself goes with the file handle.
        self.file.set_len(0).unwrap_or_default();
    }
}

fn owner(file: &mut File) -> io::Result<String> {
    let mut text = String::new();
    file.rewind()?;
    file.read_to_string(&mut text)?;
    Ok(text.trim().to_owned())
}

fn write_owner(file: &mut File, word: &str, unclean_ends: u32) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{} {word} {unclean_ends}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_that_died_in_a_row_are_counted() {
        assert_eq!(unclean_ends(""), 0);
        assert_eq!(unclean_ends("4711 drives 0"), 1);
        assert_eq!(unclean_ends("4711 acts 2"), 3);
        assert_eq!(unclean_ends("what is this"), 1);
    }
}
