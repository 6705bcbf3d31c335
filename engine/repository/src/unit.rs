//! Capturing one unit: a part of a tree that is captured as one item.
//!
//! A unit is a snapshot with tags of its own and is no backup set; it lives until the set of its run is
//! complete. It is looked for by its effect key before anything is written, so doing it again is free.

use std::sync::Arc;

use holdfast_contract::entry::{EntrySource, LeftOut, shown, unshown};
use holdfast_kernel::id::{EffectKey, Instant, RunId};
use rustic_core::repofile::SnapshotFile;
use serde::{Deserialize, Serialize};

use crate::archive::{Naming, keep};
use crate::backup_set::{SetId, UNIT_TAG, effect_tag, run_tag};
use crate::check::Counts;
use crate::gate::Permit;
use crate::layer::capture;
use crate::lock::Lock;
use crate::open::{Repository, Session};
use crate::refused::Refused;

/// The first name of the paths of a set that holds a file tree.
pub const FILES: &str = "files";
/// The first name of the paths of a set that holds objects.
pub const ITEMS: &str = "items";

/// What is to be captured as one unit.
pub struct UnitRequest {
    /// The run it belongs to.
    pub run: RunId,
    /// The effect key of the item.
    pub effect: EffectKey,
    /// Now.
    pub at: Instant,
    /// The first name of its paths in the set: [`FILES`] or [`ITEMS`].
    pub area: &'static str,
    /// Its entries.
    pub source: Arc<dyn EntrySource>,
    /// What of the target belonged to it when it was captured, in the words of its provider.
    pub bounds: String,
    /// A set of the same target: files unchanged since then are not read. Never for objects.
    pub previous: Option<SetId>,
}

/// A captured unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitSummary {
    /// Its snapshot, 64 hexadecimal digits.
    pub snapshot: String,
    /// What it holds.
    pub counts: Counts,
    /// What it does not hold, or not as it should: it is partial if there is any.
    pub left_out: Vec<LeftOut>,
    /// What of the target belonged to it when it was captured.
    pub bounds: String,
    /// Whether it was there before.
    pub origin: Origin,
}

/// Where the answer of an idempotent piece of work comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was done now.
    Done,
    /// It had been done before, and was found by its effect key.
    Found,
    /// It would have been the same as an earlier set, so nothing was written.
    Same,
}

/// What a unit says of itself in its snapshot.
#[derive(Serialize, Deserialize)]
struct Note {
    counts: Counts,
    left_out: Vec<(String, String)>,
    #[serde(default)]
    bounds: String,
}

impl Repository {
    /// Captures a unit, or finds it captured.
    ///
    /// # Errors
    /// The repository is locked, damaged or full; an entry was lost; the permit was withdrawn.
    pub fn capture_unit(
        &self,
        request: &UnitRequest,
        permit: &Permit,
    ) -> Result<UnitSummary, Refused> {
        let _lock = Lock::shared(self.path())?;
        let _turn = self.turn();
        let session = self.session(permit)?;
        if let Some((_, found)) = self.find_unit(&session, request.run, request.effect)? {
            return Ok(found);
        }
        let previous = match &request.previous {
            Some(id) if request.area == FILES => self.find_set(&session, id)?,
            Some(_) | None => None,
        };
        let previous = previous.map(|(snapshot, _)| snapshot);
        let captured = capture(&session, request.area, &request.source, previous.as_ref())?;
        let note = Note {
            counts: captured.counts,
            left_out: captured.left_out.iter().map(as_text).collect(),
            bounds: request.bounds.clone(),
        };
        let description = serde_json::to_string(&note)
            .map_err(|error| Refused::Below(format!("writing down a unit: {error}")))?;
        let naming = Naming {
            at: request.at,
            tags: vec![UNIT_TAG.to_owned(), run_tag(request.run), effect_tag(request.effect)],
            paths: vec![format!("/{}", request.area)],
            description,
        };
        let snapshot = keep(&session, &captured.snapshot, naming)?;
        Ok(UnitSummary {
            snapshot,
            counts: captured.counts,
            left_out: captured.left_out,
            bounds: request.bounds.clone(),
            origin: Origin::Done,
        })
    }

    /// Whether a unit was captured: the probe of its effect key.
    ///
    /// # Errors
    /// The snapshots could not be read.
    pub fn probe_unit(
        &self,
        run: RunId,
        effect: EffectKey,
    ) -> Result<Option<UnitSummary>, Refused> {
        let session = self.reading()?;
        let found = self.find_unit(&session, run, effect)?;
        Ok(found.map(|(_, unit)| unit))
    }

    /// The unit with an effect key.
    pub(crate) fn find_unit(
        &self,
        session: &Session,
        run: RunId,
        effect: EffectKey,
    ) -> Result<Option<(SnapshotFile, UnitSummary)>, Refused> {
        let (run, effect) = (run_tag(run), effect_tag(effect));
        let found = self.snapshots(session)?.into_iter().find(|snapshot| {
            [UNIT_TAG, &run, &effect].iter().all(|tag| snapshot.tags.contains(tag))
        });
        let Some(snapshot) = found else {
            return Ok(None);
        };
        let unit = read_note(&snapshot)?;
        Ok(Some((snapshot, unit)))
    }
}

fn as_text(left_out: &LeftOut) -> (String, String) {
    (shown(&left_out.path), left_out.reason.clone())
}

fn read_note(snapshot: &SnapshotFile) -> Result<UnitSummary, Refused> {
    let id = snapshot.id.to_hex().to_string();
    let damaged =
        |reason: String| Refused::Damaged { what: format!("the snapshot {id} of a unit"), reason };
    let text = snapshot.description.as_deref().unwrap_or_default();
    let note: Note = serde_json::from_str(text).map_err(|error| damaged(error.to_string()))?;
    let left_out = note.left_out.iter().map(|(path, reason)| {
        let path = unshown(path).ok_or_else(|| damaged(format!("{path} is no path")))?;
        Ok(LeftOut { path, reason: reason.clone() })
    });
    let left_out = left_out.collect::<Result<_, Refused>>()?;
    let Note { counts, bounds, .. } = note;
    Ok(UnitSummary { snapshot: id, counts, left_out, bounds, origin: Origin::Found })
}
