//! What people read: runs, their events, notifications, definitions, audit.
//!
//! Everything acknowledged is seen, filed or not. Lists come in pages with a cursor and never walk through
//! the whole history. A reader writes nothing; what it cannot trust is an error, never left out.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use holdfast_contract::list::ListedItem;
use holdfast_kernel::definition::Definition;
use holdfast_kernel::id::{Digest, Instant, RunId};
use holdfast_kernel::state::RunState;
use holdfast_kernel::status::{Reason, RunStatus};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::absorb::{Core, Source};
use crate::filer::{FilingError, Shared};
use crate::lists::{ListError, ListReader};
use crate::live::RunRow;
use crate::payloads::{PayloadError, Payloads};
use crate::record::{AuditRecord, Notification, RunEvents, RunRecord, StoredDefinition};
use crate::store::{Keys, Order, Table, event_key, index_prefix, run_of};

/// The most rows of one page.
pub const LONGEST_PAGE: usize = 1_000;

/// How many rows a page may look at to find those that fit its filter.
const LOOKED_AT: usize = 2_000;

/// How many runs a prefix is shown with if it names several.
const SEVERAL: usize = 10;

/// Why something cannot be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] FilingError),
    /// A payload cannot be read.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// A list cannot be read.
    #[error(transparent)]
    List(#[from] ListError),
}

impl From<crate::fault::FileFault> for ReadError {
    fn from(error: crate::fault::FileFault) -> Self {
        Self::Store(error.into())
    }
}

/// Which part of a list is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page<C> {
    /// The cursor of the page before; none: the first page.
    pub after: Option<C>,
    /// How many rows at most.
    pub limit: usize,
}

/// Part of a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Paged<T, C> {
    /// The rows.
    pub rows: Vec<T>,
    /// The cursor of the next page; none: there is none. A page may have few rows, or none, and a next one.
    pub next: Option<C>,
}

/// Which runs are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// Only these statuses; empty: all.
    pub statuses: Vec<RunStatus>,
    /// Only those that failed for this reason.
    pub reason: Option<Reason>,
    /// Only those of this workflow.
    pub workflow: Option<String>,
    /// Only those on this target.
    pub target: Option<String>,
    /// Only those submitted at this instant or later.
    pub since: Option<Instant>,
}

impl Filter {
    fn fits(&self, record: &RunRecord) -> bool {
        let target = record.target.as_ref().map(|target| target.name.as_str());
        (self.statuses.is_empty() || self.statuses.contains(&record.status))
            && self.reason.is_none_or(|reason| record.reason == Some(reason))
            && self.workflow.as_ref().is_none_or(|workflow| record.workflow == *workflow)
            && self.target.as_deref().is_none_or(|name| target == Some(name))
    }
}

/// What the beginning of a run id names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// No run.
    None,
    /// This one.
    One(RunId),
    /// These, and maybe more.
    Several(Vec<RunId>),
}

/// A run's definition and state.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The definition it is pinned to.
    pub definition: Arc<Definition>,
    /// Its state.
    pub state: RunState,
}

pub(crate) type ItemList = Arc<ListReader<ListedItem>>;

/// Lists by run and place of their directory.
type Lists = VecDeque<((RunId, u64), ItemList)>;

/// Reads the store. Clones share everything.
#[derive(Clone, Debug)]
pub struct Reader {
    pub(crate) shared: Arc<Shared>,
    pub(crate) payloads: Arc<Payloads>,
    /// The item lists that were read lately.
    pub(crate) lists: Arc<Mutex<Lists>>,
}

impl Reader {
    pub(crate) fn new(shared: Arc<Shared>, payloads: Arc<Payloads>) -> Self {
        Self { shared, payloads, lists: Arc::default() }
    }

    pub(crate) fn look<T>(
        &self,
        act: impl FnOnce(&Core, &Source<'_>) -> Result<T, FilingError>,
    ) -> Result<T, ReadError> {
        Ok(self.shared.with_core(usize::MAX, |core, source| act(core, source))?)
    }

    /// Runs, the latest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn runs(
        &self,
        filter: &Filter,
        page: Page<RunId>,
    ) -> Result<Paged<RunRecord, RunId>, ReadError> {
        let limit = page.limit.clamp(1, LONGEST_PAGE);
        self.look(|core, source| {
            let mut found = Paged { rows: Vec::new(), next: page.after };
            let mut more = More::Yes;
            let mut rounds = LOOKED_AT.div_ceil(limit);
            while rounds > 0 && more == More::Yes {
                more = select(core, source, filter, &mut found, limit)?;
                rounds -= 1;
            }
            Ok(found)
        })
    }

    /// A run.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn run(&self, run: RunId) -> Result<Option<RunRecord>, ReadError> {
        self.look(|core, source| {
            let row: Option<RunRow> = core.view(source).get(Table::Runs, run.bytes())?;
            Ok(row.map(|row| row.record))
        })
    }

    /// The runs whose ids start with a text, with or without `run_`.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn find(&self, text: &str) -> Result<Found, ReadError> {
        let digits = text.strip_prefix("run_").unwrap_or(text).replace('-', "");
        let mut low = [0_u8; 16];
        let mut nibbles = digits.chars().map(|digit| digit.to_digit(16));
        for (place, digit) in nibbles.by_ref().enumerate() {
            let (Some(digit), Some(byte)) = (digit, low.get_mut(place / 2)) else {
                return Ok(Found::None);
            };
            let digit = u8::try_from(digit).unwrap_or(0);
            *byte |= if place % 2 == 0 { digit << 4 } else { digit };
        }
        let starts = |run: &RunId| {
            let id = run.to_string().replace('-', "");
            id.strip_prefix("run_").is_some_and(|id| id.starts_with(&digits.to_lowercase()))
        };
        self.look(|core, source| {
            let keys = Keys::from(&low);
            let rows = core.view(source).scan(Table::Runs, &keys, Order::Ascending, SEVERAL)?;
            let runs: Vec<RunId> =
                rows.iter().filter_map(|(key, _)| run_of(key)).take_while(starts).collect();
            Ok(match runs.as_slice() {
                [] => Found::None,
                [run] => Found::One(*run),
                _ => Found::Several(runs),
            })
        })
    }

    /// The definition and state of any run, active or ended: what a retry starts from.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn load(&self, run: RunId) -> Result<Option<Loaded>, ReadError> {
        self.look(|core, source| {
            let live = core.load(source, run)?;
            Ok(live.map(|live| Loaded { definition: live.definition, state: live.state }))
        })
    }

    /// A definition as it was submitted.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn definition(&self, digest: Digest) -> Result<Option<StoredDefinition>, ReadError> {
        self.look(|core, source| Ok(core.view(source).get(Table::Definitions, digest.bytes())?))
    }

    /// The events of a run, the first ones first. The cursor is a record's number.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn events(&self, run: RunId, page: Page<u64>) -> Result<Paged<RunEvents, u64>, ReadError> {
        let mut keys = Keys::starting_with(run.bytes());
        if let Some(after) = page.after {
            keys = keys.after(&event_key(run, after));
        }
        self.list(Table::Events, &keys, (Order::Ascending, page.limit), |events: &RunEvents| {
            events.sequence
        })
    }

    /// Notifications, the latest first. The cursor is a notification's number.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn notifications(&self, page: Page<u64>) -> Result<Paged<Notification, u64>, ReadError> {
        let mut keys = Keys::starting_with(&[]);
        if let Some(after) = page.after {
            keys = keys.before(&after.to_be_bytes());
        }
        self.list(
            Table::Notifications,
            &keys,
            (Order::Descending, page.limit),
            |note: &Notification| note.id,
        )
    }

    /// Who did what, the latest first. The cursor is the key of an entry.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn audit(&self, page: Page<Vec<u8>>) -> Result<Paged<AuditRecord, Vec<u8>>, ReadError> {
        let limit = page.limit.clamp(1, LONGEST_PAGE);
        let mut keys = Keys::starting_with(&[]);
        if let Some(after) = &page.after {
            keys = keys.before(after);
        }
        self.look(|core, source| {
            let view = core.view(source);
            let rows = view.scan(Table::Audit, &keys, Order::Descending, limit)?;
            let last = rows.last().map(|(key, _)| key.clone());
            let next = last.filter(|_| rows.len() == limit);
            let rows = rows.iter().map(|(_, row)| view.decode(Table::Audit, row));
            Ok(Paged { rows: rows.collect::<Result<_, _>>()?, next })
        })
    }

    fn list<T: serde::de::DeserializeOwned>(
        &self,
        table: Table,
        keys: &Keys,
        (order, limit): (Order, usize),
        cursor: impl Fn(&T) -> u64,
    ) -> Result<Paged<T, u64>, ReadError> {
        let limit = limit.clamp(1, LONGEST_PAGE);
        self.look(|core, source| {
            let view = core.view(source);
            let rows = view.scan(table, keys, order, limit)?;
            let rows = rows.iter().map(|(_, row)| view.decode(table, row));
            let rows: Vec<T> = rows.collect::<Result<_, _>>()?;
            let next = rows.last().map(cursor).filter(|_| rows.len() == limit);
            Ok(Paged { rows, next })
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum More {
    Yes,
    No,
}

/// Looks at the next `limit` runs after the cursor, and says whether to go on.
fn select(
    core: &Core,
    source: &Source<'_>,
    filter: &Filter,
    found: &mut Paged<RunRecord, RunId>,
    limit: usize,
) -> Result<More, FilingError> {
    let view = core.view(source);
    let candidates = candidates(core, source, filter, found.next, limit)?;
    for run in &candidates {
        found.next = Some(*run);
        let row: Option<RunRow> = view.get(Table::Runs, run.bytes())?;
        let Some(RunRow { record, .. }) = row else { continue };
        if filter.since.is_some_and(|since| record.created_at < since) {
            found.next = None;
            return Ok(More::No);
        }
        if filter.fits(&record) {
            found.rows.push(record);
        }
        if found.rows.len() == limit {
            return Ok(More::No);
        }
    }
    if candidates.len() < limit {
        found.next = None;
        return Ok(More::No);
    }
    Ok(More::Yes)
}

/// The next `limit` runs that the index which fits the filter best lists, the latest first.
fn candidates(
    core: &Core,
    source: &Source<'_>,
    filter: &Filter,
    after: Option<RunId>,
    limit: usize,
) -> Result<Vec<RunId>, FilingError> {
    let (table, name) = match (&filter.target, &filter.workflow) {
        (Some(target), _) => (Table::RunsByTarget, Some(target.as_str())),
        (None, Some(workflow)) => (Table::RunsByWorkflow, Some(workflow.as_str())),
        (None, None) => (Table::RunsByStatus, None),
    };
    let mut runs = Vec::new();
    for status in RunStatus::ALL {
        if !filter.statuses.is_empty() && !filter.statuses.contains(&status) {
            continue;
        }
        let prefix = index_prefix(name, status);
        let mut keys = Keys::starting_with(&prefix);
        if let Some(after) = after {
            keys = keys.before(&[prefix.as_slice(), after.bytes()].concat());
        }
        let rows = core.view(source).scan(table, &keys, Order::Descending, limit)?;
        runs.extend(rows.iter().filter_map(|(key, _)| run_of(key)));
    }
    runs.sort_unstable_by(|one, other| other.cmp(one));
    runs.truncate(limit);
    Ok(runs)
}
