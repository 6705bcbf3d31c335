//! The only clock: wall time for what is journaled, monotonic time for what is waited for.

#![expect(clippy::disallowed_methods, reason = "this is the door to the clock")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use holdfast_kernel::id::{Instant, Millis};

/// Now, by the machine's clock.
pub fn now() -> Instant {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    shifted(Instant(i64::try_from(since.as_micros()).unwrap_or(i64::MAX)))
}

#[cfg(not(feature = "rehearsal"))]
const fn shifted(now: Instant) -> Instant {
    now
}

#[cfg(feature = "rehearsal")]
fn shifted(now: Instant) -> Instant {
    Instant(now.0.saturating_add(crate::rehearsal::shift()))
}

/// How long something is waited for at a stretch that goes by the machine's clock: that may be set meanwhile, and
/// stands still while the machine sleeps.
pub fn longest_nap() -> Millis {
    #[cfg(feature = "rehearsal")]
    if crate::rehearsal::moves_the_clock() {
        return Millis(20);
    }
    Millis::seconds(10)
}

/// Now, by a clock that never goes back.
pub fn monotonic() -> tokio::time::Instant {
    tokio::time::Instant::now()
}

/// A length of time for the timer of the operating system.
pub const fn duration(length: Millis) -> Duration {
    Duration::from_millis(length.0)
}

/// Waits within a task.
pub async fn wait(length: Millis) {
    tokio::time::sleep(duration(length)).await;
}
