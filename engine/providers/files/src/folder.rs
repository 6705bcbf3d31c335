//! The folders that a batch works in: each is opened once, and gets its time and mode back at the end.
//!
//! Whatever is made, moved or removed in a folder changes its time. One that the set has gets the time of
//! the set; any other gets the time it had. A folder that we own and may not write is opened for the batch.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_contract::entry::{FileTime, Metadata, TreePath, shown};
use holdfast_contract::provider::Kept;
use holdfast_kernel::failure::Failure;
use rustix::fs::{Mode, Timespec, Timestamps, fchmod, fstat, futimens, syncfs};

use crate::beneath::{FOLDER, open_beneath};
use crate::metadata::metadata_of;
use crate::place::{Place, doubtful, folder_metadata, refused};
use crate::prepare::Folder;
use crate::root::Inner;

/// The bits that let an owner change what is in a folder.
const OPEN: u32 = 0o300;

/// The folders of a batch.
#[derive(Default)]
pub(crate) struct Folders {
    opened: BTreeMap<TreePath, Folder>,
    entered: BTreeMap<TreePath, Entered>,
    /// One folder of each file system that is to be made durable.
    syncing: BTreeMap<u64, Folder>,
}

struct Entered {
    folder: Folder,
    modified: FileTime,
    owner: u32,
    mode: u32,
    /// Whether it was opened for writing and is to be shut again.
    door: Door,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    Left,
    Opened,
}

impl Folders {
    /// Opens a folder, once for all places in it.
    pub(crate) fn open(&mut self, inner: &Inner, path: &[u8]) -> Result<Folder, Failure> {
        if let Some(folder) = self.opened.get(path) {
            return Ok(Arc::clone(folder));
        }
        let opened = open_beneath(inner.root(), path, FOLDER);
        let opened = opened.map_err(|errno| {
            refused(errno, &format!("opening the folder {}", inner.place(path)))
        })?;
        let folder = Arc::new(opened);
        self.opened.insert(path.to_vec(), Arc::clone(&folder));
        Ok(folder)
    }

    /// Remembers how the folder of a place is, before anything in it is changed, and opens it for writing.
    pub(crate) fn enter(&mut self, place: &Place) -> Result<(), Failure> {
        if self.entered.contains_key(&place.parent) {
            return Ok(());
        }
        let before = self.touch(place)?;
        let us = rustix::process::geteuid();
        let is_shut = !us.is_root() && before.user == us.as_raw() && before.mode & OPEN != OPEN;
        if is_shut {
            fchmod(&*place.folder, Mode::from_raw_mode(before.mode | OPEN))
                .map_err(|errno| refused(errno, "opening a folder for writing"))?;
        }
        let entered = Entered {
            folder: Arc::clone(&place.folder),
            modified: before.modified,
            owner: before.user,
            mode: before.mode,
            door: if is_shut { Door::Opened } else { Door::Left },
        };
        self.entered.insert(place.parent.clone(), entered);
        Ok(())
    }

    /// Remembers that what stands in the folder of a place is to be durable in the end.
    pub(crate) fn touch(&mut self, place: &Place) -> Result<Metadata, Failure> {
        let stat = fstat(&*place.folder).map_err(|errno| refused(errno, "looking at a folder"))?;
        let before = metadata_of(&stat);
        self.syncing.entry(before.device).or_insert_with(|| Arc::clone(&place.folder));
        Ok(before)
    }

    /// After a death: a folder that differs from the set only by being open was opened by the dead, and is
    /// shut at the end.
    pub(crate) fn shut_what_the_dead_opened(&mut self, kept: &dyn Kept) -> Result<(), Failure> {
        let us = rustix::process::geteuid();
        for (path, entered) in &mut self.entered {
            let entry = kept.entry(path)?;
            let Some(wanted) = folder_metadata(entry.as_ref()) else { continue };
            let is_shut = wanted.mode & OPEN != OPEN;
            let is_ours = !us.is_root() && entered.owner == us.as_raw();
            if is_shut && is_ours && entered.mode == wanted.mode | OPEN {
                (entered.mode, entered.door) = (wanted.mode, Door::Opened);
            }
        }
        Ok(())
    }

    /// Makes durable what was done: one sync for each file system that the folders stand on.
    pub(crate) fn sync(&self) -> Result<(), Failure> {
        self.syncing.values().try_for_each(|folder| {
            syncfs(&**folder).map_err(|errno| doubtful(errno, "making it durable"))
        })
    }

    /// Gives every folder its time and mode, and says of each what could not be set.
    pub(crate) fn settle(&self, kept: &dyn Kept) -> BTreeMap<TreePath, String> {
        let mut refused = BTreeMap::new();
        for (path, entered) in &self.entered {
            let entry = kept.entry(path).unwrap_or_default();
            let time =
                folder_metadata(entry.as_ref()).map_or(entered.modified, |wanted| wanted.modified);
            if let Err(errno) = entered.settle(time) {
                let reason = std::io::Error::from(errno);
                let text = format!(
                    "the time or mode of its folder {} could not be set: {reason}",
                    shown(path)
                );
                refused.insert(path.clone(), text);
            }
        }
        refused
    }
}

impl Entered {
    fn settle(&self, time: FileTime) -> Result<(), rustix::io::Errno> {
        // The time first: a folder that is shut may be changed all the same, since it is open here.
        let time = Timespec { tv_sec: time.seconds, tv_nsec: time.nanoseconds.into() };
        let timed =
            futimens(&*self.folder, &Timestamps { last_access: time, last_modification: time });
        if self.door == Door::Opened {
            fchmod(&*self.folder, Mode::from_raw_mode(self.mode))?;
        }
        timed
    }
}
