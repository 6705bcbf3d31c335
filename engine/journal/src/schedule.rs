//! What is kept of schedules and their ticks, and what may change of it.
//!
//! A schedule is known from the first time that somebody who drives runs saw its file; what its file says now is kept
//! with it, so that it can be shown and waited for when the file is gone. Nothing is decided here.

use holdfast_kernel::id::{Instant, Millis, RunId};
use holdfast_kernel::status::RunStatus;
use holdfast_kernel::tick::{Decided, Pause, Policy, ScheduleName};
use serde::{Deserialize, Serialize};

/// A schedule, as its file says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleSpec {
    /// What it is known by.
    pub name: ScheduleName,
    /// Its cron pattern, as it is written.
    pub cron: String,
    /// The IANA name of its time zone.
    pub timezone: String,
    /// How its ticks are decided about.
    pub policy: Policy,
    /// By how much its runs may start later than their ticks.
    #[serde(default)]
    pub jitter: Millis,
    /// How long it may be without a success before people are told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect_success_within: Option<Millis>,
    /// Whether a partial run is a success there.
    #[serde(default)]
    pub accept_partial: bool,
}

/// A schedule, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleRecord {
    /// What its file said when it was last read.
    pub spec: ScheduleSpec,
    /// When it was first seen, in its present pattern and zone: instants before that are no ticks.
    pub first_seen: Instant,
    /// Its ticks up to this instant are decided.
    pub decided: Instant,
    /// Its last pause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Paused>,
    /// What keeps it from starting runs, if something does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<Trouble>,
    /// The last run that it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_run: Option<RunId>,
    /// How the last of its runs that ended has ended, and when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_end: Option<(RunStatus, Instant)>,
    /// When a run of it last was a success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success: Option<Instant>,
    /// Since when it is without a success for longer than it may be, if people were told so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late_since: Option<Instant>,
}

impl ScheduleRecord {
    /// When it is without a success for too long, if no run succeeds until then; none if it does not say.
    pub fn deadline(&self) -> Option<Instant> {
        let within = self.spec.expect_success_within?;
        Some(self.last_success.unwrap_or(self.first_seen).plus(within))
    }
}

/// A pause of a schedule, or of everything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paused {
    /// Who wanted it.
    pub by: String,
    /// Since when.
    pub from: Instant,
    /// Until when; none: it lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Instant>,
}

impl Paused {
    /// Whether it lasts.
    pub const fn lasts(&self) -> bool {
        self.until.is_none()
    }

    /// Which ticks it takes in.
    pub fn pause(&self) -> Pause {
        self.until.map_or(Pause::Lasts, |until| Pause::Was { from: self.from, until })
    }
}

/// The turn that a schedule has taken, of which people are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Turn {
    /// No file has it any more.
    Lost,
    /// It starts nothing.
    Broken,
    /// It is waited for again.
    WaitedFor,
    /// A run of it has succeeded after too long a time.
    Well,
}

/// What keeps a schedule from starting runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// It is gone, or does not have the schedule any more.
    Lost {
        /// Since when.
        since: Instant,
    },
    /// No run can be made of its workflow.
    Broken {
        /// Since when.
        since: Instant,
        /// Why.
        reason: String,
    },
    /// Its ticks were decided while the clock was far ahead: until it has come so far nothing starts.
    Ahead {
        /// Since when.
        since: Instant,
        /// The last tick that is decided.
        decided: Instant,
    },
}

/// Something that changed about schedules.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleChange {
    /// Its file says this.
    Seen(Box<ScheduleSpec>),
    /// Ticks were decided, ascending; the last of them is the last that is decided.
    Decided {
        /// The schedule.
        schedule: ScheduleName,
        /// The ticks.
        decided: Vec<Decided>,
    },
    /// Somebody started a run for a tick, whatever was decided about it.
    ByHand {
        /// The schedule.
        schedule: ScheduleName,
        /// The tick.
        decided: Decided,
    },
    /// Nothing of it starts any more.
    Paused {
        /// The schedule; none: everything.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        schedule: Option<ScheduleName>,
        /// Who wants it.
        by: String,
    },
    /// It goes on.
    Unpaused {
        /// The schedule; none: everything.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        schedule: Option<ScheduleName>,
        /// Who wants it.
        by: String,
    },
    /// Its file does not have it any more.
    Lost(ScheduleName),
    /// No run can be made of its workflow.
    Broken {
        /// The schedule.
        schedule: ScheduleName,
        /// Why.
        reason: String,
    },
    /// It is without a success for too long.
    Late(ScheduleName),
    /// A file was changed, and what it says now cannot be used: what it said before still holds.
    Unusable {
        /// The name of its workflow, if it is one and can be read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        workflow: Option<String>,
        /// What people are told, full sentences.
        text: String,
    },
    /// It is not waited for any more, and nothing of it is kept but its ticks.
    Forgotten(ScheduleName),
    /// It is waited for, and was forgotten: its file, which was read before, says this. Nothing if it is known.
    Unseen(Box<ScheduleSpec>),
    /// It was seen for the first time, in its present pattern and zone, while the instants of the journal were ahead of
    /// the clock.
    Begun {
        /// The schedule.
        schedule: ScheduleName,
        /// What the clock showed then.
        seen: Instant,
        /// Its ticks up to this instant count as decided.
        decided: Instant,
    },
    /// What kept it from starting runs is over. That its file is gone is another matter.
    Mended(ScheduleName),
    /// Its ticks are decided up to an instant that is far ahead of the clock.
    Ahead {
        /// The schedule.
        schedule: ScheduleName,
        /// The last tick that is decided.
        decided: Instant,
    },
}

/// Ticks as they are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TickRecord {
    /// The schedule.
    pub schedule: ScheduleName,
    /// The ticks, and what was decided.
    pub ticks: Decided,
    /// When that was decided.
    pub at: Instant,
}
