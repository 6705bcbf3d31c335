//! Everything outside of the engine: the clock, the timers, and attempts that meet the world.
//!
//! Commands go in, events come out when their time has come. It knows no journal, so a crash of the engine
//! is [`Outside::forget`]: what was on its way to the engine is lost, what happened in the world stays.

use std::collections::BTreeMap;

use holdfast_kernel::command::{Command, ItemTry};
use holdfast_kernel::definition::{Definition, EffectClass};
use holdfast_kernel::event::{CancelKind, Completeness, Event, ProbeAnswer, Timer};
use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::id::{AttemptId, EffectKey, Instant, ItemIndex, Millis, RunId, StepIndex};
use holdfast_kernel::payload::Payload;
use holdfast_kernel::status::{Outcome, Reason};
use holdfast_kernel::value::Value;

use crate::chance::{Chance, hash};
use crate::checker::Answers;
use crate::script::Script;
use crate::world::{Fate, World};

/// How long an attempt has after a cancel or its timeout.
const GRACE: Millis = Millis(50);

/// The outside.
#[derive(Clone, Debug)]
pub struct Outside {
    /// The world with the ground truth.
    pub world: World,
    /// Now, in the world.
    pub now: Instant,
    /// How far the machine's clock is from that, in microseconds.
    skew: i64,
    seed: u64,
    classes: BTreeMap<EffectKey, EffectClass>,
    /// Whether something is never answered that nothing says the time of.
    is_silent: bool,
    queue: BTreeMap<(Instant, u64), (RunId, Event)>,
    timers: BTreeMap<(RunId, Timer), (Instant, u64)>,
    scheduled: u64,
}

impl Outside {
    /// The outside of a seed, at some instant.
    pub fn new(seed: u64) -> Self {
        Self {
            world: World::new(seed),
            now: Instant(1_700_000_000_000_000),
            skew: 0,
            seed,
            classes: BTreeMap::new(),
            is_silent: false,
            queue: BTreeMap::new(),
            timers: BTreeMap::new(),
            scheduled: 0,
        }
    }

    /// What the machine's clock says.
    pub const fn clock(&self) -> Instant {
        Instant(self.now.0.saturating_add(self.skew))
    }

    /// Somebody sets the machine's clock: right again, or up to two hours back or forward.
    pub fn set_clock(&mut self, chance: &mut Chance) {
        let hours = i64::try_from(chance.below(7_200_000_000)).unwrap_or(0);
        self.skew = match chance.below(4) {
            0 => hours,
            1 => -hours,
            _ => 0,
        };
    }

    /// The next thing that happens, with the clock moved there; none if nothing is on its way.
    pub fn happen(&mut self) -> Option<(RunId, Event)> {
        let ((at, _), (run, event)) = self.queue.pop_first()?;
        self.now = self.now.max(at);
        if let Event::TimerFired { timer } = &event {
            self.timers.remove(&(run, *timer));
        }
        Some((run, event))
    }

    /// Whether something happens within this time.
    pub fn happens_within(&self, time: Millis) -> bool {
        let until = self.now.plus(time);
        self.queue.first_key_value().is_some_and(|((at, _), _)| *at <= until)
    }

    /// The engine died: nothing that was on its way to it arrives. Time passes.
    pub fn forget(&mut self, down: Millis) {
        self.queue.clear();
        self.timers.clear();
        self.now = self.now.plus(down);
    }

    /// Whether everything that was asked of the world was answered.
    pub const fn answers(&self) -> Answers {
        if self.is_silent { Answers::NotAll } else { Answers::All }
    }

    /// The effect key of an item of a run.
    pub fn key(
        definition: &Definition,
        run: RunId,
        step: StepIndex,
        item: ItemIndex,
        epoch: u32,
    ) -> EffectKey {
        let step = definition.step(step);
        let fan_out = step.and_then(|step| step.for_each.as_ref());
        let key = fan_out.map(|_| Script::key(item));
        EffectKey::of(run, step.map_or("", |step| &step.id), key.as_deref(), epoch)
    }

    /// Whatever is still on its way lands or never will.
    pub fn settle_world(&mut self) {
        let classes = &self.classes;
        self.world.land_all(|key| classes.get(&key).copied().unwrap_or(EffectClass::Pure));
    }

    /// Carries out a command of a run. Holds and questions are not its matter.
    pub fn carry_out(&mut self, run: RunId, definition: &Definition, command: &Command) {
        match command {
            Command::StartAttempt { attempt, step, items, timeout } => {
                for item in items {
                    let is_answered = self.act(run, definition, *attempt, *step, item);
                    self.is_silent |= !is_answered && timeout.is_none();
                }
                if let Some(timeout) = timeout {
                    let failure =
                        Failure::with_unknown_effect(Class::Timeout, "the attempt took too long");
                    let lost = Event::AttemptLost { attempt: *attempt, failure };
                    self.schedule(Millis(timeout.0 + GRACE.0), run, lost);
                }
            }
            Command::Probe { step, item } => self.probe(run, definition, *step, item),
            Command::CancelAttempt { attempt, class } => {
                let failure = Failure::with_unknown_effect(*class, "the attempt was cancelled");
                self.schedule(GRACE, run, Event::AttemptLost { attempt: *attempt, failure });
            }
            Command::SetTimer { timer, duration } => self.set_timer(run, *timer, *duration),
            Command::ClearTimer { timer } => {
                if let Some(place) = self.timers.remove(&(run, *timer)) {
                    self.queue.remove(&place);
                }
            }
            // What an attempt that was given up does in the world, it does all the same.
            Command::LoseAttempt { .. }
            | Command::StartChild { .. }
            | Command::CancelChild { .. }
            | Command::AcquireHold
            | Command::ReleaseHold
            | Command::Evaluate(_) => {}
        }
    }

    /// Whether an answer to it is on its way.
    fn act(
        &mut self,
        run: RunId,
        definition: &Definition,
        attempt: AttemptId,
        step: StepIndex,
        item: &ItemTry,
    ) -> bool {
        let key = Self::key(definition, run, step, item.item, item.epoch);
        let class = class(definition, step);
        self.classes.insert(key, class);
        let latency = self.world.latency(key, item.number);
        let item = item.item;
        let event = match self.world.act(key, class) {
            Some(Ok(fate)) => {
                let completeness = match fate {
                    Fate::DoneInPart => Completeness::Partial,
                    _ => Completeness::Whole,
                };
                Event::AttemptSucceeded { attempt, item, output: Payload::empty(), completeness }
            }
            Some(Err(failure)) => {
                if class == EffectClass::Probed && self.world.truth(key).half {
                    let note = Event::AttemptNoted { attempt, item, note: Value::from("half") };
                    self.schedule(Millis(latency.0 / 2), run, note);
                }
                Event::AttemptFailed { attempt, item, failure }
            }
            None => return false,
        };
        self.schedule(latency, run, event);
        true
    }

    fn probe(&mut self, run: RunId, definition: &Definition, step: StepIndex, item: &ItemTry) {
        let key = Self::key(definition, run, step, item.item, item.epoch);
        let answer: ProbeAnswer = self.world.probe(key, class(definition, step));
        let latency = self.world.latency(key, item.number);
        self.schedule(latency, run, Event::EffectProbed { step, item: item.item, answer });
    }

    /// A person is asked: most say yes, some no, some nothing at all.
    pub fn ask_person(&mut self, run: RunId, step: StepIndex, item: ItemIndex) {
        let parts: [&[u8]; 3] = [run.bytes(), &step.0.to_le_bytes(), &item.0.to_le_bytes()];
        let drawn = hash(self.seed, &parts);
        let by = "a person".to_owned();
        let event = match drawn % 10 {
            0..6 => Event::ApprovalGiven { step, item, by, output: Payload::empty() },
            6..9 => {
                let failure = Failure::without_effect(Class::Rejected, "no");
                Event::ApprovalRejected { step, item, by, failure }
            }
            _ => {
                self.is_silent = true;
                return;
            }
        };
        self.schedule(Millis(1 + drawn / 10 % 5_000), run, event);
    }

    /// Somebody may want the run to end, perhaps twice.
    pub fn ask_to_end(&mut self, run: RunId) {
        let drawn = hash(self.seed, &[b"cancel", run.bytes()]);
        if !drawn.is_multiple_of(4) {
            return;
        }
        let how =
            if (drawn >> 8).is_multiple_of(4) { CancelKind::Kill } else { CancelKind::Cancel };
        let after = Millis((drawn >> 16) % 6_000);
        let cancel = |how| Event::CancelRequested { by: "a person".to_owned(), how };
        self.schedule(after, run, cancel(how));
        if (drawn >> 40).is_multiple_of(3) {
            let later = Millis(after.0 + (drawn >> 48) % 2_000);
            self.schedule(later, run, cancel(CancelKind::Cancel));
        }
    }

    /// A child run of which nothing else is known ends in some way.
    pub fn end_child(&mut self, run: RunId, step: StepIndex, item: ItemIndex, child: RunId) {
        let drawn = hash(self.seed, &[b"child", child.bytes()]);
        let outcome = match drawn % 4 {
            0 | 1 => Outcome::Succeeded,
            2 => Outcome::Partial,
            _ => Outcome::Failed(Reason::StepFailed),
        };
        let event = if drawn.is_multiple_of(17) {
            let failure = Failure::without_effect(Class::Invalid, "its inputs do not fit");
            Event::ChildRefused { step, item, failure }
        } else {
            let (output, in_doubt) = (Payload::empty(), drawn.is_multiple_of(5));
            Event::ChildFinished { step, item, outcome, output, in_doubt }
        };
        self.schedule(Millis(1 + (drawn >> 8) % 3_000), run, event);
    }

    /// Something happens to a run after a while.
    pub fn later(&mut self, after: Millis, run: RunId, event: Event) {
        self.schedule(after, run, event);
    }

    fn set_timer(&mut self, run: RunId, timer: Timer, duration: Millis) {
        if let Some(replaced) = self.timers.remove(&(run, timer)) {
            self.queue.remove(&replaced);
        }
        let place = self.schedule(duration, run, Event::TimerFired { timer });
        self.timers.insert((run, timer), place);
    }

    /// What happens at one instant happens in an order that follows from the seed.
    fn schedule(&mut self, after: Millis, run: RunId, event: Event) -> (Instant, u64) {
        self.scheduled += 1;
        let shuffled =
            hash(self.seed, &[&self.scheduled.to_le_bytes()]) >> 24 << 24 | self.scheduled;
        let place = (self.now.plus(after), shuffled);
        self.queue.insert(place, (run, event));
        place
    }
}

/// The effect class of a step.
pub fn class(definition: &Definition, step: StepIndex) -> EffectClass {
    let action = definition.step(step).and_then(|step| step.action());
    action.map_or(EffectClass::Pure, |action| action.effect)
}
