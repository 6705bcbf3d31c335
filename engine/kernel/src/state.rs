//! The state of one run: what a fold over its events gives.
//!
//! Its size goes with what is in flight and with how scattered the items that are not ok lie, never with
//! how many items ended well. It holds no list, no output of an item and no body: those are references.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::command::ItemTry;
use crate::event::{BlockCause, Listing, Next, Request};
use crate::failure::{Effect, Failure};
use crate::id::{AttemptId, Instant, ItemIndex, RunId, StepIndex};
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
    /// How many steps are not final.
    pub open_steps: u32,
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
    /// It ended.
    Finished(Outcome),
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
    /// How many attempts are in flight for them.
    pub in_flight: u32,
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

    /// Whether it would start something if it had a place.
    pub fn wants_places(&self) -> bool {
        matches!(self.phase, Phase::Running) && !self.ready.is_empty()
    }
}

impl StepState {
    /// A step that waits for its needs.
    pub fn pending() -> Self {
        Self {
            phase: StepPhase::Pending,
            behind: Behind::default(),
            listed: Listed::No,
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
