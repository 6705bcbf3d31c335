//! Sealing: from the units and objects of a run to one backup set that never changes.
//!
//! It is looked for by its effect key first. The snapshot is written last, after every entry was found in
//! the tree, every blob in the index, and every pack that was written was read back.

use std::collections::BTreeSet;
use std::sync::Arc;

use holdfast_contract::entry::EntrySource;
use holdfast_kernel::id::{Digest, EffectKey, Instant, RunId};
use rustic_core::repofile::{SnapshotFile, SnapshotId};

use crate::archive::{Naming, keep, remove};
use crate::backup_set::{
    BackupSet, Completeness, Facts, Labels, SET_TAG, SetId, UNIT_TAG, effect_tag, read_set, run_tag,
};
use crate::check::{Counts, check};
use crate::gate::Permit;
use crate::layer::{capture, lay_over};
use crate::ledger::lost;
use crate::lock::Lock;
use crate::manifest::{self, Item, Manifest, ManifestSource, Missing, Target};
use crate::open::{Repository, Session};
use crate::read::find;
use crate::refused::Refused;
use crate::unit::{FILES, ITEMS, Origin};

/// What is to become a set.
pub struct SealRequest {
    /// The run.
    pub run: RunId,
    /// The effect key of the seal.
    pub effect: EffectKey,
    /// Now.
    pub at: Instant,
    /// The digest of the run's workflow.
    pub workflow: Digest,
    /// The version of holdfast.
    pub written_by: String,
    /// The target.
    pub target: Target,
    /// The object that it is a set of.
    pub object: Option<String>,
    /// The effect keys of the units that belong to it.
    pub units: Vec<EffectKey>,
    /// The effect keys of units that others of `units` have taken the place of.
    pub superseded: Vec<EffectKey>,
    /// The bodies of its objects; one that does not arrive whole refuses the seal.
    pub objects: Option<Arc<dyn EntrySource>>,
    /// The lines of its objects for the manifest.
    pub items: Vec<Item>,
    /// What is missing already: kinds that could not be listed, items that failed.
    pub left_out: Vec<Missing>,
    /// What the engine computed from everything the set depends on.
    pub completeness: Completeness,
    /// A complete set: if this one would be the same, nothing is written.
    pub unless_same_as: Option<SetId>,
}

/// A sealed set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedSet {
    /// The set.
    pub set: BackupSet,
    /// Whether it was there before.
    pub origin: Origin,
}

/// What the layers of a set hold and leave out, before the manifest.
struct Gathered {
    layers: Vec<SnapshotFile>,
    counts: Counts,
    left_out: Vec<Missing>,
    /// The target, with what of it belonged to it in every unit.
    target: Target,
}

impl Repository {
    /// Seals a set, or finds it sealed.
    ///
    /// A partial set keeps its units, so that the same run can be sealed again; a complete one removes
    /// them, and the partial set of the same run that it supersedes.
    ///
    /// # Errors
    /// A unit is not there, an entry was lost, the repository is locked, damaged or full, or the permit
    /// was withdrawn. Then there is no set.
    pub fn seal(&self, request: &SealRequest, permit: &Permit) -> Result<SealedSet, Refused> {
        let _lock = Lock::shared(self.path())?;
        let _turn = self.turn();
        let session = self.session(permit)?;
        let found = self.find_sealed(&session, request.run, request.effect)?;
        let sealed = match found {
            Some(set) => SealedSet { set, origin: Origin::Found },
            None => self.seal_anew(&session, request)?,
        };
        self.tidy(&session, request, &sealed.set)?;
        Ok(sealed)
    }

    /// The set that this one would be the same as.
    fn same(
        &self,
        session: &Session,
        request: &SealRequest,
        gathered: &Gathered,
    ) -> Result<Option<BackupSet>, Refused> {
        let is_whole =
            gathered.left_out.is_empty() && request.completeness == Completeness::Complete;
        let Some(earlier) = request.unless_same_as.as_ref().filter(|_| is_whole) else {
            return Ok(None);
        };
        let Some((snapshot, set)) = self.find_set(session, earlier)? else { return Ok(None) };
        // What is said of a set stays said: one that was made when something else belonged is another.
        let before = self.open_set(earlier).map(|open| open.manifest().target.bounds.clone());
        if !before.is_ok_and(|before| before == gathered.target.bounds) {
            return Ok(None);
        }
        let layers = gathered.layers.iter().cloned();
        let whole = lay_over(session, layers.map(|layer| (layer, BTreeSet::new())))?;
        let index = session.indexed()?;
        let areas = |tree| {
            let area = |area: &str| match find(&index, tree, area.as_bytes()) {
                Ok(node) => Ok(node.subtree),
                Err(Refused::NoPath { .. }) => Ok(None),
                Err(other) => Err(other),
            };
            Ok::<_, Refused>((area(FILES)?, area(ITEMS)?))
        };
        let is_same = areas(snapshot.tree)? == areas(whole.tree)?;
        Ok(Some(set).filter(|_| is_same))
    }

    /// Whether a seal is done: the probe of its effect key.
    ///
    /// # Errors
    /// The snapshots could not be read.
    pub fn probe_seal(&self, run: RunId, effect: EffectKey) -> Result<Option<BackupSet>, Refused> {
        self.find_sealed(&self.reading()?, run, effect)
    }

    /// Removes the units of a run that will not be sealed any more, and gives how many there were.
    ///
    /// # Errors
    /// The repository is locked, or reading or writing failed.
    pub fn remove_units(&self, run: RunId, permit: &Permit) -> Result<usize, Refused> {
        let _lock = Lock::shared(self.path())?;
        let session = self.session(permit)?;
        let run = run_tag(run);
        let mut units = self.snapshots(&session)?;
        units.retain(|unit| unit.tags.contains(UNIT_TAG) && unit.tags.contains(&run));
        let units: Vec<_> = units.into_iter().map(|unit| unit.id).collect();
        remove(&session, &units)?;
        Ok(units.len())
    }

    fn find_sealed(
        &self,
        session: &Session,
        run: RunId,
        effect: EffectKey,
    ) -> Result<Option<BackupSet>, Refused> {
        let (run, effect) = (run_tag(run), effect_tag(effect));
        let found = self.snapshots(session)?.into_iter().find(|snapshot| {
            [SET_TAG, &run, &effect].iter().all(|tag| snapshot.tags.contains(tag))
        });
        found.as_ref().map(read_set).transpose()
    }

    fn seal_anew(&self, session: &Session, request: &SealRequest) -> Result<SealedSet, Refused> {
        let id = SetId::of(request.effect);
        let mut gathered = self.gather(session, request)?;
        if let Some(set) = self.same(session, request, &gathered)? {
            return Ok(SealedSet { set, origin: Origin::Same });
        }
        let completeness =
            if gathered.left_out.is_empty() { request.completeness } else { Completeness::Partial };
        let (counts, left_out) = (gathered.counts, gathered.left_out.len() as u64);
        let facts = manifest::Facts {
            written_by: &request.written_by,
            set: &id,
            run: request.run,
            workflow: request.workflow,
            target: &gathered.target,
            object: request.object.as_deref(),
            sealed_at: request.at,
        };
        let items = request.items.clone();
        let manifest = facts.manifest(completeness, counts, gathered.left_out, items);
        let (page, page_counts) = add_manifest(session, &manifest)?;
        gathered.layers.push(page);
        let layers = gathered.layers.into_iter();
        let whole = lay_over(session, layers.map(|layer| (layer, BTreeSet::new())))?;
        let held = check(&*session.indexed()?, &whole, |_, _| {})?;
        let wanted = counts.plus(page_counts);
        if !held.holds(&wanted) {
            let reason = format!("{held:?} instead of {wanted:?}");
            return Err(Refused::Damaged { what: "the merged tree".to_owned(), reason });
        }
        let labels = Labels {
            id: &id,
            run: request.run,
            effect: request.effect,
            target: &request.target.name,
            object: request.object.as_deref(),
            completeness,
        };
        let description = serde_json::to_string(&Facts { counts, left_out }).map_err(unwritten)?;
        let naming = Naming {
            at: request.at,
            tags: labels.tags(),
            paths: vec![format!("/{}", request.target.name)],
            description,
        };
        keep(session, &whole, naming)?;
        let set = self
            .find_sealed(session, request.run, request.effect)?
            .ok_or_else(|| Refused::NoSet { id: id.to_string() })?;
        Ok(SealedSet { set, origin: Origin::Done })
    }

    /// The units of a seal, and its objects as one more layer.
    fn gather(&self, session: &Session, request: &SealRequest) -> Result<Gathered, Refused> {
        let mut gathered = Gathered {
            layers: Vec::new(),
            counts: Counts::default(),
            left_out: request.left_out.clone(),
            target: request.target.clone(),
        };
        let listed: BTreeSet<String> =
            request.left_out.iter().map(|missing| missing.what.clone()).collect();
        for effect in &request.units {
            let found = self.find_unit(session, request.run, *effect)?;
            let Some((snapshot, unit)) = found else {
                return Err(Refused::NoUnit { effect: effect.to_string() });
            };
            gathered.layers.push(snapshot);
            if unit.bounds != request.target.bounds {
                // It was another at times while the set was made: what is not in it may not have belonged.
                gathered.target.bounds.clear();
            }
            gathered.counts = gathered.counts.plus(unit.counts);
            // What could not be listed is listed by its unit too.
            let left_out = unit.left_out.iter().map(Missing::from);
            gathered.left_out.extend(left_out.filter(|one| !listed.contains(&one.what)));
        }
        if let Some(objects) = &request.objects {
            let captured = capture(session, ITEMS, objects, None)?;
            if !captured.left_out.is_empty() {
                let left_out = captured.left_out.into_iter();
                let entries: Vec<_> = left_out.map(|one| (one.path, one.reason)).collect();
                return Err(lost(&entries));
            }
            gathered.layers.push(captured.snapshot);
            gathered.counts = gathered.counts.plus(captured.counts);
        }
        Ok(gathered)
    }

    /// Removes what a sealed set has taken the place of. Doing it again is harmless.
    fn tidy(
        &self,
        session: &Session,
        request: &SealRequest,
        set: &BackupSet,
    ) -> Result<(), Refused> {
        let run = run_tag(request.run);
        let mut gone: Vec<SnapshotId> = Vec::new();
        for snapshot in self.snapshots(session)? {
            let is_of_run = snapshot.tags.contains(&run) && snapshot.tags.contains(SET_TAG);
            if !is_of_run {
                continue;
            }
            let other = read_set(&snapshot)?;
            // A partial one may lack what the earlier one has.
            let is_superseded = set.completeness == Completeness::Complete
                && other.id != set.id
                && other.object == set.object
                && other.completeness == Completeness::Partial
                && other.sealed_at <= set.sealed_at;
            if is_superseded {
                gone.push(snapshot.id);
            }
        }
        if set.completeness == Completeness::Complete {
            for effect in request.units.iter().chain(&request.superseded) {
                let unit = self.find_unit(session, request.run, *effect)?;
                gone.extend(unit.map(|(snapshot, _)| snapshot.id));
            }
        }
        remove(session, &gone)
    }
}

/// Archives the manifest as a layer of its own.
fn add_manifest(session: &Session, manifest: &Manifest) -> Result<(SnapshotFile, Counts), Refused> {
    let source: Arc<dyn EntrySource> = Arc::new(ManifestSource::new(manifest).map_err(unwritten)?);
    let captured = capture(session, manifest::AREA, &source, None)?;
    if captured.left_out.is_empty() {
        return Ok((captured.snapshot, captured.counts));
    }
    Err(Refused::Below("the manifest could not be kept".to_owned()))
}

fn unwritten(error: serde_json::Error) -> Refused {
    Refused::Below(format!("writing the manifest: {error}"))
}
