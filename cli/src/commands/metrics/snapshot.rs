//! How things stand, read at once: what the numbers are made from.
//!
//! It says nothing of how they are named or written.

use holdfast_journal::outbox::ChannelRecord;
use holdfast_journal::query::{Filter, Paged};
use holdfast_journal::record::{RunRecord, WaitsFor};
use holdfast_journal::schedule::ScheduleRecord;
use holdfast_journal::totals::Totals;
use holdfast_kernel::id::{Instant, RunId};
use holdfast_kernel::status::RunStatus;
use holdfast_service::wire::ask::Ask;

use super::last_sets::{Found, LastSets};
use crate::access::Access;
use crate::commands::channels;
use crate::commands::schedules::{self, Schedules};
use crate::commands::status::{self, Disk};
use crate::error::Error;
use crate::settings::Settings;

/// How many runs one answer has at most: their inputs may be long.
const AT_ONCE: usize = 200;

/// How things stand.
pub(crate) struct Snapshot {
    /// When it was read.
    pub(super) at: Instant,
    /// Whether a process drives the runs.
    pub(super) is_driven: bool,
    /// Whether everything is paused.
    pub(super) is_paused: bool,
    pub(super) totals: Totals,
    pub(super) active: Active,
    pub(super) channels: Vec<ChannelRecord>,
    pub(super) schedules: Vec<Schedule>,
    /// When the targets were last backed up completely.
    pub(super) sets: Found,
    /// The disks with the repositories of the configuration.
    pub(super) disks: Vec<Disk>,
    /// Bytes that are free on the disk with the state.
    pub(super) free: Option<u64>,
}

impl Snapshot {
    /// Why repositories could not be read, full sentences.
    pub(crate) fn unreadable(&self) -> &[String] {
        &self.sets.unreadable
    }
}

/// The runs that have not ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Active {
    pub(super) queued: u64,
    pub(super) running: u64,
    /// Those that do nothing until a person says something.
    pub(super) waiting: u64,
    /// Items of which nobody knows whether their effect happened.
    pub(super) in_doubt: u64,
    /// Since when the first of the queued ones is.
    pub(super) queued_since: Option<Instant>,
}

impl Active {
    fn count(&mut self, record: &RunRecord) {
        match record.status {
            RunStatus::Queued => {
                self.queued += 1;
                let since = self.queued_since.unwrap_or(record.queued_at);
                self.queued_since = Some(since.min(record.queued_at));
            }
            RunStatus::Running => self.running += 1,
            RunStatus::Succeeded | RunStatus::Partial | RunStatus::Failed => return,
        }
        self.waiting += u64::from(record.waits_for == Some(WaitsFor::Approval));
        self.in_doubt += u64::from(record.in_doubt());
    }
}

/// A schedule that is known.
pub(super) struct Schedule {
    pub(super) record: ScheduleRecord,
    /// Its next tick; none if there is none, or its file is gone.
    pub(super) next: Option<Instant>,
}

/// Reads how things stand. It blocks.
///
/// # Errors
/// The state cannot be read. A repository that cannot be read is told as such.
pub(crate) fn gather(
    access: &Access,
    settings: &Settings,
    last_sets: &mut LastSets,
    now: Instant,
) -> Result<Snapshot, Error> {
    let schedules = Schedules::stored(access)?;
    let is_paused = schedules.standstill().is_some();
    let known = schedules.known.into_iter();
    let schedules =
        known.map(|record| Schedule { next: schedules::next_tick(&record, now), record });
    Ok(Snapshot {
        at: now,
        is_paused,
        schedules: schedules.collect(),
        totals: access.ask(Ask::Totals)?,
        active: active(access)?,
        channels: channels::records(settings, access)?,
        // Who was asked is known once it has answered.
        is_driven: access.is_driven(),
        sets: last_sets.look(settings, now),
        disks: status::disks(settings),
        free: status::free_space(settings),
    })
}

fn active(access: &Access) -> Result<Active, Error> {
    let (mut active, mut after) = (Active::default(), None);
    let statuses = [RunStatus::Queued, RunStatus::Running];
    loop {
        let filter = Filter { statuses: statuses.to_vec(), ..Filter::default() };
        let page: Paged<RunRecord, RunId> =
            access.ask(Ask::Runs { filter, after, limit: AT_ONCE })?;
        page.rows.iter().for_each(|record| active.count(record));
        after = page.next;
        if after.is_none() {
            return Ok(active);
        }
    }
}
