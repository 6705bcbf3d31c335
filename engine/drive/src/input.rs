//! What a host may hand to the drive: one closed list.

use std::sync::Arc;

use holdfast_contract::evaluate::Evaluate;
use holdfast_contract::records::Keep;
use holdfast_journal::record::StoredDefinition;
use holdfast_kernel::definition::Definition;
use holdfast_kernel::event::{Event, Request, Verdict};
use holdfast_kernel::id::{ItemIndex, RunId, StepIndex};
use holdfast_kernel::state::RunState;

/// Something that calls for a decision.
pub enum Input {
    /// A request for a run.
    Submit(Box<Submit>),
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
    /// An attempt wants something stored beside the events.
    Keep {
        /// What.
        kept: Box<Keep>,
        /// Where the reply goes.
        token: Token,
    },
    /// An operator wants an ended run to go on.
    Retry {
        /// The run, as it was read.
        ended: Box<Ended>,
        /// Who.
        by: String,
        /// Where the reply goes.
        token: Token,
    },
}

/// A request with what is needed to run it.
pub struct Submit {
    /// The request.
    pub request: Request,
    /// The definition as it is stored.
    pub stored: StoredDefinition,
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
