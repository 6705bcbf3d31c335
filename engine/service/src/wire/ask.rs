//! Everything that can be asked: one closed list of questions, and one of acts.

use holdfast_contract::plan::PlanId;
use holdfast_contract::records::Keep;
use holdfast_drive::input::Word;
use holdfast_journal::items::Show;
use holdfast_journal::query::Filter;
use holdfast_journal::record::StoredDefinition;
use holdfast_journal::retain::Forgotten;
use holdfast_journal::ticks::{TickFilter, TickPlace};
use holdfast_kernel::definition::Definition;
use holdfast_kernel::event::{CancelKind, Request, Verdict};
use holdfast_kernel::id::{Digest, Instant, ItemIndex, RunId, StepIndex};
use holdfast_kernel::reopen::Selection;
use holdfast_kernel::state::RunState;
use holdfast_kernel::tick::ScheduleName;
use serde::{Deserialize, Serialize};

/// The version of this list. A client of another version is refused.
pub const VERSION: u32 = 1;

/// One request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// The version of the list.
    pub api: u32,
    /// Who asks, as the client says: it runs as the same user.
    pub by: String,
    /// What.
    pub ask: Ask,
}

/// What can be asked. Each names the type of its answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// The run that the beginning of an id names: `Found`.
    Find {
        /// The beginning.
        text: String,
    },
    /// Runs, the latest first: `Paged<RunRecord, RunId>`.
    Runs {
        /// Which.
        filter: Filter,
        /// The cursor of the page before.
        after: Option<RunId>,
        /// How many at most.
        limit: usize,
    },
    /// A run's record: `Option<RunRecord>`.
    Run {
        /// Its id.
        run: RunId,
    },
    /// A run's definition and state: `Option<LoadedRun>`.
    Load {
        /// Its id.
        run: RunId,
    },
    /// Items of a step: `Option<Paged<ItemView, ItemIndex>>`.
    Items {
        /// The run.
        run: RunId,
        /// The step.
        step: StepIndex,
        /// Which.
        show: Show,
        /// The cursor of the page before.
        after: Option<ItemIndex>,
        /// How many at most.
        limit: usize,
    },
    /// What a run returned: `Option<Value>`.
    Outputs {
        /// The run.
        run: RunId,
    },
    /// Notifications, the latest first: `Paged<Notification, u64>`.
    Notifications {
        /// The cursor of the page before.
        after: Option<u64>,
        /// How many at most.
        limit: usize,
    },
    /// Notifications that nobody has acknowledged, the latest first: `Paged<Notification, u64>`.
    Unread {
        /// The cursor of the page before.
        after: Option<u64>,
        /// How many at most.
        limit: usize,
    },
    /// How the channels do for which something ever waited: `Vec<ChannelRecord>`.
    Channels,
    /// What was counted since the state was made: `Totals`.
    Totals,
    /// The plans whose ids begin so: `Vec<Plan>`.
    Plans {
        /// The beginning.
        beginning: String,
    },
    /// The plans that have not expired at an instant: `Vec<Plan>`.
    Unexpired {
        /// The instant.
        at: Instant,
    },
    /// Changes of a plan in their order: `Vec<Value>`; empty after the last.
    Changes {
        /// The plan.
        plan: PlanId,
        /// The first.
        from: u32,
        /// How many at most.
        limit: u32,
    },
    /// What verifications of a set found: `Vec<Verification>`.
    Verifications {
        /// The set.
        backup_set: String,
    },
    /// What was found out about a set by using it: `Vec<Attestation>`.
    Attestations {
        /// The set.
        backup_set: String,
    },
    /// The runs that ended before and that nothing needs any more: `Vec<RunRecord>`.
    Forgettable {
        /// Before this.
        before: Instant,
        /// What of plans has expired is seen from here.
        now: Instant,
        /// How many at most.
        limit: usize,
    },
    /// Whether there are notifications from before: `bool`.
    OldNotifications {
        /// Before this.
        before: Instant,
    },
    /// Whether there are ticks that were decided before: `bool`.
    OldTicks {
        /// Before this.
        before: Instant,
    },
    /// Rows of a table of the store: `Exported`.
    Export {
        /// The table.
        table: String,
        /// The key of the last row before, in hexadecimal digits.
        after: Option<String>,
    },
    /// What people said of a plan: `Vec<Approval>`.
    Approvals {
        /// The plan.
        plan: String,
    },
    /// A stored definition: `Option<StoredDefinition>`.
    Definition {
        /// Its digest.
        digest: Digest,
    },
    /// Every schedule that is known, by name: `Vec<ScheduleRecord>`.
    Schedules,
    /// Ticks, those decided last first: `Paged<TickRecord, TickPlace>`.
    Ticks {
        /// Which.
        filter: TickFilter,
        /// The cursor of the page before.
        after: Option<TickPlace>,
        /// How many at most.
        limit: usize,
    },
    /// The last pause of everything: `Option<Paused>`.
    Pause,
    /// What is in the way of the runs that wait for their slots: `Vec<(RunId, Obstacle)>`.
    Obstacles,
    /// What the attempts of a run said: `String`.
    Said {
        /// The run.
        run: RunId,
    },
    /// Something that changes the state: `Reply`.
    Act(Act),
    /// What happens from here on, line by line; of a run until it ends. Only an owner answers it.
    Watch {
        /// Only of this run.
        run: Option<RunId>,
    },
}

/// What can be done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Queue a run.
    Submit {
        /// The request.
        request: Box<Request>,
        /// Its definition, and those of its child runs.
        stored: Vec<StoredDefinition>,
    },
    /// Let an ended run go on.
    Retry {
        /// The run.
        run: RunId,
        /// What of it.
        selection: Selection,
    },
    /// End a run.
    Cancel {
        /// The run.
        run: RunId,
        /// How.
        how: CancelKind,
    },
    /// Answer what a run asks a person.
    Answer {
        /// The run.
        run: RunId,
        /// The step.
        step: StepIndex,
        /// The item.
        item: ItemIndex,
        /// The answer.
        word: Word,
    },
    /// Say whether an effect in doubt happened.
    Resolve {
        /// The run.
        run: RunId,
        /// The step.
        step: StepIndex,
        /// The item.
        item: ItemIndex,
        /// What is said.
        verdict: Verdict,
    },
    /// Let nothing start any more.
    Pause {
        /// Of this schedule; none: of everything.
        schedule: Option<ScheduleName>,
    },
    /// Let it go on.
    Unpause {
        /// This schedule; none: everything.
        schedule: Option<ScheduleName>,
    },
    /// Wait for a schedule no more.
    ForgetSchedule {
        /// The schedule.
        schedule: ScheduleName,
    },
    /// Queue the run of a tick; the request says of which.
    Tick {
        /// The request.
        request: Box<Request>,
        /// Its definition, and those of its child runs.
        stored: Vec<StoredDefinition>,
    },
    /// Say that notifications were seen.
    Acknowledge {
        /// Their numbers, at most 1,000.
        notifications: Vec<u64>,
    },
    /// Forget runs that have ended.
    Forget(Forgotten),
    /// Store something beside the events of runs.
    Keep(Box<Keep>),
}

/// A run's definition and state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoadedRun {
    /// The definition it is pinned to.
    pub definition: Definition,
    /// Its state.
    pub state: RunState,
}
