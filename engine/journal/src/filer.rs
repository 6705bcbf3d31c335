//! The filer: carries committed records on into `store.redb`, where people read them.
//!
//! It owns no thread: whoever has one calls [`Filer::file`] a few times a second, or when much waits. One
//! call writes one transaction with the position it has reached, so a crash only repeats it. Reading does
//! not wait for it: what is not filed is laid over the store from memory.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use holdfast_kernel::id::{Digest, RunId};
use thiserror::Error;

use crate::absorb::{Core, Source};
use crate::codec::Unwritable;
use crate::commit::Batch;
use crate::database::Database;
use crate::disk::Disk;
use crate::doubt;
use crate::fault::FileFault;
use crate::retain::remove_files;

/// Why records cannot be taken in or filed.
#[derive(Debug, Error)]
pub enum FilingError {
    /// The store failed.
    #[error(transparent)]
    Database(#[from] FileFault),
    /// The events of a run are not what the kernel writes.
    #[error("the journal is corrupt at {run}, record {sequence}: {reason}")]
    Corrupt {
        /// The run.
        run: RunId,
        /// The record.
        sequence: u64,
        /// What does not fit.
        reason: String,
    },
    /// A run is pinned to a definition that is not kept.
    #[error("the definition {0} is not kept")]
    UnknownDefinition(Digest),
    /// A row has no JSON.
    #[error(transparent)]
    Unwritable(#[from] Unwritable),
    /// It failed before; the state has to be opened anew.
    #[error("an earlier fault stopped the filing of records: {0}")]
    Stopped(String),
}

/// What one call of [`Filer::file`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filed {
    /// The last record that is filed now.
    pub through: u64,
    /// How many records were filed by this call.
    pub records: u64,
    /// How many wait.
    pub left: u64,
}

/// What the writer, the filer and the readers share.
#[derive(Debug)]
pub(crate) struct Shared {
    store: Database,
    inside: Mutex<Inside>,
    queue: Mutex<VecDeque<Arc<Batch>>>,
    filed: AtomicU64,
}

#[derive(Debug)]
struct Inside {
    core: Core,
    fault: Option<String>,
}

/// Whether an access to the store came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Returned {
    No,
    Yes,
}

impl Shared {
    /// The state as the store has it; records that follow are to be offered.
    pub(crate) fn open(store: Database) -> Result<Self, FilingError> {
        let inside = Mutex::new(Inside { core: Core::new(), fault: None });
        let shared = Self { store, inside, queue: Mutex::default(), filed: AtomicU64::new(0) };
        let filed = shared.with_core(0, |core, source| {
            core.fill(source)?;
            Ok(core.position().sequence)
        })?;
        shared.filed.store(filed, Ordering::SeqCst);
        Ok(shared)
    }

    /// Hands a committed record on.
    pub(crate) fn offer(&self, batch: Arc<Batch>) {
        self.waiting().push_back(batch);
    }

    /// The last record that is filed.
    pub(crate) fn filed(&self) -> u64 {
        self.filed.load(Ordering::SeqCst)
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Arc<Batch>>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what waits, at most `limit` records, and then does something with all that is known.
    pub(crate) fn with_core<T>(
        &self,
        limit: usize,
        act: impl FnOnce(&mut Core, &Source<'_>) -> Result<T, FilingError>,
    ) -> Result<T, FilingError> {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fault) = &inside.fault {
            return Err(FilingError::Stopped(fault.clone()));
        }
        let Inside { core, fault } = &mut *inside;
        let mut returned = Returned::No;
        let outcome = self.store.guarded(|| {
            let source = Source::begin(&self.store)?;
            let taken_in = self.take_in(core, &source, limit);
            let outcome = match taken_in {
                Ok(()) => act(core, &source),
                Err(error) => {
                    *fault = Some(error.to_string());
                    Err(error)
                }
            };
            returned = Returned::Yes;
            outcome
        });
        if let (Returned::No, Err(error)) = (returned, &outcome) {
            inside.fault.get_or_insert_with(|| error.to_string());
        }
        outcome
    }

    fn take_in(
        &self,
        core: &mut Core,
        source: &Source<'_>,
        limit: usize,
    ) -> Result<(), FilingError> {
        for _ in 0..limit {
            let Some(batch) = self.waiting().pop_front() else {
                break;
            };
            core.absorb(source, &batch)?;
        }
        core.settle()
    }

    fn stop(&self, error: &FilingError) {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        inside.fault.get_or_insert_with(|| error.to_string());
    }
}

/// Files records. There is one.
#[derive(Debug)]
pub struct Filer {
    disk: Arc<dyn Disk>,
    shared: Arc<Shared>,
}

impl Filer {
    pub(crate) const fn new(disk: Arc<dyn Disk>, shared: Arc<Shared>) -> Self {
        Self { disk, shared }
    }

    /// Files what was taken in, and up to `limit` records more, in one transaction.
    ///
    /// # Errors
    /// It could not be written. Nothing is lost: the journal has it. The state has to be opened anew.
    pub fn file(&mut self, limit: usize) -> Result<Filed, FilingError> {
        let before = self.shared.filed();
        let (rows, gone, through) = self.shared.with_core(limit, |core, _| {
            Ok((core.freeze(), core.frozen_gone(), core.position().sequence))
        })?;
        if let Some(rows) = rows {
            // Before the store lets go of them: a crash in between repeats it.
            self.remove_files(&gone)?;
            let written = self.shared.store.guarded(|| self.write(&rows));
            written.inspect_err(|error| {
                // It may have been a sync: the library does not tell.
                doubt::note(self.disk.files());
                self.shared.stop(error);
            })?;
            self.shared.filed.store(through, Ordering::SeqCst);
            self.shared.with_core(0, |core, _| {
                core.thaw();
                Ok(())
            })?;
        }
        let left = self.shared.waiting().len() as u64;
        Ok(Filed { through, records: through - before, left })
    }

    fn remove_files(&self, gone: &[RunId]) -> Result<(), FilingError> {
        let removed = remove_files(&*self.disk, gone);
        removed
            .map_err(|(path, cause)| FilingError::from(FileFault::Disk { path, cause }))
            .inspect_err(|error| self.shared.stop(error))
    }

    fn write(&self, rows: &crate::store::Rows) -> Result<(), FilingError> {
        let store = &self.shared.store;
        let mut transaction = store.write()?;
        transaction.set_quick_repair(true);
        rows.write(store, &transaction)?;
        transaction.commit().map_err(|error| store.fault(error))?;
        Ok(())
    }
}
