//! The executor, as the rest of the process sees it: ask it for something, watch, let it end.

use holdfast_drive::input::Submit;
use holdfast_drive::output::{Refusal, Reply};
use holdfast_kernel::event::Verdict;
use holdfast_kernel::id::{ItemIndex, RunId, StepIndex};
use holdfast_kernel::queue::Obstacle;
use holdfast_kernel::reopen::Selection;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{broadcast, oneshot};

use crate::feed::News;
use crate::wake::{Asked, Configured, Grace, Wake, Want};

/// Asks an executor for things. Clones ask the same one.
#[derive(Clone, Debug)]
pub struct Handle {
    wake: UnboundedSender<Wake>,
    /// Weak, so that watchers hear when the executor is gone.
    feed: broadcast::WeakSender<News>,
}

/// The executor has ended: nothing was stored of what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("holdfast is stopping and takes no more requests")]
pub struct Gone;

impl Handle {
    pub(crate) fn new(wake: UnboundedSender<Wake>, feed: &broadcast::Sender<News>) -> Self {
        Self { wake, feed: feed.downgrade() }
    }

    /// Asks for a run; replied to once it is durable.
    ///
    /// # Errors
    /// The executor has ended.
    pub async fn submit(&self, submit: Submit) -> Result<Reply, Gone> {
        self.ask(Want::Submit(Box::new(submit))).await
    }

    /// Asks that an ended run goes on; replied to once it is durable.
    ///
    /// # Errors
    /// The executor has ended.
    pub async fn retry(&self, run: RunId, by: String) -> Result<Reply, Gone> {
        self.ask(Want::Retry { run, selection: Selection::All, by }).await
    }

    /// Says whether an effect in doubt happened; replied to once it is durable.
    ///
    /// # Errors
    /// The executor has ended.
    pub async fn resolve(
        &self,
        run: RunId,
        (step, item): (StepIndex, ItemIndex),
        verdict: Verdict,
        by: String,
    ) -> Result<Reply, Gone> {
        self.ask(Want::Resolve { run, step, item, verdict, by }).await
    }

    /// What is in the way of the runs that wait for their slots.
    ///
    /// # Errors
    /// The executor has ended.
    pub async fn obstacles(&self) -> Result<Vec<(RunId, Obstacle)>, Gone> {
        let (asked, answered) = oneshot::channel();
        self.wake.send(Wake::Obstacles(asked)).map_err(|_gone| Gone)?;
        answered.await.map_err(|_gone| Gone)
    }

    /// News from here on; closed once the executor has ended.
    pub fn watch(&self) -> broadcast::Receiver<News> {
        match self.feed.upgrade() {
            Some(feed) => feed.subscribe(),
            None => broadcast::channel(1).1,
        }
    }

    /// Goes by another configuration from here on. What is in flight goes on as it began.
    pub fn configure(&self, configured: Configured) {
        self.wake.send(Wake::Configure(Box::new(configured))).unwrap_or_default();
    }

    /// Takes no new work and ends once what is in flight is done, or its grace is over.
    pub fn drain(&self) {
        // An executor that is gone has nothing to drain.
        self.wake.send(Wake::Drain(Grace::Usual)).unwrap_or_default();
    }

    /// Takes no new work and ends now; what is in flight is interrupted, and told as such.
    pub fn drain_now(&self) {
        self.wake.send(Wake::Drain(Grace::None)).unwrap_or_default();
    }

    /// Ends at once; what is in flight is interrupted.
    pub fn stop(&self) {
        self.wake.send(Wake::Stop).unwrap_or_default();
    }

    /// Asks for something; replied to once it is durable.
    ///
    /// # Errors
    /// The executor has ended.
    pub async fn ask(&self, mut what: Want) -> Result<Reply, Gone> {
        if let Want::Submit(submit) | Want::TickByHand(submit) = &what
            && let Some(refusal) = unfit(submit)
        {
            return Ok(Reply::Refused(refusal));
        }
        if let Want::Tick(tick) = &mut what
            && let Some(fires) = &mut tick.fires
            && let Ok(submit) = &fires.submit
            && let Some(refusal) = unfit(submit)
        {
            fires.submit = Err(refusal.to_string());
        }
        let (reply, replied) = oneshot::channel();
        self.wake.send(Wake::Asked(Asked { what, reply })).map_err(|_gone| Gone)?;
        replied.await.map_err(|_gone| Gone)
    }
}

/// Why the journal would not store what comes with a submit: a commit that is refused ends everybody's work, so
/// such a submit never gets there. Whoever asks may be of another version than who runs.
fn unfit(submit: &Submit) -> Option<Refusal> {
    let Submit { request, stored, .. } = submit;
    if stored.iter().all(|stored| stored.digest != request.definition) {
        return Some(Refusal::Invalid("it is not handed in with the request".to_owned()));
    }
    stored.iter().find_map(|stored| stored.check().err()).map(Refusal::Invalid)
}
