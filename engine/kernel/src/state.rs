//! The state of one run: what a fold over its events gives.
//!
//! Its size goes with what is in flight and with how scattered the items that are not ok lie, never with
//! how many items ended well. It holds no list, no output of an item and no body: those are references.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::command::ItemTry;
use crate::event::{ApprovalAsk, BlockCause, Listing, Next, Request};
use crate::failure::{Effect, Failure};
use crate::id::{AttemptId, Instant, ItemIndex, Millis, RunId, StepIndex};
use crate::payload::{Payload, Reference};
use crate::ranges::{RangeMap, RangeSet};
use crate::status::{Counts, Outcome, StepEnd, StopCause};
use crate::value::Value;

/// The state of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunState {
    /// What it was made from.
    pub request: Box<Request>,
    /// Where it is between queued and finished.
    pub phase: Phase,
    /// When it was queued, for the first time or when it was last reopened.
    pub queued_at: Instant,
    /// When it last started.
    pub started_at: Option<Instant>,
    /// How often it was reopened.
    pub period: u32,
    /// Its steps, in the definition's order.
    pub steps: Vec<StepState>,
    /// How many steps of the main graph are not final.
    pub open_steps: u32,
    /// How many steps of `finally` are not final.
    #[serde(default)]
    pub open_finally: u32,
    /// When `finally` started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finally_at: Option<Instant>,
    /// Whether somebody wants it to end, and how.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel: Option<Cancel>,
    /// How many items wait for a person.
    #[serde(default)]
    pub awaiting: u32,
    /// Since when it waits for people and for nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_since: Option<Instant>,
    /// How long it waited for people only, up to the last time that ended. Its timeout does not count it.
    #[serde(default)]
    pub idle_for: Millis,
    /// Whether it has its slots, or gave them back while it waits for people.
    #[serde(default)]
    pub slots: Slots,
    /// Whether an attempt of this period may have written its target.
    #[serde(default)]
    pub has_written: bool,
    /// The attempts that are in flight.
    pub in_flight: BTreeMap<AttemptId, InFlight>,
    /// The id of the next attempt.
    pub next_attempt: AttemptId,
    /// The steps that have an item which could start if there were a place.
    pub ready: BTreeSet<StepIndex>,
    /// The step that was last given a place.
    pub cursor: StepIndex,
    /// The workflow's outputs, once evaluated.
    pub outputs: Option<OutputsState>,
}

/// Where a run is between queued and finished.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Waits for its slot and its hold.
    Queued,
    /// It has them, and has not started yet: within one turn only.
    Granted,
    /// Steps start and end.
    Running,
    /// No step starts any more; attempts in flight are settled.
    Stopping(StopCause),
    /// The steps of `finally` start and end. By what the main graph was stopped, if it was.
    Finally(Option<StopCause>),
    /// No step of `finally` starts any more; attempts in flight are settled.
    StoppingFinally {
        /// By what the main graph was stopped, if it was.
        main: Option<StopCause>,
        /// By what `finally` was.
        cause: StopCause,
    },
    /// It ended.
    Finished(Outcome),
}

impl Phase {
    /// Whether steps and attempts may start.
    pub const fn is_live(&self) -> bool {
        matches!(self, Self::Running | Self::Finally(_))
    }

    /// By what the graph that goes on is being stopped.
    pub const fn stopped_by(&self) -> Option<StopCause> {
        match self {
            Self::Stopping(cause) | Self::StoppingFinally { cause, .. } => Some(*cause),
            Self::Queued | Self::Granted | Self::Running | Self::Finally(_) | Self::Finished(_) => {
                None
            }
        }
    }

    /// Whether nothing starts any more and what is in flight is settled.
    pub const fn is_stopping(&self) -> bool {
        matches!(self, Self::Stopping(_) | Self::StoppingFinally { .. })
    }
}

/// Whether and how somebody wants a run to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cancel {
    /// The main graph stops; `finally` runs.
    Main,
    /// `finally` stops too, or does not start.
    All,
    /// At once: nothing in flight is waited for, and nothing is asked.
    Kill,
}

/// Whether a run that has started has its slots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Slots {
    /// It has them.
    #[default]
    Held,
    /// It gave them back when it only waited for people, and needs them again before it goes on.
    GivenBack,
}

/// What became of the workflow's outputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputsState {
    /// Their values, a map.
    Known(Payload),
    /// They could not be evaluated.
    Failed(Failure),
}

/// An attempt in flight.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InFlight {
    /// The step it is made for.
    pub step: StepIndex,
    /// The items it has not ended yet.
    pub items: BTreeSet<ItemIndex>,
}

/// The state of one step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepState {
    /// Where it is.
    pub phase: StepPhase,
    /// What all the steps behind it came to; fixed when its direct needs are final.
    pub behind: Behind,
    /// Whether `items` is filled in: a list is evaluated once, whatever crashes or is done again.
    pub listed: Listed,
    /// Whether `if` is asked though the items are known: something that the step needs was done again.
    #[serde(default, skip_serializing_if = "is_false")]
    pub asks_anew: bool,
    /// Its items: one for a step without a fan-out.
    pub items: Items,
    /// The output of a step without a fan-out, once it is succeeded or partial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Payload>,
    /// The failure it is told with: its own, or that of the first item that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// Where a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepPhase {
    /// Waits for its needs.
    Pending,
    /// Its needs are final: `run_when` and `if` are being asked.
    Gating,
    /// Its list is being evaluated.
    Listing,
    /// Its items start and end.
    Running,
    /// `fail_fast`: no item starts any more.
    Halting,
    /// It ended.
    Final(StepEnd),
}

/// Whether the items of a step are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Listed {
    /// Not yet.
    No,
    /// They are, and stay as they are.
    Yes,
}

impl StepPhase {
    /// Whether the step has ended, and how.
    pub const fn end(self) -> Option<StepEnd> {
        match self {
            Self::Final(end) => Some(end),
            Self::Pending | Self::Gating | Self::Listing | Self::Running | Self::Halting => None,
        }
    }
}

/// What the transitive needs of a step came to: a small set of findings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Behind(pub u8);

impl Behind {
    /// One failed, and its failure counts.
    pub const FAILED: Self = Self(1);
    /// One failed with `continue_on_error`.
    pub const TOLERATED: Self = Self(2);
    /// One is partial.
    pub const PARTIAL: Self = Self(4);
    /// One is blocked because of a failure.
    pub const BLOCKED_FAILURE: Self = Self(8);
    /// One is blocked because of a partial.
    pub const BLOCKED_PARTIAL: Self = Self(16);

    /// Both sets of findings together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether any of `other` was found.
    pub const fn has_any(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// The items of a step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Items {
    /// Where the list stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<Reference>,
    /// How many there are, excluded ones counted.
    pub total: u32,
    /// The items that `where` left out.
    #[serde(default, skip_serializing_if = "RangeSet::is_empty")]
    pub excluded: RangeSet,
    /// The first item of each stage.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<ItemIndex>,
    /// How many may be open at once.
    pub max_parallel: u32,
    /// The items that have not started in this period.
    pub queue: RangeSet,
    /// The items that started and have not ended.
    pub open: BTreeMap<ItemIndex, OpenItem>,
    /// The items that an operator's retry of single items left out: not even asked about.
    #[serde(default, skip_serializing_if = "RangeSet::is_empty")]
    pub left_out: RangeSet,
    /// How many attempts are in flight for them.
    pub in_flight: u32,
    /// How many were failed, unknown or untried when the run was last reopened, and stayed so: `fail_fast`
    /// counts what came after.
    #[serde(default)]
    pub bad_before: u32,
    /// The open items that only need a place.
    pub due: BTreeSet<ItemIndex>,
    /// The items that ended and are not ok, with how.
    pub not_ok: RangeMap<Mark>,
    /// The items of which an attempt of this epoch may have had its effect, and no probe denied it since. A
    /// later attempt that is refused does not settle what an earlier one may have done.
    #[serde(default, skip_serializing_if = "RangeSet::is_empty")]
    pub doubts: RangeSet,
    /// The notes of items that ended with their effect unknown.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub notes: BTreeMap<ItemIndex, Value>,
    /// The epochs above 0.
    #[serde(default, skip_serializing_if = "RangeMap::is_empty")]
    pub epochs: RangeMap<u32>,
    /// How many came to what.
    pub counts: Counts,
}

/// How an item that is not ok ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// Failed; nothing happened outside.
    Failed,
    /// Failed; something may have happened, and its effect class lets it be repeated.
    FailedInDoubt,
    /// Part of it could not be read.
    Partial,
    /// Whether its effect happened is unknown; a person decides.
    Unknown,
    /// It was unknown; a person said that it happened.
    ResolvedDone,
    /// It was unknown; a person said that it did not happen.
    ResolvedNotDone,
    /// It was never started.
    Untried,
}

/// An item that started and has not ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpenItem {
    /// Where it is.
    pub stage: OpenStage,
    /// How many attempts were made at it in this period.
    pub attempts: u32,
    /// How many of them count against the retry policy: all that our own death did not cut short.
    pub counted: u32,
    /// When its first attempt of this period started.
    pub first_at: Option<Instant>,
    /// How many unclean deaths in a row had it in flight without anything journaled of it between them.
    pub deaths: u32,
    /// How many probes in a row could not be asked.
    pub failed_probes: u32,
    /// What the last attempt noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Value>,
}

/// Where an open item is. The transitions are a table in [`crate::attempt`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpenStage {
    /// An attempt is in flight.
    Running(AttemptId),
    /// An attempt ended without success; what follows is being settled, or a probe is out.
    Settling {
        /// How it ended.
        failure: Failure,
        /// Whether the effect may have happened, as far as is known by now.
        effect: Effect,
        /// Whether the target has been asked since the attempt ended.
        asked: Asked,
    },
    /// Waits until an instant.
    Waiting {
        /// How the last attempt ended.
        failure: Failure,
        /// Whether its effect may have happened.
        effect: Effect,
        /// What comes then.
        next: Next,
        /// When.
        until: Instant,
    },
    /// Needs only a place.
    Due {
        /// How the last attempt ended; none if a person sent it on.
        failure: Option<Failure>,
    },
    /// A `sleep` that lasts until an instant.
    Sleeping {
        /// When it ends.
        until: Instant,
    },
    /// Waits for a person.
    Awaiting {
        /// What they are asked.
        ask: Box<ApprovalAsk>,
        /// When it is too late.
        until: Instant,
    },
    /// A child run goes on.
    Child {
        /// The child run.
        run: RunId,
        /// Whether it waits for people and nothing else.
        #[serde(default, skip_serializing_if = "is_false")]
        idle: bool,
    },
}

impl OpenStage {
    /// Whether a person is waited for.
    pub const fn is_awaiting(&self) -> bool {
        matches!(self, Self::Awaiting { .. })
    }

    /// Whether people are all that it waits for.
    pub const fn is_idle(&self) -> bool {
        matches!(self, Self::Awaiting { .. } | Self::Child { idle: true, .. })
    }

    /// The child run that goes on.
    pub const fn child(&self) -> Option<RunId> {
        match self {
            Self::Child { run, .. } => Some(*run),
            Self::Running(_)
            | Self::Settling { .. }
            | Self::Waiting { .. }
            | Self::Due { .. }
            | Self::Sleeping { .. }
            | Self::Awaiting { .. } => None,
        }
    }

    /// Whether it ends at an instant, by a timer.
    pub const fn has_timer(&self) -> bool {
        matches!(self, Self::Waiting { .. } | Self::Sleeping { .. } | Self::Awaiting { .. })
    }
}

/// Whether the target has been asked about an effect since the attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// Not yet, or it could not be asked.
    No,
    /// It knows: nothing is there, or there is a note where to carry on.
    Answered,
    /// It cannot tell.
    CannotTell,
    /// The question could not be asked this time.
    Failed,
}

impl RunState {
    /// The run's id.
    pub fn run(&self) -> RunId {
        self.request.run
    }

    /// The state of a step.
    pub fn step(&self, index: StepIndex) -> Option<&StepState> {
        self.steps.get(index.place())
    }

    /// Whether it has ended.
    pub const fn is_finished(&self) -> bool {
        matches!(self.phase, Phase::Finished(_))
    }

    /// Whether what became of an effect in it is not known for certain: doing the same with other keys could do
    /// it twice.
    pub fn is_in_doubt(&self) -> bool {
        let doubtful = |mark| matches!(mark, Mark::Unknown | Mark::FailedInDoubt);
        self.steps.iter().any(|step| step.items.not_ok.iter().any(|(_, mark)| doubtful(mark)))
    }

    /// Whether it would start something if it had a place.
    pub fn wants_places(&self) -> bool {
        self.phase.is_live() && self.slots == Slots::Held && !self.ready.is_empty()
    }

    /// Whether it waits for its slots and hold: to start, or to go on after a person answered.
    pub const fn wants_slots(&self) -> bool {
        matches!(self.phase, Phase::Queued)
            || (self.phase.is_live()
                && matches!(self.slots, Slots::GivenBack)
                && self.idle_since.is_none())
    }

    /// Whether people are all that it waits for, itself or by its children.
    pub fn only_awaits(&self) -> bool {
        let is_open = |step: &StepState| !step.items.open.is_empty();
        self.phase.is_live()
            && (self.awaiting > 0 || self.steps.iter().any(is_open))
            && self.in_flight.is_empty()
            && self.ready.is_empty()
            && self.steps.iter().all(|step| match step.phase {
                StepPhase::Gating | StepPhase::Listing => false,
                StepPhase::Pending | StepPhase::Final(_) => true,
                StepPhase::Running | StepPhase::Halting => {
                    let mut open = step.items.open.values();
                    open.all(|open| open.stage.is_idle())
                }
            })
    }
}

impl StepState {
    /// A step that waits for its needs.
    pub fn pending() -> Self {
        Self {
            phase: StepPhase::Pending,
            behind: Behind::default(),
            listed: Listed::No,
            asks_anew: false,
            items: Items::default(),
            output: None,
            failure: None,
        }
    }
}

impl Items {
    /// The one item of a step without a fan-out, not started.
    pub fn single() -> Self {
        let mut queue = RangeSet::new();
        queue.set(0..1, ());
        let counts = Counts { total: 1, ..Counts::default() };
        Self { total: 1, max_parallel: 1, queue, counts, ..Self::default() }
    }

    /// The items of a fan-out, none started.
    pub fn listed(listing: &Listing) -> Self {
        let mut queue = RangeSet::new();
        queue.set(0..listing.total, ());
        let mut skipped = 0;
        for (range, ()) in listing.excluded.iter() {
            skipped += range.end - range.start;
            queue.clear(range);
        }
        Self {
            list: listing.list,
            total: listing.total,
            excluded: listing.excluded.clone(),
            stages: listing.stages.clone(),
            max_parallel: listing.max_parallel.max(1),
            queue,
            counts: Counts { total: listing.total, skipped, ..Counts::default() },
            ..Self::default()
        }
    }

    /// The epoch of an item: how often an operator's retry let it act anew.
    pub fn epoch(&self, ItemIndex(item): ItemIndex) -> u32 {
        self.epochs.get(item).unwrap_or(0)
    }

    /// How many items there are of which nobody has said what became of them.
    pub fn in_doubt(&self) -> u32 {
        let unknown = self.not_ok.iter().filter(|(_, mark)| *mark == Mark::Unknown);
        unknown.map(|(range, _)| range.end - range.start).sum()
    }

    /// Whether any attempt of an item's epoch may have had its effect.
    pub fn doubt(&self, ItemIndex(item): ItemIndex) -> Effect {
        if self.doubts.get(item).is_some() { Effect::Unknown } else { Effect::None }
    }

    /// An open item as an attempt or a probe is given it.
    pub fn as_try(&self, item: ItemIndex, open: &OpenItem) -> ItemTry {
        ItemTry { item, number: open.attempts, epoch: self.epoch(item), note: open.note.clone() }
    }
}

impl OpenItem {
    /// An item before its first attempt, with the note of an earlier period.
    pub fn new(stage: OpenStage, note: Option<Value>) -> Self {
        Self { stage, attempts: 0, counted: 0, first_at: None, deaths: 0, failed_probes: 0, note }
    }
}

/// Why a step that never ran is blocked, from why the run stops.
pub const fn block_cause(cause: StopCause) -> BlockCause {
    match cause {
        StopCause::Timeout | StopCause::QueueTimeout => BlockCause::Timeout,
        StopCause::Cancelled => BlockCause::Cancelled,
    }
}

/// What is rare is not written where it is not so.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}
