//! What a run still waits for: which events its host may hand in now.
//!
//! An event that is not admitted is stale: told by an attempt that is over, by a timer that was replaced,
//! or the answer to a question that was answered. It is recorded elsewhere and never folded.

use crate::definition::Definition;
use crate::event::{Event, Question, Timer};
use crate::fan_out;
use crate::id::{AttemptId, ItemIndex, StepIndex};
use crate::state::{Mark, OpenStage, Phase, RunState, StepPhase};

/// Whether the kernel still waits for the answer to a question.
pub fn asks(definition: &Definition, state: &RunState, question: Question) -> bool {
    let phase = |step| state.step(step).map(|step| step.phase);
    match question {
        Question::Gate(step) => phase(step) == Some(StepPhase::Gating),
        Question::Items(step) => phase(step) == Some(StepPhase::Listing),
        Question::Pause(step, item) | Question::Approval(step, item) => {
            state.ready.contains(&step)
                && state.step(step).is_some_and(|step| fan_out::pick(&step.items, 1) == [item])
        }
        Question::Outputs => {
            main_is_over(state) && definition.outputs.is_some() && state.outputs.is_none()
        }
    }
}

/// Whether the main graph has ended and `finally` has not started.
pub(crate) fn main_is_over(state: &RunState) -> bool {
    state.open_steps == 0
        && state.in_flight.is_empty()
        && matches!(state.phase, Phase::Running | Phase::Stopping(_))
}

/// Whether `finally` has started and ended.
pub(crate) fn finally_is_over(state: &RunState) -> bool {
    state.open_finally == 0
        && state.in_flight.is_empty()
        && matches!(state.phase, Phase::Finally(_) | Phase::StoppingFinally { .. })
}

/// Whether the host may hand this event in now. Everything else is stale: told by an attempt that is over,
/// a timer that was replaced, a question already answered.
pub fn admits(definition: &Definition, state: &RunState, event: &Event) -> bool {
    let running = |attempt: &AttemptId, item: &ItemIndex| {
        state.in_flight.get(attempt).is_some_and(|flight| flight.items.contains(item))
    };
    let open = |step: &StepIndex, item: &ItemIndex| {
        state.step(*step).and_then(|step| step.items.open.get(item)).map(|open| &open.stage)
    };
    match event {
        Event::AttemptNoted { attempt, item, .. }
        | Event::AttemptSucceeded { attempt, item, .. }
        | Event::AttemptFailed { attempt, item, .. } => running(attempt, item),
        Event::AttemptLost { attempt, .. } | Event::AttemptInterrupted { attempt, .. } => {
            state.in_flight.contains_key(attempt)
        }
        Event::EffectProbed { step, item, .. } => {
            matches!(open(step, item), Some(OpenStage::Settling { .. }))
        }
        Event::TimerFired { timer: Timer::Item(step, item) } => {
            open(step, item).is_some_and(OpenStage::has_timer)
        }
        Event::TimerFired { timer: Timer::Queue } => state.phase == Phase::Queued,
        Event::HoldGranted => state.wants_slots(),
        // What is left of a time stands still while people are waited for.
        Event::TimerFired { timer: Timer::Run } => {
            state.phase == Phase::Running && state.idle_since.is_none()
        }
        Event::TimerFired { timer: Timer::Finally } => {
            matches!(state.phase, Phase::Finally(_)) && state.idle_since.is_none()
        }
        Event::ApprovalRequested { step, item, .. } => {
            asks(definition, state, Question::Approval(*step, *item))
        }
        Event::ApprovalGiven { step, item, .. } | Event::ApprovalRejected { step, item, .. } => {
            open(step, item).is_some_and(OpenStage::is_awaiting)
        }
        Event::ChildIdle { step, item, idle: now } => {
            matches!(open(step, item), Some(OpenStage::Child { idle, .. }) if idle != now)
        }
        Event::ChildFinished { step, item, .. } | Event::ChildRefused { step, item, .. } => {
            matches!(open(step, item), Some(OpenStage::Child { .. }))
        }
        Event::Evaluated { question, .. } => asks(definition, state, *question),
        Event::ItemsListed { step, .. } => asks(definition, state, Question::Items(*step)),
        Event::EffectResolved { step, item, .. } => state
            .step(*step)
            .is_some_and(|step| step.items.not_ok.get(item.0) == Some(Mark::Unknown)),
        Event::RunJoined { .. } | Event::CancelRequested { .. } => !state.is_finished(),
        Event::RunReopened { .. } => state.is_finished(),
        Event::RunQueued(_)
        | Event::HoldReleased
        | Event::ChildStarted { .. }
        | Event::FinallyStarted
        | Event::RunStarted
        | Event::StepReady { .. }
        | Event::StepSkipped { .. }
        | Event::StepBlocked { .. }
        | Event::AttemptStarted { .. }
        | Event::RetryScheduled { .. }
        | Event::ItemEnded { .. }
        | Event::RunFinished { .. } => false,
    }
}
