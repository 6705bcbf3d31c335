//! What must hold of every state, checked from outside by tests and rehearsals after every event.
//!
//! Nothing here is needed to run: a slow second opinion, O(items).

use alloc::format;
use alloc::string::String;

use crate::definition::Definition;
use crate::fan_out;
use crate::id::StepIndex;
use crate::state::{Items, Listed, Mark, OpenStage, Phase, RunState, StepPhase};

/// The first thing that does not hold.
///
/// # Errors
/// A sentence that says what.
pub fn check(definition: &Definition, state: &RunState) -> Result<(), String> {
    let require = |holds: bool, what: &str| {
        if holds { Ok(()) } else { Err(String::from(what)) }
    };
    let is_open =
        |index: &StepIndex| state.step(*index).is_some_and(|step| step.phase.end().is_none());
    let open = definition.main_steps().filter(is_open).count();
    require(open == state.open_steps as usize, "`open_steps` counts the steps that are not final")?;
    let late = definition.finally_steps().filter(is_open).count();
    require(late == state.open_finally as usize, "`open_finally` counts those of `finally`")?;
    let started = matches!(state.phase, Phase::Finally(_) | Phase::StoppingFinally { .. });
    require(!started || open == 0, "`finally` goes on beside the main graph")?;
    let open = open + late;
    let items = || state.steps.iter().flat_map(|step| step.items.open.values());
    let awaiting = items().filter(|open| matches!(open.stage, OpenStage::Awaiting { .. })).count();
    require(awaiting == state.awaiting as usize, "`awaiting` counts who waits for a person")?;
    require(
        state.idle_since.is_none() || state.only_awaits(),
        "a run is idle that does not only wait for people",
    )?;
    let idle = open == 0 && state.in_flight.is_empty();
    require(!state.is_finished() || idle, "a finished run has nothing open")?;
    let queued = matches!(state.phase, Phase::Queued | Phase::Granted);
    require(!queued || state.in_flight.is_empty(), "a queued run has nothing in flight")?;
    for (index, step) in definition.numbered() {
        let Some(of) = state.step(index) else {
            return Err(format!("step `{}` has no state", step.id));
        };
        let in_step = |what: &str| format!("step `{}`: {what}", step.id);
        let runs = matches!(of.phase, StepPhase::Running | StepPhase::Halting);
        check_items(&of.items, step.batch()).map_err(|what| in_step(&what))?;
        let idle = of.items.open.is_empty() && of.items.in_flight == 0;
        require(runs || idle, &in_step("items are open in a step that does not run"))?;
        let startable =
            of.phase == StepPhase::Running && fan_out::is_startable(&of.items, step.batch());
        let live = state.phase.is_live();
        require(
            !live || state.ready.contains(&index) == startable,
            &in_step("`ready` is not what could start"),
        )?;
        let unfinished =
            of.phase.end().is_some() && of.listed == Listed::Yes && !of.items.queue.is_empty();
        require(!unfinished, &in_step("it is final with items not started"))?;
        let flights = state.in_flight.values().filter(|flight| flight.step == index).count();
        require(
            flights == of.items.in_flight as usize,
            &in_step("`in_flight` counts its attempts"),
        )?;
    }
    for (attempt, flight) in &state.in_flight {
        let running = OpenStage::Running(*attempt);
        let items = state.step(flight.step).map(|step| &step.items);
        let known = flight.items.iter().all(|item| {
            items.and_then(|items| items.open.get(item)).is_some_and(|open| open.stage == running)
        });
        require(known && !flight.items.is_empty(), "an attempt in flight has its items open")?;
    }
    Ok(())
}

fn check_items(items: &Items, batch: u32) -> Result<(), String> {
    let require = |holds: bool, what: &str| {
        if holds { Ok(()) } else { Err(String::from(what)) }
    };
    let counted = items.counts.ended() + items.queue.count();
    let open = u32::try_from(items.open.len()).unwrap_or(u32::MAX);
    require(counted + open == items.counts.total, "every item is queued, open or counted once")?;
    let of = |marks: &[Mark]| -> u32 {
        let runs = items.not_ok.iter().filter(|(_, mark)| marks.contains(mark));
        runs.map(|(range, _)| range.end - range.start).sum()
    };
    let counts = &items.counts;
    require(of(&[Mark::Failed, Mark::FailedInDoubt]) == counts.failed, "failed items are marked")?;
    require(of(&[Mark::Partial]) == counts.partial, "partial items are marked")?;
    require(of(&[Mark::Untried]) == counts.untried, "untried items are marked")?;
    let unknown = of(&[Mark::Unknown, Mark::ResolvedDone, Mark::ResolvedNotDone]);
    require(unknown == counts.unknown, "unknown items are marked")?;
    let limit = u64::from(items.max_parallel) * u64::from(batch);
    require(
        u64::from(items.in_flight) <= u64::from(items.max_parallel.max(1)),
        "too many attempts at once",
    )?;
    require(
        u64::from(open) <= limit.max(1) || items.max_parallel == 0 || has_sent_on(items),
        "too many items open",
    )?;
    let due_open = items.due.iter().all(|item| {
        items.open.get(item).is_some_and(|open| matches!(open.stage, OpenStage::Due { .. }))
    });
    require(due_open, "what is due is open")
}

/// Items that a person sent on, or that an earlier period left in doubt, come on top of the limit.
fn has_sent_on(items: &Items) -> bool {
    items.open.values().any(|open| open.attempts == 0)
}
