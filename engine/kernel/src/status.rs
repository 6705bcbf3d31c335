//! From the ends of items to the end of their step, and from the ends of steps to the run's final word.
//!
//! Two small tables, first match wins; nothing can turn a failure green. Words of other programs map
//! onto ours in one table here.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::definition::{Definition, ForEach, OnFailure};
use crate::event::BlockCause;
use crate::state::{OutputsState, Phase, RunState, StepPhase};

/// The status of a run: these five words and no others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Accepted, not started.
    Queued,
    /// Started, not ended.
    Running,
    /// Whole.
    Succeeded,
    /// Something is missing, and it is listed.
    Partial,
    /// It did not do what it was for.
    Failed,
}

impl RunStatus {
    /// Every status, in the order of a run's life.
    pub const ALL: [Self; 5] =
        [Self::Queued, Self::Running, Self::Succeeded, Self::Partial, Self::Failed];

    /// The word used everywhere.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Partial => "partial",
            Self::Failed => "failed",
        }
    }

    /// Our word for a status word, ours or that of another program.
    pub fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "queued" | "pending" => Self::Queued,
            "running" => Self::Running,
            "succeeded" | "completed" => Self::Succeeded,
            "partial" | "completed_with_errors" => Self::Partial,
            "failed" | "aborted" | "canceled" => Self::Failed,
            _ => return None,
        })
    }
}

impl fmt::Display for RunStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Why a run stops before its steps are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopCause {
    /// The run's timeout passed.
    Timeout,
    /// It was queued for too long.
    QueueTimeout,
    /// Somebody cancelled it.
    Cancelled,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every step succeeded or was skipped.
    Succeeded,
    /// A step is partial, failed with `continue_on_error`, or is blocked because of one.
    Partial,
    /// It failed.
    Failed(Reason),
}

/// Why a run failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It was cancelled before all steps were final.
    Cancelled,
    /// Its timeout passed.
    Timeout,
    /// It was queued for too long.
    QueueTimeout,
    /// A step failed, or the outputs could not be evaluated.
    StepFailed,
    /// A bug in holdfast.
    Internal,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Cancelled, Self::Timeout, Self::QueueTimeout, Self::StepFailed, Self::Internal];

    /// The word used in events and on pages.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Timeout => "timeout",
            Self::QueueTimeout => "queue_timeout",
            Self::StepFailed => "step_failed",
            Self::Internal => "internal",
        }
    }
}

impl Outcome {
    /// The run's status.
    pub const fn status(self) -> RunStatus {
        match self {
            Self::Succeeded => RunStatus::Succeeded,
            Self::Partial => RunStatus::Partial,
            Self::Failed(_) => RunStatus::Failed,
        }
    }

    /// Why it failed, if it did.
    pub const fn reason(self) -> Option<Reason> {
        match self {
            Self::Failed(reason) => Some(reason),
            Self::Succeeded | Self::Partial => None,
        }
    }
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepEnd {
    /// All of it succeeded.
    Succeeded,
    /// Some items failed, or part of something could not be read.
    Partial,
    /// It failed.
    Failed,
    /// Its condition or its needs said that there is nothing to do.
    Skipped,
    /// What happened to others did not let it run.
    Blocked(BlockCause),
}

impl StepEnd {
    /// The word used everywhere.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Blocked(_) => "blocked",
        }
    }
}

/// How many items came to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// All of them, excluded ones too.
    pub total: u32,
    /// Those that succeeded.
    pub succeeded: u32,
    /// Those of which part could not be read.
    pub partial: u32,
    /// Those that failed.
    pub failed: u32,
    /// Those that `where` left out.
    pub skipped: u32,
    /// Those whose effect is unknown.
    pub unknown: u32,
    /// Those that never started.
    pub untried: u32,
}

impl Counts {
    /// The items that were to be done: all but the excluded ones.
    pub const fn wanted(&self) -> u32 {
        self.total.saturating_sub(self.skipped)
    }

    /// The items that count as failures.
    pub const fn bad(&self) -> u32 {
        self.failed + self.unknown + self.untried
    }

    /// The items that ended in any way.
    pub const fn ended(&self) -> u32 {
        self.succeeded + self.partial + self.skipped + self.bad()
    }
}

/// How a step ends whose items have all ended.
///
/// | of n wanted items, f failed, unknown or untried, p partial | end |
/// |---|---|
/// | n < `min_items` | failed |
/// | f = p = 0 | succeeded |
/// | f = n | failed |
/// | f > `max_failed` | failed |
/// | otherwise | partial |
pub fn step_end(counts: &Counts, fan_out: Option<&ForEach>) -> StepEnd {
    let (wanted, bad) = (counts.wanted(), counts.bad());
    if fan_out.is_some_and(|fan_out| wanted < fan_out.min_items) {
        return StepEnd::Failed;
    }
    if bad == 0 && counts.partial == 0 {
        return StepEnd::Succeeded;
    }
    let too_many =
        fan_out.and_then(|fan_out| fan_out.max_failed).is_some_and(|share| bad > share.of(wanted));
    if bad == wanted || too_many { StepEnd::Failed } else { StepEnd::Partial }
}

/// Why a run fails whose main graph was stopped, or whose `finally` took too long.
const fn stopped_by(phase: &Phase) -> Option<Reason> {
    match phase {
        Phase::Stopping(cause)
        | Phase::Finally(Some(cause))
        | Phase::StoppingFinally { main: Some(cause), .. }
        | Phase::StoppingFinally { main: None, cause: cause @ StopCause::Timeout } => {
            Some(match cause {
                StopCause::Cancelled => Reason::Cancelled,
                StopCause::Timeout => Reason::Timeout,
                StopCause::QueueTimeout => Reason::QueueTimeout,
            })
        }
        Phase::Queued
        | Phase::Granted
        | Phase::Running
        | Phase::Finally(None)
        | Phase::StoppingFinally { main: None, .. }
        | Phase::Finished(_) => None,
    }
}

/// The final word of a run whose steps are all final; of one in `finally`, the word so far.
///
/// | condition | outcome |
/// |---|---|
/// | cancelled, or a timeout passed | failed, with that reason |
/// | a step failed without `continue_on_error`, is blocked because of a failure, or was stopped in `finally` | failed, `step_failed` |
/// | a step is partial, failed with `continue_on_error`, or is blocked because of a partial | partial |
/// | otherwise | succeeded |
pub fn run_outcome(definition: &Definition, state: &RunState) -> Outcome {
    if let Some(reason) = stopped_by(&state.phase) {
        return Outcome::Failed(reason);
    }
    let mut worst = Outcome::Succeeded;
    for (step, definition) in state.steps.iter().zip(&definition.steps) {
        let StepPhase::Final(end) = step.phase else {
            continue;
        };
        match (end, definition.on_failure) {
            // Blocked by a stop without a stop of the run: `finally` was stopped.
            (StepEnd::Failed, OnFailure::Fail)
            | (
                StepEnd::Blocked(BlockCause::Failure | BlockCause::Cancelled | BlockCause::Timeout),
                _,
            ) => {
                return Outcome::Failed(Reason::StepFailed);
            }
            (StepEnd::Failed, OnFailure::Continue)
            | (StepEnd::Partial | StepEnd::Blocked(BlockCause::Partial), _) => {
                worst = Outcome::Partial;
            }
            (StepEnd::Succeeded | StepEnd::Skipped, _) => {}
        }
    }
    match state.outputs {
        Some(OutputsState::Failed(_)) => Outcome::Failed(Reason::StepFailed),
        Some(OutputsState::Known(_)) | None => worst,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::Share;
    use crate::id::ExpressionId;
    use alloc::borrow::ToOwned as _;

    fn fan_out(max_failed: Option<Share>, min_items: u32) -> ForEach {
        ForEach {
            items: ExpressionId(0),
            key: None,
            filter: None,
            stage: None,
            max_parallel: None,
            variable: "item".to_owned(),
            batch: 1,
            max_failed,
            min_items,
            fail_fast: false,
        }
    }

    fn check(counts: Counts, max_failed: Option<Share>, expect: StepEnd) {
        assert_eq!(step_end(&counts, Some(&fan_out(max_failed, 0))), expect, "{counts:?}");
    }

    #[test]
    fn a_step_ends_as_its_table_says() {
        let of_ten = Counts { total: 10, succeeded: 10, ..Counts::default() };
        check(of_ten, None, StepEnd::Succeeded);
        check(Counts::default(), None, StepEnd::Succeeded);
        check(Counts { succeeded: 9, partial: 1, ..of_ten }, None, StepEnd::Partial);
        check(Counts { succeeded: 9, unknown: 1, ..of_ten }, None, StepEnd::Partial);
        check(Counts { succeeded: 0, untried: 10, ..of_ten }, None, StepEnd::Failed);
        check(Counts { succeeded: 0, partial: 10, ..of_ten }, None, StepEnd::Partial);
        check(
            Counts { succeeded: 7, failed: 3, ..of_ten },
            Some(Share::Count(3)),
            StepEnd::Partial,
        );
        check(
            Counts { succeeded: 7, failed: 3, ..of_ten },
            Some(Share::Percent(29)),
            StepEnd::Failed,
        );
        check(Counts { succeeded: 0, skipped: 8, failed: 2, ..of_ten }, None, StepEnd::Failed);
    }

    #[test]
    fn too_few_items_fail_the_step() {
        let none = Counts { total: 3, skipped: 3, ..Counts::default() };
        assert_eq!(step_end(&none, Some(&fan_out(None, 1))), StepEnd::Failed);
        assert_eq!(step_end(&none, Some(&fan_out(None, 0))), StepEnd::Succeeded);
    }

    #[test]
    fn foreign_status_words_map_onto_ours() {
        for status in RunStatus::ALL {
            assert_eq!(RunStatus::from_word(status.word()), Some(status));
        }
        assert_eq!(RunStatus::from_word("completed_with_errors"), Some(RunStatus::Partial));
        assert_eq!(RunStatus::from_word("pending"), Some(RunStatus::Queued));
        assert_eq!(RunStatus::from_word("completed"), Some(RunStatus::Succeeded));
        assert_eq!(RunStatus::from_word("aborted"), Some(RunStatus::Failed));
        assert_eq!(RunStatus::from_word("canceled"), Some(RunStatus::Failed));
        assert_eq!(RunStatus::from_word("green"), None);
    }
}
