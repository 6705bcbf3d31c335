//! Folds events into the state of a run: for a decision just made, for a replay, for a reader.
//!
//! The fold decides nothing. It is total over what the kernel itself produced; anything else is
//! [`Corrupt`]. What happens to items is in [`crate::attempt`], what a reopening resets in
//! [`crate::reopen`].

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::fmt;

use crate::definition::{Definition, OnFailure, Step};
use crate::event::{Answer, BlockCause, Event, Listing, Question, Request, Timer};
use crate::failure::{Class, Failure};
use crate::fan_out;
use crate::id::{AttemptId, Instant, ItemIndex, Millis, StepIndex};
use crate::ranges::RangeSet;
use crate::state::{
    Behind, Items, Listed, Mark, OutputsState, Phase, RunState, Slots, StepPhase, StepState,
    block_cause,
};
use crate::status::{Outcome, Reason, StepEnd, StopCause, step_end};

/// An event that does not fit the state: no kernel produced it after the events before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt {
    /// What does not fit.
    pub reason: &'static str,
}

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason)
    }
}

impl core::error::Error for Corrupt {}

/// A refusal with its reason.
pub(crate) const fn corrupt<T>(reason: &'static str) -> Result<T, Corrupt> {
    Err(Corrupt { reason })
}

/// What a fold changed that calls for a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The run waits for its slot and hold.
    Queued,
    /// It has them.
    Granted,
    /// It started.
    Started,
    /// `finally` started.
    FinallyStarted,
    /// It gave its slots back: it only waits for people.
    Idle,
    /// It does not only wait for people any more.
    Resumed,
    /// What is in flight is given up.
    Killed,
    /// It was cancelled once more while it stops.
    CancelledAgain,
    /// All that a step needs is final.
    Gating(StepIndex),
    /// A step's `if` is true.
    GateOpen(StepIndex),
    /// A step's `if` is false.
    GateShut(StepIndex),
    /// A step waits for its list.
    Listing(StepIndex),
    /// An item's attempt ended without success.
    Settling(StepIndex, ItemIndex),
    /// A step takes no more items.
    Halted(StepIndex),
    /// No step starts any more.
    Stopped(StopCause),
    /// A wait began.
    Waiting(StepIndex, ItemIndex),
}

/// The state of a run that was just queued.
pub fn begin(definition: &Definition, request: &Request, at: Instant) -> RunState {
    RunState {
        request: Box::new(request.clone()),
        phase: Phase::Queued,
        queued_at: at,
        started_at: None,
        period: 0,
        steps: definition.steps.iter().map(|_| StepState::pending()).collect(),
        open_steps: number(definition.main_steps().count()),
        open_finally: number(definition.finally_steps().count()),
        finally_at: None,
        cancel: None,
        awaiting: 0,
        idle_since: None,
        idle_for: Millis::ZERO,
        slots: Slots::Held,
        has_written: false,
        in_flight: BTreeMap::new(),
        next_attempt: AttemptId(1),
        ready: BTreeSet::new(),
        cursor: StepIndex(0),
        outputs: None,
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Folds one event that happened at `at` into `state`. Says what changed that calls for a decision; a
/// reader ignores that.
///
/// # Errors
/// The event does not fit: the journal is not what a kernel wrote. The state is then not to be used.
pub fn fold(
    definition: &Definition,
    state: &mut RunState,
    event: &Event,
    at: Instant,
) -> Result<Vec<Change>, Corrupt> {
    let mut folding = Folding { definition, state, at, changes: Vec::new() };
    folding.event(event)?;
    folding.end_idleness();
    Ok(folding.changes)
}

/// One fold in progress.
pub(crate) struct Folding<'a> {
    pub(crate) definition: &'a Definition,
    pub(crate) state: &'a mut RunState,
    pub(crate) at: Instant,
    pub(crate) changes: Vec<Change>,
}

impl Folding<'_> {
    fn event(&mut self, event: &Event) -> Result<(), Corrupt> {
        match event {
            Event::RunQueued(_) => corrupt("a run was queued twice"),
            Event::RunJoined { by: _ } => Ok(()),
            Event::HoldGranted => self.granted(),
            Event::RunStarted => self.started(),
            Event::HoldReleased => self.hold_released(),
            Event::CancelRequested { how, by: _ } => self.cancel_requested(*how),
            Event::FinallyStarted => self.finally_started(),
            Event::Evaluated { question, answer } => self.evaluated(*question, answer),
            Event::StepReady { step } => self.step_ready(*step),
            Event::StepSkipped { step } => self.step_skipped(*step),
            Event::StepBlocked { step, cause } => self.step_blocked(*step, *cause),
            Event::ItemsListed { step, listing } => self.items_listed(*step, listing),
            Event::TimerFired { timer: Timer::Queue } => self.stop(StopCause::QueueTimeout),
            Event::TimerFired { timer: Timer::Run | Timer::Finally } => {
                self.stop(StopCause::Timeout)
            }
            Event::RunReopened { redo, by: _ } => self.reopened(redo),
            Event::RunFinished { outcome: Outcome::Failed(Reason::Internal) } => self.abandoned(),
            Event::RunFinished { outcome } => {
                let open = self.state.open_steps + self.state.open_finally;
                let idle = open == 0 && self.state.in_flight.is_empty();
                Self::expect(idle && !self.state.is_finished(), "a run ended with a step open")?;
                self.state.phase = Phase::Finished(*outcome);
                Ok(())
            }
            Event::AttemptStarted { .. }
            | Event::AttemptNoted { .. }
            | Event::AttemptSucceeded { .. }
            | Event::AttemptFailed { .. }
            | Event::AttemptLost { .. }
            | Event::AttemptInterrupted { .. }
            | Event::EffectProbed { .. }
            | Event::RetryScheduled { .. }
            | Event::ItemEnded { .. }
            | Event::TimerFired { timer: Timer::Item(..) }
            | Event::ApprovalRequested { .. }
            | Event::ApprovalGiven { .. }
            | Event::ApprovalRejected { .. }
            | Event::ChildStarted { .. }
            | Event::ChildIdle { .. }
            | Event::ChildFinished { .. }
            | Event::ChildRefused { .. }
            | Event::EffectResolved { .. } => self.item_event(event),
        }
    }

    pub(crate) fn expect(holds: bool, reason: &'static str) -> Result<(), Corrupt> {
        if holds { Ok(()) } else { corrupt(reason) }
    }

    /// A step's definition and state.
    pub(crate) fn step(&mut self, index: StepIndex) -> Result<(&Step, &mut StepState), Corrupt> {
        match (self.definition.step(index), self.state.steps.get_mut(index.place())) {
            (Some(step), Some(state)) => Ok((step, state)),
            _ => corrupt("an event names a step that is not there"),
        }
    }

    fn granted(&mut self) -> Result<(), Corrupt> {
        Self::expect(self.state.wants_slots(), "a hold was granted to a run that does not wait")?;
        self.state.slots = Slots::Held;
        if self.state.phase.is_live() {
            return Ok(());
        }
        self.state.phase = Phase::Granted;
        self.changes.push(Change::Granted);
        Ok(())
    }

    fn started(&mut self) -> Result<(), Corrupt> {
        Self::expect(self.state.phase == Phase::Granted, "a run started without its hold")?;
        self.state.phase = Phase::Running;
        self.state.started_at = Some(self.at);
        self.changes.push(Change::Started);
        for index in self.definition.main_steps() {
            self.open_gate(index)?;
        }
        Ok(())
    }

    /// Takes a pending step to its gate if all that it needs directly is final.
    pub(crate) fn open_gate(&mut self, index: StepIndex) -> Result<(), Corrupt> {
        let (definition, step) = self.step(index)?;
        if step.phase != StepPhase::Pending {
            return Ok(());
        }
        let needs = definition.needs.clone();
        let Some(behind) = self.behind(&needs)? else {
            return Ok(());
        };
        let (_, step) = self.step(index)?;
        step.phase = StepPhase::Gating;
        step.behind = behind;
        self.changes.push(Change::Gating(index));
        Ok(())
    }

    /// What these needs and all behind them came to; none if one of them is not final. A step that a stop blocked
    /// never looked at what lies behind it, so that is looked at here.
    fn behind(&mut self, needs: &[StepIndex]) -> Result<Option<Behind>, Corrupt> {
        let mut behind = Behind::default();
        let mut open = needs.to_vec();
        let mut seen = BTreeSet::new();
        while let Some(need) = open.pop() {
            let (definition, step) = self.step(need)?;
            let Some(end) = step.phase.end() else {
                return Ok(None);
            };
            behind = behind.with(step.behind).with(finding(end, definition.on_failure));
            let unseen =
                matches!(end, StepEnd::Blocked(BlockCause::Cancelled | BlockCause::Timeout));
            if unseen && seen.insert(need) {
                open.extend(&definition.needs);
            }
        }
        Ok(Some(behind))
    }

    fn evaluated(&mut self, question: Question, answer: &Answer) -> Result<(), Corrupt> {
        match (question, answer) {
            (Question::Gate(step), Answer::Boolean(open)) => {
                let (_, state) = self.step(step)?;
                let asked = state.phase == StepPhase::Gating;
                Self::expect(asked, "a gate was answered that was not asked")?;
                let change = if *open { Change::GateOpen } else { Change::GateShut };
                self.changes.push(change(step));
                Ok(())
            }
            (Question::Gate(step) | Question::Items(step), Answer::Failed(failure)) => {
                let (_, state) = self.step(step)?;
                let asked = matches!(state.phase, StepPhase::Gating | StepPhase::Listing);
                state.failure = Some(failure.clone());
                Self::expect(asked, "an expression was answered that was not asked")?;
                self.end_step(step, StepEnd::Failed)
            }
            (Question::Pause(step, item), Answer::Duration(length)) => {
                let until = self.at.plus(*length);
                self.item_sleeps(step, item, until)
            }
            (
                Question::Pause(step, item) | Question::Approval(step, item),
                Answer::Failed(failure),
            ) => self.item_cannot_wait(step, item, failure),
            (Question::Outputs, Answer::Outputs(outputs)) => {
                self.state.outputs = Some(OutputsState::Known(outputs.clone()));
                Ok(())
            }
            (Question::Outputs, Answer::Failed(failure)) => {
                self.state.outputs = Some(OutputsState::Failed(failure.clone()));
                Ok(())
            }
            _ => corrupt("an answer does not fit its question"),
        }
    }

    fn step_ready(&mut self, index: StepIndex) -> Result<(), Corrupt> {
        let (definition, step) = self.step(index)?;
        if step.phase != StepPhase::Gating {
            return corrupt("a step became ready that was not at its gate");
        }
        step.asks_anew = false;
        match (&definition.for_each, step.listed) {
            (Some(_), Listed::No) => {
                step.phase = StepPhase::Listing;
                self.changes.push(Change::Listing(index));
                return Ok(());
            }
            (None, Listed::No) => {
                step.items = Items::single();
                step.listed = Listed::Yes;
            }
            (_, Listed::Yes) => {}
        }
        step.phase = StepPhase::Running;
        self.ask_about_doubts(index)?;
        self.touch(index)
    }

    fn step_skipped(&mut self, index: StepIndex) -> Result<(), Corrupt> {
        let (_, step) = self.step(index)?;
        let fits = step.phase == StepPhase::Gating;
        Self::expect(fits, "a step was skipped that was not at its gate")?;
        if step.items.not_ok.is_empty() {
            return self.end_step(index, StepEnd::Skipped);
        }
        // An earlier period left something in doubt in it: that is not made good by a step that is not wanted now.
        leave_untried(&mut step.items);
        let (definition, step) = self.step(index)?;
        let end = step_end(&step.items.counts, definition.for_each.as_ref());
        self.end_step(index, end)
    }

    fn step_blocked(&mut self, index: StepIndex, cause: BlockCause) -> Result<(), Corrupt> {
        let (_, step) = self.step(index)?;
        let fits =
            matches!(step.phase, StepPhase::Pending | StepPhase::Gating | StepPhase::Listing);
        Self::expect(fits, "a step was blocked that had started or ended")?;
        self.end_step(index, StepEnd::Blocked(cause))
    }

    fn items_listed(&mut self, index: StepIndex, listing: &Listing) -> Result<(), Corrupt> {
        let (_, step) = self.step(index)?;
        if step.phase != StepPhase::Listing || step.listed == Listed::Yes {
            return corrupt("items were listed for a step that did not ask");
        }
        step.items = Items::listed(listing);
        step.listed = Listed::Yes;
        step.phase = StepPhase::Running;
        self.touch(index)
    }

    /// Ends the step if all its items have ended, or halts it if `fail_fast` says so; keeps `ready` true.
    pub(crate) fn touch(&mut self, index: StepIndex) -> Result<(), Corrupt> {
        let stop = self.state.phase.stopped_by();
        let (definition, step) = self.step(index)?;
        let fan_out = definition.for_each.as_ref();
        if !matches!(step.phase, StepPhase::Running | StepPhase::Halting) {
            return Ok(());
        }
        // It was let through, and no item of it got a place.
        let counts = &step.items.counts;
        let never_began = step.items.open.is_empty() && counts.ended() == counts.skipped;
        let halts = fan_out.is_some_and(|fan_out| {
            let allowed =
                fan_out.max_failed.map_or(0, |share| share.of(step.items.counts.wanted()));
            let bad = step.items.counts.bad().saturating_sub(step.items.bad_before);
            fan_out.fail_fast && bad > allowed
        });
        let halts_now = halts && step.phase == StepPhase::Running;
        if halts_now {
            step.phase = StepPhase::Halting;
        }
        if halts_now || stop.is_some() {
            leave_untried(&mut step.items);
        }
        let done = step.items.queue.is_empty() && step.items.open.is_empty();
        let end = match stop {
            Some(cause) if never_began && step.items.counts.untried > 0 => {
                StepEnd::Blocked(block_cause(cause))
            }
            _ => step_end(&step.items.counts, fan_out),
        };
        let batch = definition.batch();
        let startable = fan_out::is_startable(&step.items, batch);
        if halts_now {
            self.changes.push(Change::Halted(index));
        }
        if done {
            return self.end_step(index, end);
        }
        if startable {
            self.state.ready.insert(index);
        } else {
            self.state.ready.remove(&index);
        }
        Ok(())
    }

    fn end_step(&mut self, index: StepIndex, end: StepEnd) -> Result<(), Corrupt> {
        let stop = self.state.phase.stopped_by();
        let (definition, step) = self.step(index)?;
        if step.phase.end().is_some() {
            return corrupt("a step ended twice");
        }
        step.phase = StepPhase::Final(end);
        // A step that is done again may be blocked or skipped this time: what was queued for it never starts.
        if end == StepEnd::Skipped {
            step.items.counts.skipped += step.items.queue.count();
            step.items.queue = RangeSet::new();
        }
        leave_untried(&mut step.items);
        match end {
            StepEnd::Failed if step.failure.is_none() => step.failure = Some(no_item(step, stop)),
            // What failed before was resolved, or did not count.
            StepEnd::Succeeded => step.failure = None,
            StepEnd::Failed | StepEnd::Partial | StepEnd::Skipped | StepEnd::Blocked(_) => {}
        }
        let dependents = definition.needed_by.clone();
        self.state.ready.remove(&index);
        if self.definition.is_of_finally(index) {
            self.state.open_finally -= 1;
        } else {
            self.state.open_steps -= 1;
        }
        if self.state.phase.is_live() {
            for dependent in dependents {
                self.open_gate(dependent)?;
            }
        }
        Ok(())
    }
}

/// Why a step failed of which no item says so.
fn no_item(step: &StepState, stop: Option<StopCause>) -> Failure {
    let (class, message) = match stop {
        Some(StopCause::Timeout | StopCause::QueueTimeout) => {
            (Class::Timeout, "the run's timeout passed before all items were tried")
        }
        Some(StopCause::Cancelled) => {
            (Class::Cancelled, "the run was cancelled before all items were tried")
        }
        None if step.items.counts.bad() > 0 => {
            (Class::Permanent, "more items than it allows are not ok")
        }
        None => (Class::Invalid, "the fan-out has fewer items than `min_items` asks for"),
    };
    Failure::without_effect(class, message)
}

/// What a step's end means for what comes after it.
fn finding(end: StepEnd, on_failure: OnFailure) -> Behind {
    match (end, on_failure) {
        (StepEnd::Succeeded | StepEnd::Skipped, _) => Behind::default(),
        (StepEnd::Partial, _) => Behind::PARTIAL,
        (StepEnd::Failed, OnFailure::Fail) => Behind::FAILED,
        (StepEnd::Failed, OnFailure::Continue) => Behind::TOLERATED,
        (StepEnd::Blocked(BlockCause::Partial), _) => Behind::BLOCKED_PARTIAL,
        (StepEnd::Blocked(_), _) => Behind::BLOCKED_FAILURE,
    }
}

/// Every item that has not started is untried.
pub(crate) fn leave_untried(items: &mut Items) {
    let ranges: Vec<_> = items.queue.iter().map(|(range, ())| range).collect();
    for range in ranges {
        items.counts.untried += range.end - range.start;
        items.not_ok.set(range, Mark::Untried);
    }
    items.queue = RangeSet::new();
}
