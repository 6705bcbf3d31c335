//! The only clock: wall time for what is journaled, monotonic time for what is waited for.

#![expect(clippy::disallowed_methods, reason = "this is the door to the clock")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use holdfast_kernel::id::{Instant, Millis};

/// Now, by the machine's clock.
pub fn now() -> Instant {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Instant(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
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
