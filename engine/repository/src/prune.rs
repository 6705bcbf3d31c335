//! Retention: which sets stay and why, and taking away the others with what only they refer to.
//!
//! The library decides by the rules; what no rule may touch is decided before it is asked. Data goes in two steps,
//! a day apart, as the library does it: what is marked now is deleted by a later prune, so that whoever reads an old
//! index meanwhile still finds its content. It works alone on the repository.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_kernel::id::{Instant, Millis, RunId};
use rustic_core::jiff::Span;
use rustic_core::repofile::{SnapshotFile, SnapshotId};
use rustic_core::{KeepOptions, PruneOptions};

use crate::archive::{remove, zoned};
use crate::backup_set::{BackupSet, Completeness, SET_TAG, SetId, UNIT_TAG, read_set, run_tag};
use crate::gate::Permit;
use crate::lock::Lock;
use crate::open::{Repository, Session};
use crate::refused::Refused;

/// How long the units of a run stay that has ended without a set: a retry may still need them.
const UNITS_STAY: Millis = Millis::seconds(7 * 24 * 60 * 60);

/// How many of what are kept, of each target and object, counted over complete sets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeepRules {
    /// The newest.
    pub last: Option<u32>,
    /// The newest of so many hours.
    pub hourly: Option<u32>,
    /// The newest of so many days.
    pub daily: Option<u32>,
    /// The newest of so many weeks.
    pub weekly: Option<u32>,
    /// The newest of so many months.
    pub monthly: Option<u32>,
    /// The newest of so many years.
    pub yearly: Option<u32>,
    /// Everything that is at most so much older than the newest.
    pub within: Option<Millis>,
}

/// What a prune is told.
#[derive(Clone, Debug, Default)]
pub struct PruneRequest {
    /// The rules.
    pub keep: KeepRules,
    /// The sets that something refers to, with what.
    pub referenced: BTreeMap<SetId, String>,
    /// The sets whose place must not be taken: of these targets and objects nothing goes, and why.
    pub unverified: BTreeMap<Group, String>,
    /// The runs that have not ended.
    pub active: BTreeSet<RunId>,
}

/// Whether a set stays, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The set.
    pub set: BackupSet,
    /// Whether it stays.
    pub stays: bool,
    /// Why.
    pub reason: String,
}

/// What a prune does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pruning {
    /// Every set, the newest of each target and object first.
    pub sets: Vec<Verdict>,
    /// Units of runs that will not be sealed any more.
    pub units: usize,
    /// The bytes of packs that nothing refers to any more: marked now, deleted by a later prune; and of those that
    /// an earlier prune marked and this one deletes.
    pub freed_bytes: u64,
}

impl Repository {
    /// What a prune would do. `request` is asked with the sets that are there, under the lock.
    ///
    /// # Errors
    /// Those of the request; the repository cannot be read.
    pub fn plan_prune<E: From<Refused>>(
        &self,
        request: impl FnOnce(&[BackupSet]) -> Result<PruneRequest, E>,
        now: Instant,
    ) -> Result<Pruning, E> {
        let _lock = Lock::shared(self.path())?;
        let session = self.reading()?;
        self.planned(&session, request, now).map(|(pruning, _)| pruning)
    }

    /// Removes the sets that no rule keeps, and marks what only they referred to. `request` is asked with the sets
    /// that are there, under the lock: a plan that was stored while the prune waited for it is seen.
    ///
    /// # Errors
    /// Those of the request; somebody else works on the repository, restic has a fresh lock, reading or writing
    /// failed, or the permit was withdrawn. Doing it again goes on.
    pub fn prune<E: From<Refused>>(
        &self,
        request: impl FnOnce(&[BackupSet]) -> Result<PruneRequest, E>,
        now: Instant,
        permit: &Permit,
    ) -> Result<Pruning, E> {
        let _lock = Lock::exclusive(self.path(), now)?;
        let session = self.session(permit)?;
        let (pruning, gone) = self.planned(&session, request, now)?;
        remove(&session, &gone)?;
        let repository = session.open()?;
        let options = PruneOptions::default();
        let plan = repository.prune_plan(&options).map_err(|error| session.refuse(error))?;
        repository.prune(&options, plan).map_err(|error| session.refuse(error))?;
        Ok(pruning)
    }

    /// What a prune does, and the snapshots that go.
    fn planned<E: From<Refused>>(
        &self,
        session: &Session,
        request: impl FnOnce(&[BackupSet]) -> Result<PruneRequest, E>,
        now: Instant,
    ) -> Result<(Pruning, Vec<SnapshotId>), E> {
        let snapshots = self.snapshots(session)?;
        let sealed = snapshots.iter().filter(|one| one.tags.contains(SET_TAG));
        let sealed: Vec<_> =
            sealed.map(|one| Ok((one.clone(), read_set(one)?))).collect::<Result<_, Refused>>()?;
        let there: Vec<BackupSet> = sealed.iter().map(|(_, set)| set.clone()).collect();
        let request = request(&there)?;
        let mut groups: BTreeMap<Group, Vec<(SnapshotFile, BackupSet)>> = BTreeMap::new();
        for (snapshot, set) in sealed {
            groups.entry(group_of(&set)).or_default().push((snapshot, set));
        }
        let (mut sets, mut gone) = (Vec::new(), Vec::new());
        for (group, members) in groups {
            let verdicts = judged(&request, &group, members, now)?;
            gone.extend(verdicts.iter().filter(|(_, verdict)| !verdict.stays).map(|(id, _)| *id));
            sets.extend(verdicts.into_iter().map(|(_, verdict)| verdict));
        }
        let units = idle_units(&snapshots, &sets, &request, now);
        gone.extend(&units);
        let freed_bytes = freed(session, &gone)?;
        Ok((Pruning { sets, units: units.len(), freed_bytes }, gone))
    }
}

/// What sets are judged together: their target, and their object where they have one.
pub type Group = (String, Option<String>);

/// The group of a set.
pub fn group_of(set: &BackupSet) -> Group {
    (set.target.clone(), set.object.clone())
}

/// The newest complete set of each group.
pub fn newest_complete(sets: &[BackupSet]) -> BTreeMap<Group, SetId> {
    let mut newest: BTreeMap<Group, &BackupSet> = BTreeMap::new();
    for set in sets.iter().filter(|set| set.completeness == Completeness::Complete) {
        let best = newest.entry(group_of(set)).or_insert(set);
        if (set.sealed_at, &set.id) > (best.sealed_at, &best.id) {
            *best = set;
        }
    }
    newest.into_iter().map(|(group, set)| (group, set.id.clone())).collect()
}

/// The sets of one target and object, the newest first, each with whether it stays.
fn judged(
    request: &PruneRequest,
    group: &Group,
    mut members: Vec<(SnapshotFile, BackupSet)>,
    now: Instant,
) -> Result<Vec<(SnapshotId, Verdict)>, Refused> {
    members.sort_by_key(|(_, set)| std::cmp::Reverse((set.sealed_at, set.id.clone())));
    let complete: Vec<_> = members
        .iter()
        .filter(|(_, set)| set.completeness == Completeness::Complete)
        .cloned()
        .collect();
    let newest = complete.first().map(|(_, set)| set.clone());
    let by_rules = by_rules(request.keep, &complete, now)?;
    let judge = |(snapshot, set): (SnapshotFile, BackupSet)| {
        let (stays, reason) = if let Some(what) = request.referenced.get(&set.id) {
            (true, what.clone())
        } else if request.active.contains(&set.run) {
            (true, format!("{} made it and has not ended", set.run))
        } else if newest.as_ref().is_some_and(|newest| newest.id == set.id) {
            (true, "it is the newest complete one".to_owned())
        } else if let Some(why) = request.unverified.get(group) {
            (true, why.clone())
        } else if set.completeness == Completeness::Partial {
            partial(&set, newest.as_ref())
        } else {
            match by_rules.get(&snapshot.id) {
                Some(reasons) => (true, format!("kept as {reasons}")),
                None => (false, "no rule keeps it".to_owned()),
            }
        };
        (snapshot.id, Verdict { set, stays, reason })
    };
    Ok(members.into_iter().map(judge).collect())
}

/// A partial set goes once a complete one is newer; it never pushes a complete one out.
fn partial(set: &BackupSet, newest: Option<&BackupSet>) -> (bool, String) {
    match newest {
        Some(newest) if newest.sealed_at >= set.sealed_at => {
            (false, format!("it is partial, and {} is newer and complete", newest.id))
        }
        Some(_) => (true, "it is partial, and nothing complete is newer".to_owned()),
        None => (true, "it is partial, and nothing complete is there".to_owned()),
    }
}

/// The complete sets that the rules keep, with the rules.
fn by_rules(
    keep: KeepRules,
    complete: &[(SnapshotFile, BackupSet)],
    now: Instant,
) -> Result<BTreeMap<SnapshotId, String>, Refused> {
    let number = |count: Option<u32>| count.map(|count| i32::try_from(count).unwrap_or(i32::MAX));
    let mut options = KeepOptions::default();
    options.keep_last = number(keep.last);
    options.keep_hourly = number(keep.hourly);
    options.keep_daily = number(keep.daily);
    options.keep_weekly = number(keep.weekly);
    options.keep_monthly = number(keep.monthly);
    options.keep_yearly = number(keep.yearly);
    options.keep_within = keep.within.map(span);
    let snapshots = complete.iter().map(|(snapshot, _)| snapshot.clone()).collect();
    let judged = options.apply(snapshots, &zoned(now)?).map_err(Refused::below)?;
    let kept = judged.into_iter().filter(|one| one.keep);
    Ok(kept.map(|one| (one.snapshot.id, one.reasons.join(", "))).collect())
}

fn span(length: Millis) -> Span {
    Span::new().milliseconds(i64::try_from(length.0).unwrap_or(i64::MAX))
}

/// The units of runs that will not be sealed any more: those that have ended a while ago and left no set that stays
/// and is partial.
fn idle_units(
    snapshots: &[SnapshotFile],
    sets: &[Verdict],
    request: &PruneRequest,
    now: Instant,
) -> Vec<SnapshotId> {
    let needed = |run: &str| {
        let partial = |verdict: &Verdict| {
            verdict.stays
                && verdict.set.completeness == Completeness::Partial
                && run_tag(verdict.set.run) == run
        };
        sets.iter().any(partial) || request.active.iter().any(|active| run_tag(*active) == run)
    };
    let is_old = |unit: &SnapshotFile| {
        let made = Instant(unit.time.timestamp().as_microsecond());
        now.since(made) > UNITS_STAY
    };
    let units = snapshots.iter().filter(|one| one.tags.contains(UNIT_TAG));
    let run_of =
        |unit: &SnapshotFile| unit.tags.iter().find(|tag| tag.starts_with("run_")).cloned();
    units
        .filter(|unit| is_old(unit) && run_of(unit).is_some_and(|run| !needed(&run)))
        .map(|unit| unit.id)
        .collect()
}

/// The bytes that nothing refers to once these snapshots are gone.
fn freed(session: &Session, gone: &[SnapshotId]) -> Result<u64, Refused> {
    let mut options = PruneOptions::default();
    options.ignore_snaps = gone.to_vec();
    let plan = session.open()?.prune_plan(&options).map_err(Refused::below)?;
    let size = plan.stats.size_sum();
    Ok(size.remove + size.repackrm + plan.stats.size_unref)
}
