//! What the kernel asks its host to do: one closed list, in the imperative.
//!
//! A command leaves the process only after the commit of the events it was decided with.

use alloc::vec::Vec;

use crate::event::{CancelKind, Question, Timer};
use crate::failure::Class;
use crate::id::{AttemptId, ItemIndex, Millis, RunId, StepIndex};
use crate::value::Value;

/// Something the host must do for a run.
///
/// | command | answered by |
/// |---|---|
/// | `AcquireHold` | `HoldGranted` |
/// | `Evaluate` | `Evaluated`, `ItemsListed`, `ApprovalRequested` |
/// | `StartAttempt` | `AttemptNoted`, then for each item `AttemptSucceeded` or `AttemptFailed`; or `AttemptLost`, `AttemptInterrupted` |
/// | `Probe` | `EffectProbed` |
/// | `CancelAttempt` | what answers the attempt; after the grace `AttemptLost` |
/// | `SetTimer` | `TimerFired` |
/// | `ClearTimer` | nothing |
/// | `StartChild` | `ChildFinished` or `ChildRefused` |
/// | `CancelChild` | what answers `StartChild` |
/// | `LoseAttempt` | nothing: its loss was decided |
/// | `ReleaseHold` | nothing |
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Give the run a slot and, if its operation asks for one, its hold.
    AcquireHold,
    /// Take them back: the run has ended.
    ReleaseHold,
    /// Evaluate, in the same turn or later.
    Evaluate(Question),
    /// Start an attempt now: its place is reserved.
    StartAttempt {
        /// The attempt.
        attempt: AttemptId,
        /// The step it is made for.
        step: StepIndex,
        /// What it takes.
        items: Vec<ItemTry>,
        /// How long it may take before it is cancelled.
        timeout: Option<Millis>,
    },
    /// Ask the target whether the effect of an item is there.
    Probe {
        /// The step.
        step: StepIndex,
        /// The item, as its last attempt left it.
        item: ItemTry,
    },
    /// End an attempt, with grace.
    CancelAttempt {
        /// The attempt.
        attempt: AttemptId,
        /// What its failure is told as.
        class: Class,
    },
    /// Drop an attempt: whatever it still tells is stale, and it may write nothing more.
    LoseAttempt {
        /// The attempt.
        attempt: AttemptId,
    },
    /// Queue a child run, or let it go on if it has ended before.
    StartChild {
        /// The step.
        step: StepIndex,
        /// The item.
        item: ItemTry,
        /// The child's id.
        run: RunId,
    },
    /// Ask a child run to end.
    CancelChild {
        /// The child's id.
        run: RunId,
        /// How.
        how: CancelKind,
    },
    /// Forget a timer.
    ClearTimer {
        /// Which.
        timer: Timer,
    },
    /// Ring after this duration.
    SetTimer {
        /// Which timer; it replaces one of the same name.
        timer: Timer,
        /// How long from now.
        duration: Millis,
    },
}

/// An item as an attempt or a probe is given it.
#[derive(Clone, Debug, PartialEq)]
pub struct ItemTry {
    /// The item.
    pub item: ItemIndex,
    /// Which attempt at it this is, from 1.
    pub number: u32,
    /// Its epoch: with run, step and key it makes the effect key.
    pub epoch: u32,
    /// What the last attempt noted.
    pub note: Option<Value>,
}
