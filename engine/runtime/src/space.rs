//! Watches the free space of the disk with the state directory: below the reserve no attempt starts.
//!
//! What runs goes on and is journaled; the reserve is there for that. Looked at rarely, for a system call is
//! not free.

use std::sync::Arc;

use holdfast_journal::disk::Disk;
use holdfast_kernel::id::Millis;
use tokio::time::Instant;

use crate::clock;

/// How often the disk is looked at.
const PERIOD: Millis = Millis::seconds(1);

/// What became of the free space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpaceChange {
    /// There is less than the reserve.
    Low,
    /// There is enough again.
    Enough,
}

/// The free space, as it was last seen.
#[derive(Debug)]
pub(crate) struct Space {
    disk: Arc<dyn Disk>,
    reserve: u64,
    seen: SpaceChange,
    next: Instant,
}

impl Space {
    pub(crate) fn new(disk: Arc<dyn Disk>, reserve: u64) -> Self {
        Self { disk, reserve, seen: SpaceChange::Enough, next: clock::monotonic() }
    }

    /// Another reserve holds from here on.
    pub(crate) fn keep_free(&mut self, reserve: u64) {
        self.reserve = reserve;
        self.next = clock::monotonic();
    }

    /// When the disk must be looked at although nothing happens: while it is full.
    pub(crate) fn next_look(&self) -> Option<Instant> {
        (self.seen == SpaceChange::Low).then_some(self.next)
    }

    /// Looks at the disk if it is time to; what changed.
    pub(crate) fn look(&mut self) -> Option<SpaceChange> {
        let now = clock::monotonic();
        if now < self.next {
            return None;
        }
        self.next = now + clock::duration(PERIOD);
        // A disk that does not tell how full it is stops nothing: a commit that fails does.
        let is_low = self.disk.files().free_space().is_ok_and(|free| free < self.reserve);
        let seen = if is_low { SpaceChange::Low } else { SpaceChange::Enough };
        (std::mem::replace(&mut self.seen, seen) != seen).then_some(seen)
    }
}
