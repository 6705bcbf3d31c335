//! Looks at a run from outside: its final word against an independent reading of the rules, its items
//! against the ground truth of the world.
//!
//! Slow and plain on purpose. It shares no code with the kernel's own decisions.

use std::collections::BTreeSet;

use holdfast_kernel::definition::{Definition, EffectClass, OnFailure, RunWhen};
use holdfast_kernel::event::BlockCause;
use holdfast_kernel::id::{ItemIndex, Millis, RunId, StepIndex};
use holdfast_kernel::state::{Cancel, Listed, Mark, Phase, RunState, StepState};
use holdfast_kernel::status::{Outcome, Reason, StepEnd};

use crate::outside::{Outside, class};
use crate::world::World;

/// Whether every question to the world was answered, or given a time by which it is given up.
///
/// One that was not keeps its run until that run's time has passed, and with it the places that others wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// Every one.
    All,
    /// Not every one.
    NotAll,
}

/// The first thing about an ended run that is not as the rules say.
///
/// # Errors
/// A sentence that says what.
pub fn check_outcome(
    definition: &Definition,
    state: &RunState,
    answers: Answers,
) -> Result<(), String> {
    let Phase::Finished(outcome) = state.phase else {
        return Err("the run has not ended".to_owned());
    };
    let mut ends = Vec::new();
    for step in &state.steps {
        ends.push(step.phase.end().ok_or("a step of an ended run is open")?);
    }
    check_stop(definition, state, outcome, answers)?;
    let stopped = matches!(
        outcome,
        Outcome::Failed(
            Reason::Timeout | Reason::QueueTimeout | Reason::Cancelled | Reason::Internal
        )
    );
    for (index, step) in definition.numbered() {
        let Some(of) = state.step(index) else {
            return Err("a step has no state".to_owned());
        };
        check_step(definition, &ends, index, of, may_be_blocked(definition, state, index, stopped))
            .map_err(|what| format!("step `{}`: {what}", step.id))?;
    }
    check_finally(definition, state, outcome, &ends)?;
    let expect = expected_outcome(definition, &ends);
    let outputs_failed =
        outcome == Outcome::Failed(Reason::StepFailed) && definition.outputs.is_some();
    if stopped || outcome == expect || (outputs_failed && state.outputs.is_some()) {
        Ok(())
    } else {
        Err(format!("the run ended {outcome:?}, the table says {expect:?}"))
    }
}

/// The longest time that a rehearsal takes, clocks that are set included.
const LONGEST: Millis = Millis::seconds(6 * 3_600);

/// A stop has its cause: a run that waited for something that never came would end by its time too.
fn check_stop(
    definition: &Definition,
    state: &RunState,
    outcome: Outcome,
    answers: Answers,
) -> Result<(), String> {
    let finally = definition.finally.as_ref();
    let has_time =
        definition.timeout > LONGEST && finally.is_none_or(|finally| finally.timeout > LONGEST);
    match outcome {
        Outcome::Failed(Reason::QueueTimeout) if answers == Answers::All => {
            Err("it waited in the queue for a day".to_owned())
        }
        Outcome::Failed(Reason::Timeout) if has_time && answers == Answers::All => {
            Err("it waited for something until its time had passed".to_owned())
        }
        Outcome::Failed(Reason::Cancelled) if state.cancel.is_none() => {
            Err("nobody cancelled it".to_owned())
        }
        Outcome::Failed(_) | Outcome::Partial | Outcome::Succeeded => Ok(()),
    }
}

/// Whether a stop may have kept a step from running: a stop of the run, or a second cancel in `finally`.
fn may_be_blocked(
    definition: &Definition,
    state: &RunState,
    index: StepIndex,
    stopped: bool,
) -> bool {
    let again = state.cancel.is_some_and(|cancel| cancel != Cancel::Main);
    // A retry of one step leaves what an earlier period stopped as it is.
    stopped || state.period > 0 || (definition.is_of_finally(index) && again)
}

/// What runs at the end runs whenever the run had started and nobody refused it.
fn check_finally(
    definition: &Definition,
    state: &RunState,
    outcome: Outcome,
    ends: &[StepEnd],
) -> Result<(), String> {
    let refused = state.cancel.is_some_and(|cancel| cancel != Cancel::Main);
    let internal = outcome == Outcome::Failed(Reason::Internal);
    let runs = state.started_at.is_some() && !refused && !internal;
    let blocked = definition
        .finally_steps()
        .any(|index| ends.get(index.place()) == Some(&StepEnd::Blocked(BlockCause::Cancelled)));
    if runs && blocked {
        return Err("`finally` was kept from running".to_owned());
    }
    if runs && state.period == 0 && definition.finally.is_some() && state.finally_at.is_none() {
        return Err("`finally` never started".to_owned());
    }
    Ok(())
}

fn expected_outcome(definition: &Definition, ends: &[StepEnd]) -> Outcome {
    let pairs = || ends.iter().zip(&definition.steps);
    let failed = pairs().any(|(end, step)| {
        (*end == StepEnd::Failed && step.on_failure == OnFailure::Fail)
            || *end == StepEnd::Blocked(BlockCause::Failure)
            || matches!(end, StepEnd::Blocked(BlockCause::Cancelled | BlockCause::Timeout))
    });
    if failed {
        return Outcome::Failed(Reason::StepFailed);
    }
    let partial = pairs()
        .any(|(end, _)| matches!(end, StepEnd::Failed | StepEnd::Partial | StepEnd::Blocked(_)));
    if partial { Outcome::Partial } else { Outcome::Succeeded }
}

/// All that a step needs, directly or not.
fn all_needs(definition: &Definition, index: StepIndex) -> BTreeSet<StepIndex> {
    let mut found = BTreeSet::new();
    let mut open = vec![index];
    while let Some(next) = open.pop() {
        for need in definition.step(next).into_iter().flat_map(|step| &step.needs) {
            if found.insert(*need) {
                open.push(*need);
            }
        }
    }
    found
}

fn check_step(
    definition: &Definition,
    ends: &[StepEnd],
    index: StepIndex,
    of: &StepState,
    stopped: bool,
) -> Result<(), String> {
    let Some(step) = definition.step(index) else {
        return Err("it is not there".to_owned());
    };
    let end_of = |need: &StepIndex| ends.get(need.place()).copied();
    let needs: Vec<(StepEnd, OnFailure)> = all_needs(definition, index)
        .iter()
        .filter_map(|need| Some((end_of(need)?, definition.step(*need)?.on_failure)))
        .collect();
    let any = |wanted: &dyn Fn(&(StepEnd, OnFailure)) -> bool| needs.iter().any(wanted);
    let hard = any(&|(end, on_failure)| {
        (*end == StepEnd::Failed && *on_failure == OnFailure::Fail)
            || matches!(
                end,
                StepEnd::Blocked(BlockCause::Failure | BlockCause::Cancelled | BlockCause::Timeout)
            )
    });
    let soft = any(&|(end, on_failure)| {
        *end == StepEnd::Partial
            || (*end == StepEnd::Failed && *on_failure == OnFailure::Continue)
            || *end == StepEnd::Blocked(BlockCause::Partial)
    });
    let inherited = any(&|(end, _)| *end == StepEnd::Blocked(BlockCause::Partial));
    let failed = any(&|(end, _)| *end == StepEnd::Failed);
    let skipped = step.needs.iter().any(|need| end_of(need) == Some(StepEnd::Skipped));
    let end = of.phase.end().ok_or("it is open")?;
    if let StepEnd::Blocked(BlockCause::Timeout | BlockCause::Cancelled) = end {
        return if stopped {
            Ok(())
        } else {
            Err("it is blocked by a stop that was none".to_owned())
        };
    }
    let ran = !matches!(end, StepEnd::Skipped | StepEnd::Blocked(_));
    let expect = match step.run_when {
        RunWhen::Ok | RunWhen::Clean if hard => Some(StepEnd::Blocked(BlockCause::Failure)),
        RunWhen::Ok if inherited => Some(StepEnd::Blocked(BlockCause::Partial)),
        RunWhen::Clean if soft => Some(StepEnd::Blocked(BlockCause::Partial)),
        RunWhen::Clean if skipped => Some(StepEnd::Skipped),
        RunWhen::Failed if !failed => Some(StepEnd::Skipped),
        RunWhen::Ok | RunWhen::Clean | RunWhen::Done | RunWhen::Failed => None,
    };
    // What an earlier period left in doubt is not made good by a step that is not wanted any more.
    let in_doubt = of.listed == Listed::Yes && !of.items.not_ok.is_empty();
    match expect {
        Some(StepEnd::Skipped) if in_doubt => check_counts(definition, index, of, end),
        Some(expect) if expect != end => {
            Err(format!("it ended {end:?}, `run_when` says {expect:?}"))
        }
        None if !(ran || end == StepEnd::Skipped && step.condition.is_some()) => {
            Err(format!("it ended {end:?} though it may run"))
        }
        _ if ran && of.listed == Listed::Yes => check_counts(definition, index, of, end),
        _ => Ok(()),
    }
}

fn check_counts(
    definition: &Definition,
    index: StepIndex,
    of: &StepState,
    end: StepEnd,
) -> Result<(), String> {
    let counts = &of.items.counts;
    let wanted = counts.total - counts.skipped;
    let bad = counts.failed + counts.unknown + counts.untried;
    let fan_out = definition.step(index).and_then(|step| step.for_each.as_ref());
    let expect = match fan_out {
        Some(fan_out) if wanted < fan_out.min_items => StepEnd::Failed,
        _ if bad == 0 && counts.partial == 0 => StepEnd::Succeeded,
        _ if bad == wanted => StepEnd::Failed,
        Some(fan_out) if fan_out.max_failed.is_some_and(|most| bad > most.of(wanted)) => {
            StepEnd::Failed
        }
        _ => StepEnd::Partial,
    };
    if end == expect {
        Ok(())
    } else {
        Err(format!("it ended {end:?}, its items say {expect:?}: {counts:?}"))
    }
}

/// The first item of a run that does not agree with the ground truth.
///
/// # Errors
/// A sentence that says which and how.
pub fn check_truth(definition: &Definition, state: &RunState, world: &World) -> Result<(), String> {
    for (index, step) in definition.numbered() {
        let Some(of) = state.step(index) else {
            return Err("a step has no state".to_owned());
        };
        // What was skipped on a retry had been done before, and is not wanted any more.
        let is_skipped = of.phase.end() == Some(StepEnd::Skipped);
        if step.action().is_none() || of.listed == Listed::No || is_skipped {
            continue;
        }
        for item in 0..of.items.total {
            check_item(definition, state.run(), of, (index, ItemIndex(item)), world)
                .map_err(|what| format!("step `{}` item {item}: {what}", step.id))?;
        }
    }
    Ok(())
}

fn check_item(
    definition: &Definition,
    run: RunId,
    of: &StepState,
    (index, item): (StepIndex, ItemIndex),
    world: &World,
) -> Result<(), String> {
    let class = class(definition, index);
    let strict = matches!(class, EffectClass::Keyed | EffectClass::Probed | EffectClass::Once);
    let require = |holds: bool, what: &str| if holds { Ok(()) } else { Err(what.to_owned()) };
    let latest = of.items.epoch(item);
    for epoch in 0..=latest {
        let truth = world.truth(Outside::key(definition, run, index, item, epoch));
        require(!strict || truth.happened <= 1, "its effect happened more than once")?;
        require(
            class != EffectClass::Once || truth.attempts <= 1 || truth.happened <= 1,
            "it was done again",
        )?;
    }
    let truth = world.truth(Outside::key(definition, run, index, item, latest));
    let excluded = of.items.excluded.get(item.0).is_some();
    match of.items.not_ok.get(item.0) {
        _ if excluded => require(truth.attempts == 0, "it was left out and done all the same"),
        None => require(truth.happened >= 1, "it succeeded and nothing happened"),
        Some(Mark::Partial) => require(truth.happened >= 1, "it is partial and nothing happened"),
        Some(Mark::Failed) => {
            require(!strict || truth.happened == 0, "it failed without effect and happened")
        }
        Some(Mark::Untried) => {
            let in_doubt = of.items.doubts.get(item.0).is_some();
            require(truth.attempts == 0 || in_doubt, "it is untried and was tried")
        }
        Some(Mark::FailedInDoubt) => {
            require(class != EffectClass::Once, "it may have happened, and nobody is asked")
        }
        Some(Mark::Unknown | Mark::ResolvedDone | Mark::ResolvedNotDone) => require(
            matches!(class, EffectClass::Once | EffectClass::Probed),
            "a person is asked about what could be done again",
        ),
    }
}
