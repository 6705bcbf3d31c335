//! One decision about one run, with the questions it asks answered in the same turn.

use std::collections::{BTreeSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use holdfast_journal::resume::ActiveRun;
use holdfast_kernel::admit::{admits, asks};
use holdfast_kernel::command::Command;
use holdfast_kernel::decide::{Decision, Places, Stamp, decide, grant, outstanding};
use holdfast_kernel::definition::Definition;
use holdfast_kernel::event::{Death, Event, Question};
use holdfast_kernel::fold::Corrupt;
use holdfast_kernel::id::{Instant, RunId};
use holdfast_kernel::queue::{Explain, line_up};
use holdfast_kernel::state::RunState;

use crate::answer::answer;
use crate::grants::{Used, in_turn};
use crate::input::Program;
use crate::output::Output;
use crate::scope::TurnScope;
use crate::ticking::Standstill;
use crate::turn::{Active, Drive, Intake, Told};

/// The most questions one turn answers for a run before it counts as going round in circles.
const ENDLESS: usize = 1_000_000;

impl Drive {
    /// Takes over a run that was active when the last process ended: what was in flight is interrupted, what
    /// was asked for and not answered is asked for again.
    pub fn take_over(&mut self, recovered: ActiveRun, program: Program, now: Instant) {
        self.begin(now);
        let run = recovered.run;
        self.keep(Active::new(program, recovered.state));
        // First what the last process had asked: what the interruptions ask for would be asked twice otherwise.
        let at = self.stamp(Places::default()).at;
        self.kernel(run, |definition, state, _| {
            let commands = outstanding(definition, state, at)?;
            Ok(Decision { events: Vec::new(), commands })
        });
        let attempts: Vec<_> = self.started_attempts(run);
        for attempt in attempts {
            self.step(run, Event::AttemptInterrupted { attempt, death: Death::Unclean });
        }
        // Relatives are told in `start`: they may not have been taken over yet.
    }

    /// Knows of a run that is active without driving it: for a process that only stores.
    pub fn know(&mut self, recovered: ActiveRun, program: Program) {
        self.keep(Active::new(program, recovered.state));
    }

    /// Gives out places after all runs of the last process were taken over.
    pub fn start(&mut self, now: Instant) {
        self.begin(now);
        self.balance();
        self.tell_relatives();
    }

    fn started_attempts(&self, run: RunId) -> Vec<holdfast_kernel::id::AttemptId> {
        self.runs
            .get(&run)
            .map(|active| active.state.in_flight.keys().copied().collect())
            .unwrap_or_default()
    }

    /// Gives slots, holds and places to whom they are due; before every batch.
    pub(crate) fn balance(&mut self) {
        let intake = match (self.intake, self.ticking.pause) {
            (Intake::Open, Standstill::Paused) => Intake::Paused,
            (intake, _) => intake,
        };
        match intake {
            Intake::Open => {
                self.start_runs();
                self.fill_places();
            }
            Intake::Paused => self.start_runs(),
            Intake::Storing | Intake::Draining => {}
        }
    }

    fn start_runs(&mut self) {
        // A child may start once its parent has what the two of them gave back.
        while !(self.queued.is_empty() && self.queued_children.is_empty()) {
            let families = self.families();
            let started = self.started.iter().filter_map(|run| self.holds(*run, &families));
            let children = self.queued_children.iter().filter(|(_, run)| self.is_covered(*run));
            let queued = children.chain(&self.queued);
            let queued = queued.filter_map(|(_, run)| self.asks_for(*run, &families));
            let slots = self.limits.runs as usize;
            let (chosen, _) = line_up(started, queued, slots, Explain::No);
            if chosen.is_empty() {
                break;
            }
            for run in chosen {
                self.step(run, Event::HoldGranted);
            }
        }
    }

    /// Fills places one by one, going round the runs that want some.
    fn fill_places(&mut self) {
        let mut wanting: BTreeSet<RunId> = self
            .started
            .iter()
            .filter(|run| !self.quarantined.contains_key(run))
            .filter(|run| self.runs.get(run).is_some_and(|active| active.state.wants_places()))
            .copied()
            .collect();
        if wanting.is_empty() {
            return;
        }
        let mut used = Used::default();
        for active in self.started.iter().filter_map(|run| self.runs.get(run)) {
            used.add(&active.state, active.in_flight());
        }
        while !wanting.is_empty() {
            let alone = wanting.len() == 1;
            let turn = in_turn(&wanting, self.served_last);
            wanting = turn.into_iter().filter(|run| self.serve(*run, alone, &mut used)).collect();
        }
    }

    /// Gives a run one place, or all there are if nobody else wants any. Whether it may want more.
    fn serve(&mut self, run: RunId, alone: bool, used: &mut Used) -> bool {
        let Some(active) = self.runs.get(&run) else { return false };
        let mut free = used.left_for(&active.state, self.limits);
        if !alone {
            free.process = free.process.min(1);
        }
        if free.process == 0 || !active.state.wants_places() {
            return false;
        }
        self.served_last = Some(run);
        let before = active.in_flight();
        let stamp = self.stamp(free);
        let gathered = self.gathered();
        self.kernel(run, |definition, state, _| grant(definition, state, stamp));
        if let Some(active) = self.runs.get(&run) {
            used.add(&active.state, active.in_flight().since(before));
        }
        // What only asks a question that is answered later would ask it again for ever.
        self.gathered() > gathered && !alone
    }

    pub(crate) fn admits(&self, run: RunId, event: &Event) -> bool {
        let Some(active) = self.runs.get(&run) else { return false };
        admits(&active.program.definition, &active.state, event)
    }

    /// Decides about an event, and answers what is asked.
    pub(crate) fn step(&mut self, run: RunId, event: Event) {
        self.kernel(run, |definition, state, stamp| decide(definition, state, event, stamp));
    }

    /// Lets the kernel decide; a bug in it stops this run and no other.
    fn kernel(
        &mut self,
        run: RunId,
        call: impl FnOnce(&Definition, &mut RunState, Stamp) -> Result<Decision, Corrupt>,
    ) {
        let stamp = self.stamp(Places::default());
        let Some(active) = self.runs.get_mut(&run) else { return };
        let definition = Arc::clone(&active.program.definition);
        let state = &mut active.state;
        let decided = catch_unwind(AssertUnwindSafe(|| call(&definition, state, stamp)));
        match decided {
            Ok(Ok(decision)) => self.absorb(run, decision),
            Ok(Err(corrupt)) => self.quarantine(run, corrupt.to_string()),
            Err(panic) => self.quarantine(run, told(panic.as_ref())),
        }
    }

    /// Gathers a decision, and answers its questions until no more are asked.
    pub(crate) fn absorb(&mut self, run: RunId, decision: Decision) {
        let mut questions = VecDeque::new();
        self.gather(run, decision, &mut questions);
        for _ in 0..ENDLESS {
            let Some(question) = questions.pop_front() else { break };
            let Some(event) = self.answer(run, question) else { continue };
            let stamp = self.stamp(Places::default());
            let Some(active) = self.runs.get_mut(&run) else { break };
            let definition = Arc::clone(&active.program.definition);
            let state = &mut active.state;
            match catch_unwind(AssertUnwindSafe(|| decide(&definition, state, event, stamp))) {
                Ok(Ok(decision)) => self.gather(run, decision, &mut questions),
                Ok(Err(corrupt)) => return self.quarantine(run, corrupt.to_string()),
                Err(panic) => return self.quarantine(run, told(panic.as_ref())),
            }
        }
        self.reindex(run);
    }

    fn gather(&mut self, run: RunId, decision: Decision, questions: &mut VecDeque<Question>) {
        let Decision { events, commands } = decision;
        self.record(run, events);
        let Some(program) = self.runs.get(&run).map(|active| active.program.clone()) else {
            return;
        };
        for command in commands {
            match command {
                Command::Evaluate(question) => questions.push_back(question),
                // Holds are given in `balance` and end with the run: they are derived, not passed about.
                Command::AcquireHold | Command::ReleaseHold => {}
                Command::CancelChild { run: child, how } => {
                    let by = run.to_string();
                    let event = Event::CancelRequested { by, how };
                    self.to_relatives.push_back(Told { run: child, of: run, event });
                }
                Command::StartAttempt { .. }
                | Command::Probe { .. }
                | Command::CancelAttempt { .. }
                | Command::LoseAttempt { .. }
                | Command::StartChild { .. }
                | Command::ClearTimer { .. }
                | Command::SetTimer { .. } => {
                    self.output(Output::Command { run, program: program.clone(), command });
                }
            }
        }
    }

    /// The answer to a question, unless it is not asked any more or has to wait for the filer.
    fn answer(&mut self, run: RunId, question: Question) -> Option<Event> {
        let active = self.runs.get(&run)?;
        let definition = &active.program.definition;
        if !asks(definition, &active.state, question) {
            return None;
        }
        if active.program.language.reads_results(question) {
            self.output(Output::Evaluate { run, question });
            return None;
        }
        let scope = TurnScope { definition, state: &active.state, payloads: &self.payloads };
        Some(answer(active.program.language.as_ref(), &scope, &self.payloads, question))
    }
}

/// What a panic said.
fn told(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("the kernel panicked: {}", text.unwrap_or("without a message"))
}
