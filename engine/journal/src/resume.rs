//! Opening a state directory: what was filed, what was not yet, and who is still active.
//!
//! It costs what is active and unfiled, whatever the history. What cannot be trusted is refused with its
//! path, what is wrong and what to do; nothing is repaired by dropping records. The one thing that is cut
//! off is the end of a payload file that no record refers to.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use holdfast_kernel::definition::Definition;
use holdfast_kernel::id::{Instant, RunId};
use holdfast_kernel::state::RunState;
use redb::TableDefinition;
use thiserror::Error;

use crate::adopt;
use crate::codec::{Damaged, decode, encode};
use crate::commit::{Batch, Writer};
use crate::database::{Check, Database};
use crate::disk::Disk;
use crate::doubt;
use crate::fault::FileFault;
use crate::filer::{Filer, FilingError, Shared};
use crate::mark;
use crate::migrate::{self, FORMAT_KEY, INSTANCE_KEY, NewerFormat};
use crate::payloads::{BODIES, FOLDER, PayloadError, Payloads};
use crate::query::Reader;
use crate::ring::{self, Found, Ring};
use crate::schedule::{Paused, ScheduleRecord};
use crate::store::Table;

const STORE: &str = "store.redb";

/// How much of the store is kept in memory.
const CACHE_BYTES: usize = 64 * 1024 * 1024;

/// How many records are filed in one transaction while opening.
const FILED_AT_ONCE: usize = 1_000;

const META: TableDefinition<'static, &'static [u8], &'static [u8]> = TableDefinition::new("meta");

/// Why a state directory cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The journal or the store cannot be used.
    #[error(transparent)]
    File(#[from] FileFault),
    /// A payload file cannot be used.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// What follows the filed records cannot be taken in.
    #[error(transparent)]
    Filing(#[from] FilingError),
    /// The folder cannot be used.
    #[error("{} cannot be read or written: {cause}", path.display())]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// What the disk said.
        cause: io::Error,
    },
    /// It is of a newer version.
    #[error(transparent)]
    Newer(#[from] NewerFormat),
    /// One of journal and store is not there, the other is.
    #[error("{} is missing", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// Journal and store are of different state directories.
    #[error("{} belongs to another state directory", path.display())]
    Foreign {
        /// The journal.
        path: PathBuf,
    },
    /// Records are missing.
    #[error("{} lacks record {expected}", path.display())]
    Gap {
        /// The journal.
        path: PathBuf,
        /// The first one that is missing.
        expected: u64,
    },
}

impl OpenError {
    /// What to do about it.
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::File(error) | Self::Filing(FilingError::Database(error)) => error.remedy(),
            Self::Newer(_) => "Use a holdfast at least as new as the one that wrote it.",
            Self::Folder { .. }
            | Self::Payload(PayloadError::Disk { .. } | PayloadError::Sync { .. }) => {
                "Make the disk readable and writable with free space, and start again."
            }
            Self::Payload(_)
            | Self::Filing(_)
            | Self::Missing { .. }
            | Self::Foreign { .. }
            | Self::Gap { .. } => {
                "Nothing was dropped. Put the whole state directory back from a copy, or move it away \
                 and start with an empty one; sealed backup sets are in the repository and stay."
            }
        }
    }

    /// Whether the disk is full.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::File(error) | Self::Filing(FilingError::Database(error)) => error.is_disk_full(),
            Self::Payload(error) => error.is_disk_full(),
            Self::Folder { cause, .. } => crate::fault::is_full(cause),
            Self::Filing(_)
            | Self::Newer(_)
            | Self::Missing { .. }
            | Self::Foreign { .. }
            | Self::Gap { .. } => false,
        }
    }
}

/// An open state directory.
#[derive(Debug)]
pub struct Opened {
    /// Writes the journal.
    pub writer: Writer,
    /// Files records.
    pub filer: Filer,
    /// Reads the store.
    pub reader: Reader,
    /// Reads and writes the payload files.
    pub payloads: Arc<Payloads>,
    /// Reads and writes the files of bodies, once it is told where their key comes from. Nothing is ever cut
    /// off them: a frame that no record refers to is never read.
    pub bodies: Arc<Payloads>,
    /// What was found.
    pub recovered: Recovered,
}

/// What was found in a state directory.
#[derive(Debug)]
pub struct Recovered {
    /// Its instance id.
    pub instance: String,
    /// The number of the next record.
    pub next_sequence: u64,
    /// When the last record was committed; none if there is none.
    pub highest: Option<Instant>,
    /// The runs that have not ended, in the order in which they were made.
    pub active: Vec<ActiveRun>,
    /// The schedules that are known.
    pub schedules: Vec<ScheduleRecord>,
    /// The last pause of everything.
    pub pause: Option<Paused>,
}

/// A run that has not ended.
#[derive(Clone, Debug)]
pub struct ActiveRun {
    /// Its id.
    pub run: RunId,
    /// The definition it is pinned to.
    pub definition: Arc<Definition>,
    /// Its state.
    pub state: RunState,
}

/// Opens a state directory. An empty one becomes a new state with the id `instance`.
///
/// Every record of the journal is verified each time; `check` says how much of the store is. A full check costs
/// its whole length: it is for suspected damage, and is made in any case after a failed sync.
///
/// # Errors
/// Something in it cannot be used or trusted.
pub fn open(disk: Arc<dyn Disk>, instance: &str, check: Check) -> Result<Opened, OpenError> {
    prepare(&*disk, instance)?;
    let is_doubted = doubted(&*disk)?;
    let check = if is_doubted { Check::Full } else { check };
    let store = Database::open(&*disk, Path::new(STORE), CACHE_BYTES, check)?;
    let instance = identity(&*disk, STORE, &store)?;
    let mut journal = Ring::open(&*disk)?;
    if journal.instance() != instance {
        return Err(OpenError::Foreign { path: disk.place(Path::new(ring::NAME)) });
    }
    let shared = Arc::new(Shared::open(store)?);
    let last = take_over(&*disk, &mut journal, &shared)?;
    if is_doubted {
        journal.renew()?;
    }
    let mut filer = Filer::new(Arc::clone(&disk), Arc::clone(&shared));
    while filer.file(FILED_AT_ONCE)?.left > 0 {}
    let journal = journal.shortened(&*disk)?;
    adopt::forget(&*disk)?;
    let payloads = Arc::new(Payloads::new(Arc::clone(&disk), FOLDER));
    let bodies = Arc::new(Payloads::new(Arc::clone(&disk), BODIES));
    let (active, ends, at) = shared.with_core(0, |core, _| {
        let active: Vec<ActiveRun> = core
            .active()
            .map(|(run, live)| {
                let definition = Arc::clone(&live.definition);
                ActiveRun { run, definition, state: live.state.clone() }
            })
            .collect();
        let ends: Vec<_> = core.active().map(|(run, live)| (run, live.row.last_offset)).collect();
        Ok((active, ends, core.position().at))
    })?;
    for (run, last_offset) in ends {
        payloads.cut_tail(run, last_offset)?;
    }
    if is_doubted {
        let folder = |cause| OpenError::Folder { path: disk.place(Path::new(doubt::NAME)), cause };
        doubt::settle(disk.files()).map_err(folder)?;
    }
    let reader = Reader::new(Arc::clone(&shared), Arc::clone(&payloads));
    let (schedules, pause) = shared.with_core(usize::MAX, |core, source| {
        Ok((core.schedules(source)?, core.pause_of_everything(source)?))
    })?;
    let (next_sequence, highest) = (last + 1, (last > 0).then_some(at));
    let recovered = Recovered { instance, next_sequence, highest, active, schedules, pause };
    let both = (Arc::clone(&payloads), Arc::clone(&bodies));
    let writer = Writer::new(disk, journal, both, shared, (last, at));
    Ok(Opened { writer, filer, reader, payloads, bodies, recovered })
}

/// Brings what the system remembers of the files in line with what the disk has, and says whether a sync failed
/// since.
///
/// After a kill the system remembers what the disk may not have yet, names too: it is made durable before it is
/// believed. After a failed sync it remembers what the disk never took: it is asked to forget it.
fn doubted(disk: &dyn Disk) -> Result<bool, OpenError> {
    let files = disk.files();
    let folder = |name: &str| {
        let path = disk.place(Path::new(name));
        move |cause| OpenError::Folder { path, cause }
    };
    let is_doubted = doubt::is_noted(files).map_err(folder(doubt::NAME))?;
    for name in [ring::NAME, STORE] {
        let path = Path::new(name);
        files.sync(path).inspect_err(|_| doubt::note(files)).map_err(folder(name))?;
        // The journal is small, so it is always read anew.
        if is_doubted || name == ring::NAME {
            files.drop_cached(path).map_err(folder(name))?;
        }
    }
    files.sync_folder(Path::new("")).inspect_err(|_| doubt::note(files)).map_err(folder(""))?;
    Ok(is_doubted)
}

/// Hands the journal's records on to the filer, and says which is the last.
fn take_over(disk: &dyn Disk, journal: &mut Ring, shared: &Shared) -> Result<u64, OpenError> {
    let filed = shared.filed();
    let path = disk.place(Path::new(ring::NAME));
    let Unfiled { newest, batches } = unfiled(&path, journal, filed)?;
    let last = newest.as_ref().map_or(0, |newest| newest.sequence);
    for (expected, (sequence, batch)) in (filed + 1..).zip(batches) {
        if sequence != expected {
            return Err(OpenError::Gap { path, expected });
        }
        shared.offer(Arc::new(batch));
    }
    let folder = |cause| OpenError::Folder { path: disk.place(Path::new(mark::NAME)), cause };
    let acknowledged = mark::last_acknowledged(disk.files()).map_err(folder)?.unwrap_or(0);
    if last < filed.max(acknowledged) {
        return Err(OpenError::Gap { path, expected: last + 1 });
    }
    if let Some(newest) = newest {
        journal.begin_after(&newest);
    }
    Ok(last)
}

/// What is in the journal and not yet in the store.
#[derive(Default)]
struct Unfiled {
    /// The newest record, filed or not.
    newest: Option<Found>,
    batches: BTreeMap<u64, Batch>,
}

/// Those that are filed are only looked at: what they say is in the store.
fn unfiled(path: &Path, journal: &Ring, filed: u64) -> Result<Unfiled, OpenError> {
    let mut unfiled = Unfiled::default();
    journal.visit(|found: Found| {
        let sequence = found.sequence;
        if sequence > filed {
            let damaged =
                |damage: &Damaged| FileFault::damaged(path, &format!("record {sequence}"), damage);
            let batch: Batch = decode(&found.record).map_err(|damage| damaged(&damage))?;
            if batch.sequence != sequence {
                let what = format!("it is record {}", batch.sequence);
                return Err(damaged(&Damaged::Content(what)).into());
            }
            if unfiled.batches.insert(sequence, batch).is_some() {
                return Err(damaged(&Damaged::Content("it is there twice".to_owned())).into());
            }
        }
        if unfiled.newest.as_ref().is_none_or(|newest| newest.sequence < sequence) {
            unfiled.newest = Some(found);
        }
        Ok::<(), OpenError>(())
    })?;
    Ok(unfiled)
}

/// The instance a database file belongs to, its format checked.
pub(crate) fn identity(
    disk: &dyn Disk,
    name: &str,
    database: &Database,
) -> Result<String, OpenError> {
    database.guarded(|| read_identity(disk, name, database))
}

fn read_identity(disk: &dyn Disk, name: &str, database: &Database) -> Result<String, OpenError> {
    let transaction = database.read()?;
    let meta = transaction.open_table(META).map_err(|error| database.fault(error))?;
    let row = |key: &[u8]| {
        let row = meta.get(key).map_err(|error| database.fault(error))?;
        let missing = || database.damaged("its header", &Damaged::Short(0));
        row.map(|row| row.value().to_vec()).ok_or_else(missing)
    };
    let found = migrate::read(&row(FORMAT_KEY)?)
        .map_err(|damage| database.damaged("its format version", &damage))?;
    migrate::check(&disk.place(Path::new(name)), found)?;
    let instance = decode(&row(INSTANCE_KEY)?)
        .map_err(|damage| database.damaged("its instance id", &damage))?;
    Ok(instance)
}

/// Sees to it that journal, store and the folder of payloads are there, or that none ever was.
fn prepare(disk: &dyn Disk, instance: &str) -> Result<(), OpenError> {
    let folder = |path: &str| {
        let path = disk.place(Path::new(path));
        move |cause| OpenError::Folder { path, cause }
    };
    let files = disk.files();
    let is_there = |name: &str| {
        files.length(Path::new(name)).map(|length| length.is_some()).map_err(folder(name))
    };
    let (store, journal) = (is_there(STORE)?, is_there(ring::NAME)?);
    let former = is_there(adopt::NAME)?;
    if store && journal {
        return Ok(());
    }
    if store && former {
        let database = Database::open(disk, Path::new(STORE), CACHE_BYTES, Check::Quick)?;
        let instance = identity(disk, STORE, &database)?;
        drop(database);
        return adopt::adopt(disk, &instance);
    }
    if journal || former {
        return Err(OpenError::Missing { path: disk.place(Path::new(STORE)) });
    }
    // The store is made first, so a store alone is new too, unless something was filed or acknowledged.
    let acknowledged = mark::last_acknowledged(files).map_err(folder(mark::NAME))?;
    let mut instance = instance.to_owned();
    if store {
        let database = Database::open(disk, Path::new(STORE), CACHE_BYTES, Check::Quick)?;
        instance = identity(disk, STORE, &database)?;
        if Shared::open(database)?.filed() > 0 || acknowledged.is_some() {
            return Err(OpenError::Missing { path: disk.place(Path::new(ring::NAME)) });
        }
    } else if acknowledged.is_some() {
        return Err(OpenError::Missing { path: disk.place(Path::new(STORE)) });
    }
    files.create_folder(Path::new(FOLDER)).map_err(folder(FOLDER))?;
    files.sync_folder(Path::new("")).map_err(folder(""))?;
    if !store {
        make_store(disk, &instance)?;
    }
    Ring::make(disk, &instance)
}

/// Makes the store beside its place, and puts it there when it is whole.
fn make_store(disk: &dyn Disk, instance: &str) -> Result<(), OpenError> {
    let files = disk.files();
    let beside = PathBuf::from(format!("{STORE}.new"));
    let folder = |cause| OpenError::Folder { path: disk.place(&beside), cause };
    if files.length(&beside).map_err(folder)?.is_some() {
        files.remove(&beside).map_err(folder)?;
    }
    let database = Database::open(disk, &beside, CACHE_BYTES, Check::Quick)?;
    let transaction = database.write()?;
    for table in Table::ALL.map(Table::definition) {
        transaction.open_table(table).map_err(|error| database.fault(error))?;
    }
    {
        let mut meta = transaction.open_table(META).map_err(|error| database.fault(error))?;
        let instance = encode(&instance).map_err(FilingError::from)?;
        for (key, row) in [(FORMAT_KEY, migrate::row()), (INSTANCE_KEY, instance)] {
            meta.insert(key, row.as_slice()).map_err(|error| database.fault(error))?;
        }
    }
    transaction.commit().map_err(|error| database.fault(error))?;
    drop(database);
    files.sync(&beside).map_err(folder)?;
    files.rename(&beside, Path::new(STORE)).map_err(folder)?;
    files.sync_folder(Path::new("")).map_err(folder)
}
