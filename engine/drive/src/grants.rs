//! Who may start what: slots for runs, holds on targets, places for attempts.
//!
//! Nothing is counted apart: what is used is read from the states of the runs that have started, so no place
//! can leak. Fair: every run that wants places gets one in turn, going round from the run served last.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_kernel::decide::Places;
use holdfast_kernel::definition::Definition;
use holdfast_kernel::id::RunId;
use holdfast_kernel::state::RunState;

/// The limits of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Runs that have started and not ended.
    pub runs: u32,
    /// Attempts in flight.
    pub attempts: u32,
    /// Attempts in flight that work on one target.
    pub attempts_for_a_target: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { runs: 32, attempts: 64, attempts_for_a_target: 16 }
    }
}

/// How many attempts of a run are in flight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InFlight {
    /// All of them.
    pub all: u32,
    /// Those of steps that work on the run's target.
    pub on_target: u32,
}

impl InFlight {
    /// Those of this run.
    pub fn of(definition: &Definition, state: &RunState) -> Self {
        let on_target = |step| {
            let action = definition.step(step).and_then(|step| step.action());
            action.is_some_and(|action| action.on_target)
        };
        state.in_flight.values().fold(Self::default(), |count, attempt| Self {
            all: count.all.saturating_add(1),
            on_target: count.on_target.saturating_add(u32::from(on_target(attempt.step))),
        })
    }

    /// Those that came since there were `before`.
    #[must_use]
    pub const fn since(self, before: Self) -> Self {
        Self {
            all: self.all.saturating_sub(before.all),
            on_target: self.on_target.saturating_sub(before.on_target),
        }
    }
}

/// The places that are in use.
#[derive(Clone, Debug, Default)]
pub struct Used {
    process: u32,
    targets: BTreeMap<String, u32>,
}

impl Used {
    /// Adds attempts of a run.
    pub fn add(&mut self, state: &RunState, attempts: InFlight) {
        self.process = self.process.saturating_add(attempts.all);
        if let Some(target) = state.request.target.as_ref().filter(|_| attempts.on_target > 0) {
            let of_target = self.targets.entry(target.identity.clone()).or_default();
            *of_target = of_target.saturating_add(attempts.on_target);
        }
    }

    /// What is left for a run.
    pub fn left_for(&self, state: &RunState, limits: Limits) -> Places {
        let target = state.request.target.as_ref().map(|target| target.identity.as_str());
        let on_target = target.and_then(|target| self.targets.get(target)).copied().unwrap_or(0);
        Places {
            process: limits.attempts.saturating_sub(self.process),
            target: limits.attempts_for_a_target.saturating_sub(on_target),
        }
    }
}

/// The runs that want places, in the order in which they are served: the one after `last` first.
pub fn in_turn(wanting: &BTreeSet<RunId>, last: Option<RunId>) -> Vec<RunId> {
    let Some(last) = last else { return wanting.iter().copied().collect() };
    let after = wanting.iter().filter(|run| **run > last);
    let until = wanting.iter().filter(|run| **run <= last);
    after.chain(until).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn run(number: u8) -> RunId {
        RunId::from_bytes([number; 16])
    }

    #[test]
    fn runs_are_served_in_turn() {
        let wanting: BTreeSet<RunId> = [run(1), run(2), run(3)].into();
        assert_eq!(in_turn(&wanting, None), [run(1), run(2), run(3)]);
        assert_eq!(in_turn(&wanting, Some(run(1))), [run(2), run(3), run(1)]);
        assert_eq!(in_turn(&wanting, Some(run(3))), [run(1), run(2), run(3)]);
    }
}
