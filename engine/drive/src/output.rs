//! What the drive gives its host, each only after the commit it depends on.

use holdfast_kernel::command::Command;
use holdfast_kernel::event::{Event, Question};
use holdfast_kernel::id::RunId;
use holdfast_kernel::reopen::NotReopenable;
use holdfast_kernel::status::Outcome;
use holdfast_kernel::tick::TickDecision;
use serde::{Deserialize, Serialize};

use crate::input::{Program, Token};

/// Something for the host to do or to pass on.
pub enum Output {
    /// Carry out a command of a run. Holds and most questions are the drive's own matter and not among them.
    Command {
        /// The run.
        run: RunId,
        /// Its definition and language.
        program: Program,
        /// What to do.
        command: Command,
    },
    /// Answer a question that reads results of items: once everything up to the commit it came with is filed.
    Evaluate {
        /// The run.
        run: RunId,
        /// What is asked.
        question: Question,
    },
    /// Tell whoever asked.
    Reply {
        /// Who asked.
        token: Token,
        /// What they are told.
        reply: Reply,
    },
    /// A run has ended.
    Ended {
        /// The run.
        run: RunId,
        /// How.
        outcome: Outcome,
    },
    /// An event came too late to count; it goes to the log of its attempt.
    Stale {
        /// The run.
        run: RunId,
        /// The event.
        event: Event,
    },
    /// The kernel could not go on with a run: a bug. Its attempts are to be cancelled.
    Quarantined {
        /// The run.
        run: RunId,
        /// What went wrong, for the log.
        reason: String,
    },
}

/// What somebody is told who asked for something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// The run was queued.
    Queued(RunId),
    /// An identical run is active; this one was not started twice.
    Deduplicated {
        /// The active run.
        run: RunId,
        /// Whether the workflow has changed since that run was submitted.
        definition_differs: bool,
    },
    /// Ticks were decided; what became of the one that was to start a run.
    Ticked(Option<TickDecision>),
    /// Done.
    Done,
    /// It may not be done.
    Refused(Refusal),
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// A run with the same dedupe key is active.
    #[error("an identical run is active: {0}")]
    KeyTaken(RunId),
    /// The workflow's own key names an active run with other inputs.
    #[error("the run {0} is active under the same `dedupe.key` with other inputs")]
    OtherInputs(RunId),
    /// The run's group is full.
    #[error(
        "the group {group} is full, and the workflow says `when_full: reject`; in it goes on {run}"
    )]
    GroupFull {
        /// The group.
        group: String,
        /// A run of it.
        run: RunId,
    },
    /// The run has not ended.
    #[error("the run has not ended")]
    Active,
    /// The run has ended.
    #[error("the run has ended")]
    Ended,
    /// Nobody is asked there.
    #[error("nobody is asked for an approval at that step and item")]
    NotAsked,
    /// It is not for them to say.
    #[error("{0}")]
    NotForYou(String),
    /// Everything in it is ok.
    #[error("everything in the run is ok: nothing would run again")]
    NothingToDo,
    /// What is not ok is in doubt.
    #[error("all that is not ok is in doubt: a person must say first what happened")]
    OnlyUnknown,
    /// There is no unknown effect at that place.
    #[error("there is no effect in doubt at that step and item")]
    NotUnknown,
    /// There is no such schedule.
    #[error("there is no such schedule")]
    NoSuchSchedule,
    /// The ticks of the schedule were decided by somebody else meanwhile.
    #[error("the ticks of the schedule are decided already")]
    Decided,
    /// There is no such run.
    #[error("there is no such run")]
    NoSuchRun,
    /// What is stored of the run cannot be read.
    #[error("what is stored of the run cannot be read: {0}")]
    Unreadable(String),
    /// The workflow is none that the kernel runs.
    #[error("the workflow cannot be run: {0}")]
    Invalid(String),
    /// No new work is taken.
    #[error("holdfast is stopping and takes no new work")]
    Draining,
}

impl From<NotReopenable> for Refusal {
    fn from(reason: NotReopenable) -> Self {
        match reason {
            NotReopenable::Active => Self::Active,
            NotReopenable::NothingToDo => Self::NothingToDo,
            NotReopenable::OnlyUnknown => Self::OnlyUnknown,
        }
    }
}
