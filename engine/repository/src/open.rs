//! Making and opening a repository.
//!
//! The password is used once: deriving the key costs a third of a second and 130 MB. After that the
//! master key is kept, and each piece of work opens the folder anew with it, through a gate of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytesize::ByteSize;
use holdfast_kernel::id::Digest;
use rustic_core::repofile::{MasterKey, SnapshotFile};
use rustic_core::{
    ConfigOptions, Credentials, IndexedFullStatus, KeyOptions, OpenStatus, RepositoryBackends,
    RepositoryOptions,
};

use crate::gate::{Fault, Gate, Permit, sync_folder};
use crate::refused::Refused;

/// The library's repository with its whole index in memory.
pub(crate) type Full = rustic_core::Repository<IndexedFullStatus>;

/// The folders that belong to a repository, and the one that restic adds when it first locks.
const FOLDERS: [&str; 5] = ["data", "index", "keys", "locks", "snapshots"];

/// The size of packs, half of restic's own default: several are in memory while a tree is archived.
const PACK_SIZE: ByteSize = ByteSize::mib(8);

/// An open repository.
pub struct Repository {
    path: PathBuf,
    master: MasterKey,
    fault: Option<Fault>,
    /// What was read of the snapshots before, so that listing reads only new ones.
    known: Mutex<Vec<SnapshotFile>>,
    /// So many pieces of work archive at a time: each uses up to a hundred megabytes, and what one waits for
    /// the other can use.
    archiving: [Mutex<()>; 2],
    next_turn: AtomicUsize,
}

impl std::fmt::Debug for Repository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Repository").field("path", &self.path).finish_non_exhaustive()
    }
}

/// One piece of work on a repository.
pub(crate) struct Session {
    pub(crate) gate: Arc<Gate>,
    master: MasterKey,
    /// The index that was read last, and how many files had been written then.
    index: Mutex<Option<(usize, Arc<Full>)>>,
}

impl Repository {
    /// Makes a new repository in a folder that is absent or empty.
    ///
    /// # Errors
    /// The folder holds something, or could not be written.
    pub fn create(path: &Path, password: &str) -> Result<Self, Refused> {
        let failed = |error| Refused::io(format!("making {}", path.display()), error);
        fs::create_dir_all(path).map_err(failed)?;
        let path = path.canonicalize().map_err(failed)?;
        clear_half_made(&path)?;
        for folder in FOLDERS {
            fs::create_dir_all(path.join(folder)).map_err(failed)?;
        }
        let gate = Arc::new(Gate::new(&path, always(), None)?);
        let config = ConfigOptions::default()
            .set_version(2_u32)
            .set_datapack_size(PACK_SIZE)
            .set_datapack_growfactor(0_u32);
        let credentials = Credentials::password(password);
        let made = library(&gate)?
            .init(&credentials, &KeyOptions::default(), &config)
            .map_err(Refused::below)?;
        for folder in ["data", "keys", "."] {
            sync_folder(&path.join(folder))?;
        }
        if let Some(parent) = path.parent() {
            sync_folder(parent)?;
        }
        Ok(Self::with_key(path, made.key()))
    }

    /// Opens the repository in a folder.
    ///
    /// # Errors
    /// There is none, its password is another one, or it is damaged.
    pub fn open(path: &Path, password: &str) -> Result<Self, Refused> {
        let not_there = || Refused::NotThere { path: path.to_owned() };
        let path = match path.canonicalize() {
            Ok(path) => path,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(not_there()),
            Err(error) => return Err(Refused::io(format!("opening {}", path.display()), error)),
        };
        if !path.join("config").exists() {
            return match holds_data(&path)? {
                None => Err(not_there()),
                Some(folder) => Err(Refused::Damaged {
                    what: path.join("config").display().to_string(),
                    reason: format!("it is missing, and {folder} is not empty"),
                }),
            };
        }
        let gate = Arc::new(Gate::new(&path, always(), None)?);
        let opened = library(&gate)?.open(&Credentials::password(password)).map_err(|error| {
            if error.is_code("C002") {
                return Refused::WrongPassword { path: path.clone() };
            }
            let what = format!("the key or config file of {}", path.display());
            Refused::damaged(what)(error)
        })?;
        Ok(Self::with_key(path, opened.key()))
    }

    fn with_key(path: PathBuf, master: MasterKey) -> Self {
        Self {
            path,
            master,
            fault: None,
            known: Mutex::new(Vec::new()),
            archiving: Default::default(),
            next_turn: AtomicUsize::new(0),
        }
    }

    /// The same repository with writes that fail as `fault` says: for tests and rehearsals.
    #[must_use]
    pub fn with_fault(mut self, fault: Fault) -> Self {
        self.fault = Some(fault);
        self
    }

    /// Its folder, without symbolic links in it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A key for `purpose` that only who can open the repository can make; a change of password keeps it.
    pub fn derived_key(&self, purpose: &str) -> [u8; 32] {
        // Not the third part of the key, `mac.r`: restic clears bits of it when it changes a password.
        let parts: [&[u8]; 4] =
            [b"holdfast derived key", purpose.as_bytes(), &self.master.encrypt, &self.master.mac.k];
        *Digest::of_parts(&parts).bytes()
    }

    /// Starts a piece of work.
    pub(crate) fn session(&self, permit: &Permit) -> Result<Session, Refused> {
        let gate = Gate::new(&self.path, Arc::clone(permit), self.fault.clone())?;
        Ok(Session { gate: Arc::new(gate), master: self.master.clone(), index: Mutex::new(None) })
    }

    /// Waits until few enough others in this process archive.
    pub(crate) fn turn(&self) -> MutexGuard<'_, ()> {
        let [one, other] = &self.archiving;
        let turn = self.next_turn.fetch_add(1, Ordering::Relaxed);
        let mine = if turn.is_multiple_of(2) { one } else { other };
        mine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A piece of work that writes nothing.
    pub(crate) fn reading(&self) -> Result<Session, Refused> {
        self.session(&never())
    }

    /// All snapshots, units and foreign ones too.
    pub(crate) fn snapshots(&self, session: &Session) -> Result<Vec<SnapshotFile>, Refused> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let current = std::mem::take(&mut *known);
        let all = session
            .open()?
            .update_all_snapshots(current)
            .map_err(Refused::damaged("a snapshot file of the repository"))?;
        known.clone_from(&all);
        Ok(all)
    }
}

impl Session {
    /// Opens the folder with the master key.
    pub(crate) fn open(&self) -> Result<rustic_core::Repository<OpenStatus>, Refused> {
        let key = Credentials::Masterkey(self.master.clone());
        library(&self.gate)?
            .open(&key)
            .map_err(Refused::damaged("the config file of the repository"))
    }

    /// Opens it with the index as it stands, read again only if we wrote something since.
    pub(crate) fn indexed(&self) -> Result<Arc<Full>, Refused> {
        let written = self.gate.written();
        let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((then, full)) = &*index
            && *then == written
        {
            return Ok(Arc::clone(full));
        }
        let full =
            self.open()?.to_indexed().map_err(Refused::damaged("the index of the repository"))?;
        let full = Arc::new(full);
        *index = Some((written, Arc::clone(&full)));
        Ok(full)
    }

    /// What an error of the library means, if a write had failed before: that.
    pub(crate) fn refuse(&self, error: Box<rustic_core::RusticError>) -> Refused {
        self.gate.trouble().unwrap_or_else(|| Refused::below(error))
    }
}

/// A permit for work that cannot be cancelled.
pub(crate) fn always() -> Permit {
    Arc::new(|| true)
}

/// The permit of work that must not write.
fn never() -> Permit {
    Arc::new(|| false)
}

fn library(gate: &Arc<Gate>) -> Result<rustic_core::Repository<()>, Refused> {
    let backends = RepositoryBackends::new(Arc::<Gate>::clone(gate), None);
    let options = RepositoryOptions::default().no_cache(true);
    rustic_core::Repository::new(&options, &backends).map_err(Refused::below)
}

/// The first folder of a repository with data in it, if there is one.
fn holds_data(path: &Path) -> Result<Option<&'static str>, Refused> {
    for folder in ["snapshots", "index", "data"] {
        if has_file(&path.join(folder))
            .map_err(Refused::doing(format!("reading {}", path.display())))?
        {
            return Ok(Some(folder));
        }
    }
    Ok(None)
}

fn has_file(folder: &Path) -> std::io::Result<bool> {
    let listed = match fs::read_dir(folder) {
        Ok(listed) => listed,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    for entry in listed {
        let entry = entry?;
        if !entry.file_type()?.is_dir() || has_file(&entry.path())? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Refuses a folder in use, and removes what an interrupted `create` left: a key file of before would
/// open with the same password and give another master key.
fn clear_half_made(path: &Path) -> Result<(), Refused> {
    let failed = |error| Refused::io(format!("reading {}", path.display()), error);
    let occupied = |reason: String| Refused::Occupied { path: path.to_owned(), reason };
    for entry in fs::read_dir(path).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        if name == "config" {
            return Err(occupied("there is a repository in it already".to_owned()));
        }
        if !FOLDERS.iter().any(|folder| name == **folder) {
            return Err(occupied(format!("it has {}", Path::new(&name).display())));
        }
    }
    if let Some(folder) = holds_data(path)? {
        return Err(occupied(format!("{folder} is not empty, though there is no config file")));
    }
    let keys = path.join("keys");
    if keys.exists() {
        for key in fs::read_dir(&keys).map_err(failed)? {
            fs::remove_file(key.map_err(failed)?.path()).map_err(failed)?;
        }
    }
    Ok(())
}
