//! Who waits for the disk: one commits, one files, each on a thread of its own.
//!
//! The journal's calls block and return; what they say comes back as a [`Wake`]. The filer is told when there is
//! something to file again and when there is much, so that a burst is filed in few transactions. Where the
//! executor has one thread for everything it commits on that one: nothing else could be decided meanwhile, and
//! handing a batch over and back costs about as much as half a sync of a fast disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;

use holdfast_journal::commit::{Batch, CommitError, Writer};
use holdfast_journal::filer::Filer;
use holdfast_kernel::id::Millis;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::mpsc::UnboundedSender;

use crate::clock;
use crate::rehearsal;
use crate::wake::Wake;

/// The most records that are filed in one transaction.
const FILED_AT_ONCE: usize = 4_096;

/// How long the filer waits for more records before it files few.
const GATHER: Millis = Millis(100);

/// So many unfiled records are filed without waiting for more.
const ENOUGH: u64 = 512;

/// The threads of an executor; they end when this is dropped.
#[derive(Debug)]
pub struct DiskThreads {
    /// None only while it is dropped.
    commits: Option<Commits>,
    threads: Vec<JoinHandle<()>>,
}

/// Where batches are committed.
#[derive(Debug)]
enum Commits {
    /// By whoever hands them over.
    Here(Box<Committer>),
    /// On a thread of its own.
    There(Sender<Batch>),
}

/// Commits batches, and tells whoever waits for it.
#[derive(Debug)]
struct Committer {
    writer: Writer,
    committed: Committed,
    wake: UnboundedSender<Wake>,
}

impl DiskThreads {
    /// Starts both.
    pub fn start(writer: Writer, filer: Filer, wake: &UnboundedSender<Wake>) -> Self {
        let (enough, to_file) = channel();
        let files = wake.clone();
        let last = writer.next_sequence() - 1;
        let filed = last - writer.unfiled();
        let committed = Committed { last: Arc::new(AtomicU64::new(last)), enough };
        let last = Arc::clone(&committed.last);
        let mut threads =
            vec![std::thread::spawn(move || file(filer, filed, (&last, &to_file), &files))];
        let mut committer = Box::new(Committer { writer, committed, wake: wake.clone() });
        let flavor = Handle::try_current().map(|handle| handle.runtime_flavor());
        let commits = if matches!(flavor, Ok(RuntimeFlavor::CurrentThread)) {
            Commits::Here(committer)
        } else {
            let (batches, to_commit) = channel();
            threads.push(std::thread::spawn(move || {
                let mut batches = to_commit.into_iter();
                batches.any(|batch| committer.commit(batch) == Health::Failed);
            }));
            Commits::There(batches)
        };
        Self { commits: Some(commits), threads }
    }

    /// Commits a batch, or hands it to the committing thread. Whether that is still there.
    pub fn commit(&mut self, batch: Batch) -> bool {
        match &mut self.commits {
            Some(Commits::Here(committer)) => {
                // A failure is told like every other end of a commit.
                committer.commit(batch);
                true
            }
            Some(Commits::There(batches)) => batches.send(batch).is_ok(),
            None => false,
        }
    }
}

impl Drop for DiskThreads {
    fn drop(&mut self) {
        self.commits = None;
        for thread in self.threads.drain(..) {
            // A thread that panicked has told so already: its channel closed.
            thread.join().unwrap_or_default();
        }
    }
}

/// What the filer hears from the committing thread.
///
/// It is woken only for the first record that is not filed and when there is enough: a wake costs the
/// committing thread about as much as a small record. It looks at `last` before it waits to be woken, so none
/// is forgotten: a record that comes after that look finds all before it filed and is the first.
#[derive(Debug)]
struct Committed {
    /// The last record that is committed.
    last: Arc<AtomicU64>,
    /// Wakes the filer.
    enough: Sender<()>,
}

/// Whether anything more can be committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    Sound,
    Failed,
}

impl Committer {
    fn commit(&mut self, batch: Batch) -> Health {
        let sequence = batch.sequence;
        rehearsal::point("before_commit");
        let result = self.writer.commit(batch).map_err(|error| told(&error));
        rehearsal::point("after_commit");
        let failed = result.is_err();
        if !failed {
            self.committed.last.store(sequence, Ordering::SeqCst);
        }
        if matches!(self.writer.unfiled(), 1 | ENOUGH) {
            // The filer may have ended on a fault of its own; that is told by itself.
            self.committed.enough.send(()).unwrap_or_default();
        }
        let is_heard = self.wake.send(Wake::Committed(result)).is_ok();
        if is_heard && !failed { Health::Sound } else { Health::Failed }
    }
}

fn told(error: &CommitError) -> String {
    let kind = if error.is_sync() {
        "the disk failed to make the journal durable"
    } else if error.is_disk_full() {
        "the disk with the state directory is full"
    } else {
        "the journal could not be written"
    };
    format!("{kind}: {error}")
}

fn file(
    mut filer: Filer,
    mut filed: u64,
    (last, enough): (&AtomicU64, &Receiver<()>),
    wake: &UnboundedSender<Wake>,
) {
    loop {
        if last.load(Ordering::SeqCst) <= filed && enough.recv().is_err() {
            return;
        }
        let until = clock::monotonic() + clock::duration(GATHER);
        while last.load(Ordering::SeqCst) < filed + ENOUGH {
            match enough.recv_timeout(until.saturating_duration_since(clock::monotonic())) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout) => break,
                // What is left is filed when the state is opened again.
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
        let result = filer
            .file(FILED_AT_ONCE)
            .map(|filed| filed.through)
            .map_err(|error| format!("the store could not be written: {error}"));
        match &result {
            Ok(through) => filed = *through,
            Err(_) => return wake.send(Wake::Filed(result)).unwrap_or_default(),
        }
        if wake.send(Wake::Filed(result)).is_err() {
            return;
        }
    }
}
