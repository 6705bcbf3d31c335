//! The gate: every read and write of the library goes through here.
//!
//! It syncs the folder after every write, holds every snapshot back until it has been checked, refuses
//! every write once the permit is withdrawn, refuses a file whose content is not what its name says, and
//! remembers the packs it wrote. Faults for tests go in here. It decides nothing about content.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use holdfast_kernel::id::Digest;
use rustic_backend::LocalBackend;
use rustic_core::{
    BytesList, ErrorKind, FileType, Id, ReadBackend, RusticError, RusticResult, WriteBackend,
};

use crate::refused::Refused;

/// Asked before each write: whether the attempt may still write.
pub type Permit = Arc<dyn Fn() -> bool + Send + Sync>;

/// What the gate is about to do; tests answer with a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Writing {
    /// `data`, `index`, `snapshots`, `keys` or `config`.
    pub folder: &'static str,
    /// How many files this gate wrote before.
    pub before: usize,
    /// Which half of the write.
    pub step: Step,
}

/// The two halves of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The file itself, which the library writes, syncs and renames.
    File,
    /// The folder that its name stands in.
    Folder,
}

/// Decides whether a write fails, and how.
pub type Fault = Arc<dyn Fn(Writing) -> Option<io::Error> + Send + Sync>;

/// Our own backend around the library's local one.
pub(crate) struct Gate {
    inner: LocalBackend,
    root: PathBuf,
    permit: Permit,
    fault: Option<Fault>,
    state: Mutex<State>,
}

/// What happens to snapshots that are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Snapshots {
    /// They stay in memory, and can be read from there.
    Held,
    /// They are written.
    Released,
}

struct State {
    snapshots: Snapshots,
    held: BTreeMap<Id, Bytes>,
    packs: Vec<Id>,
    written: usize,
    last_snapshot: Option<Id>,
    trouble: Option<Refused>,
}

impl Gate {
    pub(crate) fn new(root: &Path, permit: Permit, fault: Option<Fault>) -> Result<Self, Refused> {
        let text = root
            .to_str()
            .ok_or_else(|| Refused::Invalid(format!("{} is not UTF-8", root.display())))?;
        let inner = LocalBackend::new(text, []).map_err(Refused::below)?;
        Ok(Self {
            inner,
            root: root.to_owned(),
            permit,
            fault,
            state: Mutex::new(State {
                snapshots: Snapshots::Held,
                held: BTreeMap::new(),
                packs: Vec::new(),
                written: 0,
                last_snapshot: None,
                trouble: None,
            }),
        })
    }

    fn with<T>(&self, use_it: impl FnOnce(&mut State) -> T) -> T {
        use_it(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Lets the next snapshots through: what they refer to has been checked.
    pub(crate) fn release_snapshots(&self) {
        self.with(|state| {
            state.held.clear();
            state.snapshots = Snapshots::Released;
        });
    }

    /// The packs that were written, in their order.
    pub(crate) fn packs(&self) -> Vec<Id> {
        self.with(|state| state.packs.clone())
    }

    /// How many files were written.
    pub(crate) fn written(&self) -> usize {
        self.with(|state| state.written)
    }

    /// The id of the snapshot that was written last.
    pub(crate) fn last_snapshot(&self) -> Option<Id> {
        self.with(|state| state.last_snapshot)
    }

    /// Why the first write failed, if one did: the library reports its consequences only.
    pub(crate) fn trouble(&self) -> Option<Refused> {
        self.with(|state| state.trouble.take())
    }

    /// Whether the attempt may still write.
    pub(crate) fn permitted(&self) -> bool {
        (self.permit)()
    }

    /// The permit, for readers that should stop with it.
    pub(crate) fn permit(&self) -> Permit {
        Arc::clone(&self.permit)
    }

    /// Reads back packs that were written, every byte of them.
    pub(crate) fn read_back(&self, packs: &[Id]) -> Result<(), Refused> {
        let mut bytes = Vec::new();
        for pack in packs {
            let path = self.path_of(FileType::Pack, pack);
            bytes.clear();
            File::open(&path)
                .and_then(|mut file| file.read_to_end(&mut bytes))
                .map_err(Refused::doing(format!("reading back {}", path.display())))?;
            if Digest::of_bytes(&bytes).to_string() != *pack.to_hex() {
                return Err(Refused::Damaged {
                    what: path.display().to_string(),
                    reason: "it does not hold what was written".to_owned(),
                });
            }
        }
        Ok(())
    }

    fn folder_of(&self, kind: FileType, id: &Id) -> PathBuf {
        match kind {
            FileType::Config => self.root.clone(),
            FileType::Pack => {
                let name = id.to_hex();
                let (first, _) = name.split_at_checked(2).unwrap_or((&name, ""));
                self.root.join(kind.dirname()).join(first)
            }
            FileType::Index | FileType::Key | FileType::Snapshot => self.root.join(kind.dirname()),
        }
    }

    fn path_of(&self, kind: FileType, id: &Id) -> PathBuf {
        let folder = self.folder_of(kind, id);
        match kind {
            FileType::Config => folder.join("config"),
            FileType::Index | FileType::Key | FileType::Snapshot | FileType::Pack => {
                folder.join(&*id.to_hex())
            }
        }
    }

    fn admit(&self, kind: FileType, step: Step) -> Result<(), Refused> {
        if step == Step::File && !self.permitted() {
            return Err(Refused::Cancelled);
        }
        let folder = kind.dirname();
        let before = self.written();
        let fault = self.fault.as_ref();
        match fault.and_then(|fault| fault(Writing { folder, before, step })) {
            Some(error) => Err(Refused::io(format!("writing into {folder}"), error)),
            None => Ok(()),
        }
    }

    fn sync_folder(&self, kind: FileType, id: &Id) -> Result<(), Refused> {
        self.admit(kind, Step::Folder)?;
        sync_folder(&self.folder_of(kind, id))
    }

    /// Remembers why a write failed and gives the library an error of its own kind.
    fn fail(&self, refused: Refused) -> Box<RusticError> {
        let error = RusticError::new(ErrorKind::Backend, refused.to_string());
        self.with(|state| state.trouble.get_or_insert(refused).to_string());
        error
    }

    fn write(&self, kind: FileType, id: &Id, content: BytesList) -> Result<(), Refused> {
        self.admit(kind, Step::File)?;
        self.inner.write_bytes(kind, id, false, content).map_err(Refused::below)?;
        self.sync_folder(kind, id)
    }
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), Refused> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(Refused::doing(format!("syncing {}", folder.display())))
}

impl ReadBackend for Gate {
    fn location(&self) -> String {
        self.inner.location()
    }

    fn list(&self, kind: FileType) -> RusticResult<Vec<Id>> {
        let mut list = self.inner.list(kind)?;
        if kind == FileType::Snapshot {
            self.with(|state| list.extend(state.held.keys()));
        }
        Ok(list)
    }

    fn list_with_size(&self, kind: FileType) -> RusticResult<Vec<(Id, u32)>> {
        self.inner.list_with_size(kind)
    }

    fn read_full(&self, kind: FileType, id: &Id) -> RusticResult<Bytes> {
        if kind == FileType::Snapshot
            && let Some(held) = self.with(|state| state.held.get(id).cloned())
        {
            return Ok(held);
        }
        let bytes = self.inner.read_full(kind, id)?;
        // The config file has no digest for a name.
        if kind == FileType::Config || Digest::of_bytes(&bytes).to_string() == *id.to_hex() {
            return Ok(bytes);
        }
        Err(RusticError::new(
            ErrorKind::Verification,
            "the content of `{path}` is not what its name says",
        )
        .attach_context("path", self.path_of(kind, id).display().to_string()))
    }

    fn read_partial(
        &self,
        kind: FileType,
        id: &Id,
        cacheable: bool,
        offset: u32,
        length: u32,
    ) -> RusticResult<Bytes> {
        self.inner.read_partial(kind, id, cacheable, offset, length)
    }

    fn warmup_path(&self, kind: FileType, id: &Id) -> String {
        self.inner.warmup_path(kind, id)
    }
}

impl WriteBackend for Gate {
    fn create(&self) -> RusticResult<()> {
        self.inner.create()
    }

    fn write_bytes(
        &self,
        kind: FileType,
        id: &Id,
        _cacheable: bool,
        content: BytesList,
    ) -> RusticResult<()> {
        let holds =
            kind == FileType::Snapshot && self.with(|state| state.snapshots == Snapshots::Held);
        if holds {
            let bytes: Vec<u8> = content.slice().concat();
            self.with(|state| state.held.insert(*id, bytes.into()));
            return Ok(());
        }
        self.write(kind, id, content).map_err(|refused| self.fail(refused))?;
        self.with(|state| {
            state.written += 1;
            match kind {
                FileType::Pack => state.packs.push(*id),
                FileType::Snapshot => state.last_snapshot = Some(*id),
                FileType::Config | FileType::Index | FileType::Key => {}
            }
        });
        Ok(())
    }

    fn remove(&self, kind: FileType, id: &Id, cacheable: bool) -> RusticResult<()> {
        if !self.permitted() {
            return Err(self.fail(Refused::Cancelled));
        }
        self.inner.remove(kind, id, cacheable)?;
        self.sync_folder(kind, id).map_err(|refused| self.fail(refused))
    }
}
