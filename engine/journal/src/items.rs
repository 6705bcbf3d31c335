//! The items of a run: where each is, how often it was tried, what it returned.
//!
//! Where an item is says the state of its run; what is kept beside it is a row of the store; its key
//! stands in its step's list. Long fan-outs are read in pages or streamed, never held whole.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, PoisonError};

use holdfast_contract::list::{ListedItem, StoredList};
use holdfast_kernel::id::{ItemIndex, RunId, StepIndex};
use holdfast_kernel::payload::Payload;
use holdfast_kernel::state::{OutputsState, RunState, StepState};
use holdfast_kernel::value::Value;
use serde::{Deserialize, Serialize};

use crate::lists::ListReader;
use crate::payloads::Payloads;
use crate::project::{item_status, not_ok};
use crate::query::{ItemList, LONGEST_PAGE, Page, Paged, ReadError, Reader};
use crate::record::{ItemRow, ItemStatus, ItemView};
use crate::store::{Keys, Order, Table, item_key, item_of, step_key};

/// How many lists are kept ready for reading.
const KEPT_LISTS: usize = 8;

/// How many rows a stream of results reads at once.
const STREAMED_AT_ONCE: u32 = 256;

/// Which items of a step are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Show {
    /// All of them.
    All,
    /// Those that ended and are not ok.
    NotOk,
}

impl Reader {
    /// The items of a step in list order; none if there is no such run or step. The cursor is an item.
    ///
    /// # Errors
    /// The store or the list cannot be read.
    pub fn items(
        &self,
        run: RunId,
        step: StepIndex,
        show: Show,
        page: Page<ItemIndex>,
    ) -> Result<Option<Paged<ItemView, ItemIndex>>, ReadError> {
        let limit = page.limit.clamp(1, LONGEST_PAGE);
        let Some(loaded) = self.load(run)? else {
            return Ok(None);
        };
        let Some(state) = loaded.state.step(step) else {
            return Ok(None);
        };
        let first = page.after.map_or(0, |item| item.0.saturating_add(1));
        let wanted: Vec<ItemIndex> = match show {
            Show::All => (first..state.items.total).take(limit).map(ItemIndex).collect(),
            Show::NotOk => not_ok(&state.items, page.after, limit).into_iter().collect(),
        };
        let mut rows = match (wanted.first(), wanted.last()) {
            (Some(first), Some(last)) if show == Show::All => {
                self.rows(run, step, first.0..last.0 + 1)?
            }
            _ => BTreeMap::new(),
        };
        let next = wanted.last().copied().filter(|_| wanted.len() == limit);
        let mut views = Vec::with_capacity(wanted.len());
        for item in wanted {
            let row = match show {
                Show::All => rows.remove(&item).unwrap_or_default(),
                Show::NotOk => self.row(run, step, item)?,
            };
            views.extend(self.view_of(run, state, item, row)?);
        }
        Ok(Some(Paged { rows: views, next }))
    }

    /// One item; none if it is not there, or not yet.
    ///
    /// # Errors
    /// The store or the list cannot be read.
    pub fn item(
        &self,
        run: RunId,
        step: StepIndex,
        item: ItemIndex,
    ) -> Result<Option<ItemView>, ReadError> {
        let loaded = self.load(run)?;
        match loaded.as_ref().and_then(|loaded| loaded.state.step(step)) {
            Some(state) => self.view_of(run, state, item, self.row(run, step, item)?),
            None => Ok(None),
        }
    }

    /// The outputs of a run in this state; none if it has not come to them.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn outputs(&self, state: &RunState) -> Result<Option<Value>, ReadError> {
        match &state.outputs {
            Some(OutputsState::Known(outputs)) => {
                Ok(Some(self.payloads.load(state.run(), outputs)?))
            }
            Some(OutputsState::Failed(_)) | None => Ok(None),
        }
    }

    /// The item as its step's list has it.
    ///
    /// # Errors
    /// There is none, or the list cannot be read.
    pub fn listed(
        &self,
        run: RunId,
        list: &StoredList,
        item: ItemIndex,
    ) -> Result<ListedItem, ReadError> {
        Ok(self.list_of(run, list)?.get(item.0)?)
    }

    /// Every item of a step in list order, as `state` has them, read as they are asked for. After an error
    /// there are no more.
    pub fn results<'a>(&'a self, state: &'a RunState, step: StepIndex) -> Results<'a> {
        let run = state.run();
        Results {
            reader: self,
            run,
            step,
            state: state.step(step),
            next: 0,
            ready: VecDeque::new(),
        }
    }

    /// The next items of a step from a place on, as `state` has them; none at the end.
    ///
    /// # Errors
    /// The store or the list cannot be read.
    pub fn results_part(
        &self,
        state: &RunState,
        step: StepIndex,
        from: u32,
    ) -> Result<Vec<ItemView>, ReadError> {
        let mut results = self.results(state, step);
        results.next = from;
        let at_once = STREAMED_AT_ONCE as usize;
        results.take(at_once).collect()
    }

    fn view_of(
        &self,
        run: RunId,
        state: &StepState,
        item: ItemIndex,
        row: ItemRow,
    ) -> Result<Option<ItemView>, ReadError> {
        let Some(status) = item_status(state, item) else {
            return Ok(None);
        };
        let key = match state.items.list {
            Some(directory) => {
                let list = StoredList { directory, count: state.items.total };
                Some(self.listed(run, &list, item)?.key)
            }
            None => None,
        };
        Ok(Some(ItemView { index: item, key, status, epoch: state.items.epoch(item), row }))
    }

    fn list_of(&self, run: RunId, list: &StoredList) -> Result<ItemList, ReadError> {
        let name = (run, list.directory.offset);
        let kept = || self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, list)) = kept().iter().find(|(of, _)| *of == name) {
            return Ok(Arc::clone(list));
        }
        let list = Arc::new(ListReader::open(Arc::clone(&self.payloads), run, list)?);
        let mut kept = kept();
        if kept.len() == KEPT_LISTS {
            kept.pop_front();
        }
        kept.push_back((name, Arc::clone(&list)));
        Ok(list)
    }

    fn row(&self, run: RunId, step: StepIndex, item: ItemIndex) -> Result<ItemRow, ReadError> {
        self.look(|core, source| {
            let row = core.view(source).get(Table::Items, &item_key(run, step, item))?;
            Ok(row.unwrap_or_default())
        })
    }

    /// The rows of a part of a step's items; an item that was never tried has none.
    fn rows(
        &self,
        run: RunId,
        step: StepIndex,
        part: std::ops::Range<u32>,
    ) -> Result<BTreeMap<ItemIndex, ItemRow>, ReadError> {
        let mut keys = Keys::starting_with(&step_key(run, step)).before(&item_key(
            run,
            step,
            ItemIndex(part.end),
        ));
        if let Some(before) = part.start.checked_sub(1) {
            keys = keys.after(&item_key(run, step, ItemIndex(before)));
        }
        self.look(|core, source| {
            let view = core.view(source);
            let rows = view.scan(Table::Items, &keys, Order::Ascending, part.len())?;
            let rows = rows.iter().filter_map(|(key, row)| Some((item_of(key)?, row)));
            let rows = rows.map(|(item, row)| Ok((item, view.decode(Table::Items, row)?)));
            rows.collect()
        })
    }
}

/// The results of a step, in list order.
#[derive(Debug)]
pub struct Results<'a> {
    reader: &'a Reader,
    run: RunId,
    step: StepIndex,
    state: Option<&'a StepState>,
    next: u32,
    ready: VecDeque<(ItemIndex, ItemRow)>,
}

impl Results<'_> {
    fn advance(&mut self) -> Result<Option<ItemView>, ReadError> {
        let Some(state) = self.state else {
            return Ok(None);
        };
        if self.ready.is_empty() && self.next < state.items.total {
            let end = self.next.saturating_add(STREAMED_AT_ONCE).min(state.items.total);
            let part = self.next..end;
            let mut rows = self.reader.rows(self.run, self.step, part.clone())?;
            self.ready.extend(part.map(ItemIndex).map(|item| {
                let row = rows.remove(&item).unwrap_or_default();
                (item, row)
            }));
            self.next = end;
        }
        match self.ready.pop_front() {
            Some((item, row)) => self.reader.view_of(self.run, state, item, row),
            None => Ok(None),
        }
    }
}

impl Iterator for Results<'_> {
    type Item = Result<ItemView, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let advanced = self.advance();
        if advanced.is_err() {
            self.state = None;
        }
        advanced.transpose()
    }
}

/// An item as expressions see it in `results`: key, index, status, output, error and attempts.
///
/// # Errors
/// Its output cannot be read.
pub fn result_value(payloads: &Payloads, run: RunId, item: &ItemView) -> Result<Value, ReadError> {
    let output = match &item.row.output {
        Some(output) if matches!(item.status, ItemStatus::Succeeded | ItemStatus::Partial) => {
            payloads.load(run, output)?
        }
        Some(_) | None => payloads.load(run, &Payload::empty())?,
    };
    let error = match &item.row.failure {
        Some(failure) => Value::from([
            ("class", Value::from(failure.class.word())),
            ("message", Value::from(failure.message.as_str())),
        ]),
        None => Value::None,
    };
    let key = item.key.as_deref().map_or(Value::None, Value::from);
    Ok(Value::from([
        ("key", key),
        ("index", Value::from(u64::from(item.index.0))),
        ("status", Value::from(item.status.word())),
        ("output", output),
        ("error", error),
        ("attempts", Value::from(u64::from(item.row.attempts))),
    ]))
}
