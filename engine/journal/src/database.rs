//! One database file: opened on a disk, its faults told apart.
//!
//! A fault says whether the disk failed or the file is damaged, and whether the sync had been asked for.
//! Opening catches panics: a damaged file may lead the library astray. It does not know any table.

use std::io;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::{
    BackendError, Builder, ReadTransaction, ReadableDatabase as _, StorageBackend, WriteTransaction,
};
use thiserror::Error;

use crate::codec::Damaged;
use crate::disk::Disk;

/// Why a database file cannot be used.
#[derive(Debug, Error)]
pub enum DatabaseError {
    /// The disk failed.
    #[error("{} cannot be read or written: {cause}", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// What the disk said.
        cause: io::Error,
    },
    /// The file is not what was written.
    #[error("{} is damaged: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// Another process has it.
    #[error("{} is in use by another process", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
}

impl DatabaseError {
    /// Whether the disk is full.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::Disk { cause, .. } => is_full(cause),
            Self::Damaged { .. } | Self::InUse { .. } => false,
        }
    }

    /// What to do about it.
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::Disk { .. } => {
                "Make the disk readable and writable with free space, and start again."
            }
            Self::Damaged { .. } => {
                "Nothing was changed. Put the whole state directory back from a copy, or move it away \
                 and start with an empty one; sealed backup sets are in the repository and stay."
            }
            Self::InUse { .. } => {
                "Talk to the process that owns this state directory, or end it first."
            }
        }
    }
}

/// Whether an error says that there is no space left.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// How much of a database file is verified when it is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// What is read on the way.
    Quick,
    /// Every page.
    Full,
}

/// What a database file holds where it has grown and nothing was written yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Growth {
    /// Nothing: the disk gives it a place when it is first written.
    Sparse,
    /// Zeros that were written. A sync is then spared the search for a place, which takes about as long as
    /// the sync itself: for a small file that is synced often.
    Filled,
}

/// How many zeros are written at once.
const FILLED_AT_ONCE: usize = 256 * 1024;

/// An open database file.
#[derive(Debug)]
pub(crate) struct Database {
    path: PathBuf,
    /// There until it is dropped.
    inner: Option<redb::Database>,
    sync_failed: Arc<AtomicBool>,
}

impl Database {
    /// Opens the file, or makes it.
    pub(crate) fn open(
        disk: &dyn Disk,
        name: &Path,
        (cache_bytes, growth): (usize, Growth),
        check: Check,
    ) -> Result<Self, DatabaseError> {
        let path = disk.place(name);
        let backend = disk
            .database(name)
            .map_err(|cause| DatabaseError::Disk { path: path.clone(), cause })?;
        let sync_failed = Arc::new(AtomicBool::new(false));
        let watched = Watched { inner: backend, growth, sync_failed: Arc::clone(&sync_failed) };
        let opened = catch_unwind(AssertUnwindSafe(|| {
            Builder::new()
                .set_cache_size(cache_bytes)
                .set_check_integrity_on_open(check == Check::Full)
                .create_with_backend(watched)
        }));
        match opened {
            Ok(Ok(inner)) => Ok(Self { path, inner: Some(inner), sync_failed }),
            Ok(Err(error)) => Err(fault(&path, error.into())),
            Err(_) => Err(contradiction(path)),
        }
    }

    /// A view of what was last committed.
    pub(crate) fn read(&self) -> Result<ReadTransaction, DatabaseError> {
        self.inner()?.begin_read().map_err(|error| self.fault(error))
    }

    /// The next transaction, to be committed in one phase unless it asks for more.
    pub(crate) fn write(&self) -> Result<WriteTransaction, DatabaseError> {
        self.inner()?.begin_write().map_err(|error| self.fault(error))
    }

    fn inner(&self) -> Result<&redb::Database, DatabaseError> {
        self.inner.as_ref().ok_or_else(|| self.fault(redb::Error::DatabaseClosed))
    }

    /// Does something with the file, and takes a panic of the library for what it is: pages are verified
    /// when the whole file is, and until then a damaged one may lead it astray.
    pub(crate) fn guarded<T, E: From<DatabaseError>>(
        &self,
        act: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        catch_unwind(AssertUnwindSafe(act))
            .unwrap_or_else(|_| Err(contradiction(self.path.clone()).into()))
    }

    /// Whether a sync has failed since the file was opened.
    pub(crate) fn sync_failed(&self) -> bool {
        self.sync_failed.load(Ordering::SeqCst)
    }

    /// What an error of the library means for this file.
    pub(crate) fn fault(&self, error: impl Into<redb::Error>) -> DatabaseError {
        fault(&self.path, error.into())
    }

    /// A row that is not what was written.
    pub(crate) fn damaged(&self, row: &str, damage: &Damaged) -> DatabaseError {
        DatabaseError::Damaged { path: self.path.clone(), what: format!("{row}: {damage}") }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let inner = self.inner.take();
        // After a panic of its own the library panics once more when it is closed; there is nothing left
        // to do about that.
        if catch_unwind(AssertUnwindSafe(|| drop(inner))).is_err() {}
    }
}

fn contradiction(path: PathBuf) -> DatabaseError {
    DatabaseError::Damaged { path, what: "its pages contradict each other".to_owned() }
}

fn fault(path: &Path, error: redb::Error) -> DatabaseError {
    let path = path.to_owned();
    if matches!(error, redb::Error::DatabaseAlreadyOpen) {
        return DatabaseError::InUse { path };
    }
    if let redb::Error::Io(cause) = error {
        return if cause.kind() == io::ErrorKind::InvalidData {
            DatabaseError::Damaged { path, what: cause.to_string() }
        } else {
            DatabaseError::Disk { path, cause }
        };
    }
    let disk_failed = matches!(
        error,
        redb::Error::Backend(_)
            | redb::Error::PreviousIo
            | redb::Error::DatabaseClosed
            | redb::Error::LockPoisoned(_)
            | redb::Error::TransactionPoisoned
            | redb::Error::Unsupported
    );
    if disk_failed {
        let cause = io::Error::other(error.to_string());
        DatabaseError::Disk { path, cause }
    } else {
        DatabaseError::Damaged { path, what: error.to_string() }
    }
}

/// The pages of a file, watched for failed syncs.
#[derive(Debug)]
struct Watched {
    inner: Box<dyn StorageBackend>,
    growth: Growth,
    sync_failed: Arc<AtomicBool>,
}

impl Watched {
    /// Writes zeros from `start` to `end`, where the file reads as zeros already.
    fn fill(&self, start: u64, end: u64) -> io::Result<()> {
        let zeros = vec![0; FILLED_AT_ONCE];
        let mut at = start;
        while at < end {
            let length = usize::try_from(end - at).unwrap_or(usize::MAX).min(zeros.len());
            let (part, _) = zeros.split_at(length);
            self.inner.write(at, part)?;
            at += length as u64;
        }
        Ok(())
    }
}

impl StorageBackend for Watched {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.inner.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let before = self.inner.len()?;
        self.inner.set_len(len)?;
        match self.growth {
            Growth::Sparse => Ok(()),
            Growth::Filled => self.fill(before, len),
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        self.inner.sync_data().inspect_err(|_| {
            self.sync_failed.store(true, Ordering::SeqCst);
        })
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.inner.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.inner.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.inner.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.query_lock_range(start, end)
    }
}
