//! Applies changes of a plan: all of a batch are written beside their places, synced once, and then brought
//! to their places one by one, each only if what comes out is what the plan saw.

use std::sync::Arc;

use holdfast_contract::entry::{EntryKind, TreePath, unshown};
use holdfast_contract::plan::Sort;
use holdfast_contract::provider::{Applied, Applying, Begun, Kept, KeptEntry, Made};
use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::id::Digest;
use rustix::fs::{AtFlags, linkat};

use crate::beneath::{FOLDER, open_beneath};
use crate::folder::Folders;
use crate::live::{Likeness, wanted_digest};
use crate::place::{Place, Placed, doubtful, refused};
use crate::root::Inner;
use crate::write::{dress_in_place, write_beside};

/// A batch under way.
pub(crate) struct Batch<'a> {
    pub(crate) inner: &'a Arc<Inner>,
    pub(crate) kept: &'a dyn Kept,
    pub(crate) permitted: &'a dyn Fn() -> bool,
    pub(crate) folders: Folders,
    /// Takes what people are to be told.
    pub(crate) say: &'a dyn Fn(&str),
}

/// A change with its places.
struct Work {
    change: Applying,
    /// What the set has; none for a removal.
    entry: Option<KeptEntry>,
    /// The places where something is to be done.
    todo: Vec<Place>,
    /// The digest of what was written beside, by place.
    written: Vec<Digest>,
    shortfalls: Vec<String>,
}

impl Batch<'_> {
    /// Applies all of them, and gives the end of each.
    pub(crate) fn run(mut self, changes: Vec<Applying>) -> Vec<Result<Applied, Failure>> {
        let prepared: Vec<_> = changes.into_iter().map(|change| self.prepare(change)).collect();
        let has_written = prepared.iter().flatten().any(|work| !work.written.is_empty());
        if has_written && let Err(failure) = self.folders.sync() {
            return prepared.into_iter().map(|work| work.and(Err(failure.clone()))).collect();
        }
        let ends: Vec<_> = prepared.into_iter().map(|work| self.place(work?)).collect();
        let settled = self.folders.settle(self.kept).and_then(|()| self.folders.sync());
        match settled {
            Ok(()) => ends,
            Err(failure) => ends.into_iter().map(|end| end.and(Err(failure.clone()))).collect(),
        }
    }

    fn permit(&self) -> Result<(), Failure> {
        if (self.permitted)() {
            return Ok(());
        }
        Err(Failure::without_effect(Class::Cancelled, "it was cancelled"))
    }

    /// Looks at every place of a change, and writes what is to come there beside it.
    fn prepare(&mut self, change: Applying) -> Result<Work, Failure> {
        self.permit()?;
        let of = &change.change;
        if of.sort == Sort::Blocked {
            let message = format!("the plan does not touch it: {}", of.reason);
            return Err(Failure::without_effect(Class::Invalid, message));
        }
        let entry = self.entry(&change)?;
        let mut work =
            Work { entry, todo: Vec::new(), written: Vec::new(), shortfalls: Vec::new(), change };
        let mut source = None;
        for (number, (path, seen)) in places(&work.change)?.into_iter().enumerate() {
            let opened = Place::open(self.inner, &path, seen, (work.change.effect, number));
            let is_gone = matches!(&opened, Err(failure) if matches!(failure.class, Class::NotFound | Class::Conflict));
            if is_gone && work.entry.is_none() {
                // The folder that it was to be removed from is gone with it.
                continue;
            }
            let place = opened?;
            self.folders.enter(&place, self.kept)?;
            match self.standing(&work, &place)? {
                Standing::AsPlanned => work.todo.push(place),
                Standing::Done(shortfalls) => {
                    work.shortfalls.extend(shortfalls);
                    source = Some(place);
                }
            }
        }
        self.write(&mut work, source.as_ref())?;
        Ok(work)
    }

    /// What the set has for a change, which must be what the plan says.
    fn entry(&self, change: &Applying) -> Result<Option<KeptEntry>, Failure> {
        let of = &change.change;
        if of.sort == Sort::Delete {
            return Ok(None);
        }
        let entry = self.kept.entry(&of.tree_path()?)?;
        match entry {
            Some(entry) if Some(wanted_digest(&entry)) == of.wanted => Ok(Some(entry)),
            Some(_) | None => {
                let message =
                    format!("the backup set does not have what the plan says of {}", of.key);
                Err(Failure::without_effect(Class::Invalid, message))
            }
        }
    }

    /// Whether a place is as the plan saw it, or as it is to be.
    fn standing(&self, work: &Work, place: &Place) -> Result<Standing, Failure> {
        let found = place.look(self.inner, work.entry.as_ref(), self.permitted)?;
        match (&found, &work.entry) {
            (None, None) => return Ok(Standing::Done(Vec::new())),
            (Some(found), Some(_)) if found.likeness == Likeness::Wanted => {
                return Ok(Standing::Done(Vec::new()));
            }
            (Some(found), Some(_))
                if found.likeness == Likeness::Nearly && Some(found.digest) != place.seen =>
            {
                let what = "its owner or an attribute is not as it was, and only root may set it";
                return Ok(Standing::Done(vec![what.to_owned()]));
            }
            (None | Some(_), None | Some(_)) => {}
        }
        let is_seen = found.as_ref().map(|found| found.digest) == place.seen;
        let is_half_changed = work.change.begun == Begun::Yes
            && found.is_some_and(|found| found.kind == EntryKind::Folder);
        if is_seen || is_half_changed { Ok(Standing::AsPlanned) } else { Err(place.conflict()) }
    }

    /// Writes what is to come beside its places: the content once, other names as links to it.
    fn write(&self, work: &mut Work, source: Option<&Place>) -> Result<(), Failure> {
        let Some(entry) = &work.entry else { return Ok(()) };
        let mut first: Option<(&Place, Digest)> = None;
        for place in &work.todo {
            if in_place(entry, place) {
                continue;
            }
            let part = place.beside.part();
            place.remove(&part, &entry.kind)?;
            place.moment().map_err(|errno| refused(errno, "writing it"))?;
            let linked = match (source, first) {
                (Some(source), _) => Some((Arc::clone(&source.folder), source.name.clone(), None)),
                (None, Some((first, digest))) => {
                    Some((Arc::clone(&first.folder), first.beside.part(), Some(digest)))
                }
                (None, None) => None,
            };
            let digest = if let Some((folder, name, digest)) = linked {
                linkat(&*folder, &name[..], &*place.folder, &part[..], AtFlags::empty())
                    .map_err(|errno| refused(errno, "making a hard link"))?;
                match digest {
                    Some(digest) => digest,
                    None => self.digest_beside(place, &part)?,
                }
            } else {
                let shortfalls = write_beside(place, entry, self.kept, self.permitted)?;
                work.shortfalls.extend(shortfalls);
                self.digest_beside(place, &part)?
            };
            first.get_or_insert((place, digest));
            work.written.push(digest);
        }
        Ok(())
    }

    fn digest_beside(&self, place: &Place, part: &[u8]) -> Result<Digest, Failure> {
        let found = place.look_beside(self.inner, part, self.permitted)?;
        found.map(|found| found.digest).ok_or_else(|| {
            Failure::with_unknown_effect(Class::Permanent, "what was written beside is gone")
        })
    }

    /// Brings everything of a change to its places, or nothing.
    fn place(&self, work: Work) -> Result<Applied, Failure> {
        if work.todo.is_empty() {
            return Ok(Applied { made: Made::Unchanged, shortfalls: work.shortfalls });
        }
        let mut shortfalls = work.shortfalls;
        let Some(entry) = &work.entry else {
            for place in &work.todo {
                self.take_away(place)?;
            }
            return Ok(Applied { made: Made::Changed, shortfalls });
        };
        if let [place] = work.todo.as_slice()
            && in_place(entry, place)
        {
            place.moment().map_err(|errno| doubtful(errno, "changing a folder"))?;
            shortfalls.extend(dress_in_place(self.inner, place, entry)?);
            return Ok(Applied { made: Made::Changed, shortfalls });
        }
        let mut placed: Vec<(&Place, Placed)> = Vec::new();
        for (place, digest) in work.todo.iter().zip(&work.written) {
            match self.bring(place, *digest) {
                Ok(how) => {
                    self.tell(place, &how);
                    placed.push((place, how));
                }
                Err(failure) => return Err(give_up(&work.todo, &placed, failure)),
            }
        }
        for (place, how) in placed {
            if let Placed::Exchanged(old) = how {
                place.remove(&old, &EntryKind::Pipe)?;
            }
        }
        Ok(Applied { made: Made::Changed, shortfalls })
    }

    fn tell(&self, place: &Place, how: &Placed) {
        if *how == Placed::Replaced {
            (self.say)(&format!(
                "{}: this file system cannot exchange two names, so the look at what was there and the \
                 replacing of it are not one step",
                self.inner.place(&place.path)
            ));
        }
    }

    fn bring(&self, place: &Place, written: Digest) -> Result<Placed, Failure> {
        self.permit()?;
        match place.seen {
            None => place.bring_new(),
            Some(_) => place.exchange(self.inner, written, self.permitted),
        }
    }

    fn take_away(&self, place: &Place) -> Result<(), Failure> {
        self.permit()?;
        if is_open_folder(place) {
            return place.remove_folder();
        }
        place.take_away(self.inner, self.permitted)
    }
}

/// Takes back what was done of a change whose places cannot all be reached.
fn give_up(all: &[Place], placed: &[(&Place, Placed)], failure: Failure) -> Failure {
    let undone = placed.iter().try_for_each(|(place, how)| place.undo(how));
    let removed =
        all.iter().try_for_each(|place| place.remove(&place.beside.part(), &EntryKind::Pipe));
    // What could not be taken back is found by the probe.
    undone.and(removed).err().unwrap_or(failure)
}

enum Standing {
    /// As the plan saw it.
    AsPlanned,
    /// As it is to be, but for what only root may set.
    Done(Vec<String>),
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

/// Whether a folder is changed where it stands: what is in it cannot be exchanged with it.
fn in_place(entry: &KeptEntry, place: &Place) -> bool {
    let is_folder = entry.kind == EntryKind::Folder;
    is_folder && (place.name.is_empty() || (place.seen.is_some() && is_open_folder(place)))
}

fn is_open_folder(place: &Place) -> bool {
    rustix::fs::openat(&*place.folder, &place.name[..], FOLDER, rustix::fs::Mode::empty()).is_ok()
}

/// Opens a folder beneath the root.
pub(crate) fn open_folder(inner: &Inner, path: &[u8]) -> Result<std::os::fd::OwnedFd, Failure> {
    open_beneath(inner.root(), path, FOLDER).map_err(|errno| refused(errno, "opening a folder"))
}
