//! What a step `uses`: a verb, generic over kinds of targets.
//!
//! An action is handed an [`Attempt`] and one item's input. It reports what it did and, if it failed, whether
//! its effect may have happened. It never sees the journal and never retries by itself.

use std::sync::Arc;

use async_trait::async_trait;
use holdfast_kernel::event::Completeness;
use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::id::{EffectKey, ItemIndex};
use holdfast_kernel::value::Value;

use crate::attempt::Attempt;
use crate::spec::{ActionSpec, Shape};

/// A verb that a step can use.
#[async_trait]
pub trait Action: Send + Sync {
    /// What it says of itself.
    fn spec(&self) -> &'static ActionSpec;

    /// Whether it reads how its run has gone so far: the state of the run is then copied for each attempt.
    fn reads_run(&self) -> bool {
        self.spec().inputs.iter().any(|field| matches!(field.shape, Shape::Steps))
    }

    /// Does it once for one item.
    ///
    /// # Errors
    /// It failed; the failure says whether the effect may have happened. Effect none only if nothing left the
    /// process or the target refused it.
    async fn run(&self, attempt: &Attempt, input: &Input) -> Result<Output, Failure>;

    /// Asks the target whether the effect of an item is there. Only actions of the class `probed` are asked.
    ///
    /// # Errors
    /// The question could not be asked.
    async fn probe(&self, _attempt: &Attempt, _input: &Input) -> Result<Probe, Failure> {
        Ok(Probe::Unknown)
    }

    /// Does it once for each item of a batch, and reports each item's end through [`Attempt::end`] as it comes.
    async fn run_batch(&self, attempt: &Attempt, inputs: &[Input]) {
        for input in inputs {
            let end = self.run(attempt, input).await;
            attempt.end(input.item, end);
        }
    }
}

/// What an attempt is given for one item.
#[derive(Clone, Debug)]
pub struct Input {
    /// The item; 0 for a step without a fan-out.
    pub item: ItemIndex,
    /// Its key, if the step is a fan-out.
    pub key: Option<String>,
    /// The idempotency key of its effect, the same for every attempt.
    pub effect_key: EffectKey,
    /// Which attempt at it this is, from 1.
    pub number: u32,
    /// What the last attempt noted.
    pub note: Option<Value>,
    /// The map of `with`, rendered and checked against the action's spec. May hold secrets in clear.
    pub with: Value,
    /// The environment, rendered. May hold secrets in clear.
    pub env: Vec<(String, String)>,
}

/// What an action returns for an item.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// A map that fits the action's output schema.
    pub value: Value,
    /// Whether all of the item could be read.
    pub completeness: Completeness,
}

impl Output {
    /// All of the item.
    pub const fn whole(value: Value) -> Self {
        Self { value, completeness: Completeness::Whole }
    }

    /// Part of the item; the value lists what is missing.
    pub const fn partial(value: Value) -> Self {
        Self { value, completeness: Completeness::Partial }
    }
}

/// What a target says of an effect.
#[derive(Clone, Debug, PartialEq)]
pub enum Probe {
    /// Nothing of it is there.
    Absent,
    /// All of it is there; this is what the attempt would have returned.
    Done(Value),
    /// Some of it is there: the next attempt carries on from this note.
    Partial(Value),
    /// It cannot be told; a person decides.
    Unknown,
}

/// The actions of a process, by name.
#[derive(Clone, Default)]
pub struct Registry {
    actions: Vec<Arc<dyn Action>>,
}

impl Registry {
    /// A registry of these actions.
    pub fn new(mut actions: Vec<Arc<dyn Action>>) -> Self {
        actions.sort_by_key(|action| action.spec().name);
        Self { actions }
    }

    /// The action with this name.
    ///
    /// # Errors
    /// Class `invalid`: there is none; a newer holdfast lowered the workflow.
    pub fn get(&self, name: &str) -> Result<&Arc<dyn Action>, Failure> {
        let found = self.actions.iter().find(|action| action.spec().name == name);
        found.ok_or_else(|| {
            Failure::without_effect(Class::Invalid, format!("this holdfast has no action `{name}`"))
        })
    }

    /// Every spec, sorted by name.
    pub fn specs(&self) -> impl Iterator<Item = &'static ActionSpec> {
        self.actions.iter().map(|action| action.spec())
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.specs().map(|spec| spec.name)).finish()
    }
}
