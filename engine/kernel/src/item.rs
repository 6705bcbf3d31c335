//! How an item ends, sleeps, wakes, or is sent on by a person: the other half of the machine in
//! [`crate::attempt`], whose table holds for both.

use crate::attempt::{span, take_startable};
use crate::event::{BadEnd, Completeness, Next, Verdict};
use crate::failure::{Effect, Failure};
use crate::fold::{Change, Corrupt, Folding, corrupt};
use crate::id::{Instant, ItemIndex, StepIndex};
use crate::payload::Payload;
use crate::state::{Asked, Mark, OpenItem, OpenStage, StepPhase, StepState};

impl Folding<'_> {
    pub(crate) fn item_ended(
        &mut self,
        index: StepIndex,
        item: ItemIndex,
        end: BadEnd,
        failure: &Failure,
    ) -> Result<(), Corrupt> {
        let (_, step) = self.step(index)?;
        let items = &mut step.items;
        let Some(open) = items.open.get(&item) else {
            return corrupt("an item ended that is not open");
        };
        if matches!(open.stage, OpenStage::Running(_) | OpenStage::Child { .. }) {
            return corrupt("an item ended with an attempt in flight");
        }
        let mark = match (end, failure.effect) {
            (BadEnd::Unknown, _) => Mark::Unknown,
            (BadEnd::Failed, Effect::None) => Mark::Failed,
            (BadEnd::Failed, Effect::Unknown) => Mark::FailedInDoubt,
        };
        if let (Mark::Unknown | Mark::FailedInDoubt, Some(note)) = (mark, open.note.clone()) {
            items.notes.insert(item, note);
        }
        let awaited = matches!(open.stage, OpenStage::Awaiting { .. });
        items.open.remove(&item);
        items.due.remove(&item);
        end_badly(step, item, mark, failure);
        self.state.awaiting -= u32::from(awaited);
        self.touch(index)
    }

    pub(crate) fn item_woke(&mut self, index: StepIndex, item: ItemIndex) -> Result<(), Corrupt> {
        let (_, step) = self.step(index)?;
        let Some(open) = step.items.open.get_mut(&item) else {
            return corrupt("a timer rang for an item that is not open");
        };
        match &open.stage {
            OpenStage::Sleeping { .. } => {
                return self.end_well(index, item, &Payload::empty(), Completeness::Whole);
            }
            OpenStage::Waiting { failure, next: Next::Attempt, .. } => {
                open.stage = OpenStage::Due { failure: Some(failure.clone()) };
                step.items.due.insert(item);
            }
            OpenStage::Waiting { failure, effect, next: Next::Probe, .. } => {
                let (failure, effect) = (failure.clone(), *effect);
                open.stage = OpenStage::Settling { failure, effect, asked: Asked::No };
                self.changes.push(Change::Settling(index, item));
            }
            OpenStage::Awaiting { .. } => return self.unanswered(index, item),
            OpenStage::Running(_)
            | OpenStage::Settling { .. }
            | OpenStage::Due { .. }
            | OpenStage::Child { .. } => {
                return corrupt("a timer rang for an item that does not wait");
            }
        }
        self.touch(index)
    }

    pub(crate) fn resolved(
        &mut self,
        index: StepIndex,
        item: ItemIndex,
        verdict: &Verdict,
    ) -> Result<(), Corrupt> {
        let goes_on = self.state.phase.is_live();
        let (_, step) = self.step(index)?;
        let items = &mut step.items;
        if items.not_ok.get(item.0) != Some(Mark::Unknown) {
            return corrupt("an effect was resolved that is not unknown");
        }
        let goes_on = goes_on && step.phase == StepPhase::Running;
        let span = span(item);
        match (verdict, goes_on) {
            (Verdict::Done(_), true) => {
                items.not_ok.clear(span);
                items.counts.unknown -= 1;
                items.counts.succeeded += 1;
                items.notes.remove(&item);
            }
            (Verdict::NotDone, true) => {
                items.not_ok.clear(span.clone());
                items.counts.unknown -= 1;
                items.doubts.clear(span);
                let note = items.notes.remove(&item);
                items.open.insert(item, OpenItem::new(OpenStage::Due { failure: None }, note));
                items.due.insert(item);
            }
            (Verdict::Done(output), false) => {
                items.not_ok.set(span, Mark::ResolvedDone);
                step.output = Some(output.clone());
            }
            (Verdict::NotDone, false) => items.not_ok.set(span, Mark::ResolvedNotDone),
        }
        self.touch(index)
    }

    /// An item of a `sleep` begins to wait.
    pub(crate) fn item_sleeps(
        &mut self,
        index: StepIndex,
        item: ItemIndex,
        until: Instant,
    ) -> Result<(), Corrupt> {
        let at = self.at;
        let (_, step) = self.step(index)?;
        let mut open = take_startable(&mut step.items, item)?;
        open.first_at = Some(at);
        open.stage = OpenStage::Sleeping { until };
        step.items.open.insert(item, open);
        self.changes.push(Change::Waiting(index, item));
        self.touch(index)
    }

    /// An item of a `sleep` or an approval whose `with` could not be evaluated.
    pub(crate) fn item_cannot_wait(
        &mut self,
        index: StepIndex,
        item: ItemIndex,
        failure: &Failure,
    ) -> Result<(), Corrupt> {
        let (_, step) = self.step(index)?;
        take_startable(&mut step.items, item)?;
        end_badly(step, item, Mark::Failed, failure);
        self.touch(index)
    }

    pub(crate) fn end_well(
        &mut self,
        index: StepIndex,
        item: ItemIndex,
        output: &Payload,
        completeness: Completeness,
    ) -> Result<(), Corrupt> {
        let (definition, step) = self.step(index)?;
        step.items.open.remove(&item);
        step.items.doubts.clear(span(item));
        match completeness {
            Completeness::Whole => step.items.counts.succeeded += 1,
            Completeness::Partial => {
                step.items.counts.partial += 1;
                step.items.not_ok.set(span(item), Mark::Partial);
            }
        }
        if definition.for_each.is_none() {
            step.output = Some(output.clone());
        }
        self.touch(index)
    }
}

pub(crate) fn end_badly(step: &mut StepState, item: ItemIndex, mark: Mark, failure: &Failure) {
    let counts = &mut step.items.counts;
    match mark {
        Mark::Unknown => counts.unknown += 1,
        Mark::Failed
        | Mark::FailedInDoubt
        | Mark::Partial
        | Mark::ResolvedDone
        | Mark::ResolvedNotDone
        | Mark::Untried => counts.failed += 1,
    }
    step.items.not_ok.set(span(item), mark);
    if step.failure.is_none() {
        step.failure = Some(failure.clone());
    }
}
