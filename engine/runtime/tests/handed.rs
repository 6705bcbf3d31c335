//! What an action is handed: the keys of a batch, and the note of where to carry on.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use holdfast_contract::action::{Action, Input, Output, Probe, Registry};
use holdfast_contract::attempt::Attempt;
use holdfast_contract::spec::{ActionSpec, Batch};
use holdfast_drive::grants::Limits;
use holdfast_kernel::definition::{Definition, EffectClass, Work};
use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::payload::Payload;
use holdfast_kernel::state::Mark;
use holdfast_kernel::status::{Outcome, StepEnd};
use holdfast_kernel::value::Value;
use holdfast_rig::{Plain, Rig, chain, done, fan_out};
use holdfast_simulation::disk::SimulatedDisk;

static SPEC: ActionSpec =
    ActionSpec { effect: EffectClass::Probed, batch: Batch::Allowed, ..holdfast_rig::SPEC };

fn started(action: Arc<dyn Action>, items: u32) -> Rig {
    let registry = Registry::new(vec![action]);
    Rig::start(Arc::new(SimulatedDisk::new()), Plain::items(items), registry, Limits::default())
}

fn of_class(mut definition: Definition, effect: EffectClass) -> Definition {
    let Some(Work::Action(used)) = definition.steps.first_mut().map(|step| &mut step.work) else {
        panic!("the first step uses an action");
    };
    used.effect = effect;
    definition
}

/// The first attempt gets half way, and its answer is lost.
#[derive(Default)]
struct HalfWay {
    notes: Mutex<Vec<Option<Value>>>,
}

#[async_trait]
impl Action for HalfWay {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    async fn run(&self, _: &Attempt, input: &Input) -> Result<Output, Failure> {
        self.notes.lock().unwrap().push(input.note.clone());
        match input.number {
            1 => Err(Failure::with_unknown_effect(Class::Transient, "the answer was lost")),
            _ => done(),
        }
    }

    async fn probe(&self, _: &Attempt, _: &Input) -> Result<Probe, Failure> {
        Ok(Probe::Partial(Value::from("half of it is there")))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_probe_says_of_where_to_carry_on_reaches_the_next_attempt() {
    let half = Arc::new(HalfWay::default());
    let mut definition = of_class(chain(1, EffectClass::Probed), EffectClass::Probed);
    definition.steps[0].retry.attempts = 2;
    definition.steps[0].retry.delay = holdfast_kernel::id::Millis(1);
    let mut rig = started(Arc::clone(&half) as _, 0);
    let run = rig.queue(&definition, "a").await;
    assert_eq!(rig.ended(run).await, Outcome::Succeeded);
    let notes = half.notes.lock().unwrap().clone();
    assert_eq!(notes, [None, Some(Value::from("half of it is there"))]);
}

/// Keeps the effect keys of each attempt; the first attempt at an item fails.
#[derive(Default)]
struct Keys {
    batches: Mutex<Vec<Vec<String>>>,
}

#[async_trait]
impl Action for Keys {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    async fn run(&self, _: &Attempt, input: &Input) -> Result<Output, Failure> {
        match input.number {
            1 => Err(Failure::with_unknown_effect(Class::Transient, "the answer was lost")),
            _ => done(),
        }
    }

    async fn run_batch(&self, attempt: &Attempt, inputs: &[Input]) {
        let keys = inputs.iter().map(|input| format!("{:?}", input.effect_key)).collect();
        self.batches.lock().unwrap().push(keys);
        for input in inputs {
            attempt.end(input.item, self.run(attempt, input).await);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_of_a_batch_has_a_key_for_each_item_and_keeps_them() {
    let seen = Arc::new(Keys::default());
    let mut definition = of_class(fan_out(), EffectClass::Keyed);
    definition.steps[0].retry.attempts = 2;
    definition.steps[0].retry.delay = holdfast_kernel::id::Millis(1);
    if let Some(fan_out) = &mut definition.steps[0].for_each {
        fan_out.batch = 3;
    }
    let mut rig = started(Arc::clone(&seen) as _, 6);
    let run = rig.queue(&definition, "a").await;
    assert_eq!(rig.ended(run).await, Outcome::Succeeded);
    let batches = seen.batches.lock().unwrap().clone();
    let most = batches.iter().map(Vec::len).max();
    assert_eq!(most, Some(3), "{batches:?}");
    let keys: Vec<_> = batches.concat();
    let apart: BTreeSet<_> = keys.iter().collect();
    assert_eq!((keys.len(), apart.len()), (12, 6), "each item has one, at both of its attempts");
}

/// Its answer is lost; the target knows what became of it.
struct Asked(Probe);

#[async_trait]
impl Action for Asked {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    async fn run(&self, _: &Attempt, _: &Input) -> Result<Output, Failure> {
        Err(Failure::with_unknown_effect(Class::Conflict, "the answer was lost"))
    }

    async fn probe(&self, _: &Attempt, _: &Input) -> Result<Probe, Failure> {
        Ok(self.0.clone())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_target_says_decides_about_a_probed_effect() {
    let made = Value::from([("id", Value::from("4711"))]);
    let ends = |probe| async {
        let mut rig = started(Arc::new(Asked(probe)), 0);
        let run = rig.queue(&chain(1, EffectClass::Probed), "a").await;
        rig.ended(run).await;
        let loaded = rig.reader.load(run).unwrap().unwrap();
        let step = loaded.state.steps.first().unwrap().clone();
        (step.phase.end(), step.output, step.items.not_ok.get(0))
    };
    let there = ends(Probe::Done(made.clone())).await;
    assert_eq!(there, (Some(StepEnd::Succeeded), Some(Payload::Inline(made)), None));
    let absent = ends(Probe::Absent).await;
    assert_eq!(absent, (Some(StepEnd::Failed), None, Some(Mark::Failed)));
    let silent = ends(Probe::Unknown).await;
    assert_eq!(silent, (Some(StepEnd::Failed), None, Some(Mark::Unknown)));
}
