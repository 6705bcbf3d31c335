//! What can be told about runs while they run: one closed list, for whoever watches.
//!
//! Told only after the commit. A watcher that is too slow misses some and reads the store.

use std::sync::Arc;

use holdfast_contract::attempt::Progress;
use holdfast_journal::commit::Batch;
use holdfast_kernel::definition::Definition;
use holdfast_kernel::id::{RunId, StepIndex};
use holdfast_kernel::state::StepPhase;
use holdfast_kernel::status::{Counts, Outcome};

use crate::space::SpaceChange;

/// News of runs.
#[derive(Clone, Debug)]
pub enum News {
    /// Events are durable, of however many runs.
    Committed(Arc<Batch>),
    /// A step is where it was not before, or its counts changed.
    Step {
        /// The run.
        run: RunId,
        /// Its definition.
        definition: Arc<Definition>,
        /// The step.
        step: StepIndex,
        /// Where it is.
        phase: StepPhase,
        /// How many items came to what.
        counts: Counts,
    },
    /// How far an attempt is.
    Progress {
        /// The run.
        run: RunId,
        /// The step.
        step: StepIndex,
        /// How far.
        progress: Progress,
    },
    /// A run has ended.
    Ended {
        /// The run.
        run: RunId,
        /// How.
        outcome: Outcome,
    },
    /// The free space of the disk with the state directory fell below the reserve, or rose above it.
    Space(SpaceChange),
    /// A line was added to the log of a run's attempts.
    Line {
        /// The run.
        run: RunId,
        /// The line: its instant in microseconds, who speaks, what is said; masked.
        line: String,
    },
    /// The kernel could not go on with a run.
    Quarantined {
        /// The run.
        run: RunId,
        /// What went wrong.
        reason: String,
    },
}

impl News {
    /// The run it is about, if it is about one.
    pub const fn run(&self) -> Option<RunId> {
        match self {
            Self::Space(_) | Self::Committed(_) => None,
            Self::Step { run, .. }
            | Self::Progress { run, .. }
            | Self::Ended { run, .. }
            | Self::Line { run, .. }
            | Self::Quarantined { run, .. } => Some(*run),
        }
    }
}
