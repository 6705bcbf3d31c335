//! Doing a run again: which steps and items of a run that has ended run once more, and with which keys.
//!
//! Everything that is not ok runs again, and every step that needs a step which does. Lists stay as they
//! were; so do the outputs of everything else. Items whose effect is unknown are left out until a person
//! has said what happened.
//!
//! | an item's last attempt | its epoch |
//! |---|---|
//! | ended with effect none and none before it in doubt, partial, resolved as not done, or ok and stale | raised: it acts anew |
//! | ended in doubt, or there was none | stays: the same effect key |

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::ops::Range;

use crate::definition::{Definition, EffectClass, Step};
use crate::event::{BlockCause, Extent, StepRedo};
use crate::failure::{Class, Effect, Failure};
use crate::fold::{Change, Corrupt, Folding, corrupt};
use crate::id::{ItemIndex, StepIndex};
use crate::ranges::{RangeMap, RangeSet};
use crate::state::{
    Asked, Items, Listed, Mark, OpenItem, OpenStage, OutputsState, Phase, RunState, StepPhase,
    StepState,
};
use crate::status::{Counts, StepEnd};

/// Why a run cannot be done again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotReopenable {
    /// It has not ended.
    Active,
    /// Everything in it is ok.
    NothingToDo,
    /// All that is not ok is unknown, and a person must say first what happened.
    OnlyUnknown,
    /// A step that would run again has sealed a backup set, which never changes.
    Sealed,
}

/// The action whose result never changes.
const SEAL: &str = "backup_set.seal";

/// What of an ended run would run again, by step.
///
/// # Errors
/// There is nothing that could.
pub fn plan(definition: &Definition, state: &RunState) -> Result<Vec<StepRedo>, NotReopenable> {
    if !state.is_finished() {
        return Err(NotReopenable::Active);
    }
    let mut again: BTreeSet<StepIndex> = BTreeSet::new();
    let mut redo = Vec::new();
    for index in in_order(definition) {
        let (Some(step), Some(of)) = (definition.step(index), state.step(index)) else {
            continue;
        };
        let stale = step.needs.iter().any(|need| again.contains(need));
        if let Some(extent) = extent(of, stale) {
            again.insert(index);
            redo.push(StepRedo { step: index, extent });
        }
    }
    if redo.iter().any(|redo| has_sealed(definition, state, redo.step)) {
        return Err(NotReopenable::Sealed);
    }
    redo.sort_by_key(|redo| redo.step);
    let outputs_failed = matches!(state.outputs, Some(OutputsState::Failed(_)));
    if !redo.is_empty() || outputs_failed {
        return Ok(redo);
    }
    let in_doubt = state.steps.iter().any(|step| step.items.counts.unknown > 0);
    Err(if in_doubt { NotReopenable::OnlyUnknown } else { NotReopenable::NothingToDo })
}

/// Whether a step has made a backup set. Sealing again, so that the new set supersedes the partial one, comes
/// with the retry of single steps.
fn has_sealed(definition: &Definition, state: &RunState, index: StepIndex) -> bool {
    let seals =
        definition.step(index).and_then(Step::action).is_some_and(|used| used.action == SEAL);
    let end = state.step(index).and_then(|step| step.phase.end());
    seals && matches!(end, Some(StepEnd::Succeeded | StepEnd::Partial))
}

/// Every step after all that it needs.
fn in_order(definition: &Definition) -> Vec<StepIndex> {
    let mut order: Vec<StepIndex> = definition.roots().collect();
    let mut placed: BTreeSet<StepIndex> = order.iter().copied().collect();
    let mut next = 0;
    while let Some(index) = order.get(next).copied() {
        next += 1;
        for dependent in definition.step(index).into_iter().flat_map(|step| &step.needed_by) {
            let ready = definition
                .step(*dependent)
                .is_some_and(|step| step.needs.iter().all(|need| placed.contains(need)));
            if ready && placed.insert(*dependent) {
                order.push(*dependent);
            }
        }
    }
    order
}

fn extent(step: &StepState, stale: bool) -> Option<Extent> {
    let listed = step.listed == Listed::Yes;
    match (step.phase.end()?, stale) {
        (_, true) if listed => Some(Extent::All),
        // A step that was listed in an earlier period keeps its list and its epochs.
        (StepEnd::Blocked(BlockCause::Timeout | BlockCause::Cancelled), false) if listed => {
            Some(Extent::NotOk)
        }
        (_, true) | (StepEnd::Blocked(BlockCause::Timeout | BlockCause::Cancelled), false) => {
            Some(Extent::FromGate)
        }
        (StepEnd::Failed | StepEnd::Partial, false) if listed => {
            let redoable = step.items.not_ok.iter().any(|(_, mark)| mark != Mark::Unknown);
            redoable.then_some(Extent::NotOk)
        }
        (StepEnd::Failed | StepEnd::Partial, false) => Some(Extent::FromGate),
        (StepEnd::Succeeded | StepEnd::Skipped | StepEnd::Blocked(_), false) => None,
    }
}

impl Folding<'_> {
    /// Folds a reopening: resets what runs again, and queues the run.
    pub(crate) fn reopened(&mut self, redo: &[StepRedo]) -> Result<(), Corrupt> {
        Self::expect(self.state.is_finished(), "a run was reopened that had not ended")?;
        for StepRedo { step: index, extent } in redo {
            let (definition, step) = self.step(*index)?;
            if step.phase.end().is_none() {
                return corrupt("a step runs again twice");
            }
            match extent {
                Extent::FromGate if step.listed == Listed::No => *step = StepState::pending(),
                Extent::FromGate => return corrupt("a listed step would be listed again"),
                Extent::All => redo_all(&mut step.items, definition),
                Extent::NotOk => redo_not_ok(&mut step.items, definition),
            }
            (step.phase, step.output, step.failure) = (StepPhase::Pending, None, None);
            self.state.open_steps += 1;
        }
        self.state.phase = Phase::Queued;
        self.state.period += 1;
        self.state.queued_at = self.at;
        self.state.started_at = None;
        self.state.outputs = None;
        self.changes.push(Change::Queued);
        Ok(())
    }

    /// A step that can ask its target asks first about what an earlier period left in doubt.
    pub(crate) fn ask_about_doubts(&mut self, index: StepIndex) -> Result<(), Corrupt> {
        let (definition, step) = self.step(index)?;
        if !can_ask(definition) {
            return Ok(());
        }
        let doubtful: Vec<u32> = step
            .items
            .not_ok
            .iter()
            .filter(|(_, mark)| *mark == Mark::FailedInDoubt)
            .flat_map(|(range, _)| range)
            .collect();
        for item in doubtful.iter().copied() {
            let message = "an earlier attempt ended in doubt";
            let stage = OpenStage::Settling {
                failure: Failure::with_unknown_effect(Class::Interrupted, message),
                effect: Effect::Unknown,
                asked: Asked::No,
            };
            step.items.not_ok.clear(item..item + 1);
            step.items.counts.failed -= 1;
            step.items.doubts.set(item..item + 1, ());
            let note = step.items.notes.remove(&ItemIndex(item));
            step.items.open.insert(ItemIndex(item), OpenItem::new(stage, note));
        }
        self.changes
            .extend(doubtful.into_iter().map(|item| Change::Settling(index, ItemIndex(item))));
        Ok(())
    }
}

fn can_ask(step: &Step) -> bool {
    step.action().is_some_and(|action| action.effect == EffectClass::Probed)
}

/// Lets every item of the range act anew.
fn raise(items: &mut Items, range: Range<u32>) {
    items.doubts.clear(range.clone());
    for (part, epoch) in items.epochs.pieces(range) {
        items.epochs.set(part, epoch.unwrap_or(0) + 1);
    }
}

/// Queues the items that are not ok. What a step can ask its target about stays marked until it starts.
fn redo_not_ok(items: &mut Items, step: &Step) {
    let marks: Vec<_> = items.not_ok.iter().collect();
    for (range, mark) in marks {
        let length = range.end - range.start;
        let counts = &mut items.counts;
        let (anew, counter) = match mark {
            Mark::Unknown => continue,
            Mark::FailedInDoubt if can_ask(step) => continue,
            Mark::ResolvedDone => {
                counts.succeeded += length;
                counts.unknown -= length;
                items.not_ok.clear(range);
                continue;
            }
            Mark::Failed => (true, &mut counts.failed),
            Mark::FailedInDoubt => (false, &mut counts.failed),
            Mark::Partial => (true, &mut counts.partial),
            Mark::ResolvedNotDone => (true, &mut counts.unknown),
            Mark::Untried => (false, &mut counts.untried),
        };
        *counter -= length;
        items.not_ok.clear(range.clone());
        items.queue.set(range.clone(), ());
        if anew {
            raise(items, range);
        }
    }
}

/// Queues every item but the excluded ones: something the step needs runs again. What is unknown, and
/// what the step can ask its target about, stays marked.
fn redo_all(items: &mut Items, step: &Step) {
    let marks: Vec<_> = items.not_ok.iter().collect();
    items.not_ok = RangeMap::new();
    items.queue = RangeSet::new();
    items.queue.set(0..items.total, ());
    for (range, ()) in items.excluded.iter() {
        items.queue.clear(range);
    }
    let mut anew = items.queue.clone();
    let (total, skipped) = (items.counts.total, items.counts.skipped);
    items.counts = Counts { total, skipped, ..Counts::default() };
    for (range, mark) in marks {
        let counter = match mark {
            Mark::Unknown => Some(&mut items.counts.unknown),
            Mark::FailedInDoubt if can_ask(step) => Some(&mut items.counts.failed),
            // The doubt stays with the epoch.
            Mark::FailedInDoubt | Mark::Untried => None,
            Mark::Failed | Mark::Partial | Mark::ResolvedDone | Mark::ResolvedNotDone => continue,
        };
        anew.clear(range.clone());
        if let Some(counter) = counter {
            *counter += range.end - range.start;
            items.queue.clear(range.clone());
            items.not_ok.set(range, mark);
        }
    }
    let anew: Vec<_> = anew.iter().map(|(range, ())| range).collect();
    for range in anew {
        raise(items, range);
    }
}
