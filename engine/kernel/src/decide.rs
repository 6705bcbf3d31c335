//! What a run does next: an event comes in, events to journal and commands to carry out come back.
//!
//! A decision folds what it decides, so that one turn can reach a fixed point; the state is then that of a
//! fold over the same events. If the commit fails the host drops the state. Items that could start wait
//! for places, which the host reserves and hands in.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::ops::Bound::{Excluded, Unbounded};

use crate::admit::{finally_is_over, main_is_over};
use crate::command::{Command, ItemTry};
use crate::definition::{Definition, EffectClass, Step, Work};
use crate::effect::{Case, GoesOn, Settlement, settle};
use crate::event::{BlockCause, CancelKind, Event, Question, Request, Timer};
use crate::failure::Class;
use crate::fan_out;
use crate::fold::{Change, Corrupt, begin, fold};
use crate::id::{Instant, ItemIndex, Millis, StepIndex};
use crate::order::{Gate, gate};
use crate::queue::QUEUE_TIMEOUT;
use crate::retry::Jitter;
use crate::state::{Cancel, Listed, OpenStage, Phase, RunState, Slots, StepPhase};
use crate::status::run_outcome;

/// When a decision is made, and the places it may fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The instant that is journaled with the events.
    pub at: Instant,
    /// The places reserved for this run.
    pub free: Places,
}

/// Places for attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// In the process.
    pub process: u32,
    /// At the run's target; needed besides by attempts that work on it.
    pub target: u32,
}

/// What was decided.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    /// To be journaled, in this order, before any command leaves.
    pub events: Vec<Event>,
    /// To be carried out, in this order, once the events are durable.
    pub commands: Vec<Command>,
}

/// The first decision of a run: it is queued.
pub fn queue(definition: &Definition, request: Request, stamp: Stamp) -> (RunState, Decision) {
    let state = begin(definition, &request, stamp.at);
    let events = [Event::RunQueued(alloc::boxed::Box::new(request))].into();
    let commands = queue_commands().into();
    (state, Decision { events, commands })
}

/// What follows from an event. The state is left as after all the events of the decision.
///
/// # Errors
/// The event does not fit the state. The state is then not to be used any more.
pub fn decide(
    definition: &Definition,
    state: &mut RunState,
    event: Event,
    stamp: Stamp,
) -> Result<Decision, Corrupt> {
    let mut turn = Turn::new(definition, state, stamp);
    turn.emit(event)?;
    turn.settle_and_issue()?;
    Ok(turn.decision)
}

/// What follows from places that became free.
///
/// # Errors
/// The state does not fit its definition.
pub fn grant(
    definition: &Definition,
    state: &mut RunState,
    stamp: Stamp,
) -> Result<Decision, Corrupt> {
    let mut turn = Turn::new(definition, state, stamp);
    turn.settle_and_issue()?;
    Ok(turn.decision)
}

/// The commands that are not answered yet, for a host that has just read the state: attempts in flight
/// are not among them: they died with the last host.
///
/// # Errors
/// The state does not fit its definition.
pub fn outstanding(
    definition: &Definition,
    state: &mut RunState,
    at: Instant,
) -> Result<Vec<Command>, Corrupt> {
    let free = Places::default();
    let queued = state.phase == Phase::Queued;
    let mut turn = Turn::new(definition, state, Stamp { at, free });
    if queued {
        let left = QUEUE_TIMEOUT.0.saturating_sub(at.since(turn.state.queued_at).0);
        turn.command(Command::SetTimer { timer: Timer::Queue, duration: Millis(left) });
        turn.command(Command::AcquireHold);
        return Ok(turn.decision.commands);
    }
    turn.set_time();
    for (index, _) in definition.numbered() {
        turn.outstanding_of_step(index)?;
    }
    turn.settle_and_issue()?;
    debug_assert!(turn.decision.events.is_empty(), "reading a state decides nothing");
    Ok(turn.decision.commands)
}

const fn queue_commands() -> [Command; 2] {
    [Command::SetTimer { timer: Timer::Queue, duration: QUEUE_TIMEOUT }, Command::AcquireHold]
}

/// One decision in progress.
pub(crate) struct Turn<'a> {
    pub(crate) definition: &'a Definition,
    pub(crate) state: &'a mut RunState,
    stamp: Stamp,
    agenda: VecDeque<Change>,
    decision: Decision,
}

impl<'a> Turn<'a> {
    fn new(definition: &'a Definition, state: &'a mut RunState, stamp: Stamp) -> Self {
        Self { definition, state, stamp, agenda: VecDeque::new(), decision: Decision::default() }
    }

    pub(crate) fn emit(&mut self, event: Event) -> Result<(), Corrupt> {
        self.agenda.extend(fold(self.definition, self.state, &event, self.stamp.at)?);
        self.decision.events.push(event);
        Ok(())
    }

    pub(crate) fn command(&mut self, command: Command) {
        self.decision.commands.push(command);
    }

    /// Works off what changed, fills the free places, and ends the run if nothing is left to do.
    fn settle_and_issue(&mut self) -> Result<(), Corrupt> {
        while let Some(change) = self.agenda.pop_front() {
            self.follow(change)?;
        }
        self.ask_about_waits();
        self.start_children()?;
        self.fill_places()?;
        if self.state.idle_since.is_none() && self.state.only_awaits() {
            self.emit(Event::HoldReleased)?;
            return self.settle_and_issue();
        }
        self.finish()
    }

    fn follow(&mut self, change: Change) -> Result<(), Corrupt> {
        match change {
            Change::Queued => {
                self.decision.commands.extend(queue_commands());
                Ok(())
            }
            Change::Granted => self.emit(Event::RunStarted),
            Change::Started | Change::FinallyStarted | Change::Resumed => {
                self.set_time();
                Ok(())
            }
            Change::Idle => {
                let timer = self.time();
                self.command(Command::ClearTimer { timer });
                Ok(())
            }
            Change::Killed => self.kill(),
            Change::CancelledAgain => {
                self.cancel_children(CancelKind::Cancel);
                Ok(())
            }
            Change::Gating(step) => self.ask_gate(step),
            Change::GateOpen(step) => self.emit(Event::StepReady { step }),
            Change::GateShut(step) => self.emit(Event::StepSkipped { step }),
            Change::Listing(step) => {
                self.command(Command::Evaluate(Question::Items(step)));
                Ok(())
            }
            Change::Settling(step, item) => self.settle_item(step, item),
            Change::Halted(step) => {
                self.end_waiting(step, Class::Permanent, "the step was stopped by `fail_fast`")
            }
            Change::Stopped(cause) => self.stop(cause),
            Change::Waiting(step, item) => {
                self.set_item_timer(step, item);
                Ok(())
            }
        }
    }

    /// The timer of the graph that goes on.
    fn time(&self) -> Timer {
        if matches!(self.state.phase, Phase::Finally(_)) { Timer::Finally } else { Timer::Run }
    }

    fn set_time(&mut self) {
        let timer = self.time();
        if let Some(duration) = self.state.time_left(self.definition, self.stamp.at) {
            self.command(Command::SetTimer { timer, duration });
        }
    }

    fn ask_gate(&mut self, step: StepIndex) -> Result<(), Corrupt> {
        let Some((definition, state)) = self.definition.step(step).zip(self.state.step(step))
        else {
            return Ok(());
        };
        if state.phase != StepPhase::Gating {
            return Ok(());
        }
        match gate(self.definition, self.state, step) {
            Gate::Skip => self.emit(Event::StepSkipped { step }),
            Gate::Block(cause) => self.emit(Event::StepBlocked { step, cause }),
            Gate::Open
                if definition.condition.is_some()
                    && (state.listed == Listed::No || state.asks_anew) =>
            {
                self.command(Command::Evaluate(Question::Gate(step)));
                Ok(())
            }
            Gate::Open => self.emit(Event::StepReady { step }),
        }
    }

    fn set_item_timer(&mut self, step: StepIndex, item: ItemIndex) {
        let open = self.state.step(step).and_then(|step| step.items.open.get(&item));
        if let Some(
            OpenStage::Waiting { until, .. }
            | OpenStage::Sleeping { until }
            | OpenStage::Awaiting { until, .. },
        ) = open.map(|open| &open.stage)
        {
            let duration = until.since(self.stamp.at);
            self.command(Command::SetTimer { timer: Timer::Item(step, item), duration });
        }
    }

    pub(crate) fn settle_item(&mut self, step: StepIndex, item: ItemIndex) -> Result<(), Corrupt> {
        let Some((definition, state)) = self.definition.step(step).zip(self.state.step(step))
        else {
            return Ok(());
        };
        let Some(open) = state.items.open.get(&item) else {
            return Ok(());
        };
        let OpenStage::Settling { failure, effect, asked } = &open.stage else {
            return Ok(());
        };
        let goes_on = match self.state.cancel {
            Some(Cancel::Kill) => GoesOn::Killed,
            _ if self.state.phase.is_live() && state.phase == StepPhase::Running => GoesOn::Yes,
            _ => GoesOn::No,
        };
        let epoch = state.items.epoch(item);
        let number = open.attempts + open.failed_probes;
        let settlement = settle(&Case {
            class: definition.action().map_or(EffectClass::Pure, |action| action.effect),
            policy: &definition.retry,
            open,
            failure,
            effect: *effect,
            doubt: state.items.doubt(item),
            asked: *asked,
            goes_on,
            at: self.stamp.at,
            jitter: Jitter::of(self.state.run(), &definition.id, item, epoch, number),
        });
        match settlement {
            Settlement::Probe => {
                let item = state.items.as_try(item, open);
                self.command(Command::Probe { step, item });
                Ok(())
            }
            Settlement::Retry(next, wait) => {
                self.emit(Event::RetryScheduled { step, item, next, wait })
            }
            Settlement::End(end, failure) => {
                self.emit(Event::ItemEnded { step, item, end, failure })
            }
        }
    }

    /// A `sleep` and an approval need no place, only their `with`: one question at a time for each step.
    fn ask_about_waits(&mut self) {
        if !self.state.phase.is_live() {
            return;
        }
        let question = |step: &StepIndex| {
            let of = match &self.definition.step(*step)?.work {
                Work::Pause { .. } => Question::Pause,
                Work::Approval { .. } => Question::Approval,
                Work::Action(_) | Work::Child(_) => return None,
            };
            let picked = fan_out::pick(&self.state.step(*step)?.items, 1);
            picked.first().map(|item| of(*step, *item))
        };
        let questions: Vec<Question> = self.state.ready.iter().filter_map(question).collect();
        self.decision.commands.extend(questions.into_iter().map(Command::Evaluate));
    }

    /// A child run needs no place of its parent: it has slots and places of its own.
    fn start_children(&mut self) -> Result<(), Corrupt> {
        let is_child = |step: &StepIndex| {
            self.definition.step(*step).is_some_and(|step| matches!(step.work, Work::Child(_)))
        };
        let steps: Vec<StepIndex> = self.state.ready.iter().copied().filter(is_child).collect();
        for step in steps {
            while let Some(item) = self.next_child(step) {
                self.start_child(step, item)?;
            }
        }
        Ok(())
    }

    fn next_child(&self, step: StepIndex) -> Option<ItemIndex> {
        let may_start = self.state.phase.is_live() && self.state.slots == Slots::Held;
        let state = self.state.step(step).filter(|_| may_start)?;
        let is_running = state.phase == StepPhase::Running;
        fan_out::pick(&state.items, 1).first().copied().filter(|_| is_running)
    }

    fn start_child(&mut self, step: StepIndex, item: ItemIndex) -> Result<(), Corrupt> {
        let Some((definition, state)) = self.definition.step(step).zip(self.state.step(step))
        else {
            return Ok(());
        };
        let epoch = state.items.epoch(item);
        let run = self.state.run().child(&definition.id, item, epoch);
        self.emit(Event::ChildStarted { step, item, run })?;
        self.command_child(step, item);
        Ok(())
    }

    /// Asks the host for the child run of an open item.
    fn command_child(&mut self, step: StepIndex, item: ItemIndex) {
        let Some(state) = self.state.step(step) else { return };
        let Some(open) = state.items.open.get(&item) else { return };
        if let OpenStage::Child { run, .. } = open.stage {
            let item = state.items.as_try(item, open);
            self.command(Command::StartChild { step, item, run });
        }
    }

    /// Starts attempts, one for each ready step in turn, until the places or the items run out.
    fn fill_places(&mut self) -> Result<(), Corrupt> {
        let mut free = self.stamp.free;
        while self.state.phase.is_live() && self.state.slots == Slots::Held {
            let Some((step, definition)) = self.next_step(free) else {
                break;
            };
            let Some(state) = self.state.step(step) else {
                break;
            };
            let items = fan_out::pick(&state.items, definition.batch());
            let attempt = self.state.next_attempt;
            free.process -= 1;
            if works_on_target(definition) {
                free.target -= 1;
            }
            self.emit(Event::AttemptStarted { attempt, step, items: items.clone() })?;
            let items = self.tries(step, &items);
            let timeout = definition.timeout;
            self.command(Command::StartAttempt { attempt, step, items, timeout });
        }
        Ok(())
    }

    /// The next ready step in the round whose attempt fits the free places.
    fn next_step(&self, free: Places) -> Option<(StepIndex, &'a Step)> {
        if free.process == 0 {
            return None;
        }
        let after = self.state.ready.range((Excluded(self.state.cursor), Unbounded));
        let until = self.state.ready.range(..=self.state.cursor);
        after.chain(until).find_map(|index| {
            let step = self.definition.step(*index)?;
            let fits = step.action().is_some() && (free.target > 0 || !works_on_target(step));
            fits.then_some((*index, step))
        })
    }

    fn tries(&self, step: StepIndex, items: &[ItemIndex]) -> Vec<ItemTry> {
        let Some(state) = self.state.step(step) else {
            return Vec::new();
        };
        let of = |item: &ItemIndex| Some(state.items.as_try(*item, state.items.open.get(item)?));
        items.iter().filter_map(of).collect()
    }

    fn finish(&mut self) -> Result<(), Corrupt> {
        if main_is_over(self.state) {
            if self.definition.outputs.is_some() && self.state.outputs.is_none() {
                self.command(Command::Evaluate(Question::Outputs));
                return Ok(());
            }
            if self.state.open_finally > 0 && self.state.wants_finally() {
                self.emit(Event::FinallyStarted)?;
                return self.settle_and_issue();
            }
            self.block_finally()?;
        } else if !finally_is_over(self.state) {
            return Ok(());
        }
        let outcome = run_outcome(self.definition, self.state);
        self.emit(Event::RunFinished { outcome })?;
        self.command(Command::ReleaseHold);
        Ok(())
    }

    /// `finally` is not to run.
    fn block_finally(&mut self) -> Result<(), Corrupt> {
        if self.state.open_finally == 0 {
            return Ok(());
        }
        let steps: Vec<_> = self.definition.finally_steps().collect();
        for step in steps {
            if self.state.step(step).is_some_and(|step| step.phase.end().is_none()) {
                self.emit(Event::StepBlocked { step, cause: BlockCause::Cancelled })?;
            }
        }
        Ok(())
    }

    fn outstanding_of_step(&mut self, step: StepIndex) -> Result<(), Corrupt> {
        let Some(state) = self.state.step(step) else {
            return Ok(());
        };
        match state.phase {
            StepPhase::Gating => return self.ask_gate(step),
            StepPhase::Listing => self.command(Command::Evaluate(Question::Items(step))),
            StepPhase::Pending | StepPhase::Final(_) => {}
            StepPhase::Running | StepPhase::Halting => {
                let items: Vec<_> = state.items.open.keys().copied().collect();
                for item in items {
                    self.set_item_timer(step, item);
                    self.command_child(step, item);
                    self.agenda.push_back(Change::Settling(step, item));
                }
            }
        }
        Ok(())
    }
}

/// Whether an attempt of the step takes one of the target's places.
fn works_on_target(step: &Step) -> bool {
    step.action().is_some_and(|action| action.on_target)
}
