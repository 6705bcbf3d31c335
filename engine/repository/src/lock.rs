//! Locks on a repository: many share it to add, one alone may take away.
//!
//! Our own lock is the system's lock on one file, so it ends with the process that holds it. The
//! library writes no locks of restic's kind and honours none; before exclusive work a fresh one is looked
//! for by the time of its file. It does not break anybody's lock.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use holdfast_kernel::id::{Instant, Millis};

use crate::refused::Refused;

/// The file that is locked, in the repository's folder.
const LOCK_FILE: &str = "holdfast.lock";

/// How long a lock file of restic counts: restic refreshes its own every five minutes, and calls them
/// stale after thirty.
const FRESH: Millis = Millis::seconds(30 * 60);

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub struct Lock {
    /// None where nobody can write, and so nobody can take anything away.
    _file: Option<File>,
}

impl Lock {
    /// Shares the repository with others that only add to it.
    ///
    /// # Errors
    /// [`Refused::Locked`]: somebody has it alone.
    pub fn shared(repository: &Path) -> Result<Self, Refused> {
        let file = match open(repository) {
            Err(Refused::Io { source, .. }) if is_read_only(&source) => {
                return Ok(Self { _file: None });
            }
            opened => opened?,
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(Self { _file: Some(file) }),
            Err(TryLockError::WouldBlock) => Err(held_by(file)),
            Err(TryLockError::Error(error)) => Err(Refused::io("locking the repository", error)),
        }
    }

    /// Takes the repository alone.
    ///
    /// # Errors
    /// [`Refused::Locked`]: somebody else works on it, or restic has a lock that is fresh at `now`.
    pub fn exclusive(repository: &Path, now: Instant) -> Result<Self, Refused> {
        let mut file = open(repository)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(held_by(file)),
            Err(TryLockError::Error(error)) => {
                return Err(Refused::io("locking the repository", error));
            }
        }
        if let Some(path) = fresh_restic_locks(repository, now)?.into_iter().next() {
            return Err(Refused::Locked {
                by: format!("restic, with the lock file {}", path.display()),
            });
        }
        // Only for the message to whoever comes next.
        let holder = format!("{}\n", std::process::id());
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(holder.as_bytes()))
            .map_err(Refused::doing("naming the holder of the lock"))?;
        Ok(Self { _file: Some(file) })
    }
}

fn open(repository: &Path) -> Result<File, Refused> {
    let path = repository.join(LOCK_FILE);
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(Refused::doing(format!("opening {}", path.display())))
}

/// A repository on a disk that is mounted for reading can still be read.
fn is_read_only(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::ReadOnlyFilesystem
}

fn held_by(mut file: File) -> Refused {
    let mut holder = String::new();
    let known = file.read_to_string(&mut holder).is_ok() && !holder.trim().is_empty();
    let by = if known {
        format!("another holdfast; the last one that took it alone was process {}", holder.trim())
    } else {
        "another holdfast".to_owned()
    };
    Refused::Locked { by }
}

/// What became of the lock files of restic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unlocked {
    /// Those that were left and are removed.
    pub removed: Vec<PathBuf>,
    /// Those that count.
    pub fresh: Vec<PathBuf>,
}

/// Removes the lock files that restic left.
///
/// # Errors
/// The folder of locks could not be read, or a file in it not be removed.
pub fn unlock(repository: &Path, now: Instant) -> Result<Unlocked, Refused> {
    let fresh = fresh_restic_locks(repository, now)?;
    let folder = repository.join("locks");
    let failed = |error| Refused::io(format!("reading {}", folder.display()), error);
    let listed = match std::fs::read_dir(&folder) {
        Ok(listed) => listed,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Unlocked::default());
        }
        Err(error) => return Err(failed(error)),
    };
    let mut removed = Vec::new();
    for file in listed {
        let path = file.map_err(failed)?.path();
        if path.is_file() && !fresh.contains(&path) {
            std::fs::remove_file(&path)
                .map_err(Refused::doing(format!("removing {}", path.display())))?;
            removed.push(path);
        }
    }
    removed.sort();
    Ok(Unlocked { removed, fresh })
}

/// The lock files of restic that count at `now`, in the order of their names.
///
/// # Errors
/// The folder of locks could not be read.
pub fn fresh_restic_locks(repository: &Path, now: Instant) -> Result<Vec<PathBuf>, Refused> {
    let folder = repository.join("locks");
    let failed = |error| Refused::io(format!("reading {}", folder.display()), error);
    let listed = match std::fs::read_dir(&folder) {
        Ok(listed) => listed,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut fresh = Vec::new();
    for file in listed {
        let file = file.map_err(failed)?;
        // A file that has just gone holds nothing.
        let Ok(metadata) = file.metadata() else {
            continue;
        };
        let modified = metadata.modified().map_err(failed)?;
        let since_start = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        let modified = Instant(i64::try_from(since_start.as_micros()).unwrap_or(i64::MAX));
        if metadata.is_file() && now.since(modified) <= FRESH {
            fresh.push(file.path());
        }
    }
    fresh.sort();
    Ok(fresh)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant(4_000_000_000_000_000);

    #[test]
    fn many_share_and_one_has_it_alone() {
        let home = tempfile::tempdir().unwrap();
        let first = Lock::shared(home.path()).unwrap();
        let second = Lock::shared(home.path()).unwrap();
        let refused = Lock::exclusive(home.path(), NOW).unwrap_err();
        assert!(matches!(refused, Refused::Locked { .. }));
        drop((first, second));
        let alone = Lock::exclusive(home.path(), NOW).unwrap();
        let refused = Lock::shared(home.path()).unwrap_err().to_string();
        assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
        drop(alone);
        assert!(Lock::shared(home.path()).is_ok());
    }

    #[test]
    fn a_fresh_lock_of_restic_refuses_exclusive_work_and_is_named() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("locks")).unwrap();
        let path = home.path().join("locks").join("abc");
        let file = File::create(&path).unwrap();
        let minutes = |count: u64| {
            let time = UNIX_EPOCH + std::time::Duration::from_secs(4_000_000_000 - count * 60);
            file.set_modified(time).unwrap();
        };
        minutes(29);
        let refused = Lock::exclusive(home.path(), NOW).unwrap_err().to_string();
        assert!(refused.contains(path.to_str().unwrap()), "{refused}");
        assert!(Lock::shared(home.path()).is_ok(), "adding goes on");
        minutes(31);
        assert!(Lock::exclusive(home.path(), NOW).is_ok());
    }
}
