//! Which runs may be forgotten, and taking them away: a record says so like everything else that happens.
//!
//! Nothing is decided by the clock of this crate: the caller says what is old. What a run, a plan or a person still
//! needs stays, however old it is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use holdfast_contract::plan::Plan;
use holdfast_kernel::id::{Instant, RunId};
use holdfast_kernel::status::RunStatus;
use serde::{Deserialize, Serialize};

use crate::absorb::{Core, Source};
use crate::disk::Disk;
use crate::filer::FilingError;
use crate::live::RunRow;
use crate::payloads::{BODIES, FOLDER};
use crate::query::{Filter, LONGEST_PAGE, ReadError, Reader};
use crate::record::{Notification, RunRecord};
use crate::store::{Keys, Order, Table, View, index_prefix, run_of};

/// The folder of the logs of runs.
pub const LOGS: &str = "logs";

/// The statuses of runs that have ended.
const ENDED: [RunStatus; 3] = [RunStatus::Succeeded, RunStatus::Partial, RunStatus::Failed];

/// What is to be forgotten.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forgotten {
    /// These runs, with everything that is kept of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<RunId>,
    /// Notifications that are older, but those of runs that have not ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notifications_before: Option<Instant>,
    /// Ticks that were decided before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticks_before: Option<Instant>,
}

impl Forgotten {
    /// Whether it is nothing.
    pub const fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.notifications_before.is_none() && self.ticks_before.is_none()
    }
}

impl Reader {
    /// The runs that ended before an instant and that nothing needs any more, the oldest first, at most `limit`: no
    /// items in doubt, no plan that has not expired at `now`, no run that it is a child of.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn forgettable(
        &self,
        before: Instant,
        now: Instant,
        limit: usize,
    ) -> Result<Vec<RunRecord>, ReadError> {
        let needed = self.needed_by_plans(before, now)?;
        self.look(|core, source| {
            let view = core.view(source);
            let mut old = BTreeMap::new();
            for status in ENDED {
                gather(&view, status, before, &mut old)?;
            }
            old.retain(|run, record| record.in_doubt() == 0 && !needed.contains(run));
            choose(&view, &old, limit)
        })
    }

    /// Whether there are notifications from before an instant.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn has_notifications_before(&self, before: Instant) -> Result<bool, ReadError> {
        let keys = Keys::starting_with(&[]);
        self.look(|core, source| {
            let view = core.view(source);
            let first = view.scan(Table::Notifications, &keys, Order::Ascending, 1)?;
            let Some((_, row)) = first.first() else { return Ok(false) };
            let first: Notification = view.decode(Table::Notifications, row)?;
            Ok(first.at < before)
        })
    }

    /// The runs whose plans have not expired, or are what a run works with that goes on or may be retried: a restore
    /// that was begun in time goes on to its end, whatever the date.
    fn needed_by_plans(&self, before: Instant, now: Instant) -> Result<BTreeSet<RunId>, ReadError> {
        let mut mentioned = Vec::new();
        let going_on = [RunStatus::Queued, RunStatus::Running];
        let filter = Filter { statuses: going_on.to_vec(), ..Filter::default() };
        mentioned.extend(self.all_runs(&filter)?);
        let not_ok = vec![RunStatus::Failed, RunStatus::Partial];
        let filter = Filter { statuses: not_ok, since: Some(before), ..Filter::default() };
        mentioned.extend(self.all_runs(&filter)?);
        let mut ids = Vec::new();
        for record in &mentioned {
            crate::kept::mentioned(&record.inputs, &mut ids);
        }
        let plans = self.all_plans()?;
        let is_needed =
            |plan: &&Plan| plan.expires_at > now || ids.iter().any(|id| id == plan.id.as_str());
        Ok(plans.iter().filter(is_needed).map(|plan| plan.run).collect())
    }
}

/// The first of them that no run goes back to that stays: parents before their children.
fn choose(
    view: &View<'_>,
    old: &BTreeMap<RunId, RunRecord>,
    limit: usize,
) -> Result<Vec<RunRecord>, FilingError> {
    let mut chosen: BTreeMap<RunId, &RunRecord> = BTreeMap::new();
    loop {
        let before = chosen.len();
        for (run, record) in old {
            if chosen.len() == limit {
                break;
            }
            if !chosen.contains_key(run) && is_left_alone(view, record, &chosen)? {
                chosen.insert(*run, record);
            }
        }
        // Each round reaches the children of those that the round before chose.
        if chosen.len() == before || chosen.len() == limit {
            return Ok(chosen.into_values().cloned().collect());
        }
    }
}

/// The runs of a status that ended before an instant.
fn gather(
    view: &View<'_>,
    status: RunStatus,
    before: Instant,
    old: &mut BTreeMap<RunId, RunRecord>,
) -> Result<(), FilingError> {
    let mut keys = Keys::starting_with(&index_prefix(None, status));
    loop {
        let rows = view.scan(Table::RunsByStatus, &keys, Order::Ascending, LONGEST_PAGE)?;
        for run in rows.iter().filter_map(|(key, _)| run_of(key)) {
            // Ids begin with the time at which they were made, those of children with their parent's.
            if run.made_at() >= before {
                return Ok(());
            }
            let row: Option<RunRow> = view.get(Table::Runs, run.bytes())?;
            let Some(RunRow { record, .. }) = row else { continue };
            if record.finished_at.is_some_and(|ended| ended < before) {
                old.insert(run, record);
            }
        }
        let Some((last, _)) = rows.last().filter(|_| rows.len() == LONGEST_PAGE) else {
            return Ok(());
        };
        keys = keys.after(last);
    }
}

/// Whether no run goes back to it that stays: a child run is what its parent is.
fn is_left_alone(
    view: &View<'_>,
    record: &RunRecord,
    chosen: &BTreeMap<RunId, &RunRecord>,
) -> Result<bool, FilingError> {
    match record.initiator.parent() {
        None => Ok(true),
        Some(parent) if chosen.contains_key(&parent) => Ok(true),
        Some(parent) => Ok(view.bytes(Table::Runs, parent.bytes())?.is_none()),
    }
}

impl Core {
    /// Takes away what is to be forgotten.
    pub(crate) fn forget(
        &mut self,
        source: &Source<'_>,
        forgotten: &Forgotten,
    ) -> Result<(), FilingError> {
        // A run that ended in one of the records before this one is let go of first.
        self.settle()?;
        // One that goes on is never forgotten, whoever says so.
        let runs = forgotten.runs.iter().filter(|run| !self.runs.contains_key(run));
        let runs: BTreeSet<RunId> = runs.copied().collect();
        if !runs.is_empty() {
            self.forget_plans(source, &runs)?;
        }
        for run in runs {
            self.forget_run(source, run)?;
        }
        if let Some(before) = forgotten.ticks_before {
            self.forget_ticks(source, before)?;
        }
        match forgotten.notifications_before {
            Some(before) => self.forget_notifications(source, before),
            None => Ok(()),
        }
    }

    fn forget_run(&mut self, source: &Source<'_>, run: RunId) -> Result<(), FilingError> {
        let row: Option<RunRow> = self.view(source).get(Table::Runs, run.bytes())?;
        let Some(RunRow { record, .. }) = row else { return Ok(()) };
        for (table, prefix) in crate::absorb::indexes(&record, record.status) {
            self.take_away(table, [prefix.as_slice(), run.bytes()].concat());
        }
        for table in [Table::Events, Table::Items] {
            self.take_away_all(source, table, run.bytes())?;
        }
        self.take_away(Table::States, run.bytes().to_vec());
        self.take_away(Table::Runs, run.bytes().to_vec());
        self.gone.push(run);
        Ok(())
    }

    /// Plans that a run made have their changes in its file.
    fn forget_plans(
        &mut self,
        source: &Source<'_>,
        runs: &BTreeSet<RunId>,
    ) -> Result<(), FilingError> {
        let of_run = plans_of(&self.view(source), runs)?;
        for key in of_run {
            self.take_away_all(source, Table::Approvals, &[key.as_slice(), &[0]].concat())?;
            self.take_away(Table::Plans, key);
        }
        Ok(())
    }

    fn forget_notifications(
        &mut self,
        source: &Source<'_>,
        before: Instant,
    ) -> Result<(), FilingError> {
        let mut keys = Keys::starting_with(&[]);
        loop {
            let found = old_notifications(&self.view(source), &keys, before)?;
            let last = found.last().filter(|_| found.len() == LONGEST_PAGE);
            let last = last.map(|(key, _)| key.clone());
            for (key, notification) in found {
                self.forget_notification(source, key, notification)?;
            }
            let Some(last) = last else { return Ok(()) };
            keys = keys.after(&last);
        }
    }

    fn forget_notification(
        &mut self,
        source: &Source<'_>,
        key: Vec<u8>,
        notification: Notification,
    ) -> Result<(), FilingError> {
        // What is still to be answered stays to be seen.
        if notification.run.is_some_and(|run| self.runs.contains_key(&run)) {
            return Ok(());
        }
        self.no_longer_unread(source, key.clone())?;
        if let Some(message) = notification.message {
            self.take_away(Table::Messages, message.id.into_bytes());
        }
        self.take_away(Table::Notifications, key);
        Ok(())
    }

    fn take_away_all(
        &mut self,
        source: &Source<'_>,
        table: Table,
        prefix: &[u8],
    ) -> Result<(), FilingError> {
        let mut keys = Keys::starting_with(prefix);
        loop {
            let found = self.view(source).scan(table, &keys, Order::Ascending, LONGEST_PAGE)?;
            for (key, _) in &found {
                self.take_away(table, key.clone());
            }
            let Some((last, _)) = found.last().filter(|_| found.len() == LONGEST_PAGE) else {
                return Ok(());
            };
            keys = keys.after(last);
        }
    }
}

/// The next notifications that are older: they are numbered in the order of time.
fn old_notifications(
    view: &View<'_>,
    keys: &Keys,
    before: Instant,
) -> Result<Vec<(Vec<u8>, Notification)>, FilingError> {
    let rows = view.scan(Table::Notifications, keys, Order::Ascending, LONGEST_PAGE)?;
    let mut found = Vec::with_capacity(rows.len());
    for (key, row) in rows {
        let notification: Notification = view.decode(Table::Notifications, &row)?;
        if notification.at >= before {
            break;
        }
        found.push((key, notification));
    }
    Ok(found)
}

/// The keys of the plans that these runs made.
fn plans_of(view: &View<'_>, runs: &BTreeSet<RunId>) -> Result<Vec<Vec<u8>>, FilingError> {
    let keys = Keys::starting_with(b"plan_");
    let mut found = Vec::new();
    for (key, row) in view.scan(Table::Plans, &keys, Order::Ascending, usize::MAX)? {
        let plan: Plan = view.decode(Table::Plans, &row)?;
        found.extend(runs.contains(&plan.run).then_some(key));
    }
    Ok(found)
}

/// Removes the files of runs that are forgotten, durably. Doing it twice is harmless.
pub(crate) fn remove_files(
    disk: &dyn Disk,
    runs: &[RunId],
) -> Result<(), (PathBuf, std::io::Error)> {
    let files = disk.files();
    let mut folders = BTreeSet::new();
    for path in runs.iter().flat_map(|run| files_of(*run)) {
        let failed = |error| (disk.place(&path), error);
        if files.length(&path).map_err(failed)?.is_some() {
            files.remove(&path).map_err(failed)?;
            folders.extend(path.parent().map(Path::to_owned));
        }
    }
    for folder in folders {
        files.sync_folder(&folder).map_err(|error| (disk.place(&folder), error))?;
    }
    Ok(())
}

/// Every file that a run may have.
fn files_of(run: RunId) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = log_files(run).into();
    paths.extend([FOLDER, BODIES].map(|folder| Path::new(folder).join(run.to_string())));
    paths
}

/// The files of a run's log: its head, and the two that take turns after it.
pub fn log_files(run: RunId) -> [PathBuf; 3] {
    ["log", "log.1", "log.2"].map(|ending| Path::new(LOGS).join(format!("{run}.{ending}")))
}
