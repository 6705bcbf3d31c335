//! Whether a step whose direct needs are final may run: `run_when` over all that lies behind it.
//!
//! What all the transitive needs came to is a small set, joined along the edges as steps end. Conditions
//! on data (`if`) are not asked here.

use crate::definition::{Definition, RunWhen};
use crate::event::BlockCause;
use crate::id::StepIndex;
use crate::state::{Behind, RunState};
use crate::status::StepEnd;

/// What `run_when` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// The step may run.
    Open,
    /// There is nothing for it to do.
    Skip,
    /// It may not, and what needs it inherits the cause.
    Block(BlockCause),
}

/// What `run_when` of a step says, once its direct needs are final.
///
/// | `run_when` | behind it | then |
/// |---|---|---|
/// | `ok` | a failure that counts, or a step blocked because of one | blocked, failure |
/// | `ok` | a step blocked because of a partial | blocked, partial |
/// | `clean` | a failure that counts, or a step blocked because of one | blocked, failure |
/// | `clean` | a partial, a tolerated failure, a step blocked because of one | blocked, partial |
/// | `clean` | a direct need skipped | skipped |
/// | `done` | anything | open |
/// | `failed` | a failure, tolerated or not | open |
/// | `failed` | no failure | skipped |
/// | otherwise | | open |
pub fn gate(definition: &Definition, state: &RunState, index: StepIndex) -> Gate {
    let (Some(step), Some(of)) = (definition.step(index), state.step(index)) else {
        return Gate::Skip;
    };
    let behind = of.behind;
    let failed = Behind::FAILED.with(Behind::BLOCKED_FAILURE);
    let partial = Behind::PARTIAL.with(Behind::TOLERATED).with(Behind::BLOCKED_PARTIAL);
    match step.run_when {
        RunWhen::Ok | RunWhen::Clean if behind.has_any(failed) => Gate::Block(BlockCause::Failure),
        RunWhen::Ok if behind.has_any(Behind::BLOCKED_PARTIAL) => Gate::Block(BlockCause::Partial),
        RunWhen::Clean if behind.has_any(partial) => Gate::Block(BlockCause::Partial),
        RunWhen::Clean if step.needs.iter().any(|need| is_skipped(state, *need)) => Gate::Skip,
        RunWhen::Failed if !behind.has_any(Behind::FAILED.with(Behind::TOLERATED)) => Gate::Skip,
        RunWhen::Ok | RunWhen::Clean | RunWhen::Done | RunWhen::Failed => Gate::Open,
    }
}

fn is_skipped(state: &RunState, need: StepIndex) -> bool {
    state.step(need).and_then(|step| step.phase.end()) == Some(StepEnd::Skipped)
}
