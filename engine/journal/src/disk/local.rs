//! The real disk: a folder of this machine.
//!
//! Folders are made for their owner alone, files too. Nothing is kept open between calls but the
//! database files. It makes nothing durable by itself.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use redb::StorageBackend;
use redb::backends::FileBackend;
use rustix::fs::{Advice, fadvise, statvfs};

use super::{Disk, Files};

/// A state directory in the file system of this machine.
#[derive(Clone, Debug)]
pub struct Local {
    root: PathBuf,
}

impl Local {
    /// The disk whose state directory is `root`; it is made if it is not there.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn new(root: impl Into<PathBuf>) -> io::Result<Self> {
        let local = Self { root: root.into() };
        local.create_folder(Path::new(""))?;
        Ok(local)
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
        OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(self.place(path))?
            .write_all(bytes)
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
        self.open(path)?.sync_data()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(self.place(from), self.place(to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
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
