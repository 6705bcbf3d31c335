//! What people read of schedules and ticks, and forgetting old ticks.

use holdfast_kernel::id::Instant;
use holdfast_kernel::tick::ScheduleName;
use serde::{Deserialize, Serialize};

use crate::absorb::{Core, Source};
use crate::filer::FilingError;
use crate::query::{LONGEST_PAGE, Page, Paged, ReadError, Reader};
use crate::schedule::{Paused, ScheduleRecord, TickRecord};
use crate::store::{Keys, Order, PAUSE, Table, View, schedule_key, tick_index, tick_key};

/// The place of a tick record: the number of the journal's record that brought it, and its place there.
pub type TickPlace = (u64, u32);

/// Which ticks are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TickFilter {
    /// Only those of this schedule.
    pub schedule: Option<ScheduleName>,
    /// Only those decided at this instant or later.
    pub since: Option<Instant>,
}

impl Reader {
    /// Every schedule that is known, by name.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn schedules(&self) -> Result<Vec<ScheduleRecord>, ReadError> {
        self.look(Core::schedules)
    }

    /// A schedule.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn schedule(&self, name: &ScheduleName) -> Result<Option<ScheduleRecord>, ReadError> {
        self.look(|core, source| {
            Ok(core.view(source).get(Table::Schedules, &schedule_key(name))?)
        })
    }

    /// Whether there are ticks that were decided before an instant.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn has_ticks_before(&self, before: Instant) -> Result<bool, ReadError> {
        let keys = Keys::starting_with(&[]);
        self.look(|core, source| {
            let view = core.view(source);
            let first = view.scan(Table::Ticks, &keys, Order::Ascending, 1)?;
            let Some((_, row)) = first.first() else { return Ok(false) };
            let first: TickRecord = view.decode(Table::Ticks, row)?;
            Ok(first.at < before)
        })
    }

    /// The last pause of everything; none if there never was one.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn pause(&self) -> Result<Option<Paused>, ReadError> {
        self.look(Core::pause_of_everything)
    }

    /// Ticks, those decided last first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn ticks(
        &self,
        filter: &TickFilter,
        page: Page<TickPlace>,
    ) -> Result<Paged<TickRecord, TickPlace>, ReadError> {
        let limit = page.limit.clamp(1, LONGEST_PAGE);
        let (places, records) = self.look(|core, source| {
            let places = places(core, source, filter, page.after, limit)?;
            let view = core.view(source);
            let record = |place: &TickPlace| view.get(Table::Ticks, &tick_key(*place));
            let records: Result<Vec<Option<TickRecord>>, _> = places.iter().map(record).collect();
            Ok((places, records?))
        })?;
        let is_late = |record: &TickRecord| filter.since.is_none_or(|since| since <= record.at);
        let found = records.iter().flatten().count();
        let rows: Vec<TickRecord> = records.into_iter().flatten().take_while(is_late).collect();
        // What follows one that is too old is too old as well.
        let more = places.len() == limit && rows.len() == found;
        Ok(Paged { rows, next: places.last().copied().filter(|_| more) })
    }
}

/// The next places of ticks, the latest first.
fn places(
    core: &Core,
    source: &Source<'_>,
    filter: &TickFilter,
    after: Option<TickPlace>,
    limit: usize,
) -> Result<Vec<TickPlace>, FilingError> {
    let (table, mut keys) = match &filter.schedule {
        Some(name) => (Table::TicksBySchedule, Keys::starting_with(&schedule_key(name))),
        None => (Table::Ticks, Keys::starting_with(&[])),
    };
    if let Some(after) = after {
        let key = match &filter.schedule {
            Some(name) => tick_index(name, after),
            None => tick_key(after),
        };
        keys = keys.before(&key);
    }
    let rows = core.view(source).scan(table, &keys, Order::Descending, limit)?;
    Ok(rows.iter().filter_map(|(key, _)| place_of(key)).collect())
}

/// The place at the end of a key.
fn place_of(key: &[u8]) -> Option<TickPlace> {
    let (rest, place) = key.split_last_chunk::<4>()?;
    let (_, sequence) = rest.split_last_chunk::<8>()?;
    Some((u64::from_be_bytes(*sequence), u32::from_be_bytes(*place)))
}

impl Core {
    /// Every schedule that is known, by name.
    pub(crate) fn schedules(
        &self,
        source: &Source<'_>,
    ) -> Result<Vec<ScheduleRecord>, FilingError> {
        let keys = Keys::starting_with(&[]);
        let view = self.view(source);
        let rows = view.scan(Table::Schedules, &keys, Order::Ascending, usize::MAX)?;
        let rows = rows.iter().map(|(_, row)| view.decode(Table::Schedules, row));
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The last pause of everything.
    pub(crate) fn pause_of_everything(
        &self,
        source: &Source<'_>,
    ) -> Result<Option<Paused>, FilingError> {
        Ok(self.view(source).get(Table::Meta, PAUSE)?)
    }

    /// Takes away ticks that were decided before an instant.
    pub(crate) fn forget_ticks(
        &mut self,
        source: &Source<'_>,
        before: Instant,
    ) -> Result<(), FilingError> {
        let mut keys = Keys::starting_with(&[]);
        loop {
            let old = old_ticks(&self.view(source), &keys, before)?;
            for (key, schedule) in &old {
                self.forget_tick(key, schedule);
            }
            let Some((last, _)) = old.last().filter(|_| old.len() == LONGEST_PAGE) else {
                return Ok(());
            };
            keys = keys.after(last);
        }
    }

    fn forget_tick(&mut self, key: &[u8], schedule: &ScheduleName) {
        self.take_away(Table::Ticks, key.to_vec());
        if let Some(place) = place_of(key) {
            self.take_away(Table::TicksBySchedule, tick_index(schedule, place));
        }
    }
}

/// The next ticks that were decided before: they are numbered in the order of time.
fn old_ticks(
    view: &View<'_>,
    keys: &Keys,
    before: Instant,
) -> Result<Vec<(Vec<u8>, ScheduleName)>, FilingError> {
    let mut old = Vec::new();
    for (key, row) in view.scan(Table::Ticks, keys, Order::Ascending, LONGEST_PAGE)? {
        let record: TickRecord = view.decode(Table::Ticks, &row)?;
        if record.at >= before {
            break;
        }
        old.push((key, record.schedule));
    }
    Ok(old)
}
