//! One database file: opened on a disk, its faults told apart.
//!
//! A fault says whether the disk failed or the file is damaged. Opening catches panics: a damaged file may
//! lead the library astray. It does not know any table.

use std::io;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use redb::{
    BackendError, Builder, ReadTransaction, ReadableDatabase as _, StorageBackend, WriteTransaction,
};

use crate::codec::Damaged;
use crate::disk::Disk;
use crate::fault::FileFault;

/// How much of a database file is verified when it is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// What is read on the way.
    Quick,
    /// Every page.
    Full,
}

/// An open database file.
#[derive(Debug)]
pub(crate) struct Database {
    path: PathBuf,
    /// There until it is dropped.
    inner: Option<redb::Database>,
}

impl Database {
    /// Opens the file, or makes it.
    pub(crate) fn open(
        disk: &dyn Disk,
        name: &Path,
        cache_bytes: usize,
        check: Check,
    ) -> Result<Self, FileFault> {
        let path = disk.place(name);
        let backend =
            disk.database(name).map_err(|cause| FileFault::Disk { path: path.clone(), cause })?;
        let opened = catch_unwind(AssertUnwindSafe(|| {
            Builder::new()
                .set_cache_size(cache_bytes)
                .set_check_integrity_on_open(check == Check::Full)
                .create_with_backend(Boxed(backend))
        }));
        match opened {
            Ok(Ok(inner)) => Ok(Self { path, inner: Some(inner) }),
            Ok(Err(error)) => Err(fault(&path, error.into())),
            Err(_) => Err(contradiction(path)),
        }
    }

    /// A view of what was last committed.
    pub(crate) fn read(&self) -> Result<ReadTransaction, FileFault> {
        self.inner()?.begin_read().map_err(|error| self.fault(error))
    }

    /// The next transaction, to be committed in one phase unless it asks for more.
    pub(crate) fn write(&self) -> Result<WriteTransaction, FileFault> {
        self.inner()?.begin_write().map_err(|error| self.fault(error))
    }

    fn inner(&self) -> Result<&redb::Database, FileFault> {
        self.inner.as_ref().ok_or_else(|| self.fault(redb::Error::DatabaseClosed))
    }

    /// Does something with the file, and takes a panic of the library for what it is: pages are verified
    /// when the whole file is, and until then a damaged one may lead it astray.
    pub(crate) fn guarded<T, E: From<FileFault>>(
        &self,
        act: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        catch_unwind(AssertUnwindSafe(act))
            .unwrap_or_else(|_| Err(contradiction(self.path.clone()).into()))
    }

    /// What an error of the library means for this file.
    pub(crate) fn fault(&self, error: impl Into<redb::Error>) -> FileFault {
        fault(&self.path, error.into())
    }

    /// A row that is not what was written.
    pub(crate) fn damaged(&self, row: &str, damage: &Damaged) -> FileFault {
        FileFault::damaged(&self.path, row, damage)
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

fn contradiction(path: PathBuf) -> FileFault {
    FileFault::Damaged { path, what: "its pages contradict each other".to_owned() }
}

fn fault(path: &Path, error: redb::Error) -> FileFault {
    let path = path.to_owned();
    if matches!(error, redb::Error::DatabaseAlreadyOpen) {
        return FileFault::InUse { path };
    }
    if let redb::Error::Io(cause) = error {
        return if cause.kind() == io::ErrorKind::InvalidData {
            FileFault::Damaged { path, what: cause.to_string() }
        } else {
            FileFault::Disk { path, cause }
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
        FileFault::Disk { path, cause }
    } else {
        FileFault::Damaged { path, what: error.to_string() }
    }
}

/// The pages of a file, whichever disk they are on: the library takes no boxed ones.
#[derive(Debug)]
struct Boxed(Box<dyn StorageBackend>);

impl StorageBackend for Boxed {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.0.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.0.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.query_lock_range(start, end)
    }
}
