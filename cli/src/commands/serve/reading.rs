//! Readings of the files, one at a time and beside everything else: a disk that hangs holds up nothing but them.
//!
//! What is asked for while one goes on is remembered. Nothing is applied here: what was read is told to who serves.

use std::sync::{Arc, Mutex, PoisonError};

use holdfast_runtime::handle::Handle;
use holdfast_runtime::schedule::Planned;
use holdfast_runtime::tasks;
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::files::Files;
use crate::compose::Parts;
use crate::settings::Settings;

/// Why files are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Why {
    /// They may have changed.
    Look,
    /// Somebody said so.
    Asked,
    /// The service begins.
    Start,
}

/// What is told of a reading.
pub(super) enum Told {
    /// Files have changed, or somebody asked: it begins.
    Begins,
    /// The configuration is another one.
    Configured(Box<(Settings, Parts)>),
    /// It is over.
    Over {
        /// The schedules to wait for; none if that is not known.
        planned: Option<Vec<Planned>>,
        /// Whether it was told that it begins.
        begun: Begun,
    },
}

/// Whether it was told that a reading begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begun {
    Told,
    Silently,
}

/// Who is told of readings, and of what they found out.
pub(super) struct Around {
    /// What is to be stored is asked of it.
    pub(super) handle: Handle,
    pub(super) tell: UnboundedSender<Told>,
}

/// Asks for readings, and hears of them.
pub(super) struct Readings {
    requests: Arc<Requests>,
    told: UnboundedReceiver<Told>,
}

impl Readings {
    /// Reads these files whenever it is asked to.
    pub(super) fn start(files: Files, handle: Handle) -> Self {
        let requests = Arc::new(Requests::default());
        let (tell, told) = unbounded_channel();
        tasks::spawn(read(files, Arc::clone(&requests), Around { handle, tell }));
        Self { requests, told }
    }

    /// Asks for a reading: it begins now, or once the one that goes on is over.
    pub(super) fn ask(&self, why: Why) {
        self.requests.ask(why);
    }

    /// What is told next; none if nobody reads any more, which is a bug.
    pub(super) async fn next(&mut self) -> Option<Told> {
        self.told.recv().await
    }
}

async fn read(mut files: Files, requests: Arc<Requests>, around: Around) {
    while !around.tell.is_closed() {
        let why = requests.next().await;
        files.read(why, &around).await;
    }
}

/// What is asked for and did not begin.
#[derive(Default)]
struct Requests {
    wanted: Mutex<Option<Why>>,
    more: Notify,
}

impl Requests {
    fn ask(&self, why: Why) {
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        *wanted = (*wanted).max(Some(why));
        drop(wanted);
        self.more.notify_one();
    }

    async fn next(&self) -> Why {
        loop {
            self.more.notified().await;
            if let Some(why) = self.take() {
                return why;
            }
        }
    }

    fn take(&self) -> Option<Why> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_meanwhile_is_one_reading_for_the_best_of_reasons() {
        let requests = Requests::default();
        for why in [Why::Look, Why::Asked, Why::Look] {
            requests.ask(why);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert_eq!(runtime.block_on(requests.next()), Why::Asked);
        assert_eq!(requests.take(), None);
        requests.ask(Why::Look);
        assert_eq!(runtime.block_on(requests.next()), Why::Look);
    }
}
