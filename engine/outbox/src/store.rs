//! How the outbox reads and writes what is stored, without keeping others from their work.

use holdfast_drive::output::Reply;
use holdfast_journal::outbox::OutboxChange;
use holdfast_journal::query::ReadError;
use holdfast_runtime::handle::Handle;
use holdfast_runtime::tasks;
use holdfast_runtime::wake::Want;

/// Why something does not go on.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The executor has ended: nothing can be stored any more.
    Gone,
    /// The store cannot be read, or does not take something: a fragment that fits after "cannot …:".
    Failed(String),
}

/// Reads, on a thread for that.
pub(crate) async fn read<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, ReadError> + Send + 'static,
) -> Result<T, Stop> {
    let read = tasks::spawn_blocking(read).await;
    // What a panic says may hold anything.
    let read = read.map_err(|_panic| Stop::Failed("a bug in holdfast".to_owned()))?;
    read.map_err(|error| Stop::Failed(error.to_string()))
}

/// Stores a change. It is durable when this returns.
pub(crate) async fn store(handle: &Handle, change: OutboxChange) -> Result<(), Stop> {
    let reply = handle.ask(Want::Outbox(Box::new(change))).await;
    match reply.map_err(|_gone| Stop::Gone)? {
        Reply::Done => Ok(()),
        Reply::Refused(refusal) => Err(Stop::Failed(refusal.to_string())),
        Reply::Queued(_) | Reply::Deduplicated { .. } | Reply::Ticked(_) => {
            Err(Stop::Failed("the answer is one to another question".to_owned()))
        }
    }
}
