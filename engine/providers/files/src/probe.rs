//! Looks whether a change was made, and takes away what an attempt that died has left beside its places.
//!
//! | what stands beside | what it means | what is done |
//! |---|---|---|
//! | a part | it was being written | removed |
//! | ready, as it was written | it was not exchanged | removed |
//! | ready, what the plan saw | it was exchanged | removed |
//! | ready, something else | it was exchanged with what the plan has not seen | exchanged back, ours removed |
//! | the same, and its place was changed since | somebody came later still | both stay, in sight |
//! | taken away, what the plan saw | it was on its way out | removed |
//! | taken away, something else | it was not to be removed | put back |

use std::sync::Arc;

use holdfast_contract::entry::EntryKind;
use holdfast_contract::plan::Sort;
use holdfast_contract::provider::{Applying, Found, Kept, KeptEntry};
use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::id::Digest;

use crate::beside::{Standing, short};
use crate::folder::Folders;
use crate::live::{Likeness, Looked};
use crate::moves::Placed;
use crate::place::Place;
use crate::prepare::{is_gone, places, wanted};
use crate::root::Inner;

/// Looks at a change.
pub(crate) fn probe(
    inner: &Arc<Inner>,
    kept: &dyn Kept,
    change: &Applying,
    permitted: &dyn Fn() -> bool,
) -> Result<Found, Failure> {
    // Nothing is ever done about it.
    if change.change.sort == Sort::Blocked {
        return Ok(Found::Absent);
    }
    let entry = wanted(kept, change)?;
    let mut folders = Folders::default();
    let mut all_done = true;
    for (number, (path, seen)) in places(change)?.into_iter().enumerate() {
        let opened = Place::open(inner, &mut folders, &path, seen, (change.effect, number));
        // Without its folder there is nothing at a place, and nothing beside it.
        if is_gone(&opened) {
            all_done &= entry.is_none();
            continue;
        }
        let place = opened?;
        folders.enter(&place)?;
        for (name, standing) in place.standing()? {
            clean(inner, &place, (&name, standing), permitted)?;
        }
        let found = place.look(inner, entry.as_ref(), permitted)?;
        all_done &= is_done(found.as_ref(), entry.as_ref());
    }
    folders.shut_what_the_dead_opened(kept)?;
    let unsettled = folders.settle(kept);
    // Whoever made it may have died before it was durable.
    folders.sync()?;
    // What could not be set is for the attempt that follows to say.
    all_done &= unsettled.is_empty() || entry.is_none();
    Ok(if all_done { Found::Done } else { Found::Absent })
}

/// Only what is whole is done: an attempt says what is missing of anything else.
fn is_done(found: Option<&Looked>, entry: Option<&KeptEntry>) -> bool {
    match (found, entry) {
        (Some(found), Some(_)) => found.likeness == Likeness::Wanted,
        (None, None) => true,
        (None | Some(_), None | Some(_)) => false,
    }
}

fn clean(
    inner: &Arc<Inner>,
    place: &Place,
    (name, standing): (&[u8], Standing),
    permitted: &dyn Fn() -> bool,
) -> Result<(), Failure> {
    let Standing::Ready(written) = standing else {
        return place.remove(name, &EntryKind::Pipe);
    };
    // What cannot be read is nothing that we wrote or the plan saw.
    let found = match place.look_beside(inner, name, None, permitted) {
        Err(failure) if failure.class == Class::Cancelled => return Err(failure),
        found => found.unwrap_or_default(),
    };
    let is_written = found.as_ref().is_some_and(|found| short(found.digest) == written);
    let is_seen = found.as_ref().is_some_and(|found| Some(found.digest) == place.seen);
    let is_empty = place.is_empty_or_no_folder(name);
    if (is_written || is_seen) && is_empty {
        let kind = found.map_or(EntryKind::Pipe, |found| found.kind);
        return place.remove(name, &kind);
    }
    let was_taken_away = written == short(Digest::from_bytes([0; 32]));
    if was_taken_away || place.look(inner, None, permitted)?.is_none() {
        return place.put_back(name);
    }
    place.undo(inner, &Placed::Exchanged(name.to_vec()), &written, permitted)
}
