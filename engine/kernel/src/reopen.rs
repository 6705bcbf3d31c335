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

use serde::{Deserialize, Serialize};

use crate::definition::{Definition, EffectClass, Step, Work};
use crate::event::{BlockCause, Extent, StepRedo};
use crate::failure::{Class, Effect, Failure};
use crate::fold::{Change, Corrupt, Folding, corrupt};
use crate::id::{ItemIndex, Millis, StepIndex};
use crate::ranges::{RangeMap, RangeSet};
use crate::state::{
    Asked, Items, Listed, Mark, OpenItem, OpenStage, OutputsState, Phase, RunState, Slots,
    StepPhase, StepState,
};
use crate::status::{Counts, StepEnd};

/// Why a run cannot be done again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotReopenable {
    /// It has not ended.
    Active,
    /// Everything in it, or in what was asked for, is ok.
    NothingToDo,
    /// All that is not ok is unknown, and a person must say first what happened.
    OnlyUnknown,
}

/// What of a run is to be done again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Selection {
    /// Everything that is not ok.
    All,
    /// What is not ok of this step, and what follows it.
    Step(StepIndex),
    /// This item, if it is not ok, and what follows its step.
    Item(StepIndex, ItemIndex),
}

impl Selection {
    const fn takes(self, step: StepIndex) -> bool {
        match self {
            Self::All => true,
            Self::Step(only) | Self::Item(only, _) => only.0 == step.0,
        }
    }
}

/// What of an ended run would run again, by step.
///
/// # Errors
/// There is nothing that could.
pub fn plan(
    definition: &Definition,
    state: &RunState,
    selection: Selection,
) -> Result<Vec<StepRedo>, NotReopenable> {
    if !state.is_finished() {
        return Err(NotReopenable::Active);
    }
    let mut again: BTreeSet<StepIndex> = BTreeSet::new();
    let mut redo = Vec::new();
    for index in in_order(definition) {
        let (Some(step), Some(of)) = (definition.step(index), state.step(index)) else {
            continue;
        };
        // `finally` looks at everything before it.
        let stale = step.needs.iter().any(|need| again.contains(need))
            || (definition.is_of_finally(index)
                && again.iter().any(|step| !definition.is_of_finally(*step)));
        let extent = match (stale, selection.takes(index), selection) {
            (true, _, _) => stale_extent(of),
            (false, true, Selection::Item(_, item)) => item_extent(of, item),
            (false, true, Selection::All | Selection::Step(_)) => extent(of),
            (false, false, _) => None,
        };
        if let Some(extent) = extent {
            again.insert(index);
            redo.push(StepRedo { step: index, extent });
        }
    }
    redo.sort_by_key(|redo| redo.step);
    let outputs_failed = matches!(state.outputs, Some(OutputsState::Failed(_)));
    if !redo.is_empty() || (outputs_failed && selection == Selection::All) {
        return Ok(redo);
    }
    let in_doubt = definition
        .numbered()
        .zip(&state.steps)
        .any(|((index, _), step)| selection.takes(index) && step.items.counts.unknown > 0);
    Err(if in_doubt { NotReopenable::OnlyUnknown } else { NotReopenable::NothingToDo })
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
    order.sort_by_key(|index| definition.is_of_finally(*index));
    order
}

/// How much of a step runs again because something it needs does.
fn stale_extent(step: &StepState) -> Option<Extent> {
    step.phase.end()?;
    Some(if step.listed == Listed::Yes { Extent::All } else { Extent::FromGate })
}

/// How much of a step runs again by itself. A step that was listed in an earlier period keeps its list and its
/// epochs.
fn extent(step: &StepState) -> Option<Extent> {
    let listed = step.listed == Listed::Yes;
    match step.phase.end()? {
        StepEnd::Blocked(BlockCause::Timeout | BlockCause::Cancelled) if listed => {
            Some(Extent::NotOk)
        }
        StepEnd::Failed | StepEnd::Partial if listed => {
            let redoable = step.items.not_ok.iter().any(|(_, mark)| mark != Mark::Unknown);
            redoable.then_some(Extent::NotOk)
        }
        StepEnd::Failed
        | StepEnd::Partial
        | StepEnd::Blocked(BlockCause::Timeout | BlockCause::Cancelled) => Some(Extent::FromGate),
        StepEnd::Succeeded | StepEnd::Skipped | StepEnd::Blocked(_) => None,
    }
}

fn item_extent(step: &StepState, ItemIndex(item): ItemIndex) -> Option<Extent> {
    extent(step)?;
    step.items.not_ok.get(item).filter(|mark| *mark != Mark::Unknown)?;
    let mut items = RangeSet::new();
    items.set(item..item + 1, ());
    Some(Extent::Items(items))
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
                Extent::NotOk => redo_not_ok(&mut step.items, definition, None),
                Extent::Items(items) => redo_not_ok(&mut step.items, definition, Some(items)),
            }
            step.items.left_out = match extent {
                Extent::Items(items) => {
                    let mut left_out = RangeSet::new();
                    step.items.not_ok.iter().for_each(|(range, _)| left_out.set(range, ()));
                    items.iter().for_each(|(range, ())| left_out.clear(range));
                    left_out
                }
                Extent::FromGate | Extent::All | Extent::NotOk => RangeSet::new(),
            };
            step.items.bad_before = step.items.counts.bad();
            step.asks_anew |= *extent == Extent::All;
            // What a person said was done has succeeded, with the output that they gave.
            if definition.for_each.is_some() || step.items.counts.succeeded == 0 {
                step.output = None;
            }
            (step.phase, step.failure) = (StepPhase::Pending, None);
            if self.definition.is_of_finally(*index) {
                self.state.open_finally += 1;
            } else {
                self.state.open_steps += 1;
            }
        }
        self.state.finally_at = None;
        self.state.cancel = None;
        self.state.idle_for = Millis::ZERO;
        self.state.slots = Slots::Held;
        self.state.has_written = false;
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
            .filter(|item| step.items.left_out.get(*item).is_none())
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
            step.items.bad_before = step.items.bad_before.min(step.items.counts.bad());
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

/// Whether an item that is done again acts anew: not if a child run goes on where it ended.
const fn acts_anew(step: &Step) -> bool {
    !matches!(step.work, Work::Child(_))
}

/// Queues the items that are not ok, or those of them that are in `only`. What a step can ask its target about
/// stays marked until it starts.
fn redo_not_ok(items: &mut Items, step: &Step, only: Option<&RangeSet>) {
    let marks: Vec<_> = match only {
        None => items.not_ok.iter().collect(),
        Some(only) => only
            .iter()
            .flat_map(|(range, ())| range)
            .filter_map(|item| Some((item..item + 1, items.not_ok.get(item)?)))
            .collect(),
    };
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
        if anew && acts_anew(step) {
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
    // A step that was skipped counted all of them.
    let (total, skipped) = (items.counts.total, items.excluded.count());
    items.counts = Counts { total, skipped, ..Counts::default() };
    for (range, mark) in marks {
        let counter = match mark {
            Mark::Unknown => Some(&mut items.counts.unknown),
            Mark::FailedInDoubt if can_ask(step) => Some(&mut items.counts.failed),
            // The doubt stays with the epoch: a child that left one goes on, whatever its inputs would be now.
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
    if !acts_anew(step) {
        // A child that is partial, with something in doubt, goes on too; a whole one is done by another.
        for (range, ()) in items.doubts.iter() {
            anew.clear(range);
        }
    }
    let anew: Vec<_> = anew.iter().map(|(range, ())| range).collect();
    for range in anew {
        raise(items, range);
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::String;

    use super::*;
    use crate::id::Digest;

    fn child_step() -> Result<Step, String> {
        let digest = serde_json::to_string(&Digest::of_bytes(b"child"));
        let digest = digest.map_err(|error| format!("{error}"))?;
        let text = format!(
            r#"{{"id":"kids","work":{{"child":{{"workflow":"kid","definition":{digest},"writes":"target"}}}},
"for_each":{{"items":0,"as":"item","batch":1,"min_items":0,"fail_fast":false}},
"needs":[],"needed_by":[],"run_when":"ok","retry":{{"attempts":1,"delay":2000,
"backoff_thousandths":2000,"max_delay":60000,"when":[]}},"on_failure":"fail"}}"#
        );
        serde_json::from_str(&text).map_err(|error| format!("{error}"))
    }

    /// Whole, failed, failed in doubt, partial, partial in doubt.
    fn ended() -> Items {
        let mut items = Items { total: 5, ..Items::default() };
        items.counts =
            Counts { total: 5, succeeded: 1, failed: 2, partial: 2, ..Counts::default() };
        items.not_ok.set(1..2, Mark::Failed);
        items.not_ok.set(2..3, Mark::FailedInDoubt);
        items.not_ok.set(3..5, Mark::Partial);
        items.doubts.set(2..3, ());
        items.doubts.set(4..5, ());
        items
    }

    #[test]
    fn a_stale_child_is_done_by_another_unless_it_left_something_in_doubt() -> Result<(), String> {
        let (step, mut items) = (child_step()?, ended());
        redo_all(&mut items, &step);
        let epochs: Vec<u32> = (0..5).map(|item| items.epoch(ItemIndex(item))).collect();
        assert_eq!(epochs, [1, 1, 0, 1, 0]);
        assert!((0..5).all(|item| items.queue.get(item).is_some()));
        Ok(())
    }

    #[test]
    fn a_child_that_is_not_ok_goes_on_in_any_case() -> Result<(), String> {
        let (step, mut items) = (child_step()?, ended());
        redo_not_ok(&mut items, &step, None);
        assert!((0..5).all(|item| items.epoch(ItemIndex(item)) == 0));
        assert!((0..5).all(|item| items.queue.get(item).is_some() == (item > 0)));
        Ok(())
    }
}
