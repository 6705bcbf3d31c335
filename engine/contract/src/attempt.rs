//! What an action may do while it runs: the executor's side, behind one trait.
//!
//! Nothing here knows how attempts are run. Blocking work goes through [`Attempt::blocking`]; every write of a
//! provider asks [`Attempt::permit`] first, so that an attempt which is over writes nothing any more.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use holdfast_kernel::definition::EffectClass;
use holdfast_kernel::event::TargetReference;
use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::id::{AttemptId, Instant, ItemIndex, Millis, RunId};
use holdfast_kernel::value::Value;
use serde::{Deserialize, Serialize};

use crate::action::Output;
use crate::records::Records;

/// A future in a box.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// An attempt in flight, as its action sees it. Clones are the same attempt.
#[derive(Clone)]
pub struct Attempt {
    facts: Arc<Facts>,
    host: Arc<dyn Host>,
    records: Arc<dyn Records>,
}

/// What is fixed about an attempt.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The run.
    pub run: RunId,
    /// The workflow's name.
    pub workflow: String,
    /// The step's id.
    pub step: String,
    /// The attempt; none while the target is only asked about an effect.
    pub attempt: Option<AttemptId>,
    /// What an unknown effect of the step allows.
    pub effect: EffectClass,
    /// What the run works on.
    pub target: Option<TargetReference>,
    /// The repository that its workflow works with; none: the default one.
    pub repository: Option<String>,
    /// When the attempt started.
    pub started_at: Instant,
}

/// What the executor does for an attempt.
pub trait Host: Send + Sync {
    /// Whether the attempt was cancelled or is over.
    fn is_cancelled(&self) -> bool;

    /// Resolves when the attempt is cancelled.
    fn cancelled(&self) -> Boxed<'_, ()>;

    /// Ends one item of a batch.
    fn end(&self, item: ItemIndex, end: Result<Output, Failure>);

    /// Journals a note of an item; resolves when it is durable.
    fn note(&self, item: ItemIndex, note: Value) -> Boxed<'_, Result<(), Failure>>;

    /// Adds a line to the attempt's log, masked.
    fn log(&self, line: &str);

    /// How far the attempt is, for people.
    fn progress(&self, progress: Progress);

    /// Waits; the attempt keeps its place.
    fn pause(&self, length: Millis) -> Boxed<'_, ()>;

    /// Runs blocking work on a pool of its own.
    fn blocking(&self, work: Box<dyn FnOnce() + Send>) -> Boxed<'_, Result<(), Failure>>;
}

/// How far an attempt is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    /// So much is to be done.
    Total(u64),
    /// So much more is done.
    Advance(u64),
    /// What is being done.
    Message(String),
}

impl Attempt {
    /// An attempt on its host.
    pub fn new(facts: Facts, host: Arc<dyn Host>, records: Arc<dyn Records>) -> Self {
        Self { facts: Arc::new(facts), host, records }
    }

    /// What it may read and write of what its run stores.
    pub fn records(&self) -> &Arc<dyn Records> {
        &self.records
    }

    /// The target it works on.
    ///
    /// # Errors
    /// Class `invalid`: the run has none.
    pub fn target(&self) -> Result<&TargetReference, Failure> {
        self.facts.target.as_ref().ok_or_else(|| {
            let message = format!("the workflow `{}` has no target", self.facts.workflow);
            Failure::without_effect(Class::Invalid, message)
        })
    }

    /// What is fixed about it.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Leave to write now.
    ///
    /// # Errors
    /// Class `cancelled`: the attempt was cancelled or is over.
    pub fn permit(&self) -> Result<(), Failure> {
        if self.host.is_cancelled() {
            return Err(Failure::with_unknown_effect(Class::Cancelled, "the attempt is over"));
        }
        Ok(())
    }

    /// Whether it was cancelled or is over.
    pub fn is_cancelled(&self) -> bool {
        self.host.is_cancelled()
    }

    /// Resolves when it is cancelled.
    pub fn cancelled(&self) -> Boxed<'_, ()> {
        self.host.cancelled()
    }

    /// Ends one item of a batch; a second end of the same item is stale and recorded as such.
    pub fn end(&self, item: ItemIndex, end: Result<Output, Failure>) {
        self.host.end(item, end);
    }

    /// Journals a small value in the middle of the attempt. It is handed to the probe and to the next attempt.
    ///
    /// # Errors
    /// The attempt is over, or the journal takes nothing any more.
    pub async fn note(&self, item: ItemIndex, note: Value) -> Result<(), Failure> {
        self.host.note(item, note).await
    }

    /// Adds a line to the attempt's log; secrets are masked.
    pub fn log(&self, line: &str) {
        self.host.log(line);
    }

    /// How far it is, for people.
    pub fn progress(&self, progress: Progress) {
        self.host.progress(progress);
    }

    /// Waits; the attempt keeps its place. For polling a target, never for retries.
    pub async fn pause(&self, length: Millis) {
        self.host.pause(length).await;
    }

    /// Runs blocking work on a pool of its own.
    ///
    /// # Errors
    /// What the work returned; class `permanent` with unknown effect if it panicked.
    pub async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let slot: Arc<Mutex<Option<Result<T, Failure>>>> = Arc::default();
        let filled = Arc::clone(&slot);
        let work = Box::new(move || {
            let result = work();
            *filled.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        });
        self.host.blocking(work).await?;
        let result = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        result.unwrap_or_else(|| Err(panicked("without a message")))
    }
}

/// The failure of an attempt whose code panicked.
pub fn panicked(message: &str) -> Failure {
    Failure::with_unknown_effect(
        Class::Permanent,
        format!("a bug in the action: it panicked: {message}"),
    )
}
