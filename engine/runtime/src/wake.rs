//! What can happen to the executor: one closed list.

use std::sync::Arc;

use holdfast_contract::action::Registry;
use holdfast_contract::attempt::Progress;
use holdfast_contract::records::Keep;
use holdfast_drive::grants::Limits;
use holdfast_drive::input::{Ask, Child, Submit, Tick, Token};
use holdfast_drive::output::Reply;
use holdfast_journal::commit::Batch;
use holdfast_journal::outbox::{Acknowledging, OutboxChange};
use holdfast_journal::retain::Forgotten;
use holdfast_journal::schedule::ScheduleChange;
use holdfast_kernel::event::{Event, Verdict};
use holdfast_kernel::failure::Failure;
use holdfast_kernel::id::{AttemptId, ItemIndex, Millis, RunId, StepIndex};
use holdfast_kernel::queue::Obstacle;
use holdfast_kernel::reopen::Selection;
use tokio::sync::oneshot;

use crate::children::Children;
use crate::executor::Compile;
use crate::scope::Secrets;

/// Something that happened to the process.
pub enum Wake {
    /// Somebody wants something of a run.
    Asked(Asked),
    /// Something happened to a run.
    Event(RunId, Event),
    /// An attempt wants a note journaled.
    Note {
        /// The run.
        run: RunId,
        /// The attempt.
        attempt: AttemptId,
        /// The item.
        item: ItemIndex,
        /// The event with the note.
        event: Event,
        /// Told once it is durable.
        done: oneshot::Sender<Result<(), Failure>>,
    },
    /// An attempt wants something stored beside the events.
    Keep {
        /// What.
        kept: Box<Keep>,
        /// Told once it is durable.
        reply: oneshot::Sender<Reply>,
    },
    /// The child run that a step asked for was looked after.
    Child(Box<Child>),
    /// Somebody asks what is in the way of the runs that wait for their slots.
    Obstacles(oneshot::Sender<Vec<(RunId, Obstacle)>>),
    /// How far an attempt is.
    Progress(RunId, StepIndex, Progress),
    /// An attempt's task has ended, whatever it told.
    AttemptOver(RunId, AttemptId),
    /// A batch is durable, or could not be made so.
    Committed(Result<Arc<Batch>, String>),
    /// Records were filed, or could not be.
    Filed(Result<u64, String>),
    /// The configuration was changed.
    Configure(Box<Configured>),
    /// Take no new work, and end once what runs is done or the grace is over.
    Drain(Grace),
    /// End at once; what runs is interrupted.
    Stop,
}

/// What of an executor goes by the configuration.
pub struct Configured {
    /// What steps may use.
    pub actions: Registry,
    /// The language.
    pub compile: Compile,
    /// Where secrets come from.
    pub secrets: Arc<dyn Secrets>,
    /// Makes requests for child runs.
    pub children: Arc<dyn Children>,
    /// The limits of this process.
    pub limits: Limits,
    /// How many bytes must be free on the disk with the state for an attempt to start.
    pub reserve: u64,
    /// How long attempts have to end on their own when the process is drained.
    pub drain_grace: Millis,
}

/// How long what is in flight has when the process is drained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grace {
    /// As long as is usual.
    Usual,
    /// None: it is interrupted now.
    None,
}

/// What somebody may want of a run, and where the reply goes.
pub struct Asked {
    /// What.
    pub what: Want,
    /// Told once it is durable.
    pub reply: oneshot::Sender<Reply>,
}

/// What somebody may want.
pub enum Want {
    /// A run.
    Submit(Box<Submit>),
    /// That an ended run goes on.
    Retry {
        /// The run.
        run: RunId,
        /// What of it.
        selection: Selection,
        /// Who wants it.
        by: String,
    },
    /// Something of an active run.
    Ask {
        /// The run.
        run: RunId,
        /// What.
        ask: Ask,
        /// Who wants it.
        by: String,
    },
    /// That something is stored beside the events of runs.
    Keep(Box<Keep>),
    /// That ticks of a schedule are decided.
    Tick(Box<Tick>),
    /// The run of a tick, by hand.
    TickByHand(Box<Submit>),
    /// That something about schedules is stored.
    Schedule {
        /// What.
        change: Box<ScheduleChange>,
        /// Who wants it.
        by: String,
    },
    /// That something is stored of messages on their way to people outside.
    Outbox(Box<OutboxChange>),
    /// To say that notifications were seen.
    Acknowledge(Acknowledging),
    /// That runs are forgotten.
    Forget {
        /// Which, and which notifications.
        forgotten: Forgotten,
        /// Who wants it.
        by: String,
    },
    /// To say whether an effect in doubt happened.
    Resolve {
        /// The run.
        run: RunId,
        /// The step.
        step: StepIndex,
        /// The item.
        item: ItemIndex,
        /// What they say.
        verdict: Verdict,
        /// Who says it.
        by: String,
    },
}

/// Numbers the replies that are awaited.
#[derive(Debug, Default)]
pub struct Tokens(u64);

impl Tokens {
    /// A token that was not given before.
    pub fn take(&mut self) -> Token {
        self.0 += 1;
        Token(self.0)
    }
}
