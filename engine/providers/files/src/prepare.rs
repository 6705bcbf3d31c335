//! Looks at every place of a change, decides how it is made, and writes what is to come beside its places.
//!
//! Nothing that stands at a place is touched here.

use std::sync::Arc;

use holdfast_contract::entry::{EntryKind, TreePath, unshown};
use holdfast_contract::plan::Sort;
use holdfast_contract::provider::{Applying, Begun, Kept, KeptEntry};
use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::id::Digest;
use rustix::fs::{AtFlags, linkat};

use crate::apply::{Batch, remove_parts};
use crate::live::{Likeness, Looked, wanted_digest};
use crate::place::{Place, Written, refused};
use crate::write::write_beside;

/// What is said of a result that is not the same as the set's and as near as it can be.
pub(crate) const NEARLY: &str =
    "its owner, an attribute or its time is not quite as it was, and could not be set";

/// A change with its places.
pub(crate) struct Work {
    pub(crate) change: Applying,
    /// What the set has; none for a removal.
    pub(crate) entry: Option<KeptEntry>,
    pub(crate) how: How,
    /// The places where something is to be done.
    pub(crate) todo: Vec<Place>,
    /// What was written beside, by place.
    pub(crate) written: Vec<Written>,
    pub(crate) shortfalls: Vec<String>,
}

/// How a change is made: decided once, by what stood there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// Written beside, and brought to its place.
    Beside,
    /// A folder is changed where it stands: what is in it cannot be exchanged with it.
    InPlace,
    /// Taken away, looked at, removed.
    Remove,
    /// Removed where it stands, which only works if it is empty.
    RemoveFolder,
}

enum Standing {
    /// As the plan saw it.
    AsPlanned(How),
    /// As it is to be, but for these shortfalls.
    Done(Vec<String>),
}

impl Batch<'_> {
    /// Looks at every place of a change, and writes what is to come there beside it.
    pub(crate) fn prepare(&mut self, change: Applying) -> Result<Work, Failure> {
        self.permit()?;
        if change.change.sort == Sort::Blocked {
            let message = format!("the plan does not touch it: {}", change.change.reason);
            return Err(Failure::without_effect(Class::Invalid, message));
        }
        let entry = wanted(self.kept, &change)?;
        let (todo, written, shortfalls) = (Vec::new(), Vec::new(), Vec::new());
        let mut work = Work { entry, how: How::Beside, todo, written, shortfalls, change };
        let mut source = None;
        for (number, (path, seen)) in places(&work.change)?.into_iter().enumerate() {
            let effect = (work.change.effect, number);
            let opened = Place::open(self.inner, &mut self.folders, &path, seen, effect);
            if is_gone(&opened) && work.entry.is_none() {
                // The folder that it was to be removed from is gone with it.
                continue;
            }
            let place = opened?;
            match self.standing(&work, &place)? {
                Standing::AsPlanned(how) => {
                    work.how = how;
                    work.todo.push(place);
                }
                Standing::Done(shortfalls) => {
                    // Whoever made it may have died before it was durable.
                    self.folders.touch(&place)?;
                    work.shortfalls.extend(shortfalls);
                    source = Some(place);
                }
            }
        }
        for place in &work.todo {
            // Changing a folder where it stands changes nothing in the one it stands in.
            match work.how {
                How::InPlace => self.folders.touch(place).map(drop)?,
                How::Beside | How::Remove | How::RemoveFolder => self.folders.enter(place)?,
            }
        }
        if work.how == How::Beside
            && let Err(failure) = self.write(&mut work, source.as_ref())
        {
            // An attempt that says it changed nothing leaves nothing behind.
            remove_parts(&work.todo)?;
            return Err(failure);
        }
        Ok(work)
    }

    /// Whether a place is as the plan saw it, or as it is to be.
    fn standing(&self, work: &Work, place: &Place) -> Result<Standing, Failure> {
        let found = place.look(self.inner, work.entry.as_ref(), self.permitted)?;
        let is_seen = found.as_ref().map(|found| found.digest) == place.seen;
        let likeness = found.as_ref().map(|found| found.likeness);
        match (likeness, &work.entry) {
            (None, None) | (Some(Likeness::Wanted), Some(_)) => {
                return Ok(Standing::Done(Vec::new()));
            }
            (Some(Likeness::Nearly), Some(_)) if !is_seen => {
                return Ok(Standing::Done(vec![NEARLY.to_owned()]));
            }
            (None | Some(_), None | Some(_)) => {}
        }
        let how = how(found.as_ref(), work.entry.as_ref(), place);
        let is_half_changed = work.change.begun == Begun::Yes && how == How::InPlace;
        if !is_seen && !is_half_changed {
            return Err(place.conflict());
        }
        let gives_way = found.is_some_and(|found| found.kind == EntryKind::Folder);
        if gives_way && how != How::InPlace && !self.inner.is_empty_folder(&place.path) {
            // Its digest says nothing of what is in it: nobody has asked for that to go.
            return Err(place.conflict());
        }
        Ok(Standing::AsPlanned(how))
    }

    /// Writes what is to come beside its places: the content once, other names as links to it.
    fn write(&self, work: &mut Work, source: Option<&Place>) -> Result<(), Failure> {
        let Some(entry) = &work.entry else { return Ok(()) };
        let mut first: Option<(&Place, Written)> = None;
        for place in &work.todo {
            let part = place.beside.part();
            place.remove(&part, &entry.kind)?;
            place.moment().map_err(|errno| refused(errno, "writing it"))?;
            let written = match (source, first) {
                (Some(source), _) => self.linked(place, source, entry)?,
                (None, Some((first, written))) => {
                    link((first, &first.beside.part()), place)?;
                    written
                }
                (None, None) => {
                    let (written, shortfalls) = self.written(place, entry)?;
                    work.shortfalls.extend(shortfalls);
                    written
                }
            };
            first.get_or_insert((place, written));
            work.written.push(written);
        }
        Ok(())
    }

    /// Writes an entry beside a place, and compares it with what is wanted.
    fn written(&self, place: &Place, entry: &KeptEntry) -> Result<(Written, Vec<String>), Failure> {
        let mut shortfalls = write_beside(place, entry, self.kept, self.permitted)?;
        let found = self.beside(place, entry)?;
        match found.likeness {
            Likeness::Nearly if shortfalls.is_empty() => shortfalls.push(NEARLY.to_owned()),
            Likeness::Wanted | Likeness::Nearly => {}
            Likeness::Other => {
                let message = "what was written beside its place reads back as something else";
                return Err(Failure::with_unknown_effect(Class::Permanent, message));
            }
        }
        Ok((Written(found.digest), shortfalls))
    }

    /// A further name of a file that is there already, if it still is what is wanted.
    fn linked(&self, place: &Place, source: &Place, entry: &KeptEntry) -> Result<Written, Failure> {
        link((source, &source.name), place)?;
        let found = self.beside(place, entry)?;
        if found.likeness == Likeness::Other {
            return Err(source.conflict());
        }
        Ok(Written(found.digest))
    }

    fn beside(&self, place: &Place, entry: &KeptEntry) -> Result<Looked, Failure> {
        let part = place.beside.part();
        let found = place.look_beside(self.inner, &part, Some(entry), self.permitted)?;
        found.ok_or_else(|| {
            Failure::with_unknown_effect(Class::Permanent, "what was written beside is gone")
        })
    }
}

fn how(found: Option<&Looked>, entry: Option<&KeptEntry>, place: &Place) -> How {
    let is_folder = found.is_some_and(|found| found.kind == EntryKind::Folder);
    match entry {
        None if is_folder => How::RemoveFolder,
        None => How::Remove,
        Some(entry) if entry.kind == EntryKind::Folder && (is_folder || place.name.is_empty()) => {
            How::InPlace
        }
        Some(_) => How::Beside,
    }
}

fn link((from, name): (&Place, &[u8]), to: &Place) -> Result<(), Failure> {
    let part = to.beside.part();
    linkat(&*from.folder, name, &*to.folder, &part[..], AtFlags::empty())
        .map_err(|errno| refused(errno, "making a hard link"))
}

/// What the set has for a change, which must be what the plan says; none for a removal.
pub(crate) fn wanted(kept: &dyn Kept, change: &Applying) -> Result<Option<KeptEntry>, Failure> {
    let of = &change.change;
    if of.sort == Sort::Delete {
        return Ok(None);
    }
    let entry = kept.entry(&of.tree_path()?)?;
    match entry {
        Some(entry) if Some(wanted_digest(&entry)) == of.wanted => Ok(Some(entry)),
        Some(_) | None => {
            let message = format!("the backup set does not have what the plan says of {}", of.key);
            Err(Failure::without_effect(Class::Invalid, message))
        }
    }
}

/// Whether a place cannot be opened because its folder is not there any more.
pub(crate) fn is_gone(opened: &Result<Place, Failure>) -> bool {
    opened.as_ref().is_err_and(|failure| matches!(failure.class, Class::NotFound | Class::Conflict))
}

/// The places of a change: its own path, and the other names of the same file.
pub(crate) fn places(change: &Applying) -> Result<Vec<(TreePath, Option<Digest>)>, Failure> {
    let of = &change.change;
    let mut places = vec![(of.tree_path()?, of.live)];
    for name in &of.names {
        let path = unshown(&name.path).ok_or_else(|| {
            Failure::without_effect(Class::Invalid, format!("`{}` is no path", name.path))
        })?;
        places.push((path, name.live));
    }
    Ok(places)
}

impl Batch<'_> {
    /// Whether a change is made where it stands and is about to begin: what is live is what the plan saw.
    pub(crate) fn begins_in_place(&mut self, change: Applying) -> Result<bool, Failure> {
        let Some(entry) = wanted(self.kept, &change)? else { return Ok(false) };
        let [(path, seen)] = &places(&change)?[..] else { return Ok(false) };
        let effect = (change.effect, 0);
        let place = Place::open(self.inner, &mut self.folders, path, *seen, effect)?;
        let found = place.look(self.inner, Some(&entry), self.permitted)?;
        let is_seen = found.as_ref().map(|found| found.digest) == place.seen;
        let is_wanted = found.as_ref().is_some_and(|found| found.likeness == Likeness::Wanted);
        Ok(is_seen && !is_wanted && how(found.as_ref(), Some(&entry), &place) == How::InPlace)
    }
}

/// Folders are shared: a batch opens each once.
pub(crate) type Folder = Arc<std::os::fd::OwnedFd>;
