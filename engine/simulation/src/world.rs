//! The world outside: what attempts really do, with the ground truth of every effect.
//!
//! Each attempt's fate follows from the seed, the effect key and the number of the attempt: it is done; done
//! and the answer lost; refused; lost on the way; half done; or it lands late, after the answer was given up.
//! The world never looks at the run's state, so it can judge it.

use std::collections::BTreeMap;

use holdfast_kernel::definition::EffectClass;
use holdfast_kernel::event::ProbeAnswer;
use holdfast_kernel::failure::{Class, Effect, Failure};
use holdfast_kernel::id::{EffectKey, Millis};
use holdfast_kernel::payload::Payload;
use holdfast_kernel::value::Value;

use crate::chance::hash;

/// What becomes of one attempt at one effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// The effect happens and the answer arrives.
    Done,
    /// The effect happens, part of the item could not be read.
    DoneInPart,
    /// The effect happens and the answer is lost.
    DoneAnswerLost,
    /// The target refuses; nothing happens.
    Refused,
    /// The request is lost; nothing happens, and nobody knows.
    LostOnTheWay,
    /// Half of the effect happens; a later attempt can carry on.
    HalfDone,
    /// No answer comes in time; the effect may still land.
    Late,
}

impl Fate {
    /// Every fate.
    pub const ALL: [Self; 7] = [
        Self::Done,
        Self::DoneInPart,
        Self::DoneAnswerLost,
        Self::Refused,
        Self::LostOnTheWay,
        Self::HalfDone,
        Self::Late,
    ];
}

/// The ground truth of one effect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Truth {
    /// How often it happened, as the target counts it.
    pub happened: u32,
    /// Whether half of it happened.
    pub half: bool,
    /// Whether a request is on its way that may still land.
    pub pending: bool,
    /// How many attempts reached the world.
    pub attempts: u32,
}

/// The world.
#[derive(Clone, Debug, Default)]
pub struct World {
    seed: u64,
    truths: BTreeMap<EffectKey, Truth>,
    fates: BTreeMap<Fate, u64>,
    probes: u64,
}

impl World {
    /// The world of a seed.
    pub fn new(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// The ground truth of an effect.
    pub fn truth(&self, key: EffectKey) -> Truth {
        self.truths.get(&key).cloned().unwrap_or_default()
    }

    /// How many attempts met which fate.
    pub fn fates(&self) -> &BTreeMap<Fate, u64> {
        &self.fates
    }

    /// How many probes were asked.
    pub const fn probes(&self) -> u64 {
        self.probes
    }

    /// How long an attempt takes before it answers, if it does.
    pub fn latency(&self, key: EffectKey, attempt: u32) -> Millis {
        Millis(1 + self.draw("latency", key, attempt) % 700)
    }

    /// An attempt reaches the world. What is answered, if an answer comes: a completeness or a failure.
    ///
    /// `attempt` is the number of the attempt at this effect over all periods, so that each draws anew.
    pub fn act(&mut self, key: EffectKey, class: EffectClass) -> Option<Result<Fate, Failure>> {
        let truth = self.truths.entry(key).or_default();
        truth.attempts += 1;
        let attempt = truth.attempts;
        let fate = self.fate(key, class, attempt);
        *self.fates.entry(fate).or_default() += 1;
        let truth = self.truths.entry(key).or_default();
        match fate {
            Fate::Done | Fate::DoneInPart | Fate::DoneAnswerLost => happen(truth, class),
            Fate::HalfDone => truth.half = true,
            Fate::Late => truth.pending = true,
            Fate::Refused | Fate::LostOnTheWay => {}
        }
        match fate {
            Fate::Done | Fate::DoneInPart => Some(Ok(fate)),
            Fate::Refused => Some(Err(self.failure(key, attempt, Effect::None))),
            Fate::DoneAnswerLost | Fate::LostOnTheWay | Fate::HalfDone => {
                Some(Err(self.failure(key, attempt, Effect::Unknown)))
            }
            Fate::Late => None,
        }
    }

    /// What the target says of an effect. A request on its way lands or is dropped for good before the
    /// target answers: telling that is the duty of whoever writes the probe.
    pub fn probe(&mut self, key: EffectKey, class: EffectClass) -> ProbeAnswer {
        self.probes += 1;
        self.land(key, class);
        let draw = self.draw("probe", key, u32::try_from(self.probes).unwrap_or(0)) % 12;
        let truth = self.truth(key);
        match draw {
            0 => ProbeAnswer::Failed(Failure::without_effect(
                Class::Transient,
                "the target is not there",
            )),
            1 if class == EffectClass::Probed => ProbeAnswer::Unknown,
            _ if truth.happened > 0 => ProbeAnswer::Done(Payload::empty()),
            _ if truth.half => ProbeAnswer::Partial(Value::from("half")),
            _ => ProbeAnswer::Absent,
        }
    }

    /// A request that was on its way lands, or never will.
    pub fn land(&mut self, key: EffectKey, class: EffectClass) {
        let lands = self.draw("lands", key, 0).is_multiple_of(2);
        let truth = self.truths.entry(key).or_default();
        if truth.pending && lands {
            happen(truth, class);
        }
        truth.pending = false;
    }

    /// Everything that is still on its way lands or never will.
    pub fn land_all(&mut self, class_of: impl Fn(EffectKey) -> EffectClass) {
        let pending: Vec<EffectKey> =
            self.truths.iter().filter(|(_, truth)| truth.pending).map(|(key, _)| *key).collect();
        for key in pending {
            self.land(key, class_of(key));
        }
    }

    fn fate(&self, key: EffectKey, class: EffectClass, attempt: u32) -> Fate {
        match self.draw("fate", key, attempt) % 20 {
            0 => Fate::DoneInPart,
            1..=2 => Fate::DoneAnswerLost,
            3..=5 => Fate::Refused,
            6 => Fate::LostOnTheWay,
            7 if class == EffectClass::Probed => Fate::HalfDone,
            8 => Fate::Late,
            _ => Fate::Done,
        }
    }

    fn failure(&self, key: EffectKey, attempt: u32, effect: Effect) -> Failure {
        let class = match self.draw("class", key, attempt) % 4 {
            0 => Class::Permanent,
            1 => Class::Throttled,
            _ => Class::Transient,
        };
        let mut failure = Failure::without_effect(class, "scripted to fail").settled(effect);
        if class == Class::Throttled {
            failure.retry_after = Some(Millis(self.draw("after", key, attempt) % 4_000));
        }
        failure
    }

    fn draw(&self, what: &str, EffectKey(key): EffectKey, attempt: u32) -> u64 {
        hash(self.seed, &[what.as_bytes(), key.bytes(), &attempt.to_le_bytes()])
    }
}

/// The effect happens; a target that de-duplicates by the key counts it once.
fn happen(truth: &mut Truth, class: EffectClass) {
    let counts_once = class == EffectClass::Keyed && truth.happened > 0;
    if !counts_once {
        truth.happened += 1;
    }
}
