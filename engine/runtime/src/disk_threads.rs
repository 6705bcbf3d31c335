//! The two threads that wait for the disk: one commits, one files.
//!
//! The journal's calls block and return; what they say comes back as a [`Wake`]. The filer is told after each
//! commit and files what has gathered, so that a burst is filed in few transactions.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;

use holdfast_journal::commit::{Batch, CommitError, Writer};
use holdfast_journal::filer::Filer;
use holdfast_kernel::id::Millis;
use tokio::sync::mpsc::UnboundedSender;

use crate::clock;
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
    batches: Option<Sender<Batch>>,
    threads: Vec<JoinHandle<()>>,
}

impl DiskThreads {
    /// Starts both.
    pub fn start(writer: Writer, filer: Filer, wake: &UnboundedSender<Wake>) -> Self {
        let (batches, to_commit) = channel();
        let (committed, to_file) = channel();
        let (commits, files) = (wake.clone(), wake.clone());
        let threads = vec![
            std::thread::spawn(move || commit(writer, &to_commit, &committed, &commits)),
            std::thread::spawn(move || file(filer, &to_file, &files)),
        ];
        Self { batches: Some(batches), threads }
    }

    /// Hands a batch to the committing thread. Whether it is still there.
    pub fn commit(&self, batch: Batch) -> bool {
        self.batches.as_ref().is_some_and(|batches| batches.send(batch).is_ok())
    }
}

impl Drop for DiskThreads {
    fn drop(&mut self) {
        self.batches = None;
        for thread in self.threads.drain(..) {
            // A thread that panicked has told so already: its channel closed.
            thread.join().unwrap_or_default();
        }
    }
}

fn commit(
    mut writer: Writer,
    batches: &Receiver<Batch>,
    committed: &Sender<u64>,
    wake: &UnboundedSender<Wake>,
) {
    for batch in batches {
        let sequence = batch.sequence;
        let result = writer.commit(batch).map(|()| sequence).map_err(|error| told(&error));
        let failed = result.is_err();
        // The filer may have ended on a fault of its own; that is told by itself.
        committed.send(writer.unfiled()).unwrap_or_default();
        if wake.send(Wake::Committed(result)).is_err() || failed {
            return;
        }
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

fn file(mut filer: Filer, committed: &Receiver<u64>, wake: &UnboundedSender<Wake>) {
    while let Ok(first) = committed.recv() {
        let mut unfiled = first;
        while unfiled < ENOUGH {
            match committed.recv_timeout(clock::duration(GATHER)) {
                Ok(later) => unfiled = later,
                Err(RecvTimeoutError::Timeout) => break,
                // What is left is filed when the state is opened again.
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
        let filed = filer.file(FILED_AT_ONCE);
        let result = filed
            .map(|filed| filed.through)
            .map_err(|error| format!("the store could not be written: {error}"));
        let failed = result.is_err();
        if wake.send(Wake::Filed(result)).is_err() || failed {
            return;
        }
    }
}
