//! What the kernel relies on in a definition: checked once, before the first run of it.
//!
//! A definition comes from lowering, or from a journal. What fails here is a bug in the one or damage to the
//! other; an author's mistakes are found and told by the language.

use alloc::vec::Vec;
use core::fmt;

use crate::definition::{Definition, Step, Work};
use crate::id::{ExpressionId, StepIndex};

/// The most steps one workflow may have.
pub const MAX_STEPS: usize = 1_000;

/// Why a definition cannot be run: a bug in lowering, or a damaged one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidDefinition {
    /// The step at fault, if one is.
    pub step: Option<StepIndex>,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl fmt::Display for InvalidDefinition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.step {
            Some(StepIndex(step)) => write!(f, "step number {step}: {}", self.reason),
            None => f.write_str(self.reason),
        }
    }
}

impl core::error::Error for InvalidDefinition {}

impl Definition {
    /// Checks what the kernel relies on: steps there, ids unique, edges in range, both ways and without
    /// a cycle, expressions in range, nothing written that the operation may not write.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), InvalidDefinition> {
        let fault = |step, reason| Err(InvalidDefinition { step, reason });
        if self.steps.is_empty() || self.steps.len() > MAX_STEPS {
            return fault(None, "a workflow has between 1 and 1,000 steps");
        }
        let group = self.concurrency.as_ref().map(|concurrency| concurrency.group);
        let of_run = [self.target, self.object, self.outputs, self.dedupe_key, group];
        for expression in of_run.into_iter().flatten() {
            if !self.has_expression(expression) {
                return fault(None, "an expression of the workflow is missing");
            }
        }
        let mut ids: Vec<&str> = self.steps.iter().map(|step| step.id.as_str()).collect();
        ids.sort_unstable();
        if ids.windows(2).any(|pair| pair.first() == pair.last()) {
            return fault(None, "two steps have one id");
        }
        for (index, step) in self.numbered() {
            self.check_step(index, step).or_else(|reason| fault(Some(index), reason))?;
        }
        if self.finally.is_some_and(|finally| finally.first.place() >= self.steps.len()) {
            return fault(None, "`finally` has no steps");
        }
        if self.finally.is_some_and(|finally| finally.first == StepIndex(0)) {
            return fault(None, "there are no steps before `finally`");
        }
        if self.concurrency.as_ref().is_some_and(|concurrency| concurrency.limit == 0) {
            return fault(None, "no run of its group may go on at all");
        }
        if self.has_cycle() {
            return fault(None, "the steps need each other in a circle");
        }
        Ok(())
    }

    fn check_step(&self, index: StepIndex, step: &Step) -> Result<(), &'static str> {
        let ascending = |list: &[StepIndex]| list.windows(2).all(|pair| pair.first() < pair.last());
        if !ascending(&step.needs) || !ascending(&step.needed_by) {
            return Err("its needs are not in order");
        }
        let mirrored = |other: &StepIndex, list: fn(&Step) -> &Vec<StepIndex>| {
            self.step(*other).is_some_and(|other| list(other).contains(&index))
        };
        let edges_agree = step.needs.iter().all(|other| mirrored(other, |step| &step.needed_by))
            && step.needed_by.iter().all(|other| mirrored(other, |step| &step.needs));
        if !edges_agree {
            return Err("its needs name a step that is not there or does not know of it");
        }
        if step.needs.iter().any(|need| self.is_of_finally(*need) != self.is_of_finally(index)) {
            return Err("it needs a step of the other graph");
        }
        if step.retry.attempts == 0
            || step.for_each.as_ref().is_some_and(|fan_out| fan_out.batch == 0)
        {
            return Err("it may not be attempted at all");
        }
        if !self.operation.allows(step.writes()) {
            return Err("it writes the target, which the workflow's operation may not");
        }
        if step.expressions().all(|expression| self.has_expression(expression)) {
            Ok(())
        } else {
            Err("an expression of it is missing")
        }
    }

    fn has_expression(&self, ExpressionId(id): ExpressionId) -> bool {
        (id as usize) < self.expressions.len()
    }

    /// Takes away, again and again, the steps that need none that is left; a cycle is what stays.
    fn has_cycle(&self) -> bool {
        let mut open: Vec<usize> = self.steps.iter().map(|step| step.needs.len()).collect();
        let mut free: Vec<StepIndex> = self.roots().collect();
        let mut taken = 0;
        while let Some(index) = free.pop() {
            taken += 1;
            let dependents = self.step(index).into_iter().flat_map(|step| &step.needed_by);
            free.extend(dependents.copied().filter(|dependent| is_free_now(&mut open, *dependent)));
        }
        taken < self.steps.len()
    }
}

/// One need of a step less; whether that was its last.
fn is_free_now(open: &mut [usize], step: StepIndex) -> bool {
    let Some(count) = open.get_mut(step.place()) else { return false };
    *count -= 1;
    *count == 0
}

impl Step {
    fn expressions(&self) -> impl Iterator<Item = ExpressionId> {
        let work = match &self.work {
            Work::Action(action) => [action.with, action.env],
            Work::Pause { duration } => [Some(*duration), None],
            Work::Approval { with } => [*with, None],
            Work::Child(child) => [child.with, None],
        };
        let fan_out = self.for_each.as_ref().map_or([None; 5], |fan_out| {
            [Some(fan_out.items), fan_out.key, fan_out.filter, fan_out.stage, fan_out.max_parallel]
        });
        work.into_iter().chain(fan_out).chain([self.condition]).flatten()
    }
}
