//! What people read of a run: its record, its items, its notifications.
//!
//! All of it is derived from events and written when they are filed; nothing here decides or is asked by
//! the kernel. Lists of a run's links to others come when there is something to link.

use holdfast_contract::records::Level;
use holdfast_kernel::definition::{Definition, Operation};
use holdfast_kernel::event::{Event, Group, Initiator, TargetReference};
use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::id::{DedupeKey, Digest, Instant, ItemIndex, RunId};
use holdfast_kernel::payload::Payload;
use holdfast_kernel::status::{Counts, Reason, RunStatus};
use holdfast_kernel::tick::ScheduleName;
use holdfast_kernel::value::Value;
use serde::{Deserialize, Serialize};

use crate::outbox::Acknowledged;
use crate::schedule::Turn;

/// A run, as lists and pages show it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Its id.
    pub run: RunId,
    /// What it works on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<TargetReference>,
    /// What kind of work it is.
    pub operation: Operation,
    /// The name of its workflow.
    pub workflow: String,
    /// The definition it is pinned to.
    pub definition: Digest,
    /// What of the target it is about; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub object: Vec<String>,
    /// Its inputs, a map.
    pub inputs: Value,
    /// Their hash.
    pub inputs_hash: Digest,
    /// What makes another submit the same request.
    pub dedupe_key: DedupeKey,
    /// Who asked for it.
    pub initiator: Initiator,
    /// The run it does again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rerun_of: Option<RunId>,
    /// The group it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Group>,
    /// Who else asked for it while it was active.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub joined: Vec<Initiator>,
    /// Its status.
    pub status: RunStatus,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// What it waits for, if nothing of it is being done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<WaitsFor>,
    /// How many items of all its steps came to what.
    pub counts: Counts,
    /// Of how many of the unknown ones a person has said what happened: they are done again, or counted, by a retry.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub resolved: u32,
    /// How often it was reopened.
    pub reopened: u32,
    /// When it was submitted.
    pub created_at: Instant,
    /// When it was last queued.
    pub queued_at: Instant,
    /// When it last started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Instant>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Instant>,
    /// The first failures of its steps and outputs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ErrorSummary>,
}

impl RunRecord {
    /// Everybody who asked for it, the first one first.
    pub fn asked_by(&self) -> impl Iterator<Item = &Initiator> {
        std::iter::once(&self.initiator).chain(&self.joined)
    }

    /// How many items there are of which nobody has said what became of them.
    pub const fn in_doubt(&self) -> u32 {
        self.counts.unknown.saturating_sub(self.resolved)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// What a run waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitsFor {
    /// Its slots, and the hold on its target if its operation asks for one.
    Slot,
    /// The word of a person.
    Approval,
    /// Another attempt or probe, at this instant.
    RetryAt(Instant),
    /// The target asked for fewer requests, until this instant.
    ThrottledUntil(Instant),
}

/// One failure of a run, in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorSummary {
    /// The id of the step; none: the outputs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// Its class.
    pub class: Class,
    /// Its message.
    pub message: String,
}

/// Something that people are told: a stored change of a run's status, or what goes on around runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// Its number; later ones are higher.
    pub id: u64,
    /// What it is about.
    #[serde(default)]
    pub kind: Kind,
    /// The run, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// The name of its workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// What kind of work it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Operation>,
    /// The name of its target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The schedule that it is about, or that started the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<ScheduleName>,
    /// Everybody who asked for the run until then, the first one first: whom it concerns. The first versions did not
    /// say.
    #[serde(default)]
    pub asked_by: Vec<Initiator>,
    /// The status the run has now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<RunStatus>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The change in words, a full sentence.
    pub text: String,
    /// What a person is asked, if somebody is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asks: Option<Asks>,
    /// How a step of the run sent it, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Sent>,
    /// What has become of the schedule, if that is what it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<Turn>,
    /// The channel it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// Who has seen it; none: nobody has said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Acknowledged>,
    /// When it happened.
    pub at: Instant,
}

impl Notification {
    /// One about nothing but itself, without a number yet.
    pub(crate) const fn new(kind: Kind, text: String, at: Instant) -> Self {
        Self {
            id: 0,
            kind,
            run: None,
            workflow: None,
            operation: None,
            target: None,
            schedule: None,
            asked_by: Vec::new(),
            status: None,
            reason: None,
            text,
            asks: None,
            message: None,
            turn: None,
            channel: None,
            acknowledged: None,
            at,
        }
    }

    /// What it is about. The first versions had only the kinds that what they kept beside shows.
    pub const fn kind(&self) -> Kind {
        match (self.kind, &self.asks, &self.message) {
            (Kind::Status, Some(_), _) => Kind::Wait,
            (Kind::Status, None, Some(_)) => Kind::Message,
            (kind, _, _) => kind,
        }
    }
}

/// What a notification is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A run has another status.
    #[default]
    Status,
    /// A person is waited for.
    Wait,
    /// A step of a run says something.
    Message,
    /// A schedule is without a success for too long.
    Late,
    /// A schedule starts nothing, or is well again.
    Schedule,
    /// A file was changed, and what it says now cannot be used.
    Definition,
    /// A channel does not reach anybody.
    Channel,
}

impl Kind {
    /// The word of it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Wait => "wait",
            Self::Message => "message",
            Self::Late => "late",
            Self::Schedule => "schedule",
            Self::Definition => "definition",
            Self::Channel => "channel",
        }
    }
}

/// A message that a step of a run sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// Its id.
    pub id: String,
    /// Where it goes.
    pub channel: String,
    /// How much it matters.
    pub level: Level,
    /// Its title; empty: none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
}

/// What a person is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// Whether something may be done.
    #[default]
    Approval,
    /// Whether an effect happened of which nobody knows it.
    Effect,
}

/// Where a person is asked for a word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asks {
    /// What.
    #[serde(default)]
    pub what: Asked,
    /// The id of the step.
    pub step: String,
    /// The item's place; none for a step without a fan-out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<ItemIndex>,
    /// The plan it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
}

/// Who did what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Who.
    pub by: String,
    /// What they did, a full sentence.
    pub what: String,
    /// To which run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
}

/// An audit entry with its place and time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// When it was committed.
    pub at: Instant,
    /// The entry.
    pub entry: AuditEntry,
}

/// A definition, as it is kept for the runs that are pinned to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredDefinition {
    /// The digest of the lowered form.
    pub digest: Digest,
    /// The workflow as it was submitted.
    pub text: String,
    /// The lowered form, JSON as the host wrote it.
    pub lowered: String,
}

impl StoredDefinition {
    /// The lowered form, read; none if this version cannot read it.
    pub fn definition(&self) -> Option<Definition> {
        serde_json::from_str(&self.lowered).ok()
    }

    /// Whether it is what its digest says, and can be run: the journal takes no other.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self) -> Result<(), String> {
        if Definition::digest_of(self.lowered.as_bytes()) != self.digest {
            return Err("its digest is another".to_owned());
        }
        let definition: Definition =
            serde_json::from_str(&self.lowered).map_err(|error| error.to_string())?;
        definition.check().map_err(|error| error.to_string())
    }
}

/// The events of one commit about one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunEvents {
    /// The number of the commit.
    pub sequence: u64,
    /// When it was made.
    pub at: Instant,
    /// The events.
    pub events: Vec<Event>,
}

/// Where an item is, or how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemStatus {
    /// `where` left it out.
    Skipped,
    /// Not started.
    Queued,
    /// An attempt is in flight, or a `sleep` lasts.
    Running,
    /// Between attempts.
    Waiting,
    /// Succeeded.
    Succeeded,
    /// Part of it could not be read.
    Partial,
    /// Failed.
    Failed,
    /// Whether its effect happened is unknown; a person decides.
    Unknown,
    /// It was unknown; a person said that it happened.
    ResolvedDone,
    /// It was unknown; a person said that it did not happen.
    ResolvedNotDone,
    /// It was never started.
    Untried,
}

impl ItemStatus {
    /// The word used everywhere.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Skipped => "skipped",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Succeeded => "succeeded",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::ResolvedDone => "resolved_done",
            Self::ResolvedNotDone => "resolved_not_done",
            Self::Untried => "untried",
        }
    }
}

/// What is kept of an item beside the state of its run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ItemRow {
    /// How many attempts were made at it, in all periods.
    pub attempts: u32,
    /// How its last attempt failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// What its last attempt noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Value>,
    /// What it returned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Payload>,
}

/// An item, as lists and pages show it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ItemView {
    /// Its place in the list.
    pub index: ItemIndex,
    /// Its key; none for a step without a fan-out.
    pub key: Option<String>,
    /// Where it is, or how it ended.
    pub status: ItemStatus,
    /// How often an operator's retry let it act anew.
    pub epoch: u32,
    /// What is kept of it.
    pub row: ItemRow,
}
