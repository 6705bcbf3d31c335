//! Waits until what is to be told now is told: for a process that ends once its work is done.

use holdfast_journal::query::{ReadError, Reader};
use holdfast_kernel::id::{Instant, Millis};
use holdfast_runtime::clock;

use crate::nudge::Nudge;
use crate::pace;
use crate::store::{Stop, read};

/// How long is waited between two looks.
const NAP: Millis = Millis(10);

/// What is stored cannot be read; a fragment that fits after "cannot …:".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub String);

/// What is left to do.
struct Left {
    /// How many messages wait.
    waiting: u64,
    /// Whether something can still be done in time.
    can_go_on: bool,
    /// Whether it is stored how far was looked.
    is_stored: bool,
}

/// Waits until every notification was looked at and stored as such, and nothing waits that is due and may still go
/// out in time; or until `limit` is over. It says how many messages wait then, those too that are due later.
///
/// # Errors
/// The store cannot be read.
pub async fn settle(reader: &Reader, nudge: &Nudge, limit: Millis) -> Result<u64, Unreadable> {
    let until = clock::monotonic() + clock::duration(limit);
    let last = clock::now().plus(limit);
    loop {
        let reader = reader.clone();
        let left = match read(move || left(&reader, last)).await {
            Ok(left) => left,
            Err(Stop::Failed(reason)) => return Err(Unreadable(reason)),
            Err(Stop::Gone) => return Err(Unreadable("the executor has ended".to_owned())),
        };
        let is_late = clock::monotonic() >= until || nudge.is_over();
        if is_late || (left.is_stored && !left.can_go_on) {
            return Ok(left.waiting);
        }
        if !left.is_stored {
            nudge.store();
        }
        clock::wait(NAP).await;
    }
}

fn left(reader: &Reader, last: Instant) -> Result<Left, ReadError> {
    // In this order: what is looked at meanwhile waits by then.
    let is_stored = reader.last_notification()? <= reader.routed_through()?;
    let now = clock::now();
    let mut left = Left { waiting: 0, can_go_on: false, is_stored };
    for channel in reader.channels()?.into_iter().filter(|channel| channel.waiting > 0) {
        left.waiting += channel.waiting;
        let again = channel.failing.and_then(|failing| pace::rests_until(failing.again, now));
        let head = reader.outbox(&channel.name, 1)?.pop();
        let is_due = head.is_some_and(|head| pace::is_due(&head, now));
        left.can_go_on |= is_due && again.is_none_or(|again| again <= last);
    }
    Ok(left)
}
