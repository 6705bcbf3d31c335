//! What a host may hand to the drive: one closed list.

use std::sync::Arc;

use holdfast_contract::evaluate::Evaluate;
use holdfast_contract::records::Keep;
use holdfast_journal::outbox::{Acknowledging, OutboxChange};
use holdfast_journal::record::StoredDefinition;
use holdfast_journal::retain::Forgotten;
use holdfast_journal::schedule::ScheduleChange;
use holdfast_kernel::definition::Definition;
use holdfast_kernel::event::{CancelKind, Event, Request, Verdict};
use holdfast_kernel::failure::Failure;
use holdfast_kernel::id::{Instant, ItemIndex, RunId, StepIndex};
use holdfast_kernel::reopen::Selection;
use holdfast_kernel::state::RunState;
use holdfast_kernel::tick::{Decided, Overlap, ScheduleName};
use serde::{Deserialize, Serialize};

/// Something that calls for a decision.
pub enum Input {
    /// A request for a run.
    Submit(Box<Submit>),
    /// Ticks of a schedule whose time has come.
    Tick(Box<Tick>),
    /// A person wants the run of a tick: the request says of which.
    TickByHand(Box<Submit>),
    /// Something changes about schedules.
    Schedule {
        /// What.
        change: Box<ScheduleChange>,
        /// Who wants it.
        by: String,
        /// Where the reply goes.
        token: Token,
    },
    /// Something that happened to a run: the end of an attempt, a probe's answer, a timer.
    Event {
        /// The run.
        run: RunId,
        /// What happened.
        event: Event,
    },
    /// A person says whether an effect in doubt happened.
    Resolve {
        /// The run, as it was read if it has ended; none if it is active.
        ended: Option<Box<Ended>>,
        /// Its id.
        run: RunId,
        /// The step.
        step: StepIndex,
        /// The item.
        item: ItemIndex,
        /// What they say.
        verdict: Verdict,
        /// Who.
        by: String,
        /// Where the reply goes.
        token: Token,
    },
    /// Somebody wants something of an active run.
    Ask {
        /// The run.
        run: RunId,
        /// What.
        ask: Ask,
        /// Who.
        by: String,
        /// Where the reply goes.
        token: Token,
    },
    /// The host looked after the child run that a step asked for.
    Child(Box<Child>),
    /// An attempt wants something stored beside the events.
    Keep {
        /// What.
        kept: Box<Keep>,
        /// Where the reply goes.
        token: Token,
    },
    /// Something changes of messages on their way to people outside.
    Outbox {
        /// What.
        change: Box<OutboxChange>,
        /// Where the reply goes.
        token: Token,
    },
    /// A person has seen notifications.
    Acknowledge {
        /// Which, and who.
        seen: Acknowledging,
        /// Where the reply goes.
        token: Token,
    },
    /// Runs that have ended are to be forgotten.
    Forget {
        /// Which, and which notifications.
        forgotten: Forgotten,
        /// Who wants it.
        by: String,
        /// Where the reply goes.
        token: Token,
    },
    /// An operator wants an ended run to go on.
    Retry {
        /// The run, as it was read.
        ended: Box<Ended>,
        /// What of it.
        selection: Selection,
        /// Who.
        by: String,
        /// Where the reply goes.
        token: Token,
    },
}

/// What somebody wants of an active run.
pub enum Ask {
    /// That it ends.
    Cancel(CancelKind),
    /// Their word on what a person is asked.
    Answer {
        /// The step.
        step: StepIndex,
        /// The item.
        item: ItemIndex,
        /// What they say.
        word: Word,
    },
}

/// What a person says who is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// Yes, with a comment.
    Approve(String),
    /// No, with a reason.
    Reject(String),
}

/// The run that a child step asked for.
pub struct Child {
    /// The run of the step.
    pub parent: RunId,
    /// The step.
    pub step: StepIndex,
    /// The item.
    pub item: ItemIndex,
    /// The child's id.
    pub run: RunId,
    /// What is known of it.
    pub found: ChildFound,
}

/// What the host found of a child run.
pub enum ChildFound {
    /// Nothing yet: it is to be queued.
    New(Box<Submit>),
    /// It ended in an earlier period of its parent, and goes on.
    Ended(Box<Ended>),
    /// It cannot be queued.
    Refused(Failure),
}

/// Ticks of a schedule whose time has come, as the kernel sifted them.
pub struct Tick {
    /// The schedule.
    pub schedule: ScheduleName,
    /// The last tick that was decided when they were sifted.
    pub after: Instant,
    /// Those that are passed over, ascending.
    pub passed: Vec<Decided>,
    /// The one after them that is to start a run.
    pub fires: Option<Fires>,
    /// Where the reply goes.
    pub token: Token,
}

/// A tick that is to start a run.
pub struct Fires {
    /// The tick.
    pub tick: Instant,
    /// What becomes of it beside earlier runs.
    pub overlap: Overlap,
    /// The request, or why none can be made.
    pub submit: Result<Box<Submit>, String>,
}

/// A request with what is needed to run it.
pub struct Submit {
    /// The request.
    pub request: Request,
    /// The definition as it is stored, and those of its child runs.
    pub stored: Vec<StoredDefinition>,
    /// The definition, and the language that evaluates it.
    pub program: Program,
    /// Where the reply goes.
    pub token: Token,
}

/// A definition, ready to be decided about and evaluated.
#[derive(Clone)]
pub struct Program {
    /// The definition.
    pub definition: Arc<Definition>,
    /// The language, compiled for it.
    pub language: Arc<dyn Evaluate + Send + Sync>,
}

/// A run that has ended, read back to go on with.
pub struct Ended {
    /// Its definition.
    pub program: Program,
    /// Its state.
    pub state: RunState,
}

/// Names a request's reply; the host chooses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Token(pub u64);
