//! What can happen to a run: one closed list, in the past tense.
//!
//! Events are what the journal keeps. A fold over them gives the state of the run; the fold decides
//! nothing, so a newer kernel reads an older journal to the same state. Step states are derived.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::definition::WhenFull;
use crate::failure::{Effect, Failure};
use crate::id::{AttemptId, DedupeKey, Digest, ItemIndex, Millis, RunId, StepIndex};
use crate::payload::{Payload, Reference};
use crate::ranges::RangeSet;
use crate::status::Outcome;
use crate::value::Value;

pub use crate::initiator::Initiator;

/// Something that happened to one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A submit was accepted.
    RunQueued(Box<Request>),
    /// Somebody submitted the same request while the run was active.
    RunJoined {
        /// Who.
        by: Initiator,
    },
    /// The run got its slots and its hold on the target.
    HoldGranted,
    /// The run only waits for people: it gave its slots back, and its hold if it has not written yet.
    HoldReleased,
    /// The run started.
    RunStarted,
    /// An expression was evaluated.
    Evaluated {
        /// Which.
        question: Question,
        /// To what.
        answer: Answer,
    },
    /// A step's needs and condition let it run.
    StepReady {
        /// The step.
        step: StepIndex,
    },
    /// A step's needs or condition say that there is nothing to do.
    StepSkipped {
        /// The step.
        step: StepIndex,
    },
    /// A step never runs because of what happened to others.
    StepBlocked {
        /// The step.
        step: StepIndex,
        /// Because of what.
        cause: BlockCause,
    },
    /// A fan-out's list was evaluated, checked and made durable.
    ItemsListed {
        /// The step.
        step: StepIndex,
        /// The list.
        listing: Listing,
    },
    /// An attempt was issued; its place is reserved.
    AttemptStarted {
        /// The attempt.
        attempt: AttemptId,
        /// The step it is made for.
        step: StepIndex,
        /// The items it takes, ascending; one unless the step has a batch.
        items: Vec<ItemIndex>,
    },
    /// An attempt made something durable on its way.
    AttemptNoted {
        /// The attempt.
        attempt: AttemptId,
        /// The item the note is about.
        item: ItemIndex,
        /// The note; it replaces an earlier one.
        note: Value,
    },
    /// An attempt succeeded for one of its items.
    AttemptSucceeded {
        /// The attempt.
        attempt: AttemptId,
        /// The item.
        item: ItemIndex,
        /// What the action returned.
        output: Payload,
        /// Whether all of the item could be read.
        completeness: Completeness,
    },
    /// An attempt failed for one of its items.
    AttemptFailed {
        /// The attempt.
        attempt: AttemptId,
        /// The item.
        item: ItemIndex,
        /// How.
        failure: Failure,
    },
    /// An attempt did not end within its grace after a cancel or timeout: given up, for all its open items.
    AttemptLost {
        /// The attempt.
        attempt: AttemptId,
        /// How it is told; its effect is unknown.
        failure: Failure,
    },
    /// An attempt was cut short by the end of our own process, for all its open items.
    AttemptInterrupted {
        /// The attempt.
        attempt: AttemptId,
        /// How the process ended.
        death: Death,
    },
    /// The target was asked whether an effect is there.
    EffectProbed {
        /// The step.
        step: StepIndex,
        /// The item.
        item: ItemIndex,
        /// What it said.
        answer: ProbeAnswer,
    },
    /// Another attempt, or another probe, comes after a wait.
    RetryScheduled {
        /// The step.
        step: StepIndex,
        /// The item.
        item: ItemIndex,
        /// What comes.
        next: Next,
        /// How long from now; nothing: as soon as there is a place.
        wait: Millis,
    },
    /// An item ended without success; there is no further attempt.
    ItemEnded {
        /// The step.
        step: StepIndex,
        /// The item.
        item: ItemIndex,
        /// In which way.
        end: BadEnd,
        /// The failure it is told with.
        failure: Failure,
    },
    /// A person is asked.
    ApprovalRequested {
        /// The step.
        step: StepIndex,
        /// The item.
        item: ItemIndex,
        /// What they are asked.
        ask: Box<ApprovalAsk>,
    },
    /// A person said yes.
    ApprovalGiven {
        /// The step.
        step: StepIndex,
        /// The item.
        item: ItemIndex,
        /// Who.
        by: String,
        /// The output: who, when, their comment, the plan.
        output: Payload,
    },
    /// A person said no.
    ApprovalRejected {
        /// The step.
        step: StepIndex,
        /// The item.
        item: ItemIndex,
        /// Who.
        by: String,
        /// How the item's failure is told: their reason.
        failure: Failure,
    },
    /// A child run was decided on. It is queued once the host has its inputs.
    ChildStarted {
        /// The step.
        step: StepIndex,
        /// The item.
        item: ItemIndex,
        /// The child's id.
        run: RunId,
    },
    /// A child run began or ended to wait for people and nothing else.
    ChildIdle {
        /// The step.
        step: StepIndex,
        /// The item.
        item: ItemIndex,
        /// Whether it only waits for people from here on.
        idle: bool,
    },
    /// A child run ended.
    ChildFinished {
        /// The step.
        step: StepIndex,
        /// The item.
        item: ItemIndex,
        /// How.
        outcome: Outcome,
        /// Its outputs, a map.
        output: Payload,
        /// Whether what became of an effect in it is not known for certain.
        #[serde(default = "assumed")]
        in_doubt: bool,
    },
    /// A child run could not be queued: its inputs do not fit, or what it needs is not there.
    ChildRefused {
        /// The step.
        step: StepIndex,
        /// The item.
        item: ItemIndex,
        /// Why.
        failure: Failure,
    },
    /// Somebody wants the run to end.
    CancelRequested {
        /// Who.
        by: String,
        /// How.
        how: CancelKind,
    },
    /// The main graph is final: the steps of `finally` start.
    FinallyStarted,
    /// A timer rang.
    TimerFired {
        /// Which.
        timer: Timer,
    },
    /// A person said whether an unknown effect happened.
    EffectResolved {
        /// The step.
        step: StepIndex,
        /// The item.
        item: ItemIndex,
        /// What they said.
        verdict: Verdict,
        /// Who.
        by: String,
    },
    /// An operator made a run that had ended go on.
    RunReopened {
        /// Who.
        by: String,
        /// What runs again, by step, ascending.
        redo: Vec<StepRedo>,
    },
    /// The run ended.
    RunFinished {
        /// With which final word.
        outcome: Outcome,
    },
}

/// An accepted submit: everything that a run is made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The run's id.
    pub run: RunId,
    /// The definition it is pinned to.
    pub definition: Digest,
    /// What it works on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<TargetReference>,
    /// What of the target it is about, sorted and without doubles; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub object: Vec<String>,
    /// The resolved inputs, a map.
    pub inputs: Value,
    /// What makes another submit the same request.
    pub dedupe_key: DedupeKey,
    /// Whether the workflow gives its own key, in place of object and inputs.
    #[serde(default, skip_serializing_if = "KeyKind::is_of_inputs")]
    pub key_kind: KeyKind,
    /// The group it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Group>,
    /// Who asked.
    pub initiator: Initiator,
    /// The run it does again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rerun_of: Option<RunId>,
}

/// Where a dedupe key comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyKind {
    /// From object and inputs.
    #[default]
    Inputs,
    /// From the workflow's `dedupe.key`.
    Custom,
}

impl KeyKind {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
    fn is_of_inputs(&self) -> bool {
        matches!(self, Self::Inputs)
    }
}

/// The group a run belongs to, as it was when the run was submitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// How many of it may go on at once, as this run's workflow says.
    pub limit: u32,
    /// What becomes of this run if it is full.
    pub when_full: WhenFull,
}

/// What a person is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalAsk {
    /// The id of the plan it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// The target of that plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The question, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// The roles or names that may answer.
    pub by: Vec<String>,
    /// Whether who asked for the run may answer too.
    #[serde(default)]
    pub allow_self: bool,
}

/// How somebody wants a run to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelKind {
    /// What is in flight is settled, then `finally` runs. Asked again, `finally` stops.
    Cancel,
    /// At once, without `finally`.
    Kill,
}

/// A target as it was when the run was submitted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TargetReference {
    /// Its name in the configuration.
    pub name: String,
    /// What it is in the world: kind and canonical root, cloud and tenant id. Checked at every attempt.
    pub identity: String,
}

/// Something the kernel needs to know and cannot evaluate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// A step's `if`.
    Gate(StepIndex),
    /// A step's list, answered with [`Event::ItemsListed`] if all goes well.
    Items(StepIndex),
    /// How long an item of a `sleep` waits.
    Pause(StepIndex, ItemIndex),
    /// What a person is asked, answered with [`Event::ApprovalRequested`] if all goes well.
    Approval(StepIndex, ItemIndex),
    /// The workflow's outputs.
    Outputs,
}

/// The answer to a [`Question`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// To a gate.
    Boolean(bool),
    /// To a pause.
    Duration(Millis),
    /// To outputs.
    Outputs(Payload),
    /// To any: it could not be evaluated.
    Failed(Failure),
}

/// A fan-out's list, as the kernel needs to know it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Listing {
    /// Where the list stands; none if it is empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<Reference>,
    /// How many items it has, excluded ones counted.
    pub total: u32,
    /// The items that `where` left out.
    #[serde(default, skip_serializing_if = "RangeSet::is_empty")]
    pub excluded: RangeSet,
    /// The first item of each stage, ascending, starting with 0; one entry if all are of one stage.
    pub stages: Vec<ItemIndex>,
    /// How many items may be open at once; at least 1.
    pub max_parallel: u32,
}

/// Whether all of an item could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Completeness {
    /// All of it.
    Whole,
    /// Part of it could not be; the output lists what.
    Partial,
}

/// How our process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Death {
    /// It was asked to end and recorded what it cut short.
    Clean,
    /// It was killed, or the machine stopped.
    Unclean,
}

/// What a target says of an effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeAnswer {
    /// Nothing of it is there.
    Absent,
    /// All of it is there.
    Done(Payload),
    /// Some of it is there: the next attempt carries on from this note.
    Partial(Value),
    /// It cannot be told; a person decides.
    Unknown,
    /// The question could not be asked.
    Failed(Failure),
}

/// What comes after a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Next {
    /// Another attempt.
    Attempt,
    /// Another probe.
    Probe,
}

/// How an item ends without success.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BadEnd {
    /// It failed; what is known of its effect stands in the failure.
    Failed,
    /// It cannot be known whether its effect happened; a person decides.
    Unknown,
}

/// Why a step never ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockCause {
    /// Something before it is partial, or failed with `continue_on_error`.
    Partial,
    /// Something before it failed.
    Failure,
    /// The run's timeout passed.
    Timeout,
    /// The run was cancelled.
    Cancelled,
}

/// A timer the kernel asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Timer {
    /// The longest a run may be queued.
    Queue,
    /// The run's timeout.
    Run,
    /// The time that `finally` has.
    Finally,
    /// An item's wait: before its next attempt or probe, or its sleep.
    Item(StepIndex, ItemIndex),
}

/// What a person said of an unknown effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It happened, with this output.
    Done(Payload),
    /// It did not.
    NotDone,
}

/// What of a step runs again when its run is reopened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepRedo {
    /// The step.
    pub step: StepIndex,
    /// How much of it.
    pub extent: Extent,
}

/// How much of a step runs again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Extent {
    /// It never got to its items: from its gate on.
    FromGate,
    /// Every item anew: something it needs runs again.
    All,
    /// The items that are not ok.
    NotOk,
    /// These items, which are not ok.
    Items(RangeSet),
}

impl Failure {
    /// The failure of an attempt that our own end cut short.
    pub fn interrupted(death: Death) -> Self {
        let message = match death {
            Death::Clean => "holdfast was stopped while the attempt was in flight",
            Death::Unclean => "holdfast died while the attempt was in flight",
        };
        Self::with_unknown_effect(crate::failure::Class::Interrupted, message)
    }

    /// The same failure, its effect settled as this.
    #[must_use]
    pub fn settled(mut self, effect: Effect) -> Self {
        self.effect = effect;
        self
    }
}

/// What was written before it was known counts as in doubt.
const fn assumed() -> bool {
    true
}
