//! The tables of `store.redb`, their keys, and views of them with unfiled rows laid over.
//!
//! Rows wait in memory until they are filed, and a view shows them as if they were: what was acknowledged
//! is always seen. Keys sort by their bytes as the lists of people do. Rows mean nothing here.

use std::collections::BTreeMap;
use std::ops::Bound;

use holdfast_kernel::id::{Instant, ItemIndex, RunId, StepIndex};
use holdfast_kernel::status::RunStatus;
use holdfast_kernel::tick::ScheduleName;
use redb::{ReadOnlyTable, ReadTransaction, TableDefinition, TableError, WriteTransaction};
use serde::de::DeserializeOwned;

use crate::codec::decode;
use crate::database::Database;
use crate::fault::FileFault;
use crate::outbox::Place;

/// A table of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Table {
    /// Format version, instance id, position.
    Meta,
    /// (sequence, place) → who did what.
    Audit,
    /// Digest → definition.
    Definitions,
    /// Run → its row.
    Runs,
    /// The runs that have not ended.
    Active,
    /// (target, status, run).
    RunsByTarget,
    /// (workflow, status, run).
    RunsByWorkflow,
    /// (status, run).
    RunsByStatus,
    /// (run, sequence) → its events of one commit.
    Events,
    /// Run → its last state snapshot.
    States,
    /// (run, step, item) → what is kept of an item.
    Items,
    /// Number → notification.
    Notifications,
    /// Id → what is kept of a plan beside its changes.
    Plans,
    /// (set, when, run) → what a verification found.
    Verifications,
    /// (plan, sequence) → who said what about it.
    Approvals,
    /// (set, when, run) → what was found out by using it.
    Attestations,
    /// Id of a message → the number of its notification.
    Messages,
    /// Workflow and id → schedule.
    Schedules,
    /// (sequence, place) → ticks that were decided in one way.
    Ticks,
    /// (schedule, sequence, place).
    TicksBySchedule,
    /// Number of a notification that nobody has acknowledged → nothing.
    Unread,
    /// (channel, place) → message on its way.
    Outbox,
    /// Name of a channel → how it does.
    Channels,
}

impl Table {
    /// Every table.
    pub(crate) const ALL: [Self; 23] = [
        Self::Meta,
        Self::Audit,
        Self::Definitions,
        Self::Runs,
        Self::Active,
        Self::RunsByTarget,
        Self::RunsByWorkflow,
        Self::RunsByStatus,
        Self::Events,
        Self::States,
        Self::Items,
        Self::Notifications,
        Self::Plans,
        Self::Verifications,
        Self::Approvals,
        Self::Attestations,
        Self::Messages,
        Self::Schedules,
        Self::Ticks,
        Self::TicksBySchedule,
        Self::Unread,
        Self::Outbox,
        Self::Channels,
    ];

    /// Whether a store of an earlier version may lack it; it then has no rows.
    const fn is_young(self) -> bool {
        matches!(
            self,
            Self::Plans
                | Self::Verifications
                | Self::Approvals
                | Self::Attestations
                | Self::Messages
                | Self::Schedules
                | Self::Ticks
                | Self::TicksBySchedule
                | Self::Unread
                | Self::Outbox
                | Self::Channels
        )
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Audit => "audit",
            Self::Definitions => "definitions",
            Self::Runs => "runs",
            Self::Active => "active",
            Self::RunsByTarget => "runs_by_target",
            Self::RunsByWorkflow => "runs_by_workflow",
            Self::RunsByStatus => "runs_by_status",
            Self::Events => "events",
            Self::States => "states",
            Self::Items => "items",
            Self::Notifications => "notifications",
            Self::Plans => "plans",
            Self::Verifications => "verifications",
            Self::Approvals => "approvals",
            Self::Attestations => "attestations",
            Self::Messages => "messages",
            Self::Schedules => "schedules",
            Self::Ticks => "ticks",
            Self::TicksBySchedule => "ticks_by_schedule",
            Self::Unread => "unread",
            Self::Outbox => "outbox",
            Self::Channels => "channels",
        }
    }

    pub(crate) const fn definition(self) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
        TableDefinition::new(self.name())
    }
}

/// Rows that are not filed yet; a row of none takes one away.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rows {
    tables: BTreeMap<Table, BTreeMap<Vec<u8>, Option<Vec<u8>>>>,
}

impl Rows {
    pub(crate) fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    pub(crate) fn put(&mut self, table: Table, key: Vec<u8>, row: Vec<u8>) {
        self.tables.entry(table).or_default().insert(key, Some(row));
    }

    pub(crate) fn take_away(&mut self, table: Table, key: Vec<u8>) {
        self.tables.entry(table).or_default().insert(key, None);
    }

    fn get(&self, table: Table, key: &[u8]) -> Option<&Option<Vec<u8>>> {
        self.tables.get(&table)?.get(key)
    }

    /// Writes them into their tables.
    pub(crate) fn write(
        &self,
        database: &Database,
        transaction: &WriteTransaction,
    ) -> Result<(), FileFault> {
        for (table, rows) in &self.tables {
            let mut table = transaction
                .open_table(table.definition())
                .map_err(|error| database.fault(error))?;
            for (key, row) in rows {
                match row {
                    Some(row) => table.insert(key.as_slice(), row.as_slice()).map(drop),
                    None => table.remove(key.as_slice()).map(drop),
                }
                .map_err(|error| database.fault(error))?;
            }
        }
        Ok(())
    }
}

/// Which end of a range comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Ascending,
    Descending,
}

/// A range of keys.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    from: Bound<Vec<u8>>,
    until: Bound<Vec<u8>>,
}

impl Keys {
    /// Every key that starts with `prefix`.
    pub(crate) fn starting_with(prefix: &[u8]) -> Self {
        Self {
            from: Bound::Included(prefix.to_vec()),
            until: successor(prefix).map_or(Bound::Unbounded, Bound::Excluded),
        }
    }

    /// Every key from this one on.
    pub(crate) fn from(key: &[u8]) -> Self {
        Self { from: Bound::Included(key.to_vec()), until: Bound::Unbounded }
    }

    /// Those of them that come after `key`.
    #[must_use]
    pub(crate) fn after(mut self, key: &[u8]) -> Self {
        self.from = Bound::Excluded(key.to_vec());
        self
    }

    /// Those of them that come before `key`.
    #[must_use]
    pub(crate) fn before(mut self, key: &[u8]) -> Self {
        self.until = Bound::Excluded(key.to_vec());
        self
    }

    fn is_empty(&self) -> bool {
        match (&self.from, &self.until) {
            (Bound::Included(from) | Bound::Excluded(from), Bound::Excluded(until)) => {
                from >= until
            }
            (_, Bound::Unbounded | Bound::Included(_)) | (Bound::Unbounded, _) => false,
        }
    }

    fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        (self.from.as_ref().map(Vec::as_slice), self.until.as_ref().map(Vec::as_slice))
    }
}

/// The first key after all that start with `prefix`.
fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut key = prefix.to_vec();
    while let Some(last) = key.pop() {
        if let Some(next) = last.checked_add(1) {
            key.push(next);
            return Some(key);
        }
    }
    None
}

type Row = (Vec<u8>, Vec<u8>);
type Filed = ReadOnlyTable<&'static [u8], &'static [u8]>;
type Layer<'a> = Box<dyn Iterator<Item = Result<(Vec<u8>, Option<Vec<u8>>), FileFault>> + 'a>;

/// The store at one point of time, unfiled rows laid over it.
pub(crate) struct View<'a> {
    pub(crate) database: &'a Database,
    pub(crate) filed: &'a ReadTransaction,
    /// Newer rows first.
    pub(crate) unfiled: [Option<&'a Rows>; 2],
}

impl View<'_> {
    /// A row as it is kept.
    pub(crate) fn bytes(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, FileFault> {
        let unfiled = self.unfiled.iter().flatten();
        if let Some(row) = unfiled.into_iter().find_map(|rows| rows.get(table, key)) {
            return Ok(row.clone());
        }
        let Some(opened) = self.filed(table)? else {
            return Ok(None);
        };
        let row = opened.get(key).map_err(|error| self.database.fault(error))?;
        Ok(row.map(|row| row.value().to_vec()))
    }

    /// A table as it is filed; none if it is younger than the file.
    fn filed(&self, table: Table) -> Result<Option<Filed>, FileFault> {
        match self.filed.open_table(table.definition()) {
            Ok(opened) => Ok(Some(opened)),
            Err(TableError::TableDoesNotExist(_)) if table.is_young() => Ok(None),
            Err(error) => Err(self.database.fault(error)),
        }
    }

    /// A row.
    pub(crate) fn get<T: DeserializeOwned>(
        &self,
        table: Table,
        key: &[u8],
    ) -> Result<Option<T>, FileFault> {
        let row = self.bytes(table, key)?;
        row.map(|row| self.decode(table, &row)).transpose()
    }

    /// Decodes a row of a table.
    pub(crate) fn decode<T: DeserializeOwned>(
        &self,
        table: Table,
        row: &[u8],
    ) -> Result<T, FileFault> {
        decode(row).map_err(|damage| {
            let what = format!("a row of the table `{}`", table.name());
            self.database.damaged(&what, &damage)
        })
    }

    /// The first `limit` rows of a range.
    pub(crate) fn scan(
        &self,
        table: Table,
        keys: &Keys,
        order: Order,
        limit: usize,
    ) -> Result<Vec<Row>, FileFault> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let fault = |error: redb::Error| self.database.fault(error);
        let opened = self.filed(table)?;
        let filed = opened.map(|opened| opened.range::<&[u8]>(keys.bounds())).transpose();
        let filed = filed.map_err(|error| fault(error.into()))?;
        let filed = filed.into_iter().flat_map(|filed| ordered(filed, order)).map(|row| {
            let (key, row) = row.map_err(|error| fault(error.into()))?;
            Ok((key.value().to_vec(), Some(row.value().to_vec())))
        });
        let mut layers: Vec<Layer<'_>> = Vec::new();
        for rows in self.unfiled.iter().flatten() {
            if let Some(rows) = rows.tables.get(&table) {
                let range = rows.range::<[u8], _>(keys.bounds());
                layers.push(Box::new(
                    ordered(range, order).map(|(key, row)| Ok((key.clone(), row.clone()))),
                ));
            }
        }
        layers.push(Box::new(filed));
        merge(layers, order, limit)
    }
}

fn ordered<'a, I: DoubleEndedIterator + 'a>(
    range: I,
    order: Order,
) -> Box<dyn Iterator<Item = I::Item> + 'a> {
    match order {
        Order::Ascending => Box::new(range),
        Order::Descending => Box::new(range.rev()),
    }
}

/// The first `limit` rows of all layers together; of equal keys the first layer's row counts.
fn merge(layers: Vec<Layer<'_>>, order: Order, limit: usize) -> Result<Vec<Row>, FileFault> {
    let mut layers: Vec<_> = layers.into_iter().map(Iterator::peekable).collect();
    let mut rows = Vec::new();
    while rows.len() < limit {
        if let Some(Err(error)) = layers.iter_mut().find_map(|layer| layer.next_if(Result::is_err))
        {
            return Err(error);
        }
        let heads = layers.iter_mut().filter_map(|layer| match layer.peek() {
            Some(Ok((key, _))) => Some(key.clone()),
            Some(Err(_)) | None => None,
        });
        let next = match order {
            Order::Ascending => heads.min(),
            Order::Descending => heads.max(),
        };
        let Some(next) = next else {
            break;
        };
        let same = |row: &Result<(Vec<u8>, _), _>| matches!(row, Ok((key, _)) if *key == next);
        let found: Vec<_> =
            layers.iter_mut().filter_map(|layer| layer.next_if(same)).flatten().collect();
        if let Some((_, Some(row))) = found.into_iter().next() {
            rows.push((next, row));
        }
    }
    Ok(rows)
}

/// The key of a run's event row.
pub(crate) fn event_key(run: RunId, sequence: u64) -> Vec<u8> {
    [run.bytes().as_slice(), &sequence.to_be_bytes()].concat()
}

/// What the keys of a step's items start with.
pub(crate) fn step_key(run: RunId, StepIndex(step): StepIndex) -> Vec<u8> {
    [run.bytes().as_slice(), &step.to_be_bytes()].concat()
}

/// The key of an item.
pub(crate) fn item_key(run: RunId, step: StepIndex, ItemIndex(item): ItemIndex) -> Vec<u8> {
    [step_key(run, step).as_slice(), &item.to_be_bytes()].concat()
}

/// The key of what a run found of a set.
pub(crate) fn verification_key(backup_set: &str, at: Instant, run: RunId) -> Vec<u8> {
    [backup_set.as_bytes(), &at.0.to_be_bytes(), run.bytes()].concat()
}

/// What the keys of an index start with: a name, or nothing for the index of all runs, and a status.
pub(crate) fn index_prefix(name: Option<&str>, status: RunStatus) -> Vec<u8> {
    let mut key = Vec::new();
    if let Some(name) = name {
        let length = u32::try_from(name.len()).unwrap_or(u32::MAX);
        key.extend_from_slice(&length.to_be_bytes());
        key.extend_from_slice(name.as_bytes());
    }
    key.push(match status {
        RunStatus::Queued => 0,
        RunStatus::Running => 1,
        RunStatus::Succeeded => 2,
        RunStatus::Partial => 3,
        RunStatus::Failed => 4,
    });
    key
}

/// The key of the pause of everything, in the table of what there is one of.
pub(crate) const PAUSE: &[u8] = b"pause";

/// The key of a schedule. Neither of its names has a zero byte.
pub(crate) fn schedule_key(name: &ScheduleName) -> Vec<u8> {
    [name.workflow.as_bytes(), &[0], name.id.as_bytes(), &[0]].concat()
}

/// The key of ticks that were decided in one way: the record that said so, and their place in it.
pub(crate) fn tick_key((sequence, place): (u64, u32)) -> Vec<u8> {
    [sequence.to_be_bytes().as_slice(), &place.to_be_bytes()].concat()
}

/// Their key in the index by schedule.
pub(crate) fn tick_index(name: &ScheduleName, place: (u64, u32)) -> Vec<u8> {
    [schedule_key(name), tick_key(place)].concat()
}

/// The key of how far notifications were looked at, in the table of what there is one of.
pub(crate) const ROUTED: &[u8] = b"routed";

/// What the keys of a channel's messages start with: its length keeps one channel's apart from another's.
pub(crate) fn outbox_prefix(channel: &str) -> Vec<u8> {
    let length = u32::try_from(channel.len()).unwrap_or(u32::MAX);
    [length.to_be_bytes().as_slice(), channel.as_bytes()].concat()
}

/// The key of a message on its way: earlier ones first, also those before the epoch.
pub(crate) fn outbox_key(channel: &str, place: Place) -> Vec<u8> {
    let due = place.due.0.cast_unsigned() ^ (1 << 63);
    let parts = [due.to_be_bytes().as_slice(), &[u8::from(place.gathered)]].concat();
    [outbox_prefix(channel), parts, place.notification.to_be_bytes().to_vec()].concat()
}

/// The run at the end of a key.
pub(crate) fn run_of(key: &[u8]) -> Option<RunId> {
    key.last_chunk().copied().map(RunId::from_bytes)
}

/// The item at the end of a key.
pub(crate) fn item_of(key: &[u8]) -> Option<ItemIndex> {
    key.last_chunk().copied().map(u32::from_be_bytes).map(ItemIndex)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Plain = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

    fn layer(rows: &Plain, order: Order) -> Layer<'_> {
        Box::new(ordered(rows.iter(), order).map(|(key, row)| Ok((key.clone(), row.clone()))))
    }

    fn rows() -> impl Strategy<Value = Plain> {
        let row = prop::option::of(prop::collection::vec(any::<u8>(), 0..2));
        prop::collection::btree_map(prop::collection::vec(0_u8..4, 1..3), row, 0..12)
    }

    proptest! {
        #[test]
        fn layers_together_are_what_was_put_last(
            newest in rows(), newer in rows(), oldest in rows(), limit in 0_usize..20
        ) {
            let mut plain = oldest.clone();
            plain.extend(newer.clone());
            plain.extend(newest.clone());
            for order in [Order::Ascending, Order::Descending] {
                let layers = [&newest, &newer, &oldest].map(|rows| layer(rows, order));
                let merged = merge(layers.into(), order, limit).unwrap();
                let there = plain.iter().filter_map(|(key, row)| Some((key.clone(), row.clone()?)));
                let mut expect: Vec<Row> = there.collect();
                if order == Order::Descending {
                    expect.reverse();
                }
                expect.truncate(limit);
                prop_assert_eq!(merged, expect);
            }
        }
    }

    #[test]
    fn a_range_of_keys_ends_where_its_prefix_does() {
        let check = |prefix: &[u8], expect: Option<&[u8]>| {
            assert_eq!(successor(prefix).as_deref(), expect);
        };
        check(b"a", Some(b"b"));
        check(&[1, 255], Some(&[2]));
        check(&[255, 255], None);
        check(b"", None);
        let keys = Keys::starting_with(b"a");
        assert!(!keys.is_empty());
        assert!(keys.clone().after(b"b").is_empty());
        assert!(keys.before(b"a").is_empty());
    }
}
