//! A run whose state is in memory, and how it gets there from the store.
//!
//! A state is the last snapshot of it and the events that follow. What does not fit together is refused
//! with run, record and reason. Nothing is written here.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_kernel::definition::Definition;
use holdfast_kernel::event::Event;
use holdfast_kernel::fold::{begin, fold};
use holdfast_kernel::id::{Digest, ItemIndex, RunId, StepIndex};
use holdfast_kernel::state::RunState;
use holdfast_kernel::status::RunStatus;
use serde::{Deserialize, Serialize};

use crate::absorb::{Core, Source};
use crate::codec::Damaged;
use crate::filer::FilingError;
use crate::record::{ItemRow, RunEvents, RunRecord, StoredDefinition};
use crate::store::{Keys, Order, Table, View, event_key};

/// How many rows of events are read at once.
const EVENT_ROWS: usize = 1_000;

/// A run's row: its record, and what the journal needs to know of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RunRow {
    pub(crate) record: RunRecord,
    /// The highest offset in its payload file that a record refers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last_offset: Option<u64>,
    /// The events since its last state snapshot.
    pub(crate) events: u64,
    /// The bytes of their rows.
    pub(crate) bytes: u64,
    /// The bytes of the snapshot.
    pub(crate) snapshot_bytes: u64,
}

/// A run's state after a record.
#[derive(Serialize, Deserialize)]
pub(crate) struct Snapshot {
    pub(crate) sequence: u64,
    pub(crate) state: RunState,
}

/// A run whose state is in memory.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    pub(crate) definition: Arc<Definition>,
    pub(crate) state: RunState,
    pub(crate) row: RunRow,
    /// The last record about it.
    pub(crate) sequence: u64,
    /// The status under which the indexes list it.
    pub(crate) listed: Option<RunStatus>,
    /// Whether it ended since its row was last brought up to date.
    pub(crate) ended: Ended,
    /// The item rows that changed since its row was last brought up to date.
    pub(crate) items: BTreeMap<(StepIndex, ItemIndex), ItemRow>,
}

/// Whether a run ended since its row was last brought up to date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    NotLately,
    Now,
}

impl Core {
    /// A run as it is in the store: its last state snapshot and what follows it.
    pub(crate) fn load(
        &self,
        source: &Source<'_>,
        run: RunId,
    ) -> Result<Option<Live>, FilingError> {
        if let Some(live) = self.runs.get(&run) {
            return Ok(Some(live.clone()));
        }
        let view = self.view(source);
        let Some(row) = view.get::<RunRow>(Table::Runs, run.bytes())? else {
            return Ok(None);
        };
        let definition = self.definition(&view, row.record.definition)?;
        let snapshot: Option<Snapshot> = view.get(Table::States, run.bytes())?;
        let (mut sequence, mut state) = match snapshot {
            Some(Snapshot { sequence, state }) => (sequence, Some(state)),
            None => (0, None),
        };
        loop {
            let keys = Keys::starting_with(run.bytes()).after(&event_key(run, sequence));
            let rows = view.scan(Table::Events, &keys, Order::Ascending, EVENT_ROWS)?;
            for (_, events) in &rows {
                let events: RunEvents = view.decode(Table::Events, events)?;
                sequence = events.sequence;
                replay(&definition, &mut state, &events)?;
            }
            if rows.len() < EVENT_ROWS {
                break;
            }
        }
        let state = state.ok_or_else(|| corrupt(run, sequence, "it has no events"))?;
        let listed = Some(row.record.status);
        let (ended, items) = (Ended::NotLately, BTreeMap::new());
        Ok(Some(Live { definition, state, row, sequence, listed, ended, items }))
    }

    pub(crate) fn definition(
        &self,
        view: &View<'_>,
        digest: Digest,
    ) -> Result<Arc<Definition>, FilingError> {
        if let Some(definition) = self.definitions.get(&digest) {
            return Ok(Arc::clone(definition));
        }
        let damaged = |what: String| {
            let row = format!("the definition {digest}");
            FilingError::from(view.database.damaged(&row, &Damaged::Content(what)))
        };
        let stored: Option<StoredDefinition> = view.get(Table::Definitions, digest.bytes())?;
        let stored = stored.ok_or(FilingError::UnknownDefinition(digest))?;
        if Definition::digest_of(stored.lowered.as_bytes()) != digest {
            return Err(damaged("its digest is another".to_owned()));
        }
        let definition: Definition =
            serde_json::from_str(&stored.lowered).map_err(|error| damaged(error.to_string()))?;
        definition.check().map_err(|error| damaged(error.to_string()))?;
        Ok(Arc::new(definition))
    }

    /// Keeps the definition of a run while the run is active.
    pub(crate) fn remember(&mut self, live: &Live) {
        let digest = live.row.record.definition;
        self.definitions.entry(digest).or_insert_with(|| Arc::clone(&live.definition));
    }

    /// Forgets a run that ended, and its definition if it was the last one.
    pub(crate) fn let_go(&mut self, live: Live) {
        let digest = live.row.record.definition;
        drop(live);
        if self.definitions.get(&digest).is_some_and(|of| Arc::strong_count(of) == 1) {
            self.definitions.remove(&digest);
        }
    }
}

/// A refusal of a run's events.
pub(crate) fn corrupt(run: RunId, sequence: u64, reason: &str) -> FilingError {
    FilingError::Corrupt { run, sequence, reason: reason.to_owned() }
}

/// Folds the events of one commit into a state, which is none before the first event.
fn replay(
    definition: &Definition,
    state: &mut Option<RunState>,
    of: &RunEvents,
) -> Result<(), FilingError> {
    for event in &of.events {
        match (event, &mut *state) {
            (Event::RunQueued(request), state @ None) => {
                *state = Some(begin(definition, request, of.at));
            }
            (_, Some(state)) => {
                let run = state.run();
                fold(definition, state, event, of.at)
                    .map_err(|error| corrupt(run, of.sequence, error.reason))?;
            }
            // A run without its first event has no state; the caller says so.
            (_, None) => {}
        }
    }
    Ok(())
}
