//! The kernel alone, in memory: no journal, no disk. What shows the rules of runs, steps and items.
//!
//! After every decision it checks the invariants and that a fold over the events gives the same state.

use holdfast_kernel::admit::{admits, asks};
use holdfast_kernel::command::Command;
use holdfast_kernel::decide::{Decision, Places, Stamp, decide, grant, outstanding, queue};
use holdfast_kernel::definition::Definition;
use holdfast_kernel::event::{
    Answer, Death, Event, Initiator, KeyKind, Listing, Question, Request,
};
use holdfast_kernel::fold::{begin, fold};
use holdfast_kernel::id::{DedupeKey, Digest, Instant, Millis, RunId};
use holdfast_kernel::invariant;
use holdfast_kernel::payload::Payload;
use holdfast_kernel::state::RunState;
use holdfast_kernel::status::{Outcome, Reason};
use holdfast_kernel::value::Value;

use crate::chance::Chance;
use crate::outside::Outside;
use crate::script::Script;

/// The most events a rehearsal may need before it counts as going round in circles.
const ENDLESS: usize = 200_000;

/// One run on the kernel alone.
#[derive(Clone, Debug)]
pub struct Host {
    /// What runs.
    pub definition: Definition,
    /// The script that answers its expressions.
    pub script: Script,
    /// The world and the clock.
    pub outside: Outside,
    /// The run's state.
    pub state: RunState,
    /// Every event so far, with its instant.
    pub journal: Vec<(Instant, Event)>,
    places: Places,
}

impl Host {
    /// Queues a run of `definition` in the world of `seed`.
    ///
    /// # Errors
    /// Something does not hold; the sentence says what.
    pub fn start(definition: Definition, script: Script, places: Places) -> Result<Self, String> {
        let outside = Outside::new(script.seed);
        let request = request(script.seed);
        let stamp = Stamp { at: outside.now, free: places };
        let (state, decision) = queue(&definition, request, stamp);
        let mut host = Self { definition, script, outside, state, journal: Vec::new(), places };
        host.take(decision)?;
        host.outside.ask_to_end(host.state.run());
        host.arrive(Event::HoldGranted)?;
        Ok(host)
    }

    /// Lets the world go on until the run has ended.
    ///
    /// # Errors
    /// Something does not hold, or the run never ends.
    pub fn finish(&mut self) -> Result<(), String> {
        for _ in 0..ENDLESS {
            if self.state.is_finished() {
                return Ok(());
            }
            if !self.step()? {
                return Err(format!(
                    "nothing is on its way and the run has not ended: {:?}",
                    self.state
                ));
            }
        }
        Err("the run goes round in circles".to_owned())
    }

    /// Lets one thing happen; false if nothing is on its way.
    ///
    /// # Errors
    /// Something does not hold.
    pub fn step(&mut self) -> Result<bool, String> {
        let Some((_, event)) = self.outside.happen() else {
            return Ok(false);
        };
        if admits(&self.definition, &self.state, &event) {
            self.arrive(event)?;
        }
        Ok(true)
    }

    /// The process dies and another one goes on from what was journaled.
    ///
    /// # Errors
    /// The journal does not fold to the state that was, or something does not hold after it.
    pub fn die(&mut self, chance: &mut Chance) -> Result<(), String> {
        self.outside.forget(Millis(chance.below(3_000)));
        let replayed = replay(&self.definition, &self.journal)?;
        if replayed != self.state {
            return Err("the journal folds to another state".to_owned());
        }
        let in_flight: Vec<_> = self.state.in_flight.keys().copied().collect();
        for attempt in in_flight {
            self.arrive(Event::AttemptInterrupted { attempt, death: Death::Unclean })?;
        }
        let at = self.outside.now;
        let commands = outstanding(&self.definition, &mut self.state, at)
            .map_err(|error| error.to_string())?;
        self.carry_out(commands)?;
        self.ask_people();
        let stamp = self.stamp();
        let decision =
            grant(&self.definition, &mut self.state, stamp).map_err(|error| error.to_string())?;
        self.take(decision)
    }

    /// The people who are waited for are asked once more.
    fn ask_people(&mut self) {
        let run = self.state.run();
        for (index, _) in self.definition.numbered() {
            let open = self.state.step(index).into_iter().flat_map(|step| &step.items.open);
            for (item, _) in open.filter(|(_, open)| open.stage.is_awaiting()) {
                self.outside.ask_person(run, index, *item);
            }
        }
    }

    /// Hands an event in and carries out what follows.
    ///
    /// # Errors
    /// Something does not hold.
    pub fn arrive(&mut self, event: Event) -> Result<(), String> {
        let stamp = self.stamp();
        let decision = decide(&self.definition, &mut self.state, event, stamp)
            .map_err(|error| error.to_string())?;
        self.take(decision)
    }

    fn stamp(&self) -> Stamp {
        let used = u32::try_from(self.state.in_flight.len()).unwrap_or(u32::MAX);
        let free = |all: u32| all.saturating_sub(used);
        let free = Places { process: free(self.places.process), target: free(self.places.target) };
        Stamp { at: self.outside.now, free }
    }

    fn take(&mut self, decision: Decision) -> Result<(), String> {
        let at = self.outside.now;
        let run = self.state.run();
        for event in &decision.events {
            if let Event::ApprovalRequested { step, item, .. } = event {
                self.outside.ask_person(run, *step, *item);
            }
        }
        self.journal.extend(decision.events.into_iter().map(|event| (at, event)));
        invariant::check(&self.definition, &self.state)?;
        if self.state.phase.is_live() && self.state.wants_slots() {
            self.outside.later(Millis(at.0.unsigned_abs() % 50), run, Event::HoldGranted);
        }
        self.carry_out(decision.commands)
    }

    fn carry_out(&mut self, commands: Vec<Command>) -> Result<(), String> {
        let run = self.state.run();
        for command in commands {
            match command {
                Command::Evaluate(question) => self.answer(question)?,
                Command::StartChild { step, item, run: child } => {
                    self.outside.end_child(run, step, item.item, child);
                }
                Command::CancelChild { run: child, .. } => self.end_child(child),
                command => self.outside.carry_out(run, &self.definition, &command),
            }
        }
        // An attempt that ended may have freed a place that another step waits for.
        let stamp = self.stamp();
        if self.state.wants_places() && stamp.free.process > 0 {
            let decision = grant(&self.definition, &mut self.state, stamp)
                .map_err(|error| error.to_string())?;
            if !decision.events.is_empty() {
                return self.take(decision);
            }
        }
        Ok(())
    }

    /// A child run that was asked to end does so.
    fn end_child(&mut self, child: RunId) {
        let run = self.state.run();
        for (index, _) in self.definition.numbered() {
            let open = self.state.step(index).into_iter().flat_map(|step| &step.items.open);
            let of_child = open.filter(|(_, open)| open.stage.child() == Some(child));
            for (item, _) in of_child {
                let outcome = Outcome::Failed(Reason::Cancelled);
                let (step, item, output) = (index, *item, Payload::empty());
                let event = Event::ChildFinished { step, item, outcome, output, in_doubt: false };
                self.outside.later(Millis(20), run, event);
            }
        }
    }

    fn answer(&mut self, question: Question) -> Result<(), String> {
        if asks(&self.definition, &self.state, question) {
            self.arrive(answer(&self.script, question))
        } else {
            Ok(())
        }
    }
}

/// The script's answer to a question.
pub fn answer(script: &Script, question: Question) -> Event {
    let answer = match question {
        Question::Gate(step) => script.open(step).map(Answer::Boolean),
        Question::Pause(step, item) => script.length(step, item).map(Answer::Duration),
        Question::Outputs => script.outcome().map(|value| Answer::Outputs(Payload::Inline(value))),
        Question::Approval(step, item) => match script.asked(step, item) {
            Ok(ask) => return Event::ApprovalRequested { step, item, ask: Box::new(ask) },
            Err(failure) => Err(failure),
        },
        Question::Items(step) => match script.list(step) {
            Ok(listed) => {
                let listing = Listing {
                    list: None,
                    total: listed.total,
                    excluded: listed.excluded,
                    stages: listed.stages,
                    max_parallel: listed.max_parallel,
                };
                return Event::ItemsListed { step, listing };
            }
            Err(failure) => Err(failure),
        },
    };
    Event::Evaluated { question, answer: answer.unwrap_or_else(Answer::Failed) }
}

/// A request for a run whose id follows from the seed.
pub fn request(seed: u64) -> Request {
    let digest = Digest::of_bytes(&seed.to_le_bytes());
    let mut run = [0; 16];
    run.iter_mut().zip(digest.bytes()).for_each(|(to, from)| *to = *from);
    Request {
        run: RunId::from_bytes(run),
        definition: Digest::of_bytes(b"random"),
        target: None,
        object: Vec::new(),
        inputs: Value::empty_map(),
        dedupe_key: DedupeKey(digest),
        key_kind: KeyKind::Inputs,
        group: None,
        initiator: Initiator::User("rehearsal".to_owned()),
        rerun_of: None,
    }
}

/// The state that a fold over a journal gives.
///
/// # Errors
/// The journal is not one that a kernel wrote.
pub fn replay(definition: &Definition, journal: &[(Instant, Event)]) -> Result<RunState, String> {
    let Some(((at, Event::RunQueued(request)), rest)) = journal.split_first() else {
        return Err("the journal does not begin with a queued run".to_owned());
    };
    let mut state = begin(definition, request, *at);
    for (at, event) in rest {
        fold(definition, &mut state, event, *at).map_err(|error| format!("{event:?}: {error}"))?;
    }
    Ok(state)
}
