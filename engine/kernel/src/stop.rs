//! What follows when a run stops or a step halts: nothing new starts, what only waits ends, what is in flight
//! is cancelled and settled.
//!
//! A stop is a phase: the run keeps what it holds until every attempt in flight is done, cancelled or lost.

use alloc::vec::Vec;

use crate::command::Command;
use crate::decide::Turn;
use crate::event::{BadEnd, Event, Next};
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
            OpenStage::Running(_) | OpenStage::Settling { .. } => None,
            OpenStage::Waiting { failure, next: Next::Probe, .. } => {
                let class = Class::UnknownEffect;
                Some((BadEnd::Unknown, Failure { class, ..failure.clone() }))
            }
            OpenStage::Waiting { failure, next: Next::Attempt, .. }
            | OpenStage::Due { failure: Some(failure) } => {
                Some((BadEnd::Failed, failure.clone().settled(state.items.doubt(item))))
            }
            OpenStage::Due { failure: None } | OpenStage::Sleeping { .. } => {
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
        let steps: Vec<_> = self.definition.numbered().map(|(index, _)| index).collect();
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
        Ok(())
    }
}
