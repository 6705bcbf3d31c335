//! The log of a run's attempts: one bounded file, its head and its tail kept, masked before it is written.
//!
//! The head is kept whole up to its size; after it the latest lines are kept in two files that take turns. A
//! log is for people: losing its last lines in a crash loses nothing that a run depends on.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use holdfast_journal::disk::Disk;
use holdfast_journal::retain::{LOGS, log_files};
use holdfast_kernel::id::RunId;
use tokio::sync::broadcast;

use crate::feed::News;

/// The bytes of the head.
const HEAD: u64 = 4 * 1024 * 1024;

/// The bytes of each of the two files of the tail; with the head 10 MiB in all.
const TAIL: u64 = 3 * 1024 * 1024;

/// The longest line; the rest of a longer one is left out.
const LINE: usize = 16 * 1024;

/// Writes and reads the logs of runs.
#[derive(Clone, Debug)]
pub struct Logs {
    disk: Arc<dyn Disk>,
    turn: Arc<Mutex<()>>,
    /// Who hears of every line.
    feed: Arc<OnceLock<broadcast::WeakSender<News>>>,
}

impl Logs {
    /// The logs on a disk.
    pub fn new(disk: Arc<dyn Disk>) -> Self {
        Self { disk, turn: Arc::default(), feed: Arc::default() }
    }

    /// Tells every line from here on to whoever watches.
    pub(crate) fn tell(&self, feed: &broadcast::Sender<News>) {
        // Logs belong to one executor; the first one stays.
        self.feed.set(feed.downgrade()).unwrap_or_default();
    }

    fn told(&self, run: RunId, line: &str) {
        if let Some(feed) = self.feed.get().and_then(broadcast::WeakSender::upgrade)
            && feed.receiver_count() > 0
        {
            // Nobody may be watching any more.
            feed.send(News::Line { run, line: line.to_owned() }).map(drop).unwrap_or_default();
        }
    }

    /// Adds a line. The caller has masked it.
    ///
    /// # Errors
    /// The disk takes no more.
    pub fn add(&self, run: RunId, line: &str) -> io::Result<()> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let files = self.disk.files();
        files.create_folder(Path::new(LOGS))?;
        let mut text: String =
            line.chars().filter(|character| *character != '\n').take(LINE).collect();
        self.told(run, &text);
        text.push('\n');
        let [head, older, newer] = log_files(run);
        if files.length(&head)?.unwrap_or(0) < HEAD {
            return files.append(&head, text.as_bytes());
        }
        if files.length(&newer)?.unwrap_or(0) >= TAIL {
            files.rename(&newer, &older)?;
        }
        files.append(&newer, text.as_bytes())
    }

    /// All that is kept of a run's log, head first, with a line that says where some was left out.
    ///
    /// # Errors
    /// The disk cannot be read.
    pub fn read(&self, run: RunId) -> io::Result<String> {
        let [head, older, newer] = log_files(run);
        let mut text = self.content(&head)?;
        let later = self.content(&older)?;
        if !later.is_empty() {
            text.push_str("… lines were left out here: the log is bounded …\n");
        }
        text.push_str(&later);
        text.push_str(&self.content(&newer)?);
        Ok(text)
    }

    fn content(&self, path: &Path) -> io::Result<String> {
        let files = self.disk.files();
        let Some(length) = files.length(path)? else { return Ok(String::new()) };
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        let count = files.read(path, 0, &mut bytes)?;
        bytes.truncate(count);
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}
