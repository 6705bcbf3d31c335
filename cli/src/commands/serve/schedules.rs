//! What the service says of schedules and their ticks.
//!
//! What a person did to a schedule is not told: they know.

use holdfast_journal::schedule::ScheduleChange;
use holdfast_kernel::id::RunId;
use holdfast_kernel::tick::{Decided, ScheduleName, Skipped, TickDecision};

use crate::commands::ticks::{decision, told};
use crate::time;

/// Says what changed, if somebody should know.
pub(super) fn tell(change: &ScheduleChange) {
    match change {
        ScheduleChange::Decided { schedule, decided } => {
            for ticks in decided {
                tell_of_ticks(schedule, ticks);
            }
        }
        ScheduleChange::Seen(spec) | ScheduleChange::Unseen(spec) => {
            let (schedule, workflow) = (&spec.name, spec.name.workflow.as_str());
            tracing::info!(workflow, %schedule, "{schedule} is waited for");
        }
        ScheduleChange::Lost(schedule) => {
            let workflow = schedule.workflow.as_str();
            tracing::info!(workflow, %schedule, "{schedule} is lost: no file has it");
        }
        ScheduleChange::Late(schedule) => {
            let workflow = schedule.workflow.as_str();
            tracing::info!(workflow, %schedule, "{schedule} is without a success for too long");
        }
        ScheduleChange::Broken { schedule, reason } => {
            let workflow = schedule.workflow.as_str();
            tracing::warn!(workflow, %schedule, "{schedule} starts nothing: {reason}");
        }
        ScheduleChange::Ahead { schedule, decided } => {
            let (workflow, decided) = (schedule.workflow.as_str(), time::utc(*decided));
            tracing::warn!(workflow, %schedule, "{schedule} starts nothing before {decided}: the clock was ahead");
        }
        ScheduleChange::Mended(schedule) => {
            let workflow = schedule.workflow.as_str();
            tracing::info!(workflow, %schedule, "{schedule} is waited for again");
        }
        ScheduleChange::Unusable { workflow, text } => {
            tracing::warn!(workflow = workflow.as_deref(), "{text}");
        }
        ScheduleChange::ByHand { .. }
        | ScheduleChange::Paused { .. }
        | ScheduleChange::Unpaused { .. }
        | ScheduleChange::Begun { .. }
        | ScheduleChange::Forgotten(_) => {}
    }
}

fn tell_of_ticks(schedule: &ScheduleName, ticks: &Decided) {
    let (workflow, count) = (schedule.workflow.as_str(), ticks.count);
    let run = run_of(&ticks.decision).map(tracing::field::display);
    tracing::info!(
        run,
        workflow,
        %schedule,
        tick = time::utc(ticks.first),
        decision = decision(ticks),
        count,
        "{schedule} {}",
        told(ticks)
    );
}

/// The run that ticks started, or that they started none beside.
const fn run_of(decision: &TickDecision) -> Option<RunId> {
    match decision {
        TickDecision::Fired(run)
        | TickDecision::Skipped(Skipped::Overlap(run))
        | TickDecision::ByHand { run, .. } => Some(*run),
        TickDecision::Skipped(Skipped::Paused | Skipped::Definition(_))
        | TickDecision::Missed
        | TickDecision::Coalesced => None,
    }
}
