//! The real disk: a folder of this machine.
//!
//! Folders are made for their owner alone, files too. The database files and the files that were appended to
//! lately stay open between calls. It makes nothing durable by itself.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;
use redb::backends::FileBackend;
use rustix::fs::{Advice, fadvise, statvfs};

use super::{Disk, Files};

/// A state directory in the file system of this machine.
#[derive(Clone, Debug)]
pub struct Local {
    root: PathBuf,
    /// The files that were appended to lately.
    appending: Arc<Mutex<BTreeMap<PathBuf, Arc<File>>>>,
}

/// How many files stay open for appending.
const KEPT_OPEN: usize = 32;

impl Local {
    /// The disk whose state directory is `root`; it is made if it is not there.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn new(root: impl Into<PathBuf>) -> io::Result<Self> {
        let local = Self { root: root.into(), appending: Arc::default() };
        local.create_folder(Path::new(""))?;
        Ok(local)
    }

    fn appending(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Arc<File>>> {
        self.appending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A file that is open for appending, made if it is not there.
    fn appended(&self, path: &Path) -> io::Result<Arc<File>> {
        let mut appending = self.appending();
        if let Some(file) = appending.get(path) {
            return Ok(Arc::clone(file));
        }
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(0o600);
        let file = Arc::new(options.open(self.place(path))?);
        if appending.len() >= KEPT_OPEN {
            appending.clear();
        }
        appending.insert(path.to_owned(), Arc::clone(&file));
        Ok(file)
    }

    fn open(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).open(self.place(path))
    }
}

impl Disk for Local {
    fn files(&self) -> &dyn Files {
        self
    }

    fn database(&self, path: &Path) -> io::Result<Box<dyn StorageBackend>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(self.place(path))?;
        let backend = FileBackend::new(file).map_err(io::Error::other)?;
        Ok(Box::new(backend))
    }

    fn place(&self, path: &Path) -> PathBuf {
        self.root.join(path)
    }
}

impl Files for Local {
    fn length(&self, path: &Path) -> io::Result<Option<u64>> {
        match self.place(path).metadata() {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        (&*self.appended(path)?).write_all(bytes)
    }

    fn read(&self, path: &Path, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let file = File::open(self.place(path))?;
        let mut done = 0;
        while let Some(rest) = into.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match file.read_at(rest, offset + done as u64) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn truncate(&self, path: &Path, length: u64) -> io::Result<()> {
        self.open(path)?.set_len(length)
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        let appended = self.appending().get(path).cloned();
        match appended {
            Some(file) => file.sync_data(),
            None => self.open(path)?.sync_data(),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.appending().clear();
        std::fs::rename(self.place(from), self.place(to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.appending().clear();
        std::fs::remove_file(self.place(path))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let entries = match self.place(folder).read_dir() {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                names.push(PathBuf::from(entry.file_name()));
            }
        }
        names.sort();
        Ok(names)
    }

    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(self.place(folder))
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(self.place(folder))?.sync_all()
    }

    fn free_space(&self) -> io::Result<u64> {
        let space = statvfs(&self.root)?;
        Ok(space.f_bavail.saturating_mul(space.f_frsize))
    }

    fn drop_cached(&self, path: &Path) -> io::Result<()> {
        fadvise(&self.open(path)?, 0, None, Advice::DontNeed)?;
        Ok(())
    }
}
