//! The timers the kernel asked for, by the monotonic clock.

use std::collections::BTreeMap;

use holdfast_kernel::event::Timer;
use holdfast_kernel::id::{Millis, RunId};
use tokio::time::Instant;

use crate::clock;

/// Timers that have not rung.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    queue: BTreeMap<(Instant, u64), (RunId, Timer)>,
    places: BTreeMap<(RunId, Timer), (Instant, u64)>,
    set: u64,
}

impl Timers {
    /// Sets a timer; it replaces one of the same run and name.
    pub(crate) fn set(&mut self, run: RunId, timer: Timer, duration: Millis) {
        self.set += 1;
        let place = (clock::monotonic() + clock::duration(duration), self.set);
        if let Some(replaced) = self.places.insert((run, timer), place) {
            self.queue.remove(&replaced);
        }
        self.queue.insert(place, (run, timer));
    }

    /// Forgets one timer of a run.
    pub(crate) fn clear(&mut self, run: RunId, timer: Timer) {
        if let Some(place) = self.places.remove(&(run, timer)) {
            self.queue.remove(&place);
        }
    }

    /// When the next one rings.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.queue.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes the next one that rings by `now`.
    pub(crate) fn ring(&mut self, now: Instant) -> Option<(RunId, Timer)> {
        let due = self.queue.first_entry().filter(|entry| entry.key().0 <= now)?;
        let name = due.remove();
        self.places.remove(&name);
        Some(name)
    }

    /// Forgets the timers of a run.
    pub(crate) fn forget(&mut self, run: RunId) {
        let first = (run, Timer::Queue);
        let of_run: Vec<_> = self
            .places
            .range(first..)
            .take_while(|((of, _), _)| *of == run)
            .map(|(name, _)| *name)
            .collect();
        for name in of_run {
            if let Some(place) = self.places.remove(&name) {
                self.queue.remove(&place);
            }
        }
    }
}
