//! The files that the service goes by, as they were last read: the configuration and the workflows.
//!
//! Everything that may wait for a disk has a thread of its own. What is broken leaves what was before; what could not
//! be read for a reason that may pass is read again at the next look.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use holdfast_journal::schedule::ScheduleChange;
use holdfast_runtime::handle::Handle;
use holdfast_runtime::schedule::Planned;
use holdfast_runtime::tasks;
use holdfast_runtime::wake::Want;

use super::reading::{Around, Begun, Told, Why};
use crate::arguments::Shared;
use crate::book::{Book, Reading};
use crate::compose::{Parts, parts};
use crate::error::Error;
use crate::find;
use crate::output::Output;
use crate::settings::Settings;

/// How many changes are asked for at once: they share records of the journal, and each record is a sync.
const AT_ONCE: usize = 1_000;

/// What is read from files.
pub(super) struct Files {
    shared: Shared,
    output: Output,
    settings: Settings,
    parts: Parts,
    book: Arc<Book>,
    /// What the files looked like when they were last read.
    looked: Look,
    /// What of the last reading is to be done again although nothing looks different.
    again: Again,
    /// What was last said of a configuration that cannot be used.
    refused: Option<String>,
    /// What was last said of workflows that cannot be looked for.
    unread: Option<String>,
}

/// What every file looks like.
type Look = BTreeMap<PathBuf, Option<Seen>>;

/// What a file looks like: whatever is done to it changes one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    length: u64,
    inode: u64,
    /// When it was changed, its rights too: seconds and nanoseconds.
    changed: (i64, i64),
}

/// What of a reading is to be done again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Again {
    configuration: bool,
    workflows: bool,
}

/// What the configuration says.
enum Configuration {
    Same,
    Another(Box<(Settings, Parts)>),
    Unusable {
        error: Error,
        /// Whether its text cannot be read, which may pass.
        may_pass: bool,
    },
}

impl Files {
    /// Files that were not read yet but for the configuration.
    pub(super) fn new(
        shared: &Shared,
        output: Output,
        (settings, parts): (Settings, Parts),
        book: Arc<Book>,
    ) -> Self {
        let mut files = Self {
            shared: shared.clone(),
            output,
            settings,
            parts,
            book,
            looked: Look::new(),
            again: Again::default(),
            refused: None,
            unread: None,
        };
        files.stay_with_the_configuration();
        files
    }

    /// A configuration that was found once is read where it was: without it no other one is looked for, nor do the
    /// defaults hold in its place.
    fn stay_with_the_configuration(&mut self) {
        if let Some(file) = &self.settings.file {
            self.shared.config = Some(file.clone());
        }
    }

    /// Reads what there is a reason to read, and tells what it came to.
    pub(super) async fn read(&mut self, why: Why, around: &Around) {
        let now = self.look().await;
        let differs = now != self.looked;
        if why == Why::Look && !differs && self.again == Again::default() {
            return;
        }
        self.looked = now;
        let is_told = match why {
            Why::Look => differs,
            Why::Asked => true,
            // The service manager waits for the end of it anyway.
            Why::Start => false,
        };
        let begun = if is_told { Begun::Told } else { Begun::Silently };
        if is_told {
            say(around, Told::Begins);
        }
        if is_told || why == Why::Start || self.again.configuration {
            self.configure(around).await;
        }
        let planned = self.plan(&around.handle).await;
        say(around, Told::Over { planned, begun });
    }

    /// Looks at the files.
    async fn look(&self) -> Look {
        let (folder, file) = (self.settings.base.join("workflows"), self.settings.file.clone());
        let look = move || {
            let files = find::files(&folder).unwrap_or_default().into_iter().chain(file);
            files.map(|path| (path.clone(), seen(&path))).collect()
        };
        tasks::spawn_blocking(look).await.unwrap_or_default()
    }

    /// Goes by the configuration as its file says it now.
    async fn configure(&mut self, around: &Around) {
        let (shared, output, known) = (self.shared.clone(), self.output, self.settings.clone());
        let read = tasks::spawn_blocking(move || configuration(&shared, output, &known)).await;
        self.again.configuration = false;
        match read {
            Ok(Configuration::Same) => self.refused = None,
            Ok(Configuration::Another(another)) => {
                self.refused = None;
                (self.settings, self.parts) = (*another).clone();
                self.stay_with_the_configuration();
                say(around, Told::Configured(another));
            }
            Ok(Configuration::Unusable { error, may_pass }) => {
                self.again.configuration = may_pass;
                self.refuse(&error, &around.handle).await;
            }
            Err(error) => tracing::error!("A bug in holdfast: {error}."),
        }
    }

    async fn refuse(&mut self, error: &Error, handle: &Handle) {
        let text = format!("{} What it said before still holds.", error.message);
        if self.refused.replace(text.clone()).as_ref() != Some(&text) {
            store(handle, vec![ScheduleChange::Unusable { workflow: None, text }]).await;
        }
    }

    /// Reads the workflows, and stores what of their schedules has changed.
    async fn plan(&mut self, handle: &Handle) -> Option<Vec<Planned>> {
        let (book, settings, parts) =
            (Arc::clone(&self.book), self.settings.clone(), self.parts.clone());
        let read = tasks::spawn_blocking(move || book.read(&settings, &parts)).await;
        self.again.workflows = false;
        match read {
            Ok(Ok(Reading { planned, changes, may_pass })) => {
                self.again.workflows = may_pass;
                self.unread = None;
                // What nobody knows of is not waited for.
                store(handle, changes).await;
                Some(planned)
            }
            Ok(Err(error)) => {
                self.again.workflows = true;
                if self.unread.replace(error.message.clone()).as_ref() != Some(&error.message) {
                    tracing::warn!("The schedules stay as they were. {error}");
                }
                None
            }
            Err(error) => {
                tracing::error!("A bug in holdfast: {error}.");
                None
            }
        }
    }
}

fn say(around: &Around, told: Told) {
    // Who serves no more needs to hear nothing.
    around.tell.send(told).unwrap_or_default();
}

/// What a file looks like; none if it is not there or cannot be looked at.
fn seen(path: &Path) -> Option<Seen> {
    let of = path.metadata().ok()?;
    let changed = (of.ctime(), of.ctime_nsec());
    Some(Seen { length: of.len(), inode: of.ino(), changed })
}

/// Reads the configuration. It blocks.
fn configuration(shared: &Shared, output: Output, known: &Settings) -> Configuration {
    match Settings::read(shared, output) {
        Ok(settings) if settings == *known => Configuration::Same,
        Ok(settings) => {
            let parts = parts(&settings, output);
            Configuration::Another(Box::new((settings, parts)))
        }
        Err(error) => {
            let text = shared.config.as_deref().map(std::fs::read);
            Configuration::Unusable { error, may_pass: text.is_some_and(|text| text.is_err()) }
        }
    }
}

/// Has changes stored, in their order.
async fn store(handle: &Handle, changes: Vec<ScheduleChange>) {
    let mut changes = changes.into_iter();
    loop {
        let next = changes.by_ref().take(AT_ONCE);
        let asked: Vec<_> = next.map(|change| Box::pin(stored(handle.clone(), change))).collect();
        if asked.is_empty() {
            return;
        }
        all(asked).await;
    }
}

async fn stored(handle: Handle, change: ScheduleChange) {
    let want = Want::Schedule { change: Box::new(change), by: "holdfast".to_owned() };
    // Whoever drives no more stores nothing; the next process reads the same files.
    handle.ask(want).await.map(drop).unwrap_or_default();
}

/// Waits for all of them; they begin in their order.
async fn all<F: Future<Output = ()>>(mut waited_for: Vec<Pin<Box<F>>>) {
    poll_fn(|context| {
        waited_for.retain_mut(|one| one.as_mut().poll(context).is_pending());
        if waited_for.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::task::{Context, Waker};

    use tokio::sync::oneshot;

    use super::*;

    #[test]
    fn all_begin_in_their_order_before_the_first_is_over() {
        let (begun, over) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
        let (ends, waits): (Vec<_>, Vec<_>) = (0..3).map(|_| oneshot::channel::<()>()).unzip();
        let (begun_of, over_of) = (&begun, &over);
        let one = |(number, wait): (usize, oneshot::Receiver<()>)| {
            Box::pin(async move {
                begun_of.lock().unwrap().push(number);
                wait.await.unwrap();
                over_of.lock().unwrap().push(number);
            })
        };
        let waited_for: Vec<_> = waits.into_iter().enumerate().map(one).collect();
        let mut both = Box::pin(all(waited_for));
        let mut context = Context::from_waker(Waker::noop());
        assert!(both.as_mut().poll(&mut context).is_pending());
        assert_eq!(*begun.lock().unwrap(), [0, 1, 2]);
        for end in ends {
            assert!(both.as_mut().poll(&mut context).is_pending());
            end.send(()).unwrap();
        }
        assert!(both.as_mut().poll(&mut context).is_ready());
        assert_eq!(*over.lock().unwrap(), [0, 1, 2]);
    }

    #[test]
    fn whatever_is_done_to_a_file_it_looks_different() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.yaml");
        assert_eq!(seen(&path), None);
        std::fs::File::create(&path).unwrap();
        let before = seen(&path);
        assert!(before.is_some());
        // Another file of the same length, as old as the first.
        let beside = folder.path().join("beside");
        let made = std::fs::File::create(&beside).unwrap();
        made.set_modified(path.metadata().unwrap().modified().unwrap()).unwrap();
        std::fs::rename(&beside, &path).unwrap();
        assert_ne!(seen(&path), before);
    }
}
