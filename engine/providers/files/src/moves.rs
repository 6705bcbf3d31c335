//! The moves that bring something to a place of a restore or away from it.
//!
//! Every move looks at what it moved, so that nothing is replaced or removed that the plan has not seen.

use std::sync::Arc;

use holdfast_contract::entry::EntryKind;
use holdfast_kernel::failure::Failure;
use holdfast_kernel::id::Digest;
use rustix::fs::{AtFlags, RenameFlags, linkat, statat};
use rustix::io::Errno;

use crate::beside::short;
use crate::live::Looked;
use crate::place::{Place, Written, doubtful, in_doubt};
use crate::root::Inner;

/// How much of a name is kept in that of something that came out.
const LONGEST_STEM: usize = 200;

/// How many such names there may be.
const MOST_KEPT: usize = 100;

/// How something came to its place, and what is still to be done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Placed {
    /// There was nothing before.
    New,
    /// It took the place of what stands beside it under this name.
    Exchanged(Vec<u8>),
    /// It took the place of what was there, which is gone: the file system knows no exchange.
    Replaced,
}

impl Place {
    /// Brings what was written beside to a place where there is nothing.
    pub(crate) fn bring_new(&self) -> Result<Placed, Failure> {
        let part = self.beside.part();
        let renamed = match self.rename(&part, &self.name, RenameFlags::NOREPLACE) {
            Err(Errno::INVAL | Errno::NOSYS) => self.bring_new_plainly(&part),
            renamed => renamed,
        };
        match renamed {
            Ok(()) => Ok(Placed::New),
            Err(Errno::EXIST) => Err(self.conflict()),
            Err(errno) => Err(doubtful(errno, "putting it in its place")),
        }
    }

    /// The same where the system cannot refuse to replace: a link can, for all but folders.
    fn bring_new_plainly(&self, part: &[u8]) -> Result<(), Errno> {
        self.moment()?;
        match linkat(&*self.folder, part, &*self.folder, &self.name[..], AtFlags::empty()) {
            Ok(()) => self.unlink(part, AtFlags::empty()),
            // A folder cannot be linked, and renaming one replaces nothing but an empty folder. Where no file
            // can be either, this look is all there is.
            Err(Errno::PERM | Errno::OPNOTSUPP) => {
                let flags = AtFlags::SYMLINK_NOFOLLOW;
                if statat(&*self.folder, &self.name[..], flags).is_ok() {
                    return Err(Errno::EXIST);
                }
                self.rename(part, &self.name, RenameFlags::empty())
            }
            Err(errno) => Err(errno),
        }
    }

    /// Exchanges what was written beside with what stands at the place, and looks at what came out.
    pub(crate) fn exchange(
        &self,
        inner: &Arc<Inner>,
        written: Written,
        permitted: &dyn Fn() -> bool,
    ) -> Result<Placed, Failure> {
        let (part, ready) = (self.beside.part(), self.beside.ready(written.0));
        self.rename(&part, &ready, RenameFlags::empty())
            .map_err(|errno| doubtful(errno, "getting it ready"))?;
        match self.swap(&ready) {
            Ok(()) => {}
            Err(Errno::INVAL | Errno::NOSYS) => return self.replace(inner, &ready, permitted),
            // What was there is gone.
            Err(Errno::NOENT) => {
                self.remove(&ready, &EntryKind::Pipe)?;
                return Err(self.conflict());
            }
            Err(errno) => return Err(doubtful(errno, "exchanging it")),
        }
        let came_out = self.look_beside(inner, &ready, None, permitted);
        let is_seen = matches!(&came_out, Ok(Some(found)) if Some(found.digest) == self.seen);
        if is_seen && self.is_empty_or_no_folder(&ready) {
            return Ok(Placed::Exchanged(ready));
        }
        self.undo(inner, &Placed::Exchanged(ready), &written.short(), &|| true)?;
        came_out?;
        Err(self.conflict())
    }

    fn swap(&self, ready: &[u8]) -> Result<(), Errno> {
        self.rename(ready, &self.name, RenameFlags::EXCHANGE)
    }

    /// Where nothing can be exchanged: the look and the rename are two calls.
    fn replace(
        &self,
        inner: &Arc<Inner>,
        ready: &[u8],
        permitted: &dyn Fn() -> bool,
    ) -> Result<Placed, Failure> {
        let found = self.look(inner, None, permitted)?;
        if found.as_ref().map(|found| found.digest) != self.seen {
            self.remove(ready, &EntryKind::Pipe)?;
            return Err(self.conflict());
        }
        // A rename replaces a folder by no file, and a file by no folder.
        let ours = self.look_beside(inner, ready, None, permitted)?;
        let is_folder = |found: Option<Looked>| found.map(|found| found.kind == EntryKind::Folder);
        let (was, comes) = (is_folder(found), is_folder(ours));
        if was != comes {
            let kind = if was == Some(true) { EntryKind::Folder } else { EntryKind::Pipe };
            self.remove(&self.name, &kind)?;
        }
        self.rename(ready, &self.name, RenameFlags::empty())
            .map_err(|errno| doubtful(errno, "putting it in its place"))?;
        Ok(Placed::Replaced)
    }

    /// Takes back what [`Place::bring_new`] or [`Place::exchange`] did. Only what we wrote ourselves is removed:
    /// if somebody has changed the place since, what is there stays, and what came out stays beside it in sight.
    pub(crate) fn undo(
        &self,
        inner: &Arc<Inner>,
        placed: &Placed,
        written: &str,
        permitted: &dyn Fn() -> bool,
    ) -> Result<(), Failure> {
        let is_ours =
            |found: Option<Looked>| found.is_some_and(|found| short(found.digest) == written);
        match placed {
            Placed::New => {
                let aside = self.beside.ready_as(written);
                let taken = match self.rename(&self.name, &aside, RenameFlags::NOREPLACE) {
                    Err(Errno::INVAL | Errno::NOSYS) => {
                        self.rename(&self.name, &aside, RenameFlags::empty())
                    }
                    taken => taken,
                };
                taken.map_err(|errno| doubtful(errno, "taking it back"))?;
                if is_ours(self.look_beside(inner, &aside, None, permitted).map_err(in_doubt)?) {
                    return self.remove(&aside, &EntryKind::Pipe);
                }
                self.put_back(&aside)
            }
            Placed::Exchanged(ready) => {
                if !is_ours(self.look(inner, None, permitted).map_err(in_doubt)?) {
                    return self.keep_in_sight(ready);
                }
                self.swap(ready).map_err(|errno| doubtful(errno, "exchanging it back"))?;
                if is_ours(self.look_beside(inner, ready, None, permitted).map_err(in_doubt)?) {
                    return self.remove(ready, &EntryKind::Pipe);
                }
                // Somebody was faster: theirs came out now.
                self.keep_in_sight(ready)
            }
            Placed::Replaced => Ok(()),
        }
    }

    /// Gives something that is not ours a name that people and backups see.
    fn keep_in_sight(&self, name: &[u8]) -> Result<(), Failure> {
        let stem = self.name.get(..self.name.len().min(LONGEST_STEM)).unwrap_or_default();
        for number in 0..MOST_KEPT {
            let kept = [stem, format!(".kept-by-holdfast-{number}").as_bytes()].concat();
            match self.rename(name, &kept, RenameFlags::NOREPLACE) {
                Err(Errno::EXIST) => {}
                renamed => {
                    return renamed.map_err(|errno| doubtful(errno, "keeping what came out"));
                }
            }
        }
        Err(doubtful(Errno::EXIST, "keeping what came out"))
    }

    /// Takes something to a name beside its place and removes it if it is what the plan saw.
    pub(crate) fn take_away(
        &self,
        inner: &Arc<Inner>,
        permitted: &dyn Fn() -> bool,
    ) -> Result<(), Failure> {
        // The digest of nothing: what stands there is never ours.
        let aside = self.beside.ready(Digest::from_bytes([0; 32]));
        match self.rename(&self.name, &aside, RenameFlags::NOREPLACE) {
            Ok(()) => {}
            Err(Errno::INVAL | Errno::NOSYS) => self
                .rename(&self.name, &aside, RenameFlags::empty())
                .map_err(|errno| doubtful(errno, "taking it away"))?,
            Err(errno) => return Err(doubtful(errno, "taking it away")),
        }
        let found = self.look_beside(inner, &aside, None, permitted);
        if let Ok(Some(found)) = &found
            && Some(found.digest) == self.seen
        {
            return self.remove(&aside, &found.kind);
        }
        self.put_back(&aside)?;
        found?;
        Err(self.conflict())
    }

    /// Puts back what was taken to a name beside, unless something stands there by now.
    pub(crate) fn put_back(&self, aside: &[u8]) -> Result<(), Failure> {
        let put = match self.rename(aside, &self.name, RenameFlags::NOREPLACE) {
            Err(Errno::INVAL | Errno::NOSYS) => self.bring_new_plainly(aside),
            put => put,
        };
        match put {
            // Somebody has made it anew: both stay.
            Err(Errno::EXIST) => self.keep_in_sight(aside),
            put => put.map_err(|errno| doubtful(errno, "putting it back")),
        }
    }

    /// Removes a folder if it is empty.
    pub(crate) fn remove_folder(&self) -> Result<(), Failure> {
        match self.unlink(&self.name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(Errno::NOTEMPTY | Errno::EXIST) => Err(self.conflict()),
            Err(errno) => Err(doubtful(errno, "removing a folder")),
        }
    }
}
