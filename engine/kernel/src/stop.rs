//! What follows when a run stops or a step halts: nothing new starts, what only waits ends, what is in flight
//! is cancelled and settled.
//!
//! A stop is a phase: the run keeps what it holds until every attempt in flight is done, cancelled or lost.

use alloc::vec::Vec;

use crate::command::Command;
use crate::decide::Turn;
use crate::event::{BadEnd, CancelKind, Event, Next};
use crate::failure::{Class, Failure};
use crate::fold::Corrupt;
use crate::id::{AttemptId, ItemIndex, StepIndex};
use crate::state::{OpenStage, StepPhase, block_cause};
use crate::status::StopCause;

impl Turn<'_> {
    /// Ends every item of a step that only waits: nothing of it is in flight, and nothing starts any more.
    pub(crate) fn end_waiting(
        &mut self,
        step: StepIndex,
        class: Class,
        why: &str,
    ) -> Result<(), Corrupt> {
        let Some(state) = self.state.step(step) else {
            return Ok(());
        };
        let waiting = |item: ItemIndex, stage: &OpenStage| match stage {
            OpenStage::Running(_) | OpenStage::Settling { .. } | OpenStage::Child { .. } => None,
            OpenStage::Waiting { failure, next: Next::Probe, .. } => {
                let class = Class::UnknownEffect;
                Some((BadEnd::Unknown, Failure { class, ..failure.clone() }))
            }
            OpenStage::Waiting { failure, next: Next::Attempt, .. }
            | OpenStage::Due { failure: Some(failure) } => {
                Some((BadEnd::Failed, failure.clone().settled(state.items.doubt(item))))
            }
            OpenStage::Due { failure: None }
            | OpenStage::Sleeping { .. }
            | OpenStage::Awaiting { .. } => {
                Some((BadEnd::Failed, Failure::without_effect(class, why)))
            }
        };
        let ends: Vec<_> = state
            .items
            .open
            .iter()
            .filter_map(|(item, open)| waiting(*item, &open.stage).map(|end| (*item, end)))
            .collect();
        for (item, (end, failure)) in ends {
            self.emit(Event::ItemEnded { step, item, end, failure })?;
        }
        Ok(())
    }

    pub(crate) fn stop(&mut self, cause: StopCause) -> Result<(), Corrupt> {
        let (class, why) = match cause {
            StopCause::Timeout => (Class::Timeout, "the run's timeout passed"),
            StopCause::QueueTimeout => (Class::Timeout, "the run was queued for too long"),
            StopCause::Cancelled => (Class::Cancelled, "the run was cancelled"),
        };
        let steps: Vec<_> = self
            .definition
            .numbered()
            .map(|(index, _)| index)
            .filter(|index| self.state.is_blocked_by_stop(self.definition, *index))
            .collect();
        for step in steps {
            match self.state.step(step).map(|step| step.phase) {
                Some(StepPhase::Pending | StepPhase::Gating | StepPhase::Listing) => {
                    self.emit(Event::StepBlocked { step, cause: block_cause(cause) })?;
                }
                Some(StepPhase::Running | StepPhase::Halting) => {
                    self.end_waiting(step, class, why)?;
                }
                Some(StepPhase::Final(_)) | None => {}
            }
        }
        let in_flight: Vec<AttemptId> = self.state.in_flight.keys().copied().collect();
        for attempt in in_flight {
            self.command(Command::CancelAttempt { attempt, class });
        }
        self.cancel_children(CancelKind::Cancel);
        Ok(())
    }

    /// Everything in flight is given up at once, and nothing is asked any more.
    pub(crate) fn kill(&mut self) -> Result<(), Corrupt> {
        let in_flight: Vec<AttemptId> = self.state.in_flight.keys().copied().collect();
        for attempt in in_flight {
            let failure = Failure::with_unknown_effect(Class::Cancelled, "the run was killed");
            self.emit(Event::AttemptLost { attempt, failure })?;
            self.command(Command::LoseAttempt { attempt });
        }
        let settling: Vec<_> =
            self.open_items(|stage| matches!(stage, OpenStage::Settling { .. }).then_some(()));
        for (step, item, ()) in settling {
            self.settle_item(step, item)?;
        }
        self.cancel_children(CancelKind::Kill);
        Ok(())
    }

    /// Hands a cancel on to every child that has not ended.
    pub(crate) fn cancel_children(&mut self, how: CancelKind) {
        let children = self.open_items(OpenStage::child);
        for (_, _, run) in children {
            self.command(Command::CancelChild { run, how });
        }
    }

    /// The open items whose stage gives something, with it.
    fn open_items<T>(
        &self,
        of: impl Fn(&OpenStage) -> Option<T>,
    ) -> Vec<(StepIndex, ItemIndex, T)> {
        let steps = self.definition.numbered().map(|(index, _)| index).zip(&self.state.steps);
        let items = steps.flat_map(|(index, step)| {
            step.items.open.iter().map(move |(item, open)| (index, *item, &open.stage))
        });
        items.filter_map(|(step, item, stage)| Some((step, item, of(stage)?))).collect()
    }
}
