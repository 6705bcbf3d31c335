//! The folders that a batch works in: each gets its time and mode back once the batch is done with it.
//!
//! Whatever is made, moved or removed in a folder changes its time. One that the set has gets the time of
//! the set; any other gets the time it had. A folder that we own and may not write is opened for the batch.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use holdfast_contract::entry::{FileTime, TreePath};
use holdfast_contract::provider::Kept;
use holdfast_kernel::failure::Failure;
use rustix::fs::{Mode, Timespec, Timestamps, fchmod, fstat, futimens, syncfs};

use crate::metadata::metadata_of;
use crate::place::{Place, doubtful, folder_metadata, refused};

/// The bits that let an owner change what is in a folder.
const OPEN: u32 = 0o300;

/// The folders of a batch.
#[derive(Default)]
pub(crate) struct Folders {
    entered: BTreeMap<TreePath, Entered>,
}

struct Entered {
    folder: Arc<OwnedFd>,
    modified: FileTime,
    device: u64,
    /// The mode to go back to, if it was changed.
    mode: Option<u32>,
}

impl Folders {
    /// Remembers how the folder of a place is, before anything in it is changed.
    pub(crate) fn enter(&mut self, place: &Place, kept: &dyn Kept) -> Result<(), Failure> {
        if self.entered.contains_key(&place.parent) {
            return Ok(());
        }
        let stat = fstat(&*place.folder).map_err(|errno| refused(errno, "looking at a folder"))?;
        let before = metadata_of(&stat);
        let us = rustix::process::geteuid();
        let is_shut = !us.is_root() && before.user == us.as_raw() && before.mode & OPEN != OPEN;
        let mut mode = None;
        if is_shut {
            // An attempt that died may have opened it: what the set says is what it is to be.
            let entry = kept.entry(&place.parent)?;
            mode = Some(folder_metadata(entry.as_ref()).map_or(before.mode, |entry| entry.mode));
            fchmod(&*place.folder, Mode::from_raw_mode(before.mode | OPEN))
                .map_err(|errno| refused(errno, "opening a folder for writing"))?;
        }
        let folder = Arc::clone(&place.folder);
        let entered = Entered { folder, modified: before.modified, device: before.device, mode };
        self.entered.insert(place.parent.clone(), entered);
        Ok(())
    }

    /// Makes durable what was done: one sync for each file system that the folders stand on.
    pub(crate) fn sync(&self) -> Result<(), Failure> {
        let mut synced = BTreeSet::new();
        for entered in self.entered.values() {
            if synced.insert(entered.device) {
                syncfs(&*entered.folder).map_err(|errno| doubtful(errno, "making it durable"))?;
            }
        }
        Ok(())
    }

    /// Gives every folder its time and mode.
    pub(crate) fn settle(&self, kept: &dyn Kept) -> Result<(), Failure> {
        for (path, entered) in &self.entered {
            let entry = kept.entry(path)?;
            let wanted = folder_metadata(entry.as_ref());
            if let Some(mode) = entered.mode {
                fchmod(&*entered.folder, Mode::from_raw_mode(mode))
                    .map_err(|errno| doubtful(errno, "setting the mode of a folder"))?;
            }
            let time = wanted.map_or(entered.modified, |wanted| wanted.modified);
            let time = Timespec { tv_sec: time.seconds, tv_nsec: time.nanoseconds.into() };
            let times = Timestamps { last_access: time, last_modification: time };
            futimens(&*entered.folder, &times)
                .map_err(|errno| doubtful(errno, "setting the time of a folder"))?;
        }
        Ok(())
    }
}
