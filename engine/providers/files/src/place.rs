//! One place of a restore: a name in an open folder, what stands there and beside it, and what a failing call means.

use std::sync::Arc;

use holdfast_contract::entry::{EntryKind, Metadata, TreePath, shown};
use holdfast_contract::provider::KeptEntry;
use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::id::{Digest, EffectKey};
use rustix::fs::{AtFlags, FileType, Mode, RenameFlags, openat, renameat_with, statat, unlinkat};
use rustix::io::Errno;

use crate::beneath::FOLDER;
use crate::beside::{Beside, Standing, short};
use crate::folder::Folders;
use crate::live::{Looked, live};
use crate::prepare::Folder;
use crate::root::{Fate, Fault, Inner};
use crate::scan::names_in;

/// One place of a change.
pub(crate) struct Place {
    pub(crate) path: TreePath,
    pub(crate) parent: TreePath,
    pub(crate) name: Vec<u8>,
    pub(crate) folder: Folder,
    /// What the plan saw there; none: nothing.
    pub(crate) seen: Option<Digest>,
    pub(crate) beside: Beside,
    fault: Option<Fault>,
}

/// The digest of what was written beside a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Written(pub(crate) Digest);

impl Written {
    /// As it stands in the name.
    pub(crate) fn short(self) -> String {
        short(self.0)
    }
}

impl Place {
    /// Opens the folder of a place.
    pub(crate) fn open(
        inner: &Inner,
        folders: &mut Folders,
        path: &[u8],
        seen: Option<Digest>,
        (effect, number): (EffectKey, usize),
    ) -> Result<Self, Failure> {
        let (parent, name) = match path.iter().rposition(|byte| *byte == b'/') {
            Some(at) => {
                (path.get(..at).unwrap_or_default(), path.get(at + 1..).unwrap_or_default())
            }
            None => (&[][..], path),
        };
        if inner.is_never(path) {
            let message = format!("{} is kept by holdfast for itself", inner.place(path));
            return Err(Failure::without_effect(Class::Invalid, message));
        }
        let folder = folders.open(inner, parent)?;
        Ok(Self {
            path: path.to_vec(),
            parent: parent.to_vec(),
            name: name.to_vec(),
            folder,
            seen,
            beside: Beside::of(effect, number),
            fault: inner.fault.clone(),
        })
    }

    /// Asked before every call that needs space for something new.
    pub(crate) fn moment(&self) -> Result<(), Errno> {
        match self.fate() {
            Fate::Dead => Err(Errno::INTR),
            Fate::DiskFull => Err(Errno::NOSPC),
            Fate::Alive | Fate::PlainRenames => Ok(()),
        }
    }

    fn fate(&self) -> Fate {
        self.fault.as_ref().map_or(Fate::Alive, |Fault(fate)| fate())
    }

    pub(crate) fn rename(&self, from: &[u8], to: &[u8], flags: RenameFlags) -> Result<(), Errno> {
        match self.fate() {
            Fate::Dead => return Err(Errno::INTR),
            Fate::PlainRenames if !flags.is_empty() => return Err(Errno::INVAL),
            Fate::Alive | Fate::DiskFull | Fate::PlainRenames => {}
        }
        renameat_with(&*self.folder, from, &*self.folder, to, flags)
    }

    pub(crate) fn unlink(&self, name: &[u8], flags: AtFlags) -> Result<(), Errno> {
        if self.fate() == Fate::Dead {
            return Err(Errno::INTR);
        }
        unlinkat(&*self.folder, name, flags)
    }

    /// What stands at the place.
    pub(crate) fn look(
        &self,
        inner: &Arc<Inner>,
        wanted: Option<&KeptEntry>,
        permitted: &dyn Fn() -> bool,
    ) -> Result<Option<Looked>, Failure> {
        Ok(live(inner, &self.path, wanted, permitted)?)
    }

    /// What stands under another name in the same folder.
    pub(crate) fn look_beside(
        &self,
        inner: &Arc<Inner>,
        name: &[u8],
        wanted: Option<&KeptEntry>,
        permitted: &dyn Fn() -> bool,
    ) -> Result<Option<Looked>, Failure> {
        let parent = &self.parent[..];
        let path = if parent.is_empty() { name.to_vec() } else { [parent, b"/", name].concat() };
        Ok(live(inner, &path, wanted, permitted)?)
    }

    /// What stands beside the place, from an attempt that died.
    pub(crate) fn standing(&self) -> Result<Vec<(Vec<u8>, Standing)>, Failure> {
        let names = names_in(&self.folder).map_err(|errno| refused(errno, "listing a folder"))?;
        let found =
            names.into_iter().filter_map(|name| Some((name.clone(), self.beside.read(&name)?)));
        Ok(found.collect())
    }

    /// Removes what stands under a name in the folder; a folder only if it is empty.
    pub(crate) fn remove(&self, name: &[u8], kind: &EntryKind) -> Result<(), Failure> {
        let flags = match kind {
            EntryKind::Folder => AtFlags::REMOVEDIR,
            _ => AtFlags::empty(),
        };
        match self.unlink(name, flags) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(Errno::ISDIR) if flags.is_empty() => self.remove(name, &EntryKind::Folder),
            Err(errno) => Err(doubtful(errno, "removing what stood beside")),
        }
    }

    /// Whether what stands under a name is an empty folder, or none at all.
    pub(crate) fn is_empty_or_no_folder(&self, name: &[u8]) -> bool {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        let is_folder = statat(&*self.folder, name, flags)
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory);
        let opened = || openat(&*self.folder, name, FOLDER, Mode::empty());
        !is_folder
            || opened().and_then(|folder| names_in(&folder)).is_ok_and(|names| names.is_empty())
    }

    /// What is live is not what the plan saw.
    pub(crate) fn conflict(&self) -> Failure {
        let path = shown(&self.path);
        let path = if path.is_empty() { "the root" } else { &path };
        let message =
            format!("{path} is not what the plan saw: it was changed since, and is left as it is");
        Failure::without_effect(Class::Conflict, message)
    }
}

/// What a folder is to be like again after something in it was changed.
pub(crate) fn folder_metadata(entry: Option<&KeptEntry>) -> Option<&Metadata> {
    entry.filter(|entry| entry.kind == EntryKind::Folder).map(|entry| &entry.metadata)
}

/// The failure of a look in the middle of a change.
pub(crate) fn in_doubt(failure: Failure) -> Failure {
    Failure::with_unknown_effect(failure.class, failure.message)
}

/// The failure of a call before which nothing was changed.
pub(crate) fn refused(errno: Errno, doing: &str) -> Failure {
    Failure::without_effect(class_of(errno), format!("{doing}: {}", std::io::Error::from(errno)))
}

/// The failure of a call that may have been carried out in part: the probe looks.
pub(crate) fn doubtful(errno: Errno, doing: &str) -> Failure {
    Failure::with_unknown_effect(
        class_of(errno),
        format!("{doing}: {}", std::io::Error::from(errno)),
    )
}

fn class_of(errno: Errno) -> Class {
    match errno {
        Errno::ACCESS | Errno::PERM | Errno::ROFS => Class::Auth,
        Errno::NOENT => Class::NotFound,
        Errno::NOTDIR | Errno::LOOP => Class::Conflict,
        Errno::NOSPC | Errno::DQUOT => Class::Dependency,
        _ => Class::Permanent,
    }
}
