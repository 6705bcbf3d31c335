//! Items that wait for something outside of attempts: for a person's word, or for the end of a child run.
//!
//! The rest of the machine in [`crate::attempt`], whose table holds for all of it.

use alloc::boxed::Box;
use alloc::format;

use crate::attempt::{span, take_startable};
use crate::definition::Writes;
use crate::event::{ApprovalAsk, Completeness, Event};
use crate::failure::{Class, Effect, Failure};
use crate::fold::{Change, Corrupt, Folding, corrupt};
use crate::id::{ItemIndex, Millis, RunId, StepIndex};
use crate::item::end_badly;
use crate::payload::Payload;
use crate::state::{Mark, OpenStage};
use crate::status::Outcome;

/// How long a person is waited for where the step does not say: 7 days.
pub const APPROVAL_TIMEOUT: Millis = Millis::seconds(7 * 24 * 60 * 60);

impl Folding<'_> {
    /// Folds one of the events about people and children.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the fold hands these alone in")]
    pub(crate) fn wait_event(&mut self, event: &Event) -> Result<(), Corrupt> {
        match event {
            Event::ApprovalRequested { step, item, ask } => self.item_awaits(*step, *item, ask),
            Event::ApprovalGiven { step, item, output, by: _ } => {
                self.approved(*step, *item, output)
            }
            Event::ApprovalRejected { step, item, failure, by: _ } => {
                self.rejected(*step, *item, failure)
            }
            Event::ChildStarted { step, item, run } => self.child_started(*step, *item, *run),
            Event::ChildIdle { step, item, idle } => self.child_idle(*step, *item, *idle),
            Event::ChildFinished { step, item, outcome, output, in_doubt } => {
                self.child_finished((*step, *item), *outcome, output, *in_doubt)
            }
            Event::ChildRefused { step, item, failure } => {
                self.child_refused(*step, *item, failure)
            }
            _ => corrupt("an event is about no wait"),
        }
    }

    /// A person is asked about an item.
    pub(crate) fn item_awaits(
        &mut self,
        index: StepIndex,
        item: ItemIndex,
        ask: &ApprovalAsk,
    ) -> Result<(), Corrupt> {
        let at = self.at;
        let (definition, step) = self.step(index)?;
        let until = at.plus(definition.timeout.unwrap_or(APPROVAL_TIMEOUT));
        let mut open = take_startable(&mut step.items, item)?;
        open.first_at = Some(at);
        open.stage = OpenStage::Awaiting { ask: Box::new(ask.clone()), until };
        step.items.open.insert(item, open);
        self.state.awaiting += 1;
        self.changes.push(Change::Waiting(index, item));
        self.touch(index)
    }

    pub(crate) fn approved(
        &mut self,
        index: StepIndex,
        item: ItemIndex,
        output: &Payload,
    ) -> Result<(), Corrupt> {
        self.answered(index, item)?;
        self.end_well(index, item, output, Completeness::Whole)
    }

    pub(crate) fn rejected(
        &mut self,
        index: StepIndex,
        item: ItemIndex,
        failure: &Failure,
    ) -> Result<(), Corrupt> {
        self.answered(index, item)?;
        let (_, step) = self.step(index)?;
        step.items.open.remove(&item);
        end_badly(step, item, Mark::Failed, failure);
        self.touch(index)
    }

    /// Nobody answered in time.
    pub(crate) fn unanswered(&mut self, index: StepIndex, item: ItemIndex) -> Result<(), Corrupt> {
        let failure = Failure::without_effect(Class::Rejected, "nobody answered in time");
        self.rejected(index, item, &failure)
    }

    fn answered(&mut self, index: StepIndex, item: ItemIndex) -> Result<(), Corrupt> {
        let (_, step) = self.step(index)?;
        let open = step.items.open.get(&item);
        if !open.is_some_and(|open| matches!(open.stage, OpenStage::Awaiting { .. })) {
            return corrupt("an answer was given that nobody was asked for");
        }
        self.state.awaiting -= 1;
        Ok(())
    }

    /// A child run was decided on.
    pub(crate) fn child_started(
        &mut self,
        index: StepIndex,
        item: ItemIndex,
        run: RunId,
    ) -> Result<(), Corrupt> {
        let at = self.at;
        let live = self.state.phase.is_live();
        Self::expect(live, "a child run started while nothing may")?;
        let (definition, step) = self.step(index)?;
        let writes = definition.writes() == Writes::Target;
        let mut open = take_startable(&mut step.items, item)?;
        open.attempts += 1;
        open.first_at = Some(at);
        open.stage = OpenStage::Child { run, idle: false };
        step.items.open.insert(item, open);
        self.state.has_written |= writes;
        self.touch(index)
    }

    /// A child run waits for people and nothing else, or does so no more.
    pub(crate) fn child_idle(
        &mut self,
        index: StepIndex,
        item: ItemIndex,
        now: bool,
    ) -> Result<(), Corrupt> {
        match self.step(index)?.1.items.open.get_mut(&item).map(|open| &mut open.stage) {
            Some(OpenStage::Child { idle, .. }) => {
                *idle = now;
                Ok(())
            }
            _ => corrupt("a child run waits that the item does not have"),
        }
    }

    /// A child run ended. An item whose child failed or is partial keeps its epoch: a retry lets the same child
    /// go on.
    pub(crate) fn child_finished(
        &mut self,
        (index, item): (StepIndex, ItemIndex),
        outcome: Outcome,
        output: &Payload,
        in_doubt: bool,
    ) -> Result<(), Corrupt> {
        let run = self.child(index, item)?;
        let completeness = match outcome {
            Outcome::Succeeded => Completeness::Whole,
            Outcome::Partial => Completeness::Partial,
            Outcome::Failed(reason) => {
                let message = format!("the child run {run} failed: {}", reason.word());
                let effect = if in_doubt { Effect::Unknown } else { Effect::None };
                let failure =
                    Failure { effect, ..Failure::without_effect(Class::Permanent, message) };
                return self.child_lost(index, item, &failure);
            }
        };
        self.end_well(index, item, output, completeness)?;
        if in_doubt && completeness == Completeness::Partial {
            self.step(index)?.1.items.doubts.set(span(item), ());
        }
        Ok(())
    }

    /// A child run could not be queued.
    pub(crate) fn child_refused(
        &mut self,
        index: StepIndex,
        item: ItemIndex,
        failure: &Failure,
    ) -> Result<(), Corrupt> {
        self.child(index, item)?;
        self.child_lost(index, item, failure)
    }

    fn child_lost(
        &mut self,
        index: StepIndex,
        item: ItemIndex,
        failure: &Failure,
    ) -> Result<(), Corrupt> {
        let (_, step) = self.step(index)?;
        step.items.open.remove(&item);
        let mark = match failure.effect {
            Effect::None => Mark::Failed,
            Effect::Unknown => Mark::FailedInDoubt,
        };
        if mark == Mark::FailedInDoubt {
            step.items.doubts.set(span(item), ());
        }
        end_badly(step, item, mark, failure);
        self.touch(index)
    }

    fn child(&mut self, index: StepIndex, item: ItemIndex) -> Result<RunId, Corrupt> {
        match self.step(index)?.1.items.open.get(&item).map(|open| &open.stage) {
            Some(OpenStage::Child { run, .. }) => Ok(*run),
            _ => corrupt("a child run ended that the item does not have"),
        }
    }
}
