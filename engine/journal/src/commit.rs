//! The writer: one record for all events of a commit, durable with one sync.
//!
//! What is returned is durable, and so is everything it refers to. A failed commit ends the writer: the
//! owner drops everything and opens the state anew, which shows what is there. Nothing is retried here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use holdfast_contract::records::Keep;
use holdfast_kernel::event::Event;
use holdfast_kernel::id::{Digest, Instant, RunId};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::codec::{Unwritable, encode};
use crate::disk::Disk;
use crate::doubt;
use crate::fault::FileFault;
use crate::filer::{FilingError, Shared};
use crate::mark::Mark;
use crate::outbox::{Acknowledging, OutboxChange};
use crate::payloads::{PayloadError, Payloads};
use crate::record::{AuditEntry, StoredDefinition};
use crate::retain::Forgotten;
use crate::ring::Ring;
use crate::schedule::ScheduleChange;

/// How many definitions the writer remembers to be kept.
const REMEMBERED_DEFINITIONS: usize = 1_000;

/// Everything of one commit, of however many runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    /// Its number: one more than the last.
    pub sequence: u64,
    /// When it is made; never before the last one.
    pub at: Instant,
    /// The events, by run.
    pub entries: Vec<(RunId, Vec<Event>)>,
    /// The definitions that the runs queued in it are pinned to, where they are not kept yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub definitions: Vec<StoredDefinition>,
    /// Who did what.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audit: Vec<AuditEntry>,
    /// Plans and verifications.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<Keep>,
    /// What changed about schedules; the runs that their ticks start are among the entries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schedules: Vec<ScheduleChange>,
    /// What changed of messages on their way to people outside.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outbox: Vec<OutboxChange>,
    /// Notifications that somebody has seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acknowledged: Vec<Acknowledging>,
    /// What is to be forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forgotten: Option<Forgotten>,
}

impl Batch {
    /// A batch without anything in it.
    pub const fn new(sequence: u64, at: Instant) -> Self {
        Self {
            sequence,
            at,
            entries: Vec::new(),
            definitions: Vec::new(),
            audit: Vec::new(),
            kept: Vec::new(),
            schedules: Vec::new(),
            outbox: Vec::new(),
            acknowledged: Vec::new(),
            forgotten: None,
        }
    }

    /// One entry for each run, in the order of their first events.
    fn merged(mut self) -> Self {
        let mut places: BTreeMap<RunId, usize> = BTreeMap::new();
        let mut entries: Vec<(RunId, Vec<Event>)> = Vec::with_capacity(self.entries.len());
        for (run, events) in self.entries {
            let place = *places.entry(run).or_insert(entries.len());
            match entries.get_mut(place) {
                Some((_, earlier)) => earlier.extend(events),
                None => entries.push((run, events)),
            }
        }
        self.entries = entries;
        self
    }
}

/// When a commit failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Before the disk was asked to make it durable.
    BeforeSync,
    /// The disk was asked and failed: what it holds of the file cannot be known without reading it.
    Sync,
}

/// Why a commit failed, or was refused.
#[derive(Debug, Error)]
pub enum CommitError {
    /// The journal could not be written.
    #[error("{cause}")]
    Journal {
        /// When.
        moment: Moment,
        /// How.
        #[source]
        cause: FileFault,
    },
    /// The payloads it refers to could not be made durable.
    #[error(transparent)]
    Payload(PayloadError),
    /// An earlier commit failed; the state has to be opened anew.
    #[error("an earlier commit failed")]
    Poisoned,
    /// Its number is not the next one.
    #[error("the next record is {expected}, not {given}")]
    OutOfSequence {
        /// The next number.
        expected: u64,
        /// Its number.
        given: u64,
    },
    /// It is made before the last one.
    #[error("a record cannot be older than the one before it")]
    BackInTime,
    /// A definition is not what its digest says, or cannot be run.
    #[error("the definition {digest} cannot be used: {reason}")]
    WrongDefinition {
        /// Its digest.
        digest: Digest,
        /// What is wrong with it.
        reason: String,
    },
    /// A run is pinned to a definition that is neither kept nor in the batch.
    #[error("the definition {0} is not kept")]
    UnknownDefinition(Digest),
    /// It cannot be told whether a definition is kept.
    #[error(transparent)]
    Store(FilingError),
    /// It has no JSON.
    #[error(transparent)]
    Unwritable(Unwritable),
}

impl CommitError {
    /// Whether the disk failed to make something durable: what it holds has to be read anew.
    pub const fn is_sync(&self) -> bool {
        matches!(
            self,
            Self::Journal { moment: Moment::Sync, .. } | Self::Payload(PayloadError::Sync { .. })
        )
    }

    /// Whether the disk is full.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::Journal { cause, .. } => cause.is_disk_full(),
            Self::Payload(error) => error.is_disk_full(),
            Self::Poisoned
            | Self::OutOfSequence { .. }
            | Self::BackInTime
            | Self::WrongDefinition { .. }
            | Self::UnknownDefinition(_)
            | Self::Store(_)
            | Self::Unwritable(_) => false,
        }
    }
}

fn check_definition(stored: &StoredDefinition) -> Result<(), CommitError> {
    let digest = stored.digest;
    stored.check().map_err(|reason| CommitError::WrongDefinition { digest, reason })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    Sound,
    Poisoned,
}

/// Writes the journal. There is one.
#[derive(Debug)]
pub struct Writer {
    disk: Arc<dyn Disk>,
    journal: Ring,
    payloads: Arc<Payloads>,
    bodies: Arc<Payloads>,
    shared: Arc<Shared>,
    mark: Mark,
    next: u64,
    last_at: Instant,
    /// Definitions that are known to be kept; they are not written again.
    kept: BTreeSet<Digest>,
    health: Health,
}

impl Writer {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        journal: Ring,
        (payloads, bodies): (Arc<Payloads>, Arc<Payloads>),
        shared: Arc<Shared>,
        (last, last_at): (u64, Instant),
    ) -> Self {
        let mut mark = Mark::new();
        if last > 0 {
            mark.note(disk.files(), last);
        }
        let (next, health, kept) = (last + 1, Health::Sound, BTreeSet::new());
        Self { disk, journal, payloads, bodies, shared, mark, next, last_at, kept, health }
    }

    /// The number of the next record.
    pub const fn next_sequence(&self) -> u64 {
        self.next
    }

    /// How many records are committed and not filed.
    pub fn unfiled(&self) -> u64 {
        (self.next - 1).saturating_sub(self.shared.filed())
    }

    /// Makes a batch durable, with everything it refers to, and gives it back as it was recorded: one entry for
    /// each run.
    ///
    /// # Errors
    /// It is refused, or could not be made durable; then nothing more is taken, and only opening the
    /// state anew shows whether it is there.
    pub fn commit(&mut self, mut batch: Batch) -> Result<Arc<Batch>, CommitError> {
        if self.health == Health::Poisoned {
            return Err(CommitError::Poisoned);
        }
        batch.definitions.retain(|stored| !self.kept.contains(&stored.digest));
        self.check(&batch)?;
        let batch = batch.merged();
        let record = encode(&batch).map_err(CommitError::Unwritable)?;
        self.make_durable(batch.sequence, &record).inspect_err(|error| {
            self.health = Health::Poisoned;
            if error.is_sync() {
                doubt::note(self.disk.files());
            }
        })?;
        self.mark.note(self.disk.files(), batch.sequence);
        self.next += 1;
        self.last_at = batch.at;
        self.remember(&batch);
        for (run, events) in &batch.entries {
            if events.iter().any(|event| matches!(event, Event::RunFinished { .. })) {
                self.payloads.forget(*run);
                self.bodies.forget(*run);
            }
        }
        let batch = Arc::new(batch);
        self.shared.offer(Arc::clone(&batch));
        Ok(batch)
    }

    fn remember(&mut self, batch: &Batch) {
        if self.kept.len() >= REMEMBERED_DEFINITIONS {
            self.kept.clear();
        }
        self.kept.extend(batch.definitions.iter().map(|stored| stored.digest));
    }

    fn check(&self, batch: &Batch) -> Result<(), CommitError> {
        if batch.sequence != self.next {
            let (expected, given) = (self.next, batch.sequence);
            return Err(CommitError::OutOfSequence { expected, given });
        }
        if batch.at < self.last_at {
            return Err(CommitError::BackInTime);
        }
        batch.definitions.iter().try_for_each(check_definition)?;
        let events = batch.entries.iter().flat_map(|(_, events)| events);
        for event in events {
            if let Event::RunQueued(request) = event {
                self.check_kept(batch, request.definition)?;
            }
        }
        Ok(())
    }

    /// A record that cannot be taken in later must not get into the journal.
    fn check_kept(&self, batch: &Batch, digest: Digest) -> Result<(), CommitError> {
        let in_batch = batch.definitions.iter().any(|stored| stored.digest == digest);
        if in_batch || self.kept.contains(&digest) {
            return Ok(());
        }
        let kept = self
            .shared
            .with_core(usize::MAX, |core, source| core.definition(&core.view(source), digest))
            .map(drop);
        match kept {
            Err(FilingError::UnknownDefinition(digest)) => {
                Err(CommitError::UnknownDefinition(digest))
            }
            kept => kept.map_err(CommitError::Store),
        }
    }

    fn make_durable(&mut self, sequence: u64, record: &[u8]) -> Result<(), CommitError> {
        self.payloads.sync().map_err(CommitError::Payload)?;
        self.bodies.sync().map_err(CommitError::Payload)?;
        self.journal
            .append(sequence, record, self.shared.filed())
            .map_err(|(moment, cause)| CommitError::Journal { moment, cause })
    }
}
