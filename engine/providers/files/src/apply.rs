//! Applies changes of a plan: all of a batch are written beside their places, synced once, and then brought
//! to their places one by one, each only if what comes out is what the plan saw.

use std::sync::Arc;

use holdfast_contract::entry::{EntryKind, TreePath};
use holdfast_contract::provider::{Applied, Applying, Begun, Kept, KeptEntry, Made};
use holdfast_kernel::failure::{Class, Failure};

use crate::folder::Folders;
use crate::live::Likeness;
use crate::moves::Placed;
use crate::place::{Place, Written, doubtful};
use crate::prepare::{How, NEARLY, Work};
use crate::root::Inner;
use crate::write::dress_in_place;

/// A batch under way.
pub(crate) struct Batch<'a> {
    pub(crate) inner: &'a Arc<Inner>,
    pub(crate) kept: &'a dyn Kept,
    pub(crate) permitted: &'a dyn Fn() -> bool,
    pub(crate) folders: Folders,
    /// Takes what people are to be told.
    pub(crate) say: &'a dyn Fn(&str),
}

/// The end of a change, with the folders that it worked in.
type Ended = (Result<Applied, Failure>, Vec<TreePath>);

impl Batch<'_> {
    /// Applies all of them, and gives the end of each.
    pub(crate) fn run(mut self, changes: Vec<Applying>) -> Vec<Result<Applied, Failure>> {
        let prepared: Vec<_> = changes.into_iter().map(|change| self.prepare(change)).collect();
        let has_written = prepared.iter().flatten().any(|work| !work.written.is_empty());
        let synced = if has_written { self.folders.sync() } else { Ok(()) };
        let ends: Vec<Ended> = prepared
            .into_iter()
            .map(|work| match (work, &synced) {
                (Ok(work), Ok(())) => {
                    let parents = work.todo.iter().map(|place| place.parent.clone()).collect();
                    (self.place(work), parents)
                }
                // What was written beside is found by the probe.
                (Ok(_), Err(failure)) => (Err(failure.clone()), Vec::new()),
                (Err(failure), _) => (Err(failure), Vec::new()),
            })
            .collect();
        let unsettled = self.folders.settle(self.kept);
        let durable = self.folders.sync();
        let settled = |(end, parents): Ended| {
            let mut end = end?;
            durable.clone()?;
            let short = parents.iter().filter_map(|parent| unsettled.get(parent));
            end.shortfalls.extend(short.cloned());
            Ok(end)
        };
        ends.into_iter().map(settled).collect()
    }

    pub(crate) fn permit(&self) -> Result<(), Failure> {
        if (self.permitted)() {
            return Ok(());
        }
        Err(Failure::without_effect(Class::Cancelled, "it was cancelled"))
    }

    /// Brings everything of a change to its places, or nothing.
    fn place(&self, work: Work) -> Result<Applied, Failure> {
        let mut shortfalls = work.shortfalls;
        if work.todo.is_empty() {
            return Ok(Applied { made: Made::Unchanged, shortfalls });
        }
        self.permit()?;
        match (&work.how, &work.entry) {
            (How::RemoveFolder, _) => {
                work.todo.iter().try_for_each(Place::remove_folder)?;
            }
            (How::Remove, _) | (_, None) => {
                let mut places = work.todo.iter();
                places.try_for_each(|place| place.take_away(self.inner, self.permitted))?;
            }
            (How::InPlace, Some(entry)) => {
                for place in &work.todo {
                    shortfalls.extend(self.dress(place, entry, work.change.begun)?);
                }
            }
            (How::Beside, Some(_)) => self.bring_all(&work.todo, &work.written)?,
        }
        Ok(Applied { made: Made::Changed, shortfalls })
    }

    /// Changes a folder where it stands, if it still is what it was when the batch was prepared.
    fn dress(
        &self,
        place: &Place,
        entry: &KeptEntry,
        begun: Begun,
    ) -> Result<Vec<String>, Failure> {
        let found = place.look(self.inner, None, self.permitted)?;
        let is_folder = found.as_ref().is_some_and(|found| found.kind == EntryKind::Folder);
        let is_seen = found.map(|found| found.digest) == place.seen;
        if !is_folder || !(is_seen || begun == Begun::Yes) {
            return Err(place.conflict());
        }
        place.moment().map_err(|errno| doubtful(errno, "changing a folder"))?;
        let mut shortfalls = dress_in_place(self.inner, place, entry)?;
        let found = place.look(self.inner, Some(entry), self.permitted)?;
        let is_wanted = found.is_some_and(|found| found.likeness == Likeness::Wanted);
        if !is_wanted && shortfalls.is_empty() {
            shortfalls.push(NEARLY.to_owned());
        }
        Ok(shortfalls)
    }

    fn bring_all(&self, places: &[Place], written: &[Written]) -> Result<(), Failure> {
        let mut placed: Vec<(&Place, Placed, Written)> = Vec::new();
        for (place, written) in places.iter().zip(written) {
            match self.bring(place, *written) {
                Ok(how) => {
                    self.tell(place, &how);
                    placed.push((place, how, *written));
                }
                Err(failure) => return Err(self.give_up(places, &placed, failure)),
            }
        }
        for (place, how, _) in placed {
            if let Placed::Exchanged(old) = how {
                place.remove(&old, &EntryKind::Pipe)?;
            }
        }
        Ok(())
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

    fn bring(&self, place: &Place, written: Written) -> Result<Placed, Failure> {
        self.permit()?;
        match place.seen {
            None => place.bring_new(),
            Some(_) => place.exchange(self.inner, written, self.permitted),
        }
    }

    /// Takes back what was done of a change whose places cannot all be reached.
    fn give_up(
        &self,
        all: &[Place],
        placed: &[(&Place, Placed, Written)],
        failure: Failure,
    ) -> Failure {
        // Taking back goes on when the permit is withdrawn: half of a change is no end of it.
        let undone = placed.iter().try_for_each(|(place, how, written)| {
            place.undo(self.inner, how, &written.short(), &|| true)
        });
        let is_lost = placed.iter().any(|(_, how, _)| *how == Placed::Replaced);
        let failure = if is_lost {
            Failure::with_unknown_effect(failure.class, failure.message)
        } else {
            failure
        };
        // What could not be taken back is found by the probe.
        undone.and(remove_parts(all)).err().unwrap_or(failure)
    }
}

/// Removes what was written beside places and not brought there.
pub(crate) fn remove_parts(places: &[Place]) -> Result<(), Failure> {
    places.iter().try_for_each(|place| place.remove(&place.beside.part(), &EntryKind::Pipe))
}
