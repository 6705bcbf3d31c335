//! Takes committed records in: folds them and turns them into rows that wait to be filed.
//!
//! It has a state of every active run of its own, so nothing that is filed is taken from whoever drives
//! the runs. Taking in writes nothing to the disk and decides nothing; the same records always give the
//! same rows.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use holdfast_contract::records::Keep;
use holdfast_kernel::definition::Definition;
use holdfast_kernel::event::{BadEnd, Event, Request};
use holdfast_kernel::fold::{begin, fold};
use holdfast_kernel::id::{Digest, Instant, ItemIndex, RunId, StepIndex};
use holdfast_kernel::state::Phase;
use holdfast_kernel::status::RunStatus;
use redb::ReadTransaction;
use serde::{Deserialize, Serialize};

use crate::codec::encode;
use crate::commit::Batch;
use crate::database::Database;
use crate::fault::FileFault;
use crate::filer::FilingError;
use crate::live::{Ended, Live, RunRow, Snapshot, corrupt};
use crate::project::{
    LISTED_JOINERS, RowChange, highest_offset, new_record, notification_text, row_changes, status,
    update_record,
};
use crate::record::{Asks, AuditRecord, Kind, Notification, RunEvents, RunRecord, Sent};
use crate::store::{
    Keys, Order, Rows, Table, View, event_key, index_prefix, item_key, verification_key,
};
use crate::totals::Totals;

mod outbox;
mod schedules;
mod words;

/// A state snapshot is made after this many events at the earliest.
const SNAPSHOT_EVENTS: u64 = 1_000;

/// The key of the position's row.
pub(crate) const POSITION: &[u8] = b"position";

/// What a notification is about besides a change of the run's status.
#[derive(Default)]
struct About {
    asks: Option<Asks>,
    message: Option<Sent>,
}

/// How far the store has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// The last record that is in it.
    pub(crate) sequence: u64,
    /// When that was committed.
    pub(crate) at: Instant,
    /// The number of the next notification.
    pub(crate) next_notification: u64,
    /// What was counted until then.
    #[serde(default)]
    pub(crate) totals: Totals,
}

/// The filed part of the store, at one point of time.
pub(crate) struct Source<'a> {
    database: &'a Database,
    filed: ReadTransaction,
}

impl<'a> Source<'a> {
    pub(crate) fn begin(database: &'a Database) -> Result<Self, FileFault> {
        Ok(Self { database, filed: database.read()? })
    }
}

/// Everything that was taken in and is not filed, and the states of the active runs.
#[derive(Debug)]
pub(crate) struct Core {
    fresh: Rows,
    frozen: Option<Arc<Rows>>,
    pub(crate) runs: BTreeMap<RunId, Live>,
    pub(crate) definitions: BTreeMap<Digest, Arc<Definition>>,
    position: Position,
    changed: BTreeSet<RunId>,
    /// The runs that were forgotten and whose files may still be there; and those of what was set aside.
    pub(crate) gone: Vec<RunId>,
    frozen_gone: Vec<RunId>,
    /// The record that is taken in, and how many words about plans it has brought.
    absorbing: u64,
    words: u32,
    /// And how many ticks.
    ticks: u32,
}

impl Core {
    /// Nothing yet.
    pub(crate) fn new() -> Self {
        let position = Position {
            sequence: 0,
            at: Instant(i64::MIN),
            next_notification: 1,
            totals: Totals::default(),
        };
        Self {
            fresh: Rows::default(),
            frozen: None,
            runs: BTreeMap::new(),
            definitions: BTreeMap::new(),
            position,
            changed: BTreeSet::new(),
            gone: Vec::new(),
            frozen_gone: Vec::new(),
            absorbing: 0,
            words: 0,
            ticks: 0,
        }
    }

    /// Takes over what the store says: its position, and its active runs.
    pub(crate) fn fill(&mut self, source: &Source<'_>) -> Result<(), FilingError> {
        let view = self.view(source);
        let position = view.get(Table::Meta, POSITION)?;
        let keys =
            view.scan(Table::Active, &Keys::starting_with(&[]), Order::Ascending, usize::MAX)?;
        self.position = position.unwrap_or(self.position);
        for run in keys.iter().filter_map(|(key, _)| crate::store::run_of(key)) {
            let live = self.load(source, run)?;
            let missing = || corrupt(run, 0, "it is listed as active and has no row");
            let live = live.ok_or_else(missing)?;
            self.remember(&live);
            self.runs.insert(run, live);
        }
        Ok(())
    }

    pub(crate) const fn position(&self) -> Position {
        self.position
    }

    /// The runs that have not ended.
    pub(crate) fn active(&self) -> impl Iterator<Item = (RunId, &Live)> {
        self.runs.iter().map(|(run, live)| (*run, live))
    }

    /// The store with everything laid over it that is not filed.
    pub(crate) fn view<'a>(&'a self, source: &'a Source<'a>) -> View<'a> {
        View {
            database: source.database,
            filed: &source.filed,
            unfiled: [Some(&self.fresh), self.frozen.as_deref()],
        }
    }

    /// Takes one record in.
    pub(crate) fn absorb(&mut self, source: &Source<'_>, batch: &Batch) -> Result<(), FilingError> {
        (self.absorbing, self.words, self.ticks) = (batch.sequence, 0, 0);
        for definition in &batch.definitions {
            let key = definition.digest.bytes().to_vec();
            self.fresh.put(Table::Definitions, key, encode(definition)?);
        }
        for kept in &batch.kept {
            match kept {
                Keep::Plan(plan) => {
                    let key = plan.id.as_str().as_bytes().to_vec();
                    self.fresh.put(Table::Plans, key, encode(plan)?);
                }
                Keep::Verification(found) => {
                    let key = verification_key(&found.backup_set, found.at, found.run);
                    self.fresh.put(Table::Verifications, key, encode(found)?);
                }
                Keep::Approval(approval) => self.keep_approval(approval)?,
                Keep::Attestation(found) => {
                    // Whoever is not sure whether it was kept keeps it once more.
                    let key = [found.backup_set.as_bytes(), &[0], found.id.as_bytes()].concat();
                    self.fresh.put(Table::Attestations, key, encode(found)?);
                }
                Keep::Message(message) => self.keep_message(source, message, batch.at)?,
            }
        }
        for (place, entry) in (0_u32..).zip(&batch.audit) {
            let key = [batch.sequence.to_be_bytes().as_slice(), &place.to_be_bytes()].concat();
            let record = AuditRecord { at: batch.at, entry: entry.clone() };
            self.fresh.put(Table::Audit, key, encode(&record)?);
        }
        for (run, events) in &batch.entries {
            self.absorb_run(source, *run, events, batch)?;
        }
        self.absorb_schedules(source, batch)?;
        self.absorb_outbox(source, batch)?;
        if let Some(forgotten) = &batch.forgotten {
            self.forget(source, forgotten)?;
        }
        self.position.sequence = batch.sequence;
        self.position.at = batch.at;
        self.fresh.put(Table::Meta, POSITION.to_vec(), encode(&self.position)?);
        Ok(())
    }

    fn absorb_run(
        &mut self,
        source: &Source<'_>,
        run: RunId,
        events: &[Event],
        batch: &Batch,
    ) -> Result<(), FilingError> {
        let (sequence, at) = (batch.sequence, batch.at);
        let mut live = match self.runs.remove(&run) {
            Some(live) => Some(live),
            None => self.load(source, run)?,
        };
        for event in events {
            match (event, &mut live) {
                (Event::RunQueued(request), None) => {
                    live = Some(self.queue(source, request, batch)?);
                }
                (_, Some(live)) => self.fold(source, live, event, batch)?,
                (_, None) => return Err(corrupt(run, sequence, "it was never queued")),
            }
        }
        let Some(mut live) = live else {
            return Ok(());
        };
        let row = encode(&RunEvents { sequence, at, events: events.to_vec() })?;
        live.row.events += events.len() as u64;
        live.row.bytes += row.len() as u64;
        live.sequence = sequence;
        self.fresh.put(Table::Events, event_key(run, sequence), row);
        self.runs.insert(run, live);
        self.changed.insert(run);
        Ok(())
    }

    /// A run from its first event.
    fn queue(
        &mut self,
        source: &Source<'_>,
        request: &Request,
        batch: &Batch,
    ) -> Result<Live, FilingError> {
        let definition = self.definition(&self.view(source), request.definition)?;
        let record = new_record(&definition, request, batch.at);
        let row = RunRow { record, last_offset: None, events: 0, bytes: 0, snapshot_bytes: 0 };
        let live = Live {
            state: begin(&definition, request, batch.at),
            definition,
            row,
            sequence: batch.sequence,
            listed: None,
            ended: Ended::NotLately,
            items: BTreeMap::new(),
        };
        self.remember(&live);
        let text = notification_text(&live.row.record, None);
        self.count(RunStatus::Queued);
        self.notify(&live.row.record, text, About::default(), batch.at)?;
        Ok(live)
    }

    fn fold(
        &mut self,
        source: &Source<'_>,
        live: &mut Live,
        event: &Event,
        batch: &Batch,
    ) -> Result<(), FilingError> {
        let (run, at) = (live.row.record.run, batch.at);
        let changes = row_changes(event, &live.state);
        self.keep_word(live, event, at)?;
        let before = live.state.phase.clone();
        let status_before = status(&live.state);
        fold(&live.definition, &mut live.state, event, at)
            .map_err(|error| corrupt(run, batch.sequence, error.reason))?;
        let record = &mut live.row.record;
        if let Event::RunJoined { by } = event
            && record.joined.len() < LISTED_JOINERS
            && !record.joined.contains(by)
        {
            record.joined.push(by.clone());
        }
        if let Phase::Finished(outcome) = live.state.phase {
            record.reason = outcome.reason();
            if !matches!(before, Phase::Finished(_)) {
                record.finished_at = Some(at);
                live.ended = Ended::Now;
            }
        } else {
            record.reason = None;
            record.finished_at = None;
        }
        live.row.last_offset = live.row.last_offset.max(highest_offset(event));
        for (step, item, change) in changes {
            self.change_item(source, live, (step, item), change)?;
        }
        let status_now = status(&live.state);
        if live.ended == Ended::Now
            && matches!(event, Event::RunFinished { .. })
            && let Some(schedule) = live.row.record.initiator.schedule().cloned()
        {
            self.end_of_tick(source, &schedule, (run, status_now), at)?;
        }
        if status_now != status_before {
            // What is told of its end has the counts and the failures of its end.
            update_record(&mut live.row.record, &live.definition, &live.state);
            self.count(status_now);
            let text = notification_text(&live.row.record, Some(event));
            self.notify(&live.row.record, text, About::default(), at)?;
        }
        if let Event::ApprovalRequested { step, item, ask } = event {
            self.notify_of_wait(live, (*step, *item), ask, at)?;
        }
        if let Event::ItemEnded { step, item, end: BadEnd::Unknown, .. } = event
            && live.state.step(*step).is_some_and(|step| step.items.counts.unknown == 1)
        {
            self.notify_of_doubt(live, (*step, *item), at)?;
        }
        Ok(())
    }

    /// Counts that a run has come to a status.
    const fn count(&mut self, status: RunStatus) {
        let totals = &mut self.position.totals;
        let count = match status {
            RunStatus::Queued => &mut totals.queued,
            RunStatus::Running => &mut totals.started,
            RunStatus::Succeeded => &mut totals.succeeded,
            RunStatus::Partial => &mut totals.partial,
            RunStatus::Failed => &mut totals.failed,
        };
        *count += 1;
    }

    fn change_item(
        &mut self,
        source: &Source<'_>,
        live: &mut Live,
        place: (StepIndex, ItemIndex),
        change: RowChange,
    ) -> Result<(), FilingError> {
        let run = live.row.record.run;
        let row = match live.items.entry(place) {
            Entry::Occupied(row) => row.into_mut(),
            Entry::Vacant(free) => {
                let key = item_key(run, place.0, place.1);
                free.insert(self.view(source).get(Table::Items, &key)?.unwrap_or_default())
            }
        };
        change.apply(row);
        Ok(())
    }

    fn notify(
        &mut self,
        record: &RunRecord,
        text: String,
        about: About,
        at: Instant,
    ) -> Result<(), FilingError> {
        let kind = match &about {
            About { asks: Some(_), .. } => Kind::Wait,
            About { message: Some(_), .. } => Kind::Message,
            About { asks: None, message: None } => Kind::Status,
        };
        self.put_notification(Notification {
            run: Some(record.run),
            workflow: Some(record.workflow.clone()),
            operation: Some(record.operation),
            target: record.target.as_ref().map(|target| target.name.clone()),
            schedule: record.initiator.schedule().cloned(),
            asked_by: record.asked_by().cloned().collect(),
            status: Some(record.status),
            reason: record.reason,
            asks: about.asks,
            message: about.message,
            ..Notification::new(kind, text, at)
        })
    }

    /// Stores a notification under the next number.
    fn put_notification(&mut self, notification: Notification) -> Result<(), FilingError> {
        let id = self.position.next_notification;
        let notification = Notification { id, ..notification };
        self.position.next_notification += 1;
        let key = id.to_be_bytes().to_vec();
        self.fresh.put(Table::Notifications, key.clone(), encode(&notification)?);
        self.fresh.put(Table::Unread, key, Vec::new());
        self.position.totals.unread += 1;
        Ok(())
    }

    /// Brings the rows of all changed runs up to date, and lets go of those that ended.
    pub(crate) fn settle(&mut self) -> Result<(), FilingError> {
        for run in std::mem::take(&mut self.changed) {
            let Some(mut live) = self.runs.remove(&run) else {
                continue;
            };
            self.settle_run(run, &mut live)?;
            if live.state.is_finished() {
                self.let_go(live);
            } else {
                self.runs.insert(run, live);
            }
        }
        Ok(())
    }

    fn settle_run(&mut self, run: RunId, live: &mut Live) -> Result<(), FilingError> {
        update_record(&mut live.row.record, &live.definition, &live.state);
        for ((step, item), row) in std::mem::take(&mut live.items) {
            self.fresh.put(Table::Items, item_key(run, step, item), encode(&row)?);
        }
        let row = &live.row;
        let due = row.events >= SNAPSHOT_EVENTS && row.bytes >= row.snapshot_bytes;
        let ended = std::mem::replace(&mut live.ended, Ended::NotLately) == Ended::Now;
        if due || (ended && live.state.is_finished()) {
            let snapshot = Snapshot { sequence: live.sequence, state: live.state.clone() };
            let snapshot = encode(&snapshot)?;
            live.row.snapshot_bytes = snapshot.len() as u64;
            (live.row.events, live.row.bytes) = (0, 0);
            self.fresh.put(Table::States, run.bytes().to_vec(), snapshot);
        }
        let now = live.row.record.status;
        if live.listed != Some(now) {
            for (table, prefix) in
                live.listed.iter().flat_map(|old| indexes(&live.row.record, *old))
            {
                self.fresh.take_away(table, [prefix.as_slice(), run.bytes()].concat());
            }
            for (table, prefix) in indexes(&live.row.record, now) {
                self.fresh.put(table, [prefix.as_slice(), run.bytes()].concat(), Vec::new());
            }
            live.listed = Some(now);
        }
        let key = run.bytes().to_vec();
        if live.state.is_finished() {
            self.fresh.take_away(Table::Active, key.clone());
        } else {
            self.fresh.put(Table::Active, key.clone(), Vec::new());
        }
        self.fresh.put(Table::Runs, key, encode(&live.row)?);
        Ok(())
    }

    /// Sets aside what is to be filed now; none if there is nothing.
    pub(crate) fn freeze(&mut self) -> Option<Arc<Rows>> {
        if !self.fresh.is_empty() && self.frozen.is_none() {
            self.frozen = Some(Arc::new(std::mem::take(&mut self.fresh)));
            self.frozen_gone = std::mem::take(&mut self.gone);
        }
        self.frozen.clone()
    }

    /// The runs whose files go before what was set aside is filed.
    pub(crate) fn frozen_gone(&self) -> Vec<RunId> {
        self.frozen_gone.clone()
    }

    pub(crate) fn take_away(&mut self, table: Table, key: Vec<u8>) {
        self.fresh.take_away(table, key);
    }

    /// Forgets what was set aside: it is filed.
    pub(crate) fn thaw(&mut self) {
        self.frozen = None;
        self.frozen_gone.clear();
    }
}

/// The indexes that list a run, with what its keys in them start with.
pub(crate) fn indexes(record: &RunRecord, status: RunStatus) -> Vec<(Table, Vec<u8>)> {
    let by_target = record
        .target
        .iter()
        .map(|target| (Table::RunsByTarget, index_prefix(Some(&target.name), status)));
    [
        (Table::RunsByStatus, index_prefix(None, status)),
        (Table::RunsByWorkflow, index_prefix(Some(&record.workflow), status)),
    ]
    .into_iter()
    .chain(by_target)
    .collect()
}
