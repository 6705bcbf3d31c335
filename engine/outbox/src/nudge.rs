//! How the rest of the process speaks to the outbox, and the parts of the outbox to each other.
//!
//! Nobody waits for an answer: what was done is found in the store.

use std::collections::BTreeSet;

use holdfast_kernel::id::Instant;
use tokio::sync::mpsc::UnboundedSender;

/// Something that whoever distributes the work hears.
#[derive(Debug)]
pub(crate) enum Heard {
    /// Something waits for these channels.
    Waits(BTreeSet<String>),
    /// Channels may be well again: what failed is tried now.
    Again,
    /// A channel was looked at.
    Looked {
        /// Which.
        channel: String,
        /// When it is to be looked at again.
        next: Next,
    },
}

/// When a channel is to be looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Once something waits for it.
    Never,
    /// At this instant, or once something else waits for it.
    At(Instant),
    /// Not any more: the executor has ended.
    Over,
}

/// Whether a channel that rests is left in peace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// It is.
    Usual,
    /// What failed is tried all the same.
    Now,
}

/// Something that whoever routes notifications is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// To look.
    Look,
    /// To look, and to store how far they came.
    Store,
}

/// Speaks to an outbox. Clones speak to the same one.
#[derive(Clone, Debug)]
pub struct Nudge {
    heard: UnboundedSender<Heard>,
    orders: UnboundedSender<Order>,
}

impl Nudge {
    pub(crate) const fn new(heard: UnboundedSender<Heard>, orders: UnboundedSender<Order>) -> Self {
        Self { heard, orders }
    }

    /// The configuration or a secret was changed: rules are taken anew, and channels that fail are tried at once.
    pub fn again(&self) {
        // An outbox that is gone tries nothing.
        self.orders.send(Order::Look).unwrap_or_default();
        self.heard.send(Heard::Again).unwrap_or_default();
    }

    /// The process is about to end: what was looked at is stored, so that no other rules are asked about it.
    pub fn store(&self) {
        self.orders.send(Order::Store).unwrap_or_default();
    }

    /// Whether the outbox has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.orders.is_closed()
    }
}
