//! Looks whether a change was made, and takes away what an attempt that died has left beside its places.
//!
//! | what stands beside | what it means | what is done |
//! |---|---|---|
//! | a part | it was being written | removed |
//! | ready, as it was written | it was not exchanged | removed |
//! | ready, what the plan saw | it was exchanged | removed |
//! | ready, something else | it was exchanged with what the plan has not seen | exchanged back, ours removed |
//! | taken away, what the plan saw | it was on its way out | removed |
//! | taken away, something else | it was not to be removed | put back |

use std::sync::Arc;

use holdfast_contract::entry::EntryKind;
use holdfast_contract::plan::Sort;
use holdfast_contract::provider::{Applying, Found, Kept, KeptEntry};
use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::id::Digest;

use crate::apply::places;
use crate::beside::{Standing, short};
use crate::folder::Folders;
use crate::live::{Likeness, Looked};
use crate::place::{Place, Placed};
use crate::root::Inner;

/// Looks at a change.
pub(crate) fn probe(
    inner: &Arc<Inner>,
    kept: &dyn Kept,
    change: &Applying,
    permitted: &dyn Fn() -> bool,
) -> Result<Found, Failure> {
    let is_removal = change.change.sort == Sort::Delete;
    let entry = if is_removal { None } else { kept.entry(&change.change.tree_path()?)? };
    let mut folders = Folders::default();
    let mut all_done = true;
    for (number, (path, seen)) in places(change)?.into_iter().enumerate() {
        let opened = Place::open(inner, &path, seen, (change.effect, number));
        // Without its folder there is nothing at a place, and nothing beside it.
        if matches!(&opened, Err(failure) if matches!(failure.class, Class::NotFound | Class::Conflict))
        {
            all_done &= is_removal;
            continue;
        }
        let place = opened?;
        folders.enter(&place, kept)?;
        for (name, standing) in place.standing()? {
            clean(inner, &place, (&name, standing), permitted)?;
        }
        let found = place.look(inner, entry.as_ref(), permitted)?;
        all_done &= is_done(found.as_ref(), entry.as_ref());
    }
    folders.settle(kept)?;
    Ok(if all_done { Found::Done } else { Found::Absent })
}

fn is_done(found: Option<&Looked>, entry: Option<&KeptEntry>) -> bool {
    match (found, entry) {
        (Some(found), Some(_)) => {
            matches!(found.likeness, Likeness::Wanted | Likeness::Nearly)
        }
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
    let Some(found) = place.look_beside(inner, name, permitted)? else { return Ok(()) };
    let is_seen = Some(found.digest) == place.seen;
    if is_seen || Place::is_written(&written, &found) {
        return place.remove(name, &found.kind);
    }
    if written == short(Digest::from_bytes([0; 32])) {
        return place.put_back(name);
    }
    place.undo(&Placed::Exchanged(name.to_vec()))
}
